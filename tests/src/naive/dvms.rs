//! METRICS 9 and 10: who is a DVM, what they announce, what they are called, and what is deleted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::admission::KindsConfig;
use super::event::Event;

/// Deleted event id → the id of the deletion that stands for it: the earliest, then the smallest id.
// Decision: what is not counted is not marked as deleted; a deletion cannot be deleted (NIP-09);
// versions gone by an `a` tag are marked too. Only `a` of 31990 does something.
pub fn deleted(events: &BTreeMap<String, Event>) -> BTreeMap<String, String> {
    let mut deletions: Vec<&Event> = events.values().filter(|e| e.kind == 5).collect();
    deletions.sort_by_key(|e| (e.created_at, &e.id));
    let mut deleted = BTreeMap::new();
    for deletion in deletions {
        for id in deletion.values("e") {
            if let Some(target) = events.get(id)
                && target.pubkey == deletion.pubkey
                && target.kind != 5
            {
                deleted
                    .entry(target.id.clone())
                    .or_insert_with(|| deletion.id.clone());
            }
        }
        for address in deletion.values("a") {
            for version in events.values().filter(|e| e.kind == 31990) {
                if version.pubkey == deletion.pubkey
                    && format!("31990:{}:{}", version.pubkey, address_name(version)) == address
                    && version.created_at <= deletion.created_at
                {
                    deleted
                        .entry(version.id.clone())
                        .or_insert_with(|| deletion.id.clone());
                }
            }
        }
    }
    deleted
}

/// The `d` of an addressable event.
// Decision: without a `d` tag it is the empty one (NIP-01).
fn address_name(event: &Event) -> &str {
    event.value("d").unwrap_or("")
}

/// Request kinds in the `k` tags of an announcement.
pub fn announced_kinds(event: &Event, kinds: &KindsConfig) -> BTreeSet<u16> {
    event
        .values("k")
        .filter_map(|k| kinds.request_kind(k))
        .collect()
}

/// The newest of some events: the greatest time, then the smallest id.
fn newest<'a>(events: impl Iterator<Item = &'a Event>) -> Option<&'a Event> {
    events.max_by_key(|e| (e.created_at, Reverse(e.id.clone())))
}

/// The live announcements: of each (pubkey, `d`) the newest version that is not deleted.
pub fn live<'a>(
    events: &'a BTreeMap<String, Event>,
    deleted: &BTreeMap<String, String>,
) -> Vec<&'a Event> {
    let mut versions: BTreeMap<(&str, &str), Vec<&Event>> = BTreeMap::new();
    for event in events.values() {
        if event.kind == 31990 && !deleted.contains_key(&event.id) {
            let key = (event.pubkey.as_str(), address_name(event));
            versions.entry(key).or_default().push(event);
        }
    }
    versions
        .values()
        .filter_map(|versions| newest(versions.iter().copied()))
        .collect()
}

/// What a DVM is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `name` or `display_name`.
    pub name: Option<String>,
    /// `about`.
    pub about: Option<String>,
    /// `picture` or `image`.
    pub picture: Option<String>,
}

/// The profile of `pubkey`, out of the live announcements and the kind 0 events that are not deleted.
// Decision: the newest live announcement is that of any kinds, also where it announces no request kind.
pub fn profile(
    pubkey: &str,
    live: &[&Event],
    zeros: &[&Event],
    deleted: &BTreeMap<String, String>,
) -> Profile {
    let announcement = newest(live.iter().copied().filter(|e| e.pubkey == pubkey));
    let zero = newest(
        zeros
            .iter()
            .copied()
            .filter(|e| e.pubkey == pubkey && !deleted.contains_key(&e.id)),
    );
    let sources: Vec<Value> = [announcement, zero]
        .into_iter()
        .flatten()
        .map(|event| serde_json::from_str(&event.content).unwrap_or(Value::Null))
        .collect();
    let field = |names: &[&str]| -> Option<String> {
        let texts = sources
            .iter()
            .flat_map(|s| names.iter().map(|name| &s[*name]));
        let mut texts = texts
            .filter_map(Value::as_str)
            .filter(|text| !text.is_empty());
        // Columns that are text show U+FFFD for U+0000.
        texts.next().map(|text| text.replace('\0', "\u{fffd}"))
    };
    Profile {
        name: field(&["name", "display_name"]),
        about: field(&["about"]),
        picture: field(&["picture", "image"]),
    }
}
