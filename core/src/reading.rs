//! From an admitted event to what it means (METRICS.md sections 3, 5, 7 to 10).

use std::collections::BTreeSet;

use crate::admission::{parse, verify, verify_id};
use crate::amount::amount_msat;
use crate::card::card;
use crate::kinds::{ANNOUNCEMENT, FEEDBACK, Family, RESULT_OFFSET, kind_of_digits};
use crate::receipt::receipt;
use crate::{
    Activity, Announcement, Answer, Deletion, Event, EventId, Hex32, Profile, Request, Response,
    Rules, Signature, Status,
};

/// How near to `created_at` a relay's delivery must be to be called live, in ms.
const LIVE_MS: i128 = 60_000;

/// Reads an admitted event. `first_seen_ms` is when a relay first delivered it, in unix ms; `None` for one that no relay delivered
/// (imported, or embedded in another event).
///
/// Never an error: whatever a value breaks, the event says less. A kind that is none of ours says nothing.
pub fn read(event: &Event, rules: &Rules, first_seen_ms: Option<i64>) -> Activity {
    read_trusting(event, rules, first_seen_ms, |_, _| false)
}

/// Like [`read`]; `trusted` says that this signature of this id has been verified before, so that the copy of a request inside its result
/// need not be verified again. (An id names its author too, so id and signature say all that a verification looks at.)
pub fn read_trusting(
    event: &Event,
    rules: &Rules,
    first_seen_ms: Option<i64>,
    trusted: impl Fn(&EventId, &Signature) -> bool,
) -> Activity {
    let seen_live = first_seen_ms.filter(|&seen| is_live(seen, event.created_at));
    match rules.family(event.kind) {
        Some(Family::Request) => Activity::Request(request(event, seen_live)),
        Some(Family::Result | Family::Feedback) => {
            let embedded = embedded_request(event, rules, trusted);
            let response = response(event, embedded.as_deref(), seen_live);
            Activity::Response(response, embedded)
        }
        Some(Family::Receipt) => receipt(event).map_or(Activity::Nothing, Activity::Receipt),
        Some(Family::Announcement) => Activity::Announcement(announcement(event, rules)),
        Some(Family::Profile) => Activity::Profile(Profile {
            id: event.id,
            pubkey: event.pubkey,
            created_at: event.created_at,
            card: card(&event.content),
        }),
        Some(Family::Deletion) => Activity::Deletion(deletion(event)),
        None => Activity::Nothing,
    }
}

fn is_live(first_seen_ms: i64, created_at: i64) -> bool {
    (i128::from(first_seen_ms) - i128::from(created_at) * 1000).abs() <= LIVE_MS
}

fn request(event: &Event, seen_live: Option<i64>) -> Request {
    Request {
        id: event.id,
        customer: event.pubkey,
        kind: event.kind,
        created_at: event.created_at,
        named: distinct_hex(event, "p"),
        expiration: event.tag("expiration").and_then(seconds_of_digits),
        after_jobs: inputs(event, "job"),
        after_events: inputs(event, "event"),
        seen_live,
    }
}

fn response(event: &Event, embedded: Option<&Event>, seen_live: Option<i64>) -> Response {
    let answer = if event.kind == FEEDBACK {
        Answer::Feedback(status(event))
    } else {
        Answer::Result(event.kind - RESULT_OFFSET)
    };
    let asks = match answer {
        Answer::Result(_) => true,
        Answer::Feedback(status) => status == Status::PaymentRequired,
    };
    Response {
        id: event.id,
        dvm: event.pubkey,
        created_at: event.created_at,
        job: embedded
            .map(|request| request.id)
            .or_else(|| event.values("e").find_map(Hex32::parse)),
        answer,
        amount_msat: event.tag("amount").filter(|_| asks).and_then(amount_msat),
        seen_live,
    }
}

/// The valid job request inside a response's `request` tag.
fn embedded_request(
    event: &Event,
    rules: &Rules,
    trusted: impl Fn(&EventId, &Signature) -> bool,
) -> Option<Box<Event>> {
    let request = parse(event.tag("request")?).ok()?;
    if !rules.is_request(request.kind) {
        return None;
    }
    if trusted(&request.id, &request.sig) {
        verify_id(&request, rules.max_event_bytes).ok()?;
    } else {
        verify(&request, rules).ok()?;
    }
    Some(Box::new(request))
}

fn status(event: &Event) -> Status {
    match event.tag("status") {
        Some("payment-required") => Status::PaymentRequired,
        Some("processing") => Status::Processing,
        Some("error") => Status::Error,
        Some("success") => Status::Success,
        Some("partial") => Status::Partial,
        Some(_) => Status::Other,
        // This one stands alone: it has no value.
        None if event
            .tags
            .iter()
            .any(|tag| tag.first().is_some_and(|name| name == "encrypted")) =>
        {
            Status::Encrypted
        }
        None => Status::Other,
    }
}

fn announcement(event: &Event, rules: &Rules) -> Announcement {
    let kinds: BTreeSet<u16> = event
        .values("k")
        .filter_map(kind_of_digits)
        .filter(|&kind| rules.is_request(kind))
        .collect();
    Announcement {
        id: event.id,
        pubkey: event.pubkey,
        d: event.tag("d").unwrap_or_default().to_owned(),
        created_at: event.created_at,
        kinds: kinds.into_iter().collect(),
        card: card(&event.content),
    }
}

fn deletion(event: &Event) -> Deletion {
    let own = format!("{ANNOUNCEMENT}:{}:", event.pubkey);
    let announcements: BTreeSet<&str> = event
        .values("a")
        .filter_map(|address| address.strip_prefix(&own))
        .collect();
    Deletion {
        id: event.id,
        author: event.pubkey,
        created_at: event.created_at,
        events: distinct_hex(event, "e"),
        announcements: announcements.into_iter().map(str::to_owned).collect(),
    }
}

/// Distinct values of 64 hex digits of the tags of this name, ascending.
fn distinct_hex(event: &Event, name: &str) -> Vec<Hex32> {
    let distinct: BTreeSet<Hex32> = event.values(name).filter_map(Hex32::parse).collect();
    distinct.into_iter().collect()
}

/// Distinct ids of the `["i", id, marker]` tags, ascending.
fn inputs(event: &Event, marker: &str) -> Vec<EventId> {
    let distinct: BTreeSet<EventId> = event
        .tags
        .iter()
        .filter(|tag| tag.len() >= 3 && tag[0] == "i" && tag[2] == marker)
        .filter_map(|tag| Hex32::parse(&tag[1]))
        .collect();
    distinct.into_iter().collect()
}

/// Unix seconds written in ASCII digits and nothing else; `None` beyond what a time can be, which is never reached anyway.
fn seconds_of_digits(text: &str) -> Option<i64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
