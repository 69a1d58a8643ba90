//! METRICS 4–6: facts with a place, windows over them, and what is counted in a set of facts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::jobs::STATUSES;

/// Something that counts, and where it counts.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The time that places it.
    pub at: i64,
    /// The DVM it belongs to, if one.
    pub dvm: Option<String>,
    /// The request kind it belongs to, if one.
    pub kind: Option<u16>,
    /// What it is.
    pub what: What,
}

/// The sorts of facts.
#[derive(Clone, Debug)]
pub enum What {
    /// A job request; whether any DVM answered it.
    Request {
        /// The customer.
        user: String,
        /// Whether there is a matching result.
        answered: bool,
    },
    /// A job of one DVM, at the request's time.
    Pair {
        /// The customer.
        user: String,
        /// Seconds from the request to the first matching result.
        latency: Option<i64>,
        /// An error and no matching result.
        failed: bool,
    },
    /// A job result.
    Result,
    /// A feedback and its status.
    Feedback(&'static str),
    /// Millisats asked.
    Asked(u64),
    /// Millisats of a tied receipt.
    Paid(u64),
    /// Millisats of a tip.
    Tip(u64),
}

/// Facts of some window, some kind, some DVM.
pub type Facts<'a> = Vec<&'a Fact>;

/// The facts in `[from, to)`.
pub fn within<'a>(facts: &[&'a Fact], from: i64, to: i64) -> Facts<'a> {
    let inside = |fact: &&&Fact| from <= fact.at && fact.at < to;
    facts.iter().filter(inside).copied().collect()
}

/// The facts by a key; those without one are left out.
pub fn split<'a, K: Ord>(
    facts: &[&'a Fact],
    key: impl Fn(&'a Fact) -> Option<K>,
) -> BTreeMap<K, Facts<'a>> {
    let mut parts: BTreeMap<K, Facts> = BTreeMap::new();
    for fact in facts {
        if let Some(key) = key(fact) {
            parts.entry(key).or_default().push(fact);
        }
    }
    parts
}

/// How many requests; of one DVM, how many jobs.
pub fn requests(facts: &[&Fact], of_dvm: bool) -> usize {
    users(facts, of_dvm).len()
}

/// How many different customers; of one DVM, those of its jobs.
pub fn unique_users(facts: &[&Fact], of_dvm: bool) -> usize {
    users(facts, of_dvm).iter().collect::<BTreeSet<_>>().len()
}

fn users<'a>(facts: &[&'a Fact], of_dvm: bool) -> Vec<&'a str> {
    let user = |fact: &&'a Fact| match &fact.what {
        What::Request { user, .. } if !of_dvm => Some(user.as_str()),
        What::Pair { user, .. } if of_dvm => Some(user.as_str()),
        _ => None,
    };
    facts.iter().filter_map(user).collect()
}

/// How many jobs have a matching result; of one DVM, by this DVM.
pub fn jobs_answered(facts: &[&Fact], of_dvm: bool) -> usize {
    let answered = |fact: &&&Fact| match &fact.what {
        What::Request { answered, .. } => !of_dvm && *answered,
        What::Pair { latency, .. } => of_dvm && latency.is_some(),
        _ => false,
    };
    facts.iter().filter(answered).count()
}

/// How many results.
pub fn results(facts: &[&Fact]) -> usize {
    let is_result = |fact: &&&Fact| matches!(fact.what, What::Result);
    facts.iter().filter(is_result).count()
}

/// How many feedbacks.
pub fn feedback(facts: &[&Fact]) -> usize {
    let is_feedback = |fact: &&&Fact| matches!(fact.what, What::Feedback(_));
    facts.iter().filter(is_feedback).count()
}

/// Feedback by status: all seven, zeros too.
// Decision: the object has all seven statuses; `diff` takes an absent one for zero.
pub fn feedback_by_status(facts: &[&Fact]) -> Value {
    let count = |name: &str| {
        let has = |fact: &&&Fact| matches!(fact.what, What::Feedback(status) if status == name);
        facts.iter().filter(has).count()
    };
    let counts: Map<String, Value> = STATUSES
        .iter()
        .map(|name| (name.to_string(), json!(count(name))))
        .collect();
    Value::Object(counts)
}

/// How many different authors of results, and of feedback where `with_feedback`.
pub fn unique_dvms(facts: &[&Fact], with_feedback: bool) -> usize {
    let author = |fact: &&Fact| match fact.what {
        What::Result => fact.dvm.clone(),
        What::Feedback(_) if with_feedback => fact.dvm.clone(),
        _ => None,
    };
    facts
        .iter()
        .filter_map(author)
        .collect::<BTreeSet<_>>()
        .len()
}

/// How many different request kinds in requests and results.
pub fn unique_kinds(facts: &[&Fact]) -> usize {
    let kind = |fact: &&Fact| match fact.what {
        What::Request { .. } | What::Result => fact.kind,
        _ => None,
    };
    facts.iter().filter_map(kind).collect::<BTreeSet<_>>().len()
}

/// Millisats asked.
pub fn asked(facts: &[&Fact]) -> u64 {
    let msat = |fact: &&Fact| {
        if let What::Asked(msat) = fact.what {
            msat
        } else {
            0
        }
    };
    facts.iter().map(msat).sum()
}

/// Millisats of tied receipts.
pub fn paid(facts: &[&Fact]) -> u64 {
    let msat = |fact: &&Fact| {
        if let What::Paid(msat) = fact.what {
            msat
        } else {
            0
        }
    };
    facts.iter().map(msat).sum()
}

/// Millisats of tips.
pub fn tips(facts: &[&Fact]) -> u64 {
    let msat = |fact: &&Fact| {
        if let What::Tip(msat) = fact.what {
            msat
        } else {
            0
        }
    };
    facts.iter().map(msat).sum()
}

/// Pairs that failed ÷ pairs that failed or answered; null where there is none.
pub fn error_rate(facts: &[&Fact]) -> Value {
    let is_failed = |fact: &&&Fact| matches!(fact.what, What::Pair { failed: true, .. });
    let failed = facts.iter().filter(is_failed).count();
    let either = failed + jobs_answered(facts, true);
    match either {
        0 => Value::Null,
        _ => json!(failed as f64 / either as f64),
    }
}

/// The `response_time` object of API.
pub fn response_time(facts: &[&Fact]) -> Value {
    let latency = |fact: &&Fact| match fact.what {
        What::Pair { latency, .. } => latency,
        _ => None,
    };
    let all: Vec<i64> = facts.iter().filter_map(latency).collect();
    let skewed = all.iter().filter(|s| **s < 0).count();
    let late = all.iter().filter(|s| **s > 86_400).count();
    let mut used: Vec<i64> = all
        .into_iter()
        .filter(|s| (0..=86_400).contains(s))
        .collect();
    used.sort_unstable();
    let average = match used.len() {
        0 => Value::Null,
        n => json!(used.iter().sum::<i64>() as f64 / n as f64),
    };
    json!({
        "count": used.len(),
        "avg_s": average,
        "p50_s": percentile(&used, 50),
        "p90_s": percentile(&used, 90),
        "p95_s": percentile(&used, 95),
        "p99_s": percentile(&used, 99),
        "skewed": skewed,
        "late": late,
    })
}

/// The nearest-rank value of ascending samples, `None` under 20 of them.
fn percentile(ascending: &[i64], percent: usize) -> Option<i64> {
    let rank = (ascending.len() * percent).div_ceil(100);
    (ascending.len() >= 20).then(|| ascending[rank - 1])
}

/// Largest sum over a key, the smallest key on a tie; `None` where no sum is above zero.
pub fn most<K: Ord>(amounts: impl Iterator<Item = (K, u64)>) -> Option<(K, u64)> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for (key, amount) in amounts {
        *sums.entry(key).or_default() += amount;
    }
    let mut winner: Option<(K, u64)> = None;
    for (key, sum) in sums {
        if sum > winner.as_ref().map_or(0, |(_, most)| *most) {
            winner = Some((key, sum));
        }
    }
    winner
}
