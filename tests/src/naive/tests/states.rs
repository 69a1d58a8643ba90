//! METRICS 8.

use serde_json::json;

use super::*;

fn state(events: &[&Value], job: &Value, now: i64) -> String {
    let states = naive(events).job_states(now);
    states[id(job)]["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_job_climbs_and_later_states_outrank_earlier_ones() {
    let job = request(1, T);
    let steps = [
        (feedback(3, T + 1, &job, "processing"), "acknowledged"),
        (
            feedback(3, T + 2, &job, "payment-required"),
            "payment_required",
        ),
        (receipt(T + 3, 3, &job, 1000, 1), "paid"),
        (feedback(3, T + 4, &job, "error"), "failed"),
        (result(3, T, &job), "succeeded"),
    ];
    let mut events = vec![&job];
    assert_eq!(state(&events, &job, T + 599), "requested");
    for (event, expected) in &steps {
        events.push(event);
        assert_eq!(state(&events, &job, NOW), *expected);
    }
}

#[test]
fn any_status_and_none_acknowledges() {
    let job = request(1, T);
    for tags in [
        json!(["status", "partial"]),
        json!(["status", "whatever"]),
        json!(["encrypted"]),
    ] {
        let note = event(3, T + 1, 7000, json!([["e", id(&job)], tags]), "");
        assert_eq!(state(&[&job, &note], &job, NOW), "acknowledged");
    }
}

#[test]
fn a_jobs_own_state_is_the_highest_of_its_dvms() {
    let job = event(1, T, 5100, json!([["p", pubkey(5)], ["p", pubkey(6)]]), "");
    let known = event(5, T, 6100, json!([]), "");
    let events = [
        &job,
        &feedback(3, T + 1, &job, "error"),
        &feedback(4, T + 1, &job, "processing"),
        &known,
    ];
    let expected = json!({
        "state": "failed",
        "dvms": {pubkey(3): "failed", pubkey(4): "acknowledged", pubkey(5): "requested"},
    });
    assert_eq!(naive(&events).job_states(NOW)[id(&job)], expected);
}

#[test]
fn a_job_without_an_answer_is_silent_after_ten_minutes() {
    let job = request(1, T);
    assert_eq!(state(&[&job], &job, T + 599), "requested");
    assert_eq!(state(&[&job], &job, T + 600), "silent");
    let mismatch = event(3, T + 4, 6200, json!([["e", id(&job)]]), "");
    assert_eq!(state(&[&job, &mismatch], &job, NOW), "silent");
}

#[test]
fn a_job_expires_with_its_expiration_tag() {
    let job = event(
        1,
        T,
        5100,
        json!([["expiration", (T + 1000).to_string()]]),
        "",
    );
    assert_eq!(state(&[&job], &job, T + 999), "silent");
    assert_eq!(state(&[&job], &job, T + 1000), "expired");
    let odd = event(1, T, 5100, json!([["expiration", "+5"]]), "");
    assert_eq!(state(&[&odd], &odd, T + 1000), "silent");
    let answer = feedback(3, T + 1, &job, "processing");
    assert_eq!(state(&[&job, &answer], &job, NOW), "acknowledged");
}

#[test]
fn a_deleted_request_is_cancelled_unless_somebody_answered_and_its_counters_stay() {
    let job = event(1, T, 5100, json!([["expiration", T.to_string()]]), "");
    let deletion = event(1, T + 5, 5, json!([["e", id(&job)]]), "");
    let by_another = event(2, T + 5, 5, json!([["e", id(&job)]]), "");
    assert_eq!(state(&[&job, &by_another], &job, NOW), "expired");
    assert_eq!(state(&[&job, &deletion], &job, NOW), "cancelled");
    assert_eq!(global(&[&job, &deletion])["requests"], 1);
    let answer = result(3, T + 1, &job);
    assert_eq!(state(&[&job, &deletion, &answer], &job, NOW), "succeeded");
}
