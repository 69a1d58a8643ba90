//! The comparison itself.

use serde_json::{Value, json};

use super::super::diff;

fn equal(actual: Value, expected: Value) -> bool {
    diff(&actual, &expected, "x").is_empty()
}

#[test]
fn more_members_are_fine_and_missing_ones_are_told_with_their_path() {
    assert!(equal(json!({"a": 1, "b": 2}), json!({"a": 1})));
    let lines = diff(
        &json!({"a": [{"b": 1}]}),
        &json!({"a": [{"b": 2, "c": 3}]}),
        "/x",
    );
    assert_eq!(
        lines,
        ["/x.a[0].b: 1, expected 2", "/x.a[0].c: missing, expected 3"]
    );
}

#[test]
fn lists_are_equal_in_order_and_length() {
    assert!(!equal(json!([1, 2]), json!([2, 1])));
    assert!(!equal(json!([1]), json!([1, 2])));
    assert!(!equal(json!([1, 2]), json!([1])));
}

#[test]
fn percentiles_agree_within_two_percent_and_zero_exactly() {
    assert!(equal(json!({"p50_s": 101.9}), json!({"p50_s": 100})));
    assert!(!equal(json!({"p50_s": 102.1}), json!({"p50_s": 100})));
    assert!(equal(json!({"p99_ms": 98}), json!({"p99_ms": 100})));
    assert!(equal(json!({"p50_s": 0.0}), json!({"p50_s": 0})));
    assert!(!equal(json!({"p50_s": 0.001}), json!({"p50_s": 0})));
    assert!(!equal(json!({"p50_s": null}), json!({"p50_s": 0})));
    assert!(!equal(json!({"p50_s": 1}), json!({"p50_s": null})));
    assert!(!equal(json!({"paid_s": 101}), json!({"paid_s": 100})));
}

#[test]
fn floats_agree_nearly_and_counts_exactly() {
    assert!(equal(
        json!({"avg_s": 1.0}),
        json!({"avg_s": 1.000_000_000_1})
    ));
    assert!(!equal(json!({"avg_s": 1.0}), json!({"avg_s": 1.000_01})));
    assert!(equal(json!({"error_rate": 1}), json!({"error_rate": 1.0})));
    assert!(!equal(json!({"requests": 1.0}), json!({"requests": 1})));
    assert!(!equal(json!({"requests": "1"}), json!({"requests": 1})));
}

#[test]
fn an_absent_status_is_zero() {
    let of = |counts: Value| json!({"feedback_by_status": counts});
    assert!(equal(
        of(json!({"error": 1})),
        of(json!({"error": 1, "other": 0}))
    ));
    assert!(!equal(
        of(json!({"error": 1, "other": 2})),
        of(json!({"error": 1}))
    ));
}
