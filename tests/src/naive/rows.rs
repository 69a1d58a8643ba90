//! The answers of API: global, DVMs, kinds, users, series, and the invariants between them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Naive;
use super::windows::{self, Fact, Facts, What};

const DAY: i64 = 86_400;

/// Whose points a series has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Global,
    Dvm,
    Kind,
}

impl Naive {
    fn facts(&self) -> Facts<'_> {
        self.facts.iter().collect()
    }

    fn facts_within(&self, from: i64, to: i64) -> Facts<'_> {
        windows::within(&self.facts(), from, to)
    }

    fn facts_of_dvm(&self, pubkey: &str) -> Facts<'_> {
        let of = |fact: &&Fact| fact.dvm.as_deref() == Some(pubkey);
        self.facts.iter().filter(of).collect()
    }

    fn facts_of_kind(&self, kind: u16) -> Facts<'_> {
        self.facts
            .iter()
            .filter(|fact| fact.kind == Some(kind))
            .collect()
    }

    /// The object of `/api/v1/stats/global`, without `observed_response_time`.
    pub fn global(&self, from: i64, to: i64) -> Value {
        let facts = self.facts_within(from, to);
        let f = facts.as_slice();
        json!({
            "requests": windows::requests(f, false),
            "results": windows::results(f),
            "feedback": windows::feedback(f),
            "feedback_by_status": windows::feedback_by_status(f),
            "unique_users": windows::unique_users(f, false),
            "unique_dvms": windows::unique_dvms(f, true),
            "known_dvms": self.dvms.len(),
            "unique_kinds": windows::unique_kinds(f),
            "jobs_answered": windows::jobs_answered(f, false),
            "most_popular_dvm": self.place_of_dvm(f, "results", |fact| {
                u64::from(matches!(fact.what, What::Result))
            }),
            "most_popular_kind": place_of_kind(f, "requests", |fact| {
                u64::from(matches!(fact.what, What::Request { .. }))
            }),
            "most_paid_dvm": self.place_of_dvm(f, "paid_msat", |fact| windows::paid(&[fact])),
            "most_paid_kind": place_of_kind(f, "paid_msat", |fact| windows::paid(&[fact])),
            "most_competitive_kind": most_competitive_kind(f),
            "asked_msat": windows::asked(f),
            "paid_msat": windows::paid(f),
            "tips_msat": windows::tips(f),
            "response_time": windows::response_time(f),
        })
    }

    fn place_of_dvm(&self, facts: &[&Fact], name: &str, amount: impl Fn(&Fact) -> u64) -> Value {
        let amounts = facts
            .iter()
            .filter_map(|f| Some((f.dvm.as_deref()?, amount(f))));
        match windows::most(amounts) {
            Some((pubkey, most)) => {
                json!({"pubkey": pubkey, "name": self.dvms[pubkey].name, name: most})
            }
            None => Value::Null,
        }
    }

    /// Every known DVM's row of `/api/v1/dvms`, without `npub`.
    pub fn dvms(&self, from: i64, to: i64) -> BTreeMap<String, Value> {
        let facts = self.facts_within(from, to);
        let parts = windows::split(&facts, |fact| fact.dvm.as_deref());
        let seen = windows::split(&self.facts(), |fact| fact.dvm.as_deref());
        let mut rows = BTreeMap::new();
        for pubkey in self.dvms.keys() {
            let f = parts.get(pubkey.as_str()).cloned().unwrap_or_default();
            let all = seen.get(pubkey.as_str()).cloned().unwrap_or_default();
            rows.insert(pubkey.clone(), self.dvm_row(pubkey, &f, &all));
        }
        rows
    }

    fn dvm_row(&self, pubkey: &str, f: &[&Fact], all: &[&Fact]) -> Value {
        let profile = &self.dvms[pubkey];
        let announced = self.announced_kinds(pubkey);
        let observed = all.iter().filter(|fact| matches!(fact.what, What::Result));
        let observed: BTreeSet<u16> = observed.filter_map(|fact| fact.kind).collect();
        let (first, last) = seen(all, true);
        let times = windows::response_time(f);
        json!({
            "pubkey": pubkey,
            "name": profile.name,
            "picture": profile.picture,
            "about": profile.about,
            "kinds": announced.union(&observed).collect::<Vec<_>>(),
            "requests": windows::requests(f, true),
            "results": windows::results(f),
            "feedback": windows::feedback(f),
            "jobs_answered": windows::jobs_answered(f, true),
            "error_rate": windows::error_rate(f),
            "avg_response_s": times["avg_s"],
            "p50_s": times["p50_s"],
            "p95_s": times["p95_s"],
            "paid_msat": windows::paid(f),
            "asked_msat": windows::asked(f),
            "unique_users": windows::unique_users(f, true),
            "first_seen": first.map(rfc3339),
            "last_seen": last.map(rfc3339),
            "announced": !announced.is_empty(),
        })
    }

    fn announced_kinds(&self, pubkey: &str) -> BTreeSet<u16> {
        let of = self.announced.iter().filter(|(dvm, _)| dvm == pubkey);
        of.map(|(_, kind)| *kind).collect()
    }

    /// A known DVM's status at `now` as given to `load`: `up`, `stale` or `silent`.
    // Decision: both edges belong (24 h ago is up, 30 d ago is stale); only announced is silent.
    pub fn dvm_status(&self, pubkey: &str) -> Option<&'static str> {
        self.dvms.get(pubkey)?;
        Some(match seen(&self.facts_of_dvm(pubkey), true).1 {
            Some(last) if last >= self.now - DAY => "up",
            Some(last) if last >= self.now - 30 * DAY => "stale",
            _ => "silent",
        })
    }

    /// One DVM's row of each kind: those it ever announced (live), or ever had anything in.
    pub fn dvm_kinds(&self, pubkey: &str, from: i64, to: i64) -> BTreeMap<u16, Value> {
        let facts = self.facts_of_dvm(pubkey);
        let parts = windows::split(&facts, |fact| fact.kind);
        let mut kinds = self.announced_kinds(pubkey);
        kinds.extend(parts.keys());
        let mut rows = BTreeMap::new();
        for kind in kinds {
            let all = parts.get(&kind).cloned().unwrap_or_default();
            rows.insert(kind, self.pair_row(pubkey, kind, &all, from, to));
        }
        rows
    }

    /// One kind's row of each DVM: those that ever announced it (live), or ever had anything in it.
    pub fn kind_dvms(&self, kind: u16, from: i64, to: i64) -> BTreeMap<String, Value> {
        let facts = self.facts_of_kind(kind);
        let parts = windows::split(&facts, |fact| fact.dvm.clone());
        let announced = self.announced.iter().filter(|(_, k)| *k == kind);
        let mut dvms: BTreeSet<String> = announced.map(|(dvm, _)| dvm.clone()).collect();
        dvms.extend(parts.keys().cloned());
        let mut rows = BTreeMap::new();
        for dvm in dvms {
            let all = parts.get(&dvm).cloned().unwrap_or_default();
            let row = self.pair_row(&dvm, kind, &all, from, to);
            rows.insert(dvm, row);
        }
        rows
    }

    // Decision: a pair of DVM and kind is listed when it is announced (live) or ever had a job, result,
    // feedback, asked or paid; `first_seen` and `last_seen` are of its results of that kind, of all time.
    fn pair_row(&self, dvm: &str, kind: u16, all: &[&Fact], from: i64, to: i64) -> Value {
        let f = windows::within(all, from, to);
        let (first, last) = seen(all, false);
        json!({
            "requests": windows::requests(&f, true),
            "results": windows::results(&f),
            "feedback": windows::feedback(&f),
            "jobs_answered": windows::jobs_answered(&f, true),
            "error_rate": windows::error_rate(&f),
            "paid_msat": windows::paid(&f),
            "asked_msat": windows::asked(&f),
            "unique_users": windows::unique_users(&f, true),
            "response_time": windows::response_time(&f),
            "announced": self.announced.contains(&(dvm.to_owned(), kind)),
            "observed": first.is_some(),
            "first_seen": first.map(rfc3339),
            "last_seen": last.map(rfc3339),
        })
    }

    /// Every row of `/api/v1/kinds`, without `label`: request kinds that ever had a request or a
    /// result, or that are announced.
    pub fn kinds(&self, from: i64, to: i64) -> BTreeMap<u16, Value> {
        let all = self.facts();
        let active = windows::split(&all, |fact| fact.kind);
        let parts = windows::split(&self.facts_within(from, to), |fact| fact.kind);
        let announced = windows_of_kinds(self.announced.iter());
        let kinds: BTreeSet<u16> = active.keys().chain(announced.keys()).copied().collect();
        let mut rows = BTreeMap::new();
        for kind in kinds {
            let f = parts.get(&kind).cloned().unwrap_or_default();
            let announced = announced.get(&kind).cloned().unwrap_or_default();
            let results = active.get(&kind).into_iter().flatten();
            let results = results.filter(|fact| matches!(fact.what, What::Result));
            let mut supporting = announced.clone();
            supporting.extend(results.filter_map(|fact| fact.dvm.as_deref()));
            rows.insert(
                kind,
                json!({
                    "kind": kind,
                    "requests": windows::requests(&f, false),
                    "results": windows::results(&f),
                    "jobs_answered": windows::jobs_answered(&f, false),
                    "feedback": windows::feedback(&f),
                    "unique_users": windows::unique_users(&f, false),
                    "dvms": windows::unique_dvms(&f, false),
                    "announced_dvms": announced.len(),
                    "supporting_dvms": supporting.len(),
                    "error_rate": windows::error_rate(&f),
                    "asked_msat": windows::asked(&f),
                    "paid_msat": windows::paid(&f),
                    "response_time": windows::response_time(&f),
                }),
            );
        }
        rows
    }

    /// Every pubkey that authored a request: `first_seen`, `last_seen`, `requests`, `spent_msat`, of all time.
    // Decision: the sender of a receipt is the signer of its zap request.
    pub fn users(&self) -> BTreeMap<String, Value> {
        let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for request in self.requests.values() {
            times.entry(&request.user).or_default().push(request.at);
        }
        let row = |(user, times): (&str, Vec<i64>)| {
            let row = json!({
                "first_seen": times.iter().min().copied().map(rfc3339),
                "last_seen": times.iter().max().copied().map(rfc3339),
                "requests": times.len(),
                "spent_msat": self.spent.get(user).copied().unwrap_or(0),
            });
            (user.to_owned(), row)
        };
        times.into_iter().map(row).collect()
    }

    /// Points of `/api/v1/stats/global/series`; `step` is 60, 3600 or 86400 seconds.
    pub fn global_series(&self, step: i64, from: i64, to: i64) -> Vec<Value> {
        series(&self.facts(), Of::Global, step, from, to)
    }

    /// Points of `/api/v1/dvms/{pubkey}/series`.
    // Decision: without `unique_dvms`, which says nothing of one DVM.
    pub fn dvm_series(&self, pubkey: &str, step: i64, from: i64, to: i64) -> Vec<Value> {
        series(&self.facts_of_dvm(pubkey), Of::Dvm, step, from, to)
    }

    /// Points of `/api/v1/kinds/{kind}/series`; `unique_dvms` are those with a result.
    pub fn kind_series(&self, kind: u16, step: i64, from: i64, to: i64) -> Vec<Value> {
        series(&self.facts_of_kind(kind), Of::Kind, step, from, to)
    }

    /// The sums that METRICS 5 wants equal in every window.
    pub fn check_invariants(&self, from: i64, to: i64) -> Result<(), String> {
        let global = self.global(from, to);
        let kinds: Vec<Value> = self.kinds(from, to).into_values().collect();
        let dvms: Vec<Value> = self.dvms(from, to).into_values().collect();
        let sum = |rows: &[Value], name: &str| -> u64 {
            rows.iter().filter_map(|row| row[name].as_u64()).sum()
        };
        let facts = self.facts_within(from, to);
        let of_null = facts.iter().filter(|fact| fact.kind.is_none());
        let paid_of_null = windows::paid(&of_null.copied().collect::<Vec<_>>());
        let checks = [
            ("kinds", "requests", sum(&kinds, "requests")),
            ("kinds", "results", sum(&kinds, "results")),
            ("dvms", "results", sum(&dvms, "results")),
            ("dvms", "feedback", sum(&dvms, "feedback")),
            (
                "kinds",
                "paid_msat",
                sum(&kinds, "paid_msat") + paid_of_null,
            ),
            ("dvms", "paid_msat", sum(&dvms, "paid_msat")),
        ];
        for (of, name, sum) in checks {
            if global[name] != json!(sum) {
                return Err(format!(
                    "{name}: {of} sum up to {sum}, not {}",
                    global[name]
                ));
            }
        }
        Ok(())
    }
}

fn windows_of_kinds<'a>(
    announced: impl Iterator<Item = &'a (String, u16)>,
) -> BTreeMap<u16, BTreeSet<&'a str>> {
    let mut dvms: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for (dvm, kind) in announced {
        dvms.entry(*kind).or_default().insert(dvm);
    }
    dvms
}

/// Least and greatest time of the results, and of the feedback where `with_feedback`.
fn seen(facts: &[&Fact], with_feedback: bool) -> (Option<i64>, Option<i64>) {
    let counts = |fact: &&&Fact| match fact.what {
        What::Result => true,
        What::Feedback(_) => with_feedback,
        _ => false,
    };
    let times: Vec<i64> = facts.iter().filter(counts).map(|fact| fact.at).collect();
    (times.iter().min().copied(), times.iter().max().copied())
}

fn place_of_kind(facts: &[&Fact], name: &str, amount: impl Fn(&Fact) -> u64) -> Value {
    let amounts = facts.iter().filter_map(|f| Some((f.kind?, amount(f))));
    match windows::most(amounts) {
        Some((kind, most)) => json!({"kind": kind, name: most}),
        None => Value::Null,
    }
}

fn most_competitive_kind(facts: &[&Fact]) -> Value {
    let results = facts
        .iter()
        .filter(|fact| matches!(fact.what, What::Result));
    let pairs: BTreeSet<_> = results
        .map(|fact| (fact.kind, fact.dvm.as_deref()))
        .collect();
    match windows::most(pairs.iter().map(|(kind, _)| (*kind, 1))) {
        Some((kind, most)) => json!({"kind": kind, "dvms": most}),
        None => Value::Null,
    }
}

// Decision: both edges move outward to the step, and every point is a whole bucket.
fn series(facts: &[&Fact], of: Of, step: i64, from: i64, to: i64) -> Vec<Value> {
    let buckets = windows::split(facts, |fact| Some(fact.at.div_euclid(step)));
    let mut points = Vec::new();
    for bucket in from.div_euclid(step)..(to + step - 1).div_euclid(step) {
        let f = buckets.get(&bucket).cloned().unwrap_or_default();
        let times = windows::response_time(&f);
        let mut point: Map<String, Value> = Map::new();
        point.insert("start".into(), json!(rfc3339(bucket * step)));
        point.insert(
            "requests".into(),
            json!(windows::requests(&f, of == Of::Dvm)),
        );
        point.insert("results".into(), json!(windows::results(&f)));
        point.insert("feedback".into(), json!(windows::feedback(&f)));
        point.insert(
            "unique_users".into(),
            json!(windows::unique_users(&f, of == Of::Dvm)),
        );
        if of != Of::Dvm {
            let unique = windows::unique_dvms(&f, of == Of::Global);
            point.insert("unique_dvms".into(), json!(unique));
        }
        point.insert("paid_msat".into(), json!(windows::paid(&f)));
        point.insert("p50_s".into(), times["p50_s"].clone());
        point.insert("p95_s".into(), times["p95_s"].clone());
        points.push(Value::Object(point));
    }
    points
}

/// Unix seconds as an RFC 3339 time in UTC.
fn rfc3339(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.expect("counted events are of our days").to_string()
}
