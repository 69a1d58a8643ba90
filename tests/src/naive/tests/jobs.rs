//! METRICS 3, 5 and 6: correlation, counters per job, response times.

use serde_json::json;

use super::*;

#[test]
fn the_embedded_request_goes_before_the_e_tag() {
    let (job, other) = (request(1, T), request(2, T));
    let tags = json!([["e", id(&other)], ["request", job.to_string()]]);
    let answer = event(3, T + 4, 6100, tags, "");
    let states = naive(&[&other, &answer]).job_states(NOW);
    assert_eq!(states[id(&job)]["state"], "succeeded");
    assert_eq!(states[id(&other)]["state"], "silent");
}

#[test]
fn an_embedded_event_that_is_no_valid_job_request_gives_way_to_the_e_tag() {
    let job = request(1, T);
    let mut forged = request(2, T);
    forged["content"] = json!("changed");
    let excluded = event(2, T, 5666, json!([]), "");
    let no_request = event(2, T, 6100, json!([]), "");
    let twice = request(2, T)
        .to_string()
        .replacen('{', "{\"kind\":5100,", 1);
    for text in [
        forged.to_string(),
        excluded.to_string(),
        no_request.to_string(),
        twice,
        "{'id': 'python'}".to_owned(),
        id(&request(2, T)).to_owned(),
    ] {
        let tags = json!([["request", text], ["e", id(&job)]]);
        let naive = naive(&[&job, &event(3, T + 4, 6100, tags, "")]);
        assert_eq!(
            naive.job_states(NOW)[id(&job)]["state"],
            "succeeded",
            "{text}"
        );
        assert_eq!(naive.counted().len(), 2);
        assert_eq!(naive.rejected().len(), 0, "what is embedded is no line");
    }
}

#[test]
fn only_the_first_request_tag_with_a_value_is_looked_at() {
    let job = request(1, T);
    let tags = json!([["request"], ["request", "x"], ["request", job.to_string()]]);
    let naive = naive(&[&event(3, T + 4, 6100, tags, "")]);
    assert_eq!(naive.counted().len(), 1);
}

#[test]
fn the_first_e_tag_that_is_64_lower_case_hex_names_the_job() {
    let (job, other) = (request(1, T), request(2, T));
    let upper = id(&other).to_uppercase();
    let padded = format!(" {}", id(&other));
    let tags = json!([
        ["E", id(&other)],
        ["e"],
        ["e", "x"],
        ["e", upper],
        ["e", padded],
        ["e", id(&job)],
        ["e", id(&other)]
    ]);
    let answer = event(3, T + 4, 6100, tags, "");
    let states = naive(&[&job, &other, &answer]).job_states(NOW);
    assert_eq!(states[id(&job)]["state"], "succeeded");
    assert_eq!(states[id(&other)]["state"], "silent");
}

#[test]
fn an_orphan_counts_for_its_dvm_and_in_no_job() {
    let orphan = event(3, T, 6100, json!([["amount", "5"]]), "");
    let note = event(
        3,
        T,
        7000,
        json!([["status", "payment-required"], ["amount", "5"]]),
        "",
    );
    let events = [&orphan, &note];
    let row = dvm(&events, 3);
    assert_eq!((&row["results"], &row["feedback"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&row["requests"], &row["asked_msat"]),
        (&json!(0), &json!(0))
    );
    let kind = kind(&events, 5100);
    assert_eq!(
        (&kind["results"], &kind["feedback"]),
        (&json!(1), &json!(0))
    );
    assert!(naive(&events).job_states(NOW).is_empty());
}

#[test]
fn a_result_of_another_kind_is_a_result_and_nothing_more() {
    let job = request(1, T);
    let mismatch = event(3, T + 4, 6200, json!([["e", id(&job)]]), "");
    let events = [&job, &mismatch];
    let row = dvm(&events, 3);
    assert_eq!((&row["results"], &row["requests"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&row["jobs_answered"], &row["error_rate"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(global(&events)["response_time"]["count"], 0);
    assert_eq!(kind(&events, 5200)["results"], 1);
    assert_eq!(kind(&events, 5100)["results"], 0);
    assert_eq!(row["kinds"], json!([5200]));
}

#[test]
fn a_dvm_has_the_jobs_that_name_it_and_those_it_responded_to() {
    let tags = json!([["p", pubkey(9)], ["p", pubkey(3)], ["p", pubkey(3)]]);
    let named = event(1, T, 5100, tags.clone(), "");
    let named_by_the_same = event(1, T + 1, 5200, tags, "");
    let responded = request(2, T);
    let note = feedback(3, T + 1, &responded, "processing");
    let row = dvm(&[&named, &named_by_the_same, &responded, &note], 3);
    assert_eq!(
        (&row["requests"], &row["unique_users"]),
        (&json!(3), &json!(2))
    );
    let naive = naive(&[&named, &note]);
    let rows = naive.dvms(0, NOW);
    assert!(!rows.contains_key(&pubkey(9)), "to be named makes no DVM");
    assert_eq!(
        rows[&pubkey(3)]["requests"],
        1,
        "an unknown request is none yet"
    );
}

#[test]
fn feedback_has_a_kind_once_its_request_is_known() {
    let job = request(1, T);
    let note = feedback(3, T + 1, &job, "processing");
    assert!(naive(&[&note]).kinds(0, NOW).is_empty());
    assert_eq!(kind(&[&note, &job], 5100)["feedback"], 1);
}

#[test]
fn feedback_is_told_apart_by_status() {
    let tags = [
        json!([["status", "payment-required"]]),
        json!([["status", "processing", "extra"]]),
        json!([["status"], ["status", "error"], ["status", "success"]]),
        json!([["status", "success"]]),
        json!([["status", "partial"]]),
        json!([["status", "Error"]]),
        json!([]),
        json!([["encrypted"]]),
        json!([["encrypted"], ["status"]]),
        json!([["encrypted"], ["status", "error"]]),
    ];
    let events = tags.map(|tags| event(3, T, 7000, tags, ""));
    let expected = json!({
        "payment-required": 1, "processing": 1, "error": 2, "success": 1, "partial": 1, "other": 2, "encrypted": 2
    });
    assert_eq!(global(&events.each_ref())["feedback_by_status"], expected);
}

#[test]
fn a_job_is_answered_in_the_requests_bucket_once() {
    let job = request(1, T);
    let (a, b) = (result(3, T + 100, &job), result(4, T + 200, &job));
    let again = result(3, T + 300, &job);
    let naive = naive(&[&job, &a, &b, &again]);
    let first = naive.global(T, T + 60);
    assert_eq!(
        (&first["jobs_answered"], &first["results"]),
        (&json!(1), &json!(0))
    );
    let later = naive.global(T + 60, NOW);
    assert_eq!(
        (&later["jobs_answered"], &later["results"]),
        (&json!(0), &json!(3))
    );
    assert_eq!(naive.dvms(T, T + 60)[&pubkey(4)]["jobs_answered"], 1);
}

#[test]
fn error_rate_is_over_pairs_of_job_and_dvm() {
    let jobs: Vec<Value> = (0..4).map(|i| request(1, T + i)).collect();
    let events = [
        feedback(3, T + 9, &jobs[0], "error"),
        feedback(3, T + 10, &jobs[0], "error"),
        feedback(3, T + 9, &jobs[1], "error"),
        result(3, T + 8, &jobs[1]),
        result(3, T + 9, &jobs[2]),
        feedback(3, T + 9, &jobs[3], "processing"),
        feedback(4, T + 9, &jobs[2], "error"),
    ];
    let all: Vec<&Value> = jobs.iter().chain(&events).collect();
    assert_eq!(dvm(&all, 3)["error_rate"], json!(1.0 / 3.0));
    assert_eq!(dvm(&all, 4)["error_rate"], json!(1.0));
    assert_eq!(kind(&all, 5100)["error_rate"], json!(0.5));
    assert_eq!(
        dvm(&events.iter().collect::<Vec<_>>(), 3)["error_rate"],
        Value::Null
    );
    let naive = naive(&all);
    assert_eq!(
        naive.dvms(T + 4, NOW)[&pubkey(3)]["error_rate"],
        Value::Null
    );
}

#[test]
fn response_time_is_of_the_earliest_matching_result_in_the_requests_bucket() {
    let job = request(1, T);
    let (late, early) = (result(3, T + 70, &job), result(3, T + 7, &job));
    let other = result(4, T + 10, &job);
    let mismatch = event(3, T + 1, 6200, json!([["e", id(&job)]]), "");
    assert_eq!(dvm(&[&job, &late], 3)["avg_response_s"], json!(70.0));
    let events = [&job, &late, &early, &mismatch, &other];
    assert_eq!(dvm(&events, 3)["avg_response_s"], json!(7.0));
    let naive = naive(&events);
    let times = naive.global(T, T + 1)["response_time"].clone();
    assert_eq!((&times["count"], &times["avg_s"]), (&json!(2), &json!(8.5)));
    assert_eq!(times["p50_s"], Value::Null);
    let none = naive.global(T + 1, NOW)["response_time"].clone();
    assert_eq!((&none["count"], &none["avg_s"]), (&json!(0), &Value::Null));
}

#[test]
fn a_result_before_its_request_is_skewed_and_one_after_a_day_is_late() {
    let jobs: Vec<Value> = (1..5).map(|user| request(user, T)).collect();
    let answers = [
        result(6, T - 1, &jobs[0]),
        result(6, T, &jobs[1]),
        result(6, T + 86_400, &jobs[2]),
        result(6, T + 86_401, &jobs[3]),
    ];
    let events: Vec<&Value> = jobs.iter().chain(&answers).collect();
    let times = &global(&events)["response_time"];
    assert_eq!(
        (&times["count"], &times["avg_s"]),
        (&json!(2), &json!(43_200.0))
    );
    assert_eq!((&times["skewed"], &times["late"]), (&json!(1), &json!(1)));
    assert_eq!(dvm(&events, 6)["jobs_answered"], 4, "answered all the same");
}

#[test]
fn percentiles_are_nearest_rank_from_twenty_samples_on() {
    let jobs: Vec<Value> = (0..20)
        .map(|i| event(1, T, 5100, json!([["i", i.to_string()]]), ""))
        .collect();
    let answers: Vec<Value> = (0..20)
        .map(|i| result(3, T + i * i, &jobs[i as usize]))
        .collect();
    let all: Vec<&Value> = jobs.iter().chain(&answers).collect();
    let times = &global(&all)["response_time"];
    let expected = json!({"p50_s": 81, "p90_s": 289, "p95_s": 324, "p99_s": 361, "count": 20});
    assert_eq!(super::super::diff(times, &expected, ""), [""; 0]);
    assert_eq!(times["p50_s"], 81);
    assert_eq!(global(&all[..39])["response_time"]["p50_s"], Value::Null);
}
