//! Holds everything that the API answers against the naive program.

use std::collections::BTreeMap;

use dvmdash_tests::harness::get;
use dvmdash_tests::naive::{KindsConfig, Naive, diff};
use serde_json::Value;

/// The naive program over these lines, now.
pub fn naive(lines: &[String]) -> Naive {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    Naive::load(lines, i64::try_from(now).unwrap(), &KindsConfig::default())
}

/// Answers 200 with JSON, or says what came instead.
async fn ask(url: &str) -> Value {
    let answer = get(url).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.text);
    answer.json
}

/// The window that the answer says it used, in unix seconds.
fn window(answer: &Value) -> (i64, i64) {
    let second = |name: &str| {
        let text = answer[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {answer}"));
        text.parse::<jiff::Timestamp>().unwrap().as_second()
    };
    (second("from"), second("to"))
}

/// All items of a list, page by page.
async fn items(url: &str) -> (Value, Vec<Value>) {
    let (mut all, mut page) = (Vec::new(), ask(url).await);
    let first = page.clone();
    loop {
        all.extend(
            page["items"]
                .as_array()
                .unwrap_or_else(|| panic!("no items in {page}"))
                .iter()
                .cloned(),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            return (first, all);
        };
        page = ask(&format!("{url}&cursor={cursor}")).await;
    }
}

/// Compares lists by key, in both directions.
fn compare<K: Ord + std::fmt::Display>(
    name: &str,
    actual: Vec<Value>,
    key: impl Fn(&Value) -> K,
    expected: BTreeMap<K, Value>,
) -> Vec<String> {
    let mut actual: BTreeMap<K, Value> = actual.into_iter().map(|row| (key(&row), row)).collect();
    let mut found = Vec::new();
    for (key, expected) in expected {
        match actual.remove(&key) {
            Some(actual) => found.extend(diff(&actual, &expected, &format!("{name} {key}"))),
            None => found.push(format!("{name} {key}: missing, expected {expected}")),
        }
    }
    found.extend(
        actual
            .into_iter()
            .map(|(key, row)| format!("{name} {key}: not expected: {row}")),
    );
    found
}

fn pubkey(row: &Value) -> String {
    row["pubkey"].as_str().unwrap().to_owned()
}

fn kind(row: &Value) -> u16 {
    u16::try_from(row["kind"].as_u64().unwrap()).unwrap()
}

/// Where the API at `url` departs from the naive program in the window `from`..`to` (as the API takes them); empty where it does not.
/// Looks at every global number, DVM, kind and user, and at the series.
pub async fn differences(url: &str, naive: &Naive, from: &str, to: &str) -> Vec<String> {
    let query = format!("from={from}&to={to}");
    let answer = ask(&format!("{url}/api/v1/stats/global?{query}")).await;
    let (start, end) = window(&answer);
    let mut found = diff(&answer, &naive.global(start, end), "global");
    if let Err(broken) = naive.check_invariants(start, end) {
        found.push(broken);
    }

    let (first, dvms) = items(&format!("{url}/api/v1/dvms?{query}&limit=100")).await;
    let (start, end) = window(&first);
    found.extend(compare("dvm", dvms, pubkey, naive.dvms(start, end)));

    let (first, kinds) = items(&format!("{url}/api/v1/kinds?{query}&limit=1000")).await;
    let (start, end) = window(&first);
    found.extend(compare("kind", kinds, kind, naive.kinds(start, end)));

    let (_, users) = items(&format!("{url}/api/v1/users?limit=1000&sort=requests")).await;
    found.extend(compare("user", users, pubkey, naive.users()));

    for (step, seconds) in [("hour", 3600), ("day", 86_400)] {
        // A series of years by the hour is nobody's question.
        if (end - start) / seconds > 10_000 {
            continue;
        }
        let series = ask(&format!(
            "{url}/api/v1/stats/global/series?{query}&step={step}"
        ))
        .await;
        let (start, end) = window(&series);
        let expected = Value::Array(naive.global_series(seconds, start, end));
        found.extend(diff(
            &series["points"],
            &expected,
            &format!("series by {step}"),
        ));
    }
    found
}

/// The same for the busiest DVMs and kinds by themselves, with their tables.
pub async fn single_differences(url: &str, naive: &Naive, from: &str, to: &str) -> Vec<String> {
    let query = format!("from={from}&to={to}");
    let mut found = Vec::new();
    let (_, dvms) = items(&format!(
        "{url}/api/v1/dvms?{query}&limit=1000&sort=results"
    ))
    .await;
    for dvm in dvms.iter().take(8).map(pubkey) {
        let answer = ask(&format!("{url}/api/v1/dvms/{dvm}?{query}")).await;
        let (start, end) = window(&answer);
        found.extend(diff(
            &answer,
            &naive.dvms(start, end)[&dvm],
            &format!("single dvm {dvm}"),
        ));
        if answer["status"].as_str() != naive.dvm_status(&dvm) {
            found.push(format!(
                "status of {dvm}: {} and {:?}",
                answer["status"],
                naive.dvm_status(&dvm)
            ));
        }
    }
    let (_, kinds) = items(&format!("{url}/api/v1/kinds?{query}&limit=1000")).await;
    for number in kinds.iter().take(8).map(kind) {
        let answer = ask(&format!("{url}/api/v1/kinds/{number}?{query}")).await;
        let (start, end) = window(&answer);
        found.extend(diff(
            &answer,
            &naive.kinds(start, end)[&number],
            &format!("single kind {number}"),
        ));
    }
    found
}

/// Windows, as `(from, to)`, that cut minutes, hours and days of where these lines' events are, and all of time.
pub fn windows(naive_times: &[i64]) -> Vec<(String, String)> {
    let mut times = naive_times.to_vec();
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100];
    let cut = |from: i64, to: i64| (from.to_string(), to.max(from + 1).to_string());
    vec![
        ("all".to_owned(), "now".to_owned()),
        cut(at(50) + 7, at(50) + 91),
        cut(at(30) - 1800, at(30) + 1801),
        cut(at(60) - 5 * 3600 + 17, at(60) + 7 * 3600 - 43),
        cut(at(20) - 3 * 86_400 + 4321, at(80) + 1234),
        cut(at(40), at(90) + 61),
        cut(at(99) + 40 * 86_400, at(99) + 41 * 86_400),
    ]
}

/// `created_at` of every line that has one.
pub fn times(lines: &[String]) -> Vec<i64> {
    let time = |line: &String| serde_json::from_str::<Value>(line).ok()?["created_at"].as_i64();
    lines
        .iter()
        .filter_map(time)
        .filter(|time| (1_604_707_200..2_000_000_000).contains(time))
        .collect()
}
