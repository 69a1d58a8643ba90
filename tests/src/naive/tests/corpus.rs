//! The real corpus and the vectors, where they are at hand.

use std::fs;
use std::path::PathBuf;

use super::super::event::Event;
use super::super::invoice::{invoice, receipt as receipt_in};
use super::*;

/// A file beside the workspace, or a notice where it is absent.
fn shared(path: &str) -> Option<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let text = fs::read_to_string(root.join(path)).ok();
    if text.is_none() {
        println!("skipped: {path} of the shared data is absent");
    }
    text
}

fn lines(paths: &[&str]) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    for path in paths {
        lines.extend(shared(path)?.lines().map(str::to_owned));
    }
    Some(lines)
}

const REAL: [&str; 5] = [
    "events/dvm.jsonl",
    "events/handlers.jsonl",
    "events/profiles.jsonl",
    "events/deletions.jsonl",
    "events/zap_receipts.jsonl",
];

#[test]
fn every_real_event_verifies_and_sums_agree_in_every_month() {
    let Some(lines) = lines(&REAL) else { return };
    let now = 1_760_000_000;
    let naive = Naive::load(&lines, now, &KindsConfig::default());
    let refused: Vec<String> = naive.rejected().into_keys().collect();
    assert_eq!(refused, ["kind"], "only the poll is none of ours");
    for month in 0..60 {
        let from = 1_604_707_200 + month * 30 * 86_400;
        assert_eq!(naive.check_invariants(from, from + 30 * 86_400), Ok(()));
    }
    assert_eq!(naive.check_invariants(0, now), Ok(()));
}

#[test]
fn no_invalid_object_is_let_in() {
    let Some(lines) = lines(&["events/invalid.jsonl"]) else {
        return;
    };
    for line in lines {
        let object: Value = serde_json::from_str(&line).unwrap();
        let line = object["event"].to_string();
        let naive = Naive::load(&[line], NOW * 2, &KindsConfig::default());
        assert!(naive.archived().is_empty(), "{object}");
    }
}

#[test]
fn tricky_valid_events_have_the_right_id_and_signature() {
    let Some(lines) = lines(&["vectors/nip01/tricky_valid_events.jsonl"]) else {
        return;
    };
    for line in lines {
        let object: Value = serde_json::from_str(&line).unwrap();
        let event = Event::parse(&object["event"].to_string());
        let event = event.unwrap_or_else(|| panic!("{}", object["event"]));
        assert!(event.id_fits() && event.signature_verifies(), "{object}");
    }
}

#[test]
fn no_text_makes_the_parsers_panic() {
    for path in [
        "vectors/bolt11/bolt11_spec_vectors.json",
        "vectors/bolt11/bitcoinjs-bolt11-fixtures.json",
    ] {
        let Some(text) = shared(path) else { return };
        let found = text.split('"').filter_map(invoice).count();
        assert!(
            found > 3,
            "{path} holds valid invoices with an amount: {found}"
        );
    }
    let root =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vectors/json-parsing");
    for file in fs::read_dir(root.join("test_parsing"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let text = String::from_utf8_lossy(&fs::read(file.path()).unwrap()).into_owned();
        assert!(Event::parse(&text).is_none());
    }
}

#[test]
fn the_numbers_of_the_real_corpus_are_those_counted_by_hand() {
    let Some(lines) = lines(&REAL) else { return };
    let naive = Naive::load(&lines, 1_760_000_000, &KindsConfig::default());
    assert_eq!((naive.archived().len(), naive.counted().len()), (458, 455));
    assert_eq!(naive.quarantined()["ancient"], 3);
    let expected = json!({
        "requests": 64, "results": 42, "feedback": 28, "jobs_answered": 22, "unique_kinds": 61,
        "unique_users": 48, "unique_dvms": 48, "known_dvms": 48, "asked_msat": 3_350_125, "paid_msat": 0,
        "feedback_by_status": {
            "processing": 7, "payment-required": 6, "encrypted": 6, "success": 5, "error": 3, "partial": 1
        },
        "response_time": {"count": 22, "avg_s": 1192.0 / 22.0, "p50_s": 7, "p99_s": 749},
    });
    let lines = super::super::diff(&naive.global(0, 1_760_000_000), &expected, "global");
    assert_eq!(lines, [""; 0]);
}

#[test]
fn sixteen_real_receipts_are_valid_and_six_have_no_payment_hash() {
    let Some(lines) = lines(&["events/zap_receipts.jsonl"]) else {
        return;
    };
    let events = lines.iter().map(|line| Event::parse(line).unwrap());
    let (valid, other): (Vec<Event>, Vec<Event>) = events.partition(|e| receipt_in(e).is_some());
    assert_eq!((valid.len(), other.len()), (16, 6));
    for event in other {
        let invoice: lightning_invoice::SignedRawBolt11Invoice =
            event.value("bolt11").unwrap().parse().unwrap();
        assert_eq!(invoice.raw_invoice().payment_hash(), None);
    }
}
