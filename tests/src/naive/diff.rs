//! Tells apart what was answered and what should have been.

use serde_json::Value;

/// Lists where `actual` departs from `expected`; empty means equal.
///
/// Members of `expected` must be in `actual`, more members there are fine. Percentiles
/// (`p50_s`, `p99_ms`, …) agree within 2 %, zero and null exactly; `avg_s`, `avg_response_s`,
/// `error_rate` and `success` within 1e-9; everything else is equal. In `feedback_by_status`
/// an absent status is zero, on both sides. `path` begins each line.
pub fn diff(actual: &Value, expected: &Value, path: &str) -> Vec<String> {
    let mut lines = Vec::new();
    compare(actual, expected, path, &mut lines);
    lines
}

fn compare(actual: &Value, expected: &Value, path: &str, lines: &mut Vec<String>) {
    let name = path.rsplit('.').next().unwrap_or(path);
    match (actual, expected) {
        (Value::Object(a), Value::Object(e)) if name == "feedback_by_status" => {
            let zero = Value::from(0);
            let mut names: Vec<&String> = a.keys().chain(e.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let (a, e) = (a.get(name).unwrap_or(&zero), e.get(name).unwrap_or(&zero));
                compare(a, e, &format!("{path}.{name}"), lines);
            }
        }
        (Value::Object(a), Value::Object(e)) => {
            for (name, e) in e {
                match a.get(name) {
                    Some(a) => compare(a, e, &format!("{path}.{name}"), lines),
                    None => lines.push(format!("{path}.{name}: missing, expected {e}")),
                }
            }
        }
        (Value::Array(a), Value::Array(e)) => {
            if a.len() != e.len() {
                lines.push(format!(
                    "{path}: {} elements, expected {}",
                    a.len(),
                    e.len()
                ));
            }
            for (i, (a, e)) in a.iter().zip(e).enumerate() {
                compare(a, e, &format!("{path}[{i}]"), lines);
            }
        }
        _ if actual == expected => {}
        (Value::Number(a), Value::Number(e)) => {
            let (a, e) = (a.as_f64(), e.as_f64());
            let close = a
                .zip(e)
                .is_some_and(|(a, e)| (a - e).abs() <= tolerance(name) * e.abs());
            if tolerance(name) == 0.0 || !close {
                lines.push(format!("{path}: {actual}, expected {expected}"));
            }
        }
        _ => lines.push(format!("{path}: {actual}, expected {expected}")),
    }
}

/// The relative error that a number of this name may have.
fn tolerance(name: &str) -> f64 {
    let digits = name
        .strip_prefix('p')
        .and_then(|rest| rest.strip_suffix("_s").or_else(|| rest.strip_suffix("_ms")));
    match name {
        "avg_s" | "avg_response_s" | "error_rate" | "success" => 1e-9,
        _ if digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit())) => 0.02,
        _ => 0.0,
    }
}
