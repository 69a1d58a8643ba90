//! What a message looks like to others: see [`Message`].

use std::collections::BTreeMap;

use dvmdash_core::{Refusal, parse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Delivery, Message, RelayReport, Sighting, Source};

/// The version of a message that this program writes.
pub const VERSION: i64 = 1;
/// Largest body that is published, in bytes; RabbitMQ 4 takes 16 MiB by default.
pub const MAX_BODY: usize = 8 << 20;

/// An element of the array; the event is read by [`parse`], which is stricter than its derived reader.
#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    first_seen: i64,
    #[serde(default)]
    relay: Option<String>,
    source: Source,
}

/// The other sort of element.
#[derive(Serialize, Deserialize)]
struct Report<R> {
    report: R,
}

/// Body and `dvmdash-refused` header of a message, in as many pieces as [`MAX_BODY`] asks for.
pub fn bodies(message: &Message) -> Vec<(Vec<u8>, Option<String>)> {
    let refused = (!message.refused.is_empty())
        .then(|| serde_json::to_string(&message.refused).expect("counts always serialize"));
    let mut pieces = vec![(vec![b'['], refused)];
    let events = message.sightings.iter().map(serde_json::to_vec);
    let reports = message
        .reports
        .iter()
        .map(|report| serde_json::to_vec(&Report { report }));
    for element in events.chain(reports) {
        let element = element.expect("events and reports always serialize");
        let (body, _) = pieces.last_mut().expect("there is a piece");
        if body.len() > 1 && body.len() + element.len() + 2 > MAX_BODY {
            body.push(b']');
            pieces.push((vec![b'['], None));
        }
        let (body, _) = pieces.last_mut().expect("there is a piece");
        if body.len() > 1 {
            body.push(b',');
        }
        body.extend(element);
    }
    pieces.last_mut().expect("there is a piece").0.push(b']');
    pieces
}

/// Reads a delivery. `now` (unix ms) is when a bare event was first seen.
///
/// An element that is no event is refused as `malformed`, and its neighbours are read.
///
/// # Errors
/// Why the message belongs among the dead letters.
pub fn decode(delivery: &Delivery, now: i64) -> Result<Message, String> {
    let body = std::str::from_utf8(&delivery.body).map_err(|_| "not UTF-8".to_owned())?;
    if body.trim_ascii_start().starts_with('{') {
        return bare(body, now);
    }
    match delivery.version {
        None | Some(VERSION) => {}
        Some(other) => return Err(format!("unsupported version {other}")),
    }
    let elements: Vec<&RawValue> = serde_json::from_str(body)
        .map_err(|error| format!("neither a JSON array nor an event: {error}"))?;
    let mut refused = refusals(delivery.refused.as_deref())?;
    let mut sightings = Vec::with_capacity(elements.len());
    let mut reports = Vec::new();
    // Only our own publishers write a version, and they have verified what they publish.
    let verified = delivery.version.is_some();
    for element in elements {
        match read(element) {
            Some(sighting) => sightings.push(sighting),
            None if verified && let Some(report) = read_report(element) => reports.push(report),
            None => {
                *refused
                    .entry(Refusal::Malformed.as_str().to_owned())
                    .or_default() += 1
            }
        }
    }
    Ok(Message {
        sightings,
        refused,
        verified,
        reports,
    })
}

/// Counts of refusals by reasons that we know.
fn refusals(header: Option<&str>) -> Result<BTreeMap<String, u64>, String> {
    let Some(text) = header else {
        return Ok(BTreeMap::new());
    };
    let counts: BTreeMap<String, u32> =
        serde_json::from_str(text).map_err(|error| format!("unreadable refusals: {error}"))?;
    let known = |reason: &String| Refusal::ALL.iter().any(|known| known.as_str() == reason);
    match counts.keys().find(|reason| !known(reason)) {
        Some(_) => Err("refusals for a reason that is none".to_owned()),
        None => Ok(counts
            .into_iter()
            .map(|(reason, count)| (reason, count.into()))
            .collect()),
    }
}

/// Longest url of a relay that is believed, in bytes.
const LONGEST_RELAY: usize = 512;

fn read(element: &RawValue) -> Option<Sighting> {
    let mut element: Element<'_> = serde_json::from_str(element.get()).ok()?;
    // Where it comes from is a note beside the event, which counts without it.
    element
        .relay
        .take_if(|relay| relay.len() > LONGEST_RELAY || relay.chars().any(char::is_control));
    let event = parse(element.event.get()).ok()?;
    Some(Sighting {
        event,
        first_seen: element.first_seen,
        relay: element.relay,
        source: element.source,
    })
}

fn read_report(element: &RawValue) -> Option<RelayReport> {
    let Report::<RelayReport> { report } = serde_json::from_str(element.get()).ok()?;
    let named = |name: &str| name.len() <= LONGEST_RELAY && !name.chars().any(char::is_control);
    (named(&report.url) && named(&report.collector)).then_some(report)
}

fn bare(body: &str, now: i64) -> Result<Message, String> {
    let event = parse(body).map_err(|_| "a JSON object that is no event".to_owned())?;
    let sighting = Sighting {
        event,
        first_seen: now,
        relay: None,
        source: Source::Queue,
    };
    Ok(Message {
        sightings: vec![sighting],
        ..Message::default()
    })
}
