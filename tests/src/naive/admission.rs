//! METRICS 1 and 2: what is let in, and what kind of thing it is.

use std::collections::BTreeSet;

use super::event::Event;

/// The first Nostr event's day, 2020-11-07.
const FIRST_EVENT: i64 = 1_604_707_200;
/// How far ahead of its arrival an event may be dated, in seconds.
const AHEAD: i64 = 900;

/// Which kinds are job requests, and how long an event may be.
#[derive(Clone, Debug)]
pub struct KindsConfig {
    /// Inclusive ranges of request kinds.
    pub requests: Vec<(u16, u16)>,
    /// Request kinds inside the ranges that are none.
    pub excluded: BTreeSet<u16>,
    /// Greatest length of the NIP-01 array that is hashed, in bytes.
    pub max_event_bytes: usize,
}

impl Default for KindsConfig {
    fn default() -> Self {
        KindsConfig {
            requests: vec![(5000, 5999)],
            excluded: BTreeSet::from([5128, 5666, 5969]),
            max_event_bytes: 131_072,
        }
    }
}

impl KindsConfig {
    /// Whether `kind` is a job request kind.
    pub fn is_request(&self, kind: u16) -> bool {
        let inside = self.requests.iter().any(|(a, b)| (*a..=*b).contains(&kind));
        inside && !self.excluded.contains(&kind)
    }

    /// The family of a kind, `None` where it is none of METRICS 2.
    pub fn family(&self, kind: u16) -> Option<Family> {
        match kind {
            kind if self.is_request(kind) => Some(Family::Request),
            kind if kind >= 1000 && self.is_request(kind - 1000) => {
                Some(Family::Result(kind - 1000))
            }
            7000 => Some(Family::Feedback),
            9735 => Some(Family::Receipt),
            31990 => Some(Family::Announcement),
            0 => Some(Family::Profile),
            5 => Some(Family::Deletion),
            _ => None,
        }
    }

    /// The request kind that a `k` tag's value names, if it names one.
    // Decision: ASCII digits only; leading zeros do not hurt.
    pub fn request_kind(&self, value: &str) -> Option<u16> {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let kind = digits.then(|| value.parse().ok()).flatten()?;
        self.is_request(kind).then_some(kind)
    }
}

/// The families of METRICS 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A job request.
    Request,
    /// A job result, with its request kind.
    Result(u16),
    /// Job feedback, 7000.
    Feedback,
    /// A zap receipt, 9735.
    Receipt,
    /// A handler announcement, 31990.
    Announcement,
    /// A profile, 0.
    Profile,
    /// A deletion, 5.
    Deletion,
}

/// What admission says of one line.
#[derive(Debug)]
pub enum Verdict {
    /// It counts.
    Admitted(Event),
    /// It is kept, and is in no number.
    Quarantined(Event, &'static str),
    /// It is not kept.
    Rejected(&'static str),
}

/// METRICS 1, step by step.
pub fn judge(text: &str, now: i64, kinds: &KindsConfig) -> Verdict {
    let Some(event) = Event::parse(text) else {
        return Verdict::Rejected("malformed");
    };
    // Decision: the size is that of the form with DEL verbatim.
    if event.serialized().len() > kinds.max_event_bytes {
        return Verdict::Rejected("too_large");
    }
    if !event.id_fits() {
        return Verdict::Rejected("bad_id");
    }
    if !event.signature_verifies() {
        return Verdict::Rejected("bad_signature");
    }
    if kinds.family(event.kind).is_none() {
        return Verdict::Rejected("kind");
    }
    // Decision: `now` stands for the arrival, so a future event counts from `created_at - 900` on,
    // whether it arrives then or waited in quarantine.
    if event.created_at > now + AHEAD {
        return Verdict::Quarantined(event, "future");
    }
    if event.created_at < FIRST_EVENT {
        return Verdict::Quarantined(event, "ancient");
    }
    Verdict::Admitted(event)
}

/// The job request inside a response's `request` tag, where it is a valid one (METRICS 3, rule 1).
/// It is judged like a line, so it may turn out quarantined.
pub fn embedded_request(response: &Event, now: i64, kinds: &KindsConfig) -> Option<Verdict> {
    let verdict = judge(response.value("request")?, now, kinds);
    match &verdict {
        Verdict::Admitted(event) | Verdict::Quarantined(event, _) => {
            kinds.is_request(event.kind).then_some(verdict)
        }
        Verdict::Rejected(_) => None,
    }
}
