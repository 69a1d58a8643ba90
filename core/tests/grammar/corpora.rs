use dvmdash_core::{Activity, Event, Refusal, Rules, parse, read, verify};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{data, signing};

/// Events of any kind: only shape, size, id and signature are asked.
fn signed(event: &Event) -> Result<(), Refusal> {
    match verify(event, &Rules::default()) {
        Err(Refusal::Kind) => Ok(()),
        other => other,
    }
}

/// The raw JSON of the `event` member of a line, and the line's other members.
fn wrapped(line: &str) -> (String, Value) {
    let members: std::collections::HashMap<String, Box<RawValue>> =
        serde_json::from_str(line).expect("an object");
    let whole: Value = serde_json::from_str(line).expect("an object");
    (members["event"].get().to_owned(), whole)
}

#[test]
fn real_events_are_admitted_and_come_back_as_signed() {
    for name in ["dvm", "handlers", "profiles", "deletions", "zap_receipts"] {
        let Some(lines) = data::text(&format!("events/{name}.jsonl")) else {
            return;
        };
        let mut count = 0;
        for line in lines.lines() {
            let event = parse(line).unwrap_or_else(|_| panic!("{line}"));
            assert_eq!(signed(&event), Ok(()), "{line}");
            assert_same_values(line, &event);
            count += 1;
        }
        assert!(count > 0, "{name} is empty");
    }
}

#[test]
fn events_with_odd_characters_sizes_and_times_are_admitted() {
    let Some(lines) = data::text("vectors/nip01/tricky_valid_events.jsonl") else {
        return;
    };
    for line in lines.lines() {
        let (json, _) = wrapped(line);
        let event = parse(&json).unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(signed(&event), Ok(()), "{line}");
        assert_same_values(&json, &event);
    }
}

fn assert_same_values(json: &str, event: &Event) {
    let given: Value = serde_json::from_str(json).expect("JSON");
    let back: Value = serde_json::from_str(&signing::json(event)).expect("JSON");
    for name in [
        "id",
        "pubkey",
        "created_at",
        "kind",
        "tags",
        "content",
        "sig",
    ] {
        assert_eq!(back[name], given[name], "{name} of {}", event.id);
    }
}

#[test]
fn events_that_do_not_verify_are_refused_for_their_reason() {
    let Some(lines) = data::text("events/invalid.jsonl") else {
        return;
    };
    let rules = Rules {
        max_event_bytes: usize::MAX,
        ..Rules::default()
    };
    for line in lines.lines() {
        let (json, whole) = wrapped(line);
        // The shape is checked first: one whose id is wrong has a kind beyond 65535 too.
        let kind_fits = whole["event"]["kind"]
            .as_u64()
            .is_some_and(|kind| kind <= 65_535);
        let expected = match whole["reason"].as_str().expect("a reason") {
            reason if reason.starts_with("bad-shape") || !kind_fits => Refusal::Malformed,
            reason if reason.starts_with("id-bad") => Refusal::BadId,
            "id-ok-sig-bad" => Refusal::BadSignature,
            other => panic!("an unknown reason: {other}"),
        };
        let actual = parse(&json).and_then(|event| verify(&event, &rules));
        assert_eq!(actual, Err(expected), "{line}");
    }
}

#[test]
fn real_traffic_says_something() {
    let Some(lines) = data::text("events/dvm.jsonl") else {
        return;
    };
    let rules = Rules::default();
    let (mut requests, mut responses, mut embedded) = (0, 0, 0);
    for event in lines.lines().map(|line| parse(line).expect("an event")) {
        match read(&event, &rules, None) {
            Activity::Request(request) => {
                assert_eq!((request.id, request.kind), (event.id, event.kind));
                requests += 1;
            }
            Activity::Response(response, request) => {
                assert_eq!(response.dvm, event.pubkey);
                if let Some(request) = request {
                    assert_eq!(response.job, Some(request.id));
                    embedded += 1;
                }
                responses += 1;
            }
            other => assert_eq!(other, Activity::Nothing, "kind {}", event.kind),
        }
    }
    assert!(
        requests > 20 && responses > 20 && embedded > 0,
        "{requests} {responses} {embedded}"
    );
}
