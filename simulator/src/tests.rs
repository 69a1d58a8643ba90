//! Checked with the plain libraries, by none of the code that made the events.

mod shape;

use std::collections::{HashMap, HashSet};

use secp256k1::{Message, SECP256K1, XOnlyPublicKey, schnorr};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::invalid::refused;

fn small(events: u64) -> Config {
    Config {
        seed: 7,
        events,
        ..Config::default()
    }
}

fn is_hex(value: &Value, length: usize) -> bool {
    value.as_str().is_some_and(|s| {
        s.len() == length && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Admission as METRICS.md 1 has it, without the time: the reason why not, or nothing.
fn refusal(line: &str) -> Option<&'static str> {
    let Ok(event) = serde_json::from_str::<Value>(line) else {
        return Some("malformed");
    };
    let strings = |tag: &Value| {
        tag.as_array()
            .is_some_and(|tag| tag.iter().all(Value::is_string))
    };
    let shape = event.is_object()
        && is_hex(&event["id"], 64)
        && is_hex(&event["pubkey"], 64)
        && is_hex(&event["sig"], 128)
        && event["created_at"]
            .as_u64()
            .is_some_and(|time| i64::try_from(time).is_ok())
        && event["kind"].as_u64().is_some_and(|kind| kind <= 65_535)
        && event["tags"]
            .as_array()
            .is_some_and(|tags| tags.iter().all(strings))
        && event["content"].is_string();
    if !shape {
        return Some("malformed");
    }
    let hashed = json!([
        0,
        event["pubkey"],
        event["created_at"],
        event["kind"],
        event["tags"],
        event["content"]
    ])
    .to_string();
    if hashed.len() > 131_072 {
        return Some("too_large");
    }
    let id: [u8; 32] = Sha256::digest(&hashed).into();
    if event["id"] != hex::encode(id) {
        return Some("bad_id");
    }
    let verified = || -> Option<()> {
        let pubkey: XOnlyPublicKey = event["pubkey"].as_str()?.parse().ok()?;
        let signature: schnorr::Signature = event["sig"].as_str()?.parse().ok()?;
        SECP256K1
            .verify_schnorr(&signature, &Message::from_digest(id), &pubkey)
            .ok()
    };
    if verified().is_none() {
        return Some("bad_signature");
    }
    match event["kind"].as_u64()? {
        5128 | 5666 | 5969 | 6128 | 6666 | 6969 => Some("kind"),
        0 | 5 | 5000..=7000 | 9735 | 31_990 => None,
        _ => Some("kind"),
    }
}

fn parsed(events: &[Event]) -> Vec<Value> {
    events
        .iter()
        .map(|event| serde_json::from_str(&event.json).unwrap())
        .collect()
}

fn tag<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event["tags"]
        .as_array()?
        .iter()
        .find(|tag| tag[0] == name)?
        .get(1)?
        .as_str()
}

fn kind(event: &Value) -> u64 {
    event["kind"].as_u64().unwrap()
}

fn time(event: &Value) -> i64 {
    event["created_at"].as_i64().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_other_events() {
    let first: Vec<Event> = Simulator::new(small(400)).collect();
    let second: Vec<Event> = Simulator::new(small(400)).collect();
    assert_eq!(first, second);
    assert_eq!(first.len(), 400);
    let other: Vec<Event> = Simulator::new(Config {
        seed: 8,
        ..small(400)
    })
    .collect();
    let ids: HashSet<&str> = first.iter().map(|event| event.id.as_str()).collect();
    assert!(other.iter().all(|event| !ids.contains(event.id.as_str())));
}

#[test]
fn the_stream_is_the_one_it_has_always_been() {
    let hash = Simulator::new(small(500))
        .fold(Sha256::new(), |hash, event| hash.chain_update(event.json))
        .finalize();
    assert_eq!(
        hex::encode(hash),
        "a685fec41931729a777d8713e0ae7da559f69ab16d6a43025bcfff55c1cbae7e"
    );
}

#[test]
fn every_event_would_be_admitted_and_says_of_itself_what_it_is() {
    for event in Simulator::new(small(3000)) {
        assert_eq!(refusal(&event.json), None, "{}", event.json);
        let value: Value = serde_json::from_str(&event.json).unwrap();
        assert_eq!(
            (value["id"].as_str(), kind(&value)),
            (Some(event.id.as_str()), u64::from(event.kind))
        );
        assert_eq!(time(&value), event.created_at);
        assert!(!event.json.contains('\n'));
    }
}

#[test]
fn every_invalid_line_is_refused_for_the_reason_it_was_made_for() {
    let lines = refused(3, 400);
    let mut reasons = HashMap::new();
    for (reason, line) in &lines {
        assert_eq!(
            refusal(line),
            Some(*reason),
            "{}",
            &line[..line.len().min(600)]
        );
        assert!(!line.contains(['\n', '\r']));
        *reasons.entry(*reason).or_insert(0) += 1;
    }
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert_eq!(
        invalid(3, 400),
        lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>()
    );
    let few: HashSet<&str> = refused(3, 30)
        .into_iter()
        .map(|(reason, _)| reason)
        .collect();
    assert!(few.len() > 2, "{few:?}");
}

#[test]
fn repeats_are_the_share_asked_for_and_the_number_of_events_stays() {
    let config = Config {
        duplicates: 0.3,
        ..small(4000)
    };
    let events: Vec<Event> = Simulator::new(config).collect();
    let distinct: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    let share = 1.0 - distinct.len() as f64 / events.len() as f64;
    assert_eq!(events.len(), 4000);
    assert!((0.26..0.34).contains(&share), "{share}");
}

#[test]
fn tiny_and_empty_configurations_work() {
    for (events, span_seconds, people) in [(0, 60, 1), (1, 0, 0), (300, 1, 1), (300, 3600, 2)] {
        let config = Config {
            events,
            span_seconds,
            dvms: people,
            users: people,
            ..Config::default()
        };
        assert_eq!(Simulator::new(config).count() as u64, events);
    }
}

#[test]
fn live_traffic_is_never_dated_ahead_and_answers_follow() {
    let mut simulator = Simulator::new(Config {
        duplicates: 0.2,
        ..small(0)
    });
    let mut events = Vec::new();
    for step in 0..3000 {
        let now = 1_750_000_000 + step / 10;
        let event = simulator.next_at(now);
        assert!(event.created_at <= now);
        assert_eq!(refusal(&event.json), None);
        events.push(event);
    }
    let share = |range: std::ops::Range<u16>| {
        events
            .iter()
            .filter(|event| range.contains(&event.kind))
            .count() as f64
            / events.len() as f64
    };
    assert!(
        (0.36..0.55).contains(&share(5000..6000)),
        "{}",
        share(5000..6000)
    );
    assert!(
        (0.25..0.45).contains(&share(6000..7000)),
        "{}",
        share(6000..7000)
    );
    let recent = events
        .iter()
        .filter(|event| event.created_at >= 1_750_000_000 - 5)
        .count();
    assert!(recent > 2900, "{recent}");
}
