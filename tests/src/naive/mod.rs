//! A naive program that counts as METRICS says: the yardstick for every number.
//!
//! It shares no code with the package it measures. It holds every event in memory, derives plain
//! facts from the whole set, and answers a window by filtering them. Values are JSON in the shapes
//! of API, without the wrappers (`from`, `to`, `next_cursor`); absent is `null`. A window is taken
//! as given, `[from, to)` in unix seconds: pass the edges that the compared answer states.
//!
//! Where METRICS is silent, a line in the code begins with "Decision:".

mod admission;
mod diff;
mod dvms;
mod event;
mod invoice;
mod jobs;
mod money;
mod rows;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use admission::KindsConfig;
use admission::Verdict::{Admitted, Quarantined, Rejected};
pub use diff::diff;
use dvms::Profile;
use event::Event;
use jobs::{Pair, Request, Response};
use money::Tie;
use windows::{Fact, What};

/// A set of events, and everything that follows from it.
#[derive(Debug)]
pub struct Naive {
    now: i64,
    /// Admitted events by id, embedded requests included.
    events: BTreeMap<String, Event>,
    /// Quarantined ids and why.
    kept: BTreeMap<String, &'static str>,
    rejected: BTreeMap<String, u64>,
    deleted: BTreeMap<String, String>,
    requests: BTreeMap<String, Request>,
    responses: BTreeMap<String, Response>,
    pairs: BTreeMap<(String, String), Pair>,
    /// (job, DVM) with a tied receipt.
    paid: BTreeSet<(String, String)>,
    /// Millisats by the sender of tied receipts.
    spent: BTreeMap<String, u64>,
    /// Every known DVM and what it is called.
    dvms: BTreeMap<String, Profile>,
    /// (DVM, kind) with a live announcement.
    announced: BTreeSet<(String, u16)>,
    facts: Vec<Fact>,
}

impl Naive {
    /// Reads lines of JSON, each meant to be an event, in any order, with duplicates and rubbish.
    ///
    /// `now` (unix seconds) is both the arrival of all lines and the time of looking.
    // Decision: an empty line is no event, and is not counted as a rejected one.
    pub fn load<S: AsRef<str>>(lines: &[S], now: i64, kinds: &KindsConfig) -> Naive {
        let mut events = BTreeMap::new();
        let mut kept = BTreeMap::new();
        let mut rejected = BTreeMap::new();
        let mut embedded = Vec::new();
        for line in lines
            .iter()
            .map(AsRef::as_ref)
            .filter(|l| !l.trim().is_empty())
        {
            match admission::judge(line, now, kinds) {
                Admitted(event) => {
                    if jobs::response(&event, now, kinds).is_some() {
                        embedded.extend(admission::embedded_request(&event, now, kinds));
                    }
                    events.insert(event.id.clone(), event);
                }
                Quarantined(event, reason) => {
                    kept.insert(event.id, reason);
                }
                Rejected(reason) => *rejected.entry(reason.to_owned()).or_default() += 1,
            }
        }
        for verdict in embedded {
            match verdict {
                Admitted(event) => {
                    events.entry(event.id.clone()).or_insert(event);
                }
                Quarantined(event, reason) => {
                    kept.insert(event.id, reason);
                }
                Rejected(_) => {}
            }
        }
        Naive::derive(events, kept, rejected, now, kinds)
    }

    fn derive(
        events: BTreeMap<String, Event>,
        kept: BTreeMap<String, &'static str>,
        rejected: BTreeMap<String, u64>,
        now: i64,
        kinds: &KindsConfig,
    ) -> Naive {
        let requests: BTreeMap<String, Request> = events
            .values()
            .filter(|e| kinds.is_request(e.kind))
            .map(|e| (e.id.clone(), jobs::request(e)))
            .collect();
        let responses: BTreeMap<String, Response> = events
            .values()
            .filter_map(|e| jobs::response(e, now, kinds))
            .map(|r| (r.id.clone(), r))
            .collect();
        let deleted = dvms::deleted(&events);
        let live = dvms::live(&events, &deleted);
        let announced = live
            .iter()
            .flat_map(|e| {
                dvms::announced_kinds(e, kinds)
                    .into_iter()
                    .map(|k| (e.pubkey.clone(), k))
            })
            .collect();
        let announcers = events
            .values()
            .filter(|e| e.kind == 31990 && !dvms::announced_kinds(e, kinds).is_empty())
            .map(|e| e.pubkey.clone());
        let known: BTreeSet<String> = responses
            .values()
            .map(|r| r.dvm.clone())
            .chain(announcers)
            .collect();
        let zeros: Vec<&Event> = events.values().filter(|e| e.kind == 0).collect();
        let dvms = known
            .iter()
            .map(|dvm| (dvm.clone(), dvms::profile(dvm, &live, &zeros, &deleted)))
            .collect();
        let pairs = jobs::pairs(&requests, &responses, &known);

        let mut naive = Naive {
            now,
            kept,
            rejected,
            deleted,
            requests,
            responses,
            pairs,
            paid: BTreeSet::new(),
            spent: BTreeMap::new(),
            dvms,
            announced,
            facts: Vec::new(),
            events,
        };
        naive.facts.extend(naive.job_facts());
        naive.facts.extend(naive.response_facts());
        naive.add_receipts(&known);
        naive
    }

    fn job_facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let answered: BTreeSet<&str> = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.first_answer().is_some())
            .map(|((job, _), _)| job.as_str())
            .collect();
        for (id, request) in &self.requests {
            facts.push(Fact {
                at: request.at,
                dvm: None,
                kind: Some(request.kind),
                what: What::Request {
                    user: request.user.clone(),
                    answered: answered.contains(id.as_str()),
                },
            });
        }
        for ((job, dvm), pair) in &self.pairs {
            let request = &self.requests[job];
            facts.push(Fact {
                at: request.at,
                dvm: Some(dvm.clone()),
                kind: Some(request.kind),
                what: What::Pair {
                    user: request.user.clone(),
                    latency: pair.first_answer().map(|at| at - request.at),
                    failed: pair.failed(),
                },
            });
        }
        facts
    }

    fn response_facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let fact = |response: &Response, kind, what| Fact {
            at: response.at,
            dvm: Some(response.dvm.clone()),
            kind,
            what,
        };
        for response in self.responses.values() {
            facts.push(match response.status {
                Some(status) => fact(response, self.job_kind(response), What::Feedback(status)),
                None => fact(response, response.result_kind, What::Result),
            });
        }
        for response in money::asked(&self.responses) {
            let msat = response.asked.expect("`asked` gives only those that ask");
            facts.push(fact(response, self.job_kind(response), What::Asked(msat)));
        }
        facts
    }

    fn add_receipts(&mut self, known: &BTreeSet<String>) {
        let receipts = self.events.values().filter(|e| e.kind == 9735);
        let receipts = receipts.filter_map(invoice::receipt).collect();
        for receipt in money::one_per_payment(receipts) {
            let (kind, what) = match money::tie(&receipt, &self.requests, &self.responses, known) {
                Tie::Nothing => continue,
                Tie::Tip => (None, What::Tip(receipt.msat)),
                Tie::Paid(job) => {
                    *self.spent.entry(receipt.sender.clone()).or_default() += receipt.msat;
                    let request = job.as_ref().and_then(|id| self.requests.get(id));
                    let kind = request.map(|r| r.kind);
                    self.paid
                        .extend(job.map(|id| (id, receipt.recipient.clone())));
                    (kind, What::Paid(receipt.msat))
                }
            };
            self.facts.push(Fact {
                at: receipt.at,
                dvm: Some(receipt.recipient),
                kind,
                what,
            });
        }
    }

    /// The kind of a response's job, where its request is known.
    fn job_kind(&self, response: &Response) -> Option<u16> {
        let request = response.job.as_ref().and_then(|id| self.requests.get(id));
        request.map(|r| r.kind)
    }

    /// Ids that the archive holds: admitted or quarantined.
    pub fn archived(&self) -> BTreeSet<String> {
        self.events
            .keys()
            .chain(self.kept.keys())
            .cloned()
            .collect()
    }

    /// Ids that count.
    pub fn counted(&self) -> BTreeSet<String> {
        self.events.keys().cloned().collect()
    }

    /// How many events are in quarantine, by reason.
    pub fn quarantined(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.kept.values() {
            *counts.entry((*reason).to_owned()).or_default() += 1;
        }
        counts
    }

    /// How many lines were rejected or ignored, by reason.
    // Decision: every line counts, a duplicate again; what is embedded never does.
    pub fn rejected(&self) -> BTreeMap<String, u64> {
        self.rejected.clone()
    }

    /// Deleted event id → deletion id.
    pub fn deleted(&self) -> BTreeMap<String, String> {
        self.deleted.clone()
    }

    /// Job id → `{state, dvms: {pubkey: state}}` at `now`, for every job whose request is known.
    pub fn job_states(&self, now: i64) -> BTreeMap<String, Value> {
        jobs::states(&self.requests, &self.pairs, &self.paid, &self.deleted, now)
    }
}
