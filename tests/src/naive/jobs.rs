//! METRICS 3 and 8: which job a response belongs to, and how far each job got.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::admission::Verdict::{Admitted, Quarantined};
use super::admission::{Family, KindsConfig, embedded_request};
use super::event::Event;
use super::invoice::amount;

/// A counted job request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The customer.
    pub user: String,
    /// The request kind.
    pub kind: u16,
    /// The request's time.
    pub at: i64,
    /// Every pubkey in a `p` tag.
    pub named: BTreeSet<String>,
    /// The `expiration` tag.
    pub expiration: Option<i64>,
}

/// A counted result or feedback.
#[derive(Clone, Debug)]
pub struct Response {
    /// The response's id.
    pub id: String,
    /// Its author.
    pub dvm: String,
    /// Its time.
    pub at: i64,
    /// A result's own request kind (its kind − 1000); `None` for feedback.
    pub result_kind: Option<u16>,
    /// A feedback's status; `None` for a result.
    pub status: Option<&'static str>,
    /// The job it belongs to, `None` for an orphan.
    pub job: Option<String>,
    /// What it asks for.
    pub asked: Option<u64>,
}

/// One job and one DVM, with a known request.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// Times of the matching results.
    pub answers: Vec<i64>,
    /// Statuses of its feedback.
    pub statuses: Vec<&'static str>,
}

impl Pair {
    /// The earliest matching result's time.
    pub fn first_answer(&self) -> Option<i64> {
        self.answers.iter().min().copied()
    }

    /// Whether there is an `error` feedback and no matching result.
    pub fn failed(&self) -> bool {
        self.answers.is_empty() && self.statuses.contains(&"error")
    }
}

/// The statuses that are told apart.
pub const STATUSES: [&str; 7] = [
    "payment-required",
    "processing",
    "error",
    "success",
    "partial",
    "other",
    "encrypted",
];

fn status(event: &Event) -> &'static str {
    match event.value("status") {
        Some(value) => STATUSES[..5]
            .iter()
            .find(|s| **s == value)
            .unwrap_or(&"other"),
        // Decision: a `status` tag without a value is none; an `encrypted` tag needs no value.
        None if event
            .tags
            .iter()
            .any(|t| t.first().is_some_and(|n| n == "encrypted")) =>
        {
            "encrypted"
        }
        None => "other",
    }
}

/// Reads a counted job request.
pub fn request(event: &Event) -> Request {
    // Decision: `expiration` is ASCII digits that fit 63 bits, else there is none.
    let expiration = event
        .value("expiration")
        .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|v| v.parse().ok());
    Request {
        user: event.pubkey.clone(),
        kind: event.kind,
        at: event.created_at,
        named: event.values("p").map(str::to_owned).collect(),
        expiration,
    }
}

/// Reads a counted result or feedback, `None` for any other event.
pub fn response(event: &Event, now: i64, kinds: &KindsConfig) -> Option<Response> {
    let result_kind = match kinds.family(event.kind)? {
        Family::Result(kind) => Some(kind),
        Family::Feedback => None,
        _ => return None,
    };
    let job = match embedded_request(event, now, kinds) {
        Some(Admitted(request) | Quarantined(request, _)) => Some(request.id),
        _ => event.first_event_id().map(str::to_owned),
    };
    let status = result_kind.is_none().then(|| status(event));
    let may_ask = result_kind.is_some() || status == Some("payment-required");
    Some(Response {
        id: event.id.clone(),
        dvm: event.pubkey.clone(),
        at: event.created_at,
        result_kind,
        status,
        job,
        asked: event.value("amount").filter(|_| may_ask).and_then(amount),
    })
}

/// Every (job, DVM) with a known request that names a known DVM or that the DVM responded to.
pub fn pairs(
    requests: &BTreeMap<String, Request>,
    responses: &BTreeMap<String, Response>,
    dvms: &BTreeSet<String>,
) -> BTreeMap<(String, String), Pair> {
    let mut pairs: BTreeMap<(String, String), Pair> = BTreeMap::new();
    for (id, request) in requests {
        for dvm in request.named.intersection(dvms) {
            pairs.entry((id.clone(), dvm.clone())).or_default();
        }
    }
    for response in responses.values() {
        let Some((id, request)) = response
            .job
            .as_ref()
            .and_then(|id| requests.get_key_value(id))
        else {
            continue;
        };
        let pair = pairs.entry((id.clone(), response.dvm.clone())).or_default();
        if response.result_kind == Some(request.kind) {
            pair.answers.push(response.at);
        }
        pair.statuses.extend(response.status);
    }
    pairs
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Requested,
    Acknowledged,
    PaymentRequired,
    Paid,
    Failed,
    Succeeded,
}

impl State {
    fn of(pair: &Pair, paid: bool) -> State {
        if !pair.answers.is_empty() {
            State::Succeeded
        } else if pair.failed() {
            State::Failed
        } else if paid {
            State::Paid
        } else if pair.statuses.contains(&"payment-required") {
            State::PaymentRequired
        } else if !pair.statuses.is_empty() {
            State::Acknowledged
        } else {
            // Decision: a result of another kind alone leaves a job `requested`.
            State::Requested
        }
    }

    fn name(self) -> &'static str {
        match self {
            State::Requested => "requested",
            State::Acknowledged => "acknowledged",
            State::PaymentRequired => "payment_required",
            State::Paid => "paid",
            State::Failed => "failed",
            State::Succeeded => "succeeded",
        }
    }
}

/// Every known job's `{state, dvms: {pubkey: state}}` at `now`.
///
/// `paid` holds the (job, DVM) with a tied receipt, `cancelled` the deleted requests.
// Decision: only jobs whose request is known have a state, and the DVMs in it are those of `pairs`.
// Decision: `cancelled` goes before `expired`, that before `silent`; both begin with their second;
// they are states of the job, its DVMs stay `requested`.
pub fn states(
    requests: &BTreeMap<String, Request>,
    pairs: &BTreeMap<(String, String), Pair>,
    paid: &BTreeSet<(String, String)>,
    cancelled: &BTreeMap<String, String>,
    now: i64,
) -> BTreeMap<String, Value> {
    let mut dvms: BTreeMap<&str, BTreeMap<&str, State>> = BTreeMap::new();
    for (key, pair) in pairs {
        let state = State::of(pair, paid.contains(key));
        dvms.entry(&key.0).or_default().insert(&key.1, state);
    }
    let mut states = BTreeMap::new();
    for (id, request) in requests {
        let dvms = dvms.remove(id.as_str()).unwrap_or_default();
        let highest = dvms.values().max().copied().unwrap_or(State::Requested);
        let state = if highest > State::Requested {
            highest.name()
        } else if cancelled.contains_key(id) {
            "cancelled"
        } else if request.expiration.is_some_and(|at| now >= at) {
            "expired"
        } else if now >= request.at + 600 {
            "silent"
        } else {
            "requested"
        };
        let dvms: BTreeMap<_, _> = dvms.iter().map(|(dvm, s)| (*dvm, s.name())).collect();
        states.insert(id.clone(), json!({"state": state, "dvms": dvms}));
    }
    states
}
