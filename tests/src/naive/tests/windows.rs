//! METRICS 4 and 5: windows, places, unique counts, invariants, series.

use serde_json::json;

use super::*;

/// Two users, three DVMs, three kinds, every family but rubbish.
fn traffic() -> Vec<Value> {
    let a = request(100, T);
    let b = event(2, T + 59, 5200, json!([["p", pubkey(5)]]), "");
    let c = event(100, T + 60, 5100, json!([]), "c");
    let answer = result(4, T + 61, &a);
    vec![
        feedback(3, T + 5, &a, "payment-required"),
        result(3, T + 10, &a),
        receipt(T + 3599, 3, &a, 4000, 1),
        receipt(T + 3600, 4, &answer, 4000, 2),
        receipt(T + 3601, 4, &b, 9, 3),
        event(5, T + 70, 6200, json!([["e", id(&b)]]), ""),
        event(5, T + 80, 6300, json!([["e", id(&b)]]), ""),
        event(4, T + 90, 6200, json!([]), ""),
        event(4, T + 86_400, 7000, json!([]), ""),
        event(3, T, 0, json!([]), r#"{"name":"three"}"#),
        a,
        b,
        c,
        answer,
    ]
}

fn all() -> Naive {
    naive(&traffic().iter().collect::<Vec<_>>())
}

#[test]
fn the_global_numbers_of_some_traffic_are_right() {
    let (small, name) = match pubkey(4) < pubkey(5) {
        true => (pubkey(4), Value::Null),
        false => (pubkey(5), Value::Null),
    };
    let (paid, paid_name) = match pubkey(3) < pubkey(4) {
        true => (pubkey(3), json!("three")),
        false => (pubkey(4), Value::Null),
    };
    let expected = json!({
        "requests": 3, "results": 5, "feedback": 2,
        "feedback_by_status": {"payment-required": 1, "other": 1},
        "unique_users": 2, "unique_dvms": 3, "known_dvms": 3, "unique_kinds": 3, "jobs_answered": 2,
        "most_popular_dvm": {"pubkey": small, "name": name, "results": 2},
        "most_popular_kind": {"kind": 5100, "requests": 2},
        "most_paid_dvm": {"pubkey": paid, "name": paid_name, "paid_msat": 4000},
        "most_paid_kind": {"kind": 5100, "paid_msat": 8000},
        "most_competitive_kind": {"kind": 5100, "dvms": 2},
        "asked_msat": 0, "paid_msat": 8000, "tips_msat": 9,
        "response_time": {
            "count": 3, "avg_s": 82.0 / 3.0, "p50_s": null, "p90_s": null, "p95_s": null, "p99_s": null,
            "skewed": 0, "late": 0
        }
    });
    assert_eq!(
        super::super::diff(&all().global(0, NOW), &expected, ""),
        [""; 0]
    );
}

#[test]
fn an_empty_window_has_zeros_and_no_places() {
    let row = all().global(T + 10 * 86_400, NOW + 900);
    for name in [
        "requests",
        "results",
        "feedback",
        "unique_users",
        "unique_dvms",
        "unique_kinds",
        "paid_msat",
    ] {
        assert_eq!(row[name], 0, "{name}");
    }
    for name in [
        "popular_dvm",
        "popular_kind",
        "paid_dvm",
        "paid_kind",
        "competitive_kind",
    ] {
        assert_eq!(row[format!("most_{name}")], Value::Null, "{name}");
    }
}

#[test]
fn a_window_is_half_open() {
    let requests = |from, to| all().global(from, to)["requests"].clone();
    assert_eq!(requests(T, T + 60), 2);
    assert_eq!(requests(T, T + 61), 3);
    assert_eq!(requests(T + 1, T + 59), 0);
}

#[test]
fn sums_agree_in_every_window() {
    let naive = all();
    for from in [0, T, T + 59, T + 60, T + 61, T + 3599, T + 3600] {
        for to in [T + 60, T + 62, T + 3600, T + 3601, T + 86_400, NOW] {
            assert_eq!(naive.check_invariants(from, to), Ok(()));
        }
    }
}

#[test]
fn unique_dvms_of_a_kind_have_a_result_and_unique_users_are_counted_once() {
    let row = all().kinds(0, NOW)[&5100].clone();
    assert_eq!(
        (&row["unique_users"], &row["requests"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(row["dvms"], 2);
}

#[test]
fn a_series_has_every_bucket_and_empty_ones_are_zeros() {
    let points = all().global_series(60, T + 1, T + 179);
    let starts: Vec<&Value> = points.iter().map(|p| &p["start"]).collect();
    assert_eq!(
        starts,
        [
            "2023-11-14T22:00:00Z",
            "2023-11-14T22:01:00Z",
            "2023-11-14T22:02:00Z"
        ]
    );
    let column = |name: &str| {
        points
            .iter()
            .map(|p| p[name].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(column("requests"), [2, 1, 0]);
    assert_eq!(column("results"), [1, 4, 0]);
    assert_eq!(column("feedback"), [1, 0, 0]);
    assert_eq!(column("unique_users"), [2, 1, 0]);
    assert_eq!(column("unique_dvms"), [1, 2, 0]);
    assert_eq!(points[2]["p50_s"], Value::Null);
    let hours = all().global_series(3600, T, T + 7200);
    let paid: Vec<u64> = hours
        .iter()
        .map(|p| p["paid_msat"].as_u64().unwrap())
        .collect();
    assert_eq!(paid, [4000, 4000]);
    let days = all().global_series(86_400, T, T + 86_400);
    assert_eq!(days[0]["start"], "2023-11-14T00:00:00Z");
    assert_eq!(days.len(), 2);
}

#[test]
fn a_series_of_a_dvm_and_of_a_kind_count_what_is_theirs() {
    let naive = all();
    let five = naive.dvm_series(&pubkey(5), 60, T, T + 120);
    assert_eq!(
        (&five[0]["requests"], &five[0]["unique_users"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(five[1]["results"], 2);
    let kind = naive.kind_series(5200, 60, T, T + 120);
    assert_eq!(
        (&kind[0]["requests"], &kind[0]["unique_dvms"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (&kind[1]["results"], &kind[1]["unique_dvms"]),
        (&json!(2), &json!(2))
    );
    let job = request(1, T);
    let only_feedback = super::naive(&[&job, &feedback(3, T + 1, &job, "error")]);
    let point = only_feedback.kind_series(5100, 60, T, T + 60)[0].clone();
    assert_eq!(
        (&point["feedback"], &point["unique_dvms"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn a_dvms_kinds_are_those_of_its_jobs_and_results() {
    let rows = all().dvm_kinds(&pubkey(5), 0, NOW);
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [5200, 5300]);
    let expected = json!({
        "requests": 1, "results": 1, "feedback": 0, "jobs_answered": 1, "error_rate": 0.0, "paid_msat": 0,
        "asked_msat": 0, "unique_users": 1, "announced": false, "observed": true,
        "response_time": {"count": 1, "avg_s": 11.0}
    });
    assert_eq!(super::super::diff(&rows[&5200], &expected, ""), [""; 0]);
    assert_eq!(
        (&rows[&5300]["requests"], &rows[&5300]["results"]),
        (&json!(0), &json!(1))
    );
}
