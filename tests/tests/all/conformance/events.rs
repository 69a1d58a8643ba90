//! Events to carry and to keep. Nobody here looks at signatures.

use dvmdash_core::{Event, Hex32, Signature, event_id};
use dvmdash_runtime::queue::{Sighting, Source};

/// A number out of which others are made, the same in every run.
pub struct Numbers(pub u64);

impl Numbers {
    /// Less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The `number`th key or id.
pub fn key(number: u64) -> Hex32 {
    let mut bytes = [0xab; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Hex32(bytes)
}

pub fn event(
    author: u64,
    kind: u16,
    created_at: i64,
    tags: Vec<Vec<String>>,
    content: &str,
) -> Event {
    let mut event = Event {
        id: Hex32::default(),
        pubkey: key(author),
        created_at,
        kind,
        tags,
        content: content.to_owned(),
        sig: Signature([0x5a; 64]),
    };
    event.id = event_id(&event);
    event
}

pub fn tag(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

pub fn sighting(event: Event) -> Sighting {
    Sighting {
        event,
        first_seen: 1_700_000_000_123,
        relay: Some("wss://relay.example".to_owned()),
        source: Source::Relay,
    }
}

/// Distinct events without anything special.
pub fn plain(count: u64) -> Vec<Sighting> {
    (0..count)
        .map(|number| {
            let content = format!("event {number}");
            sighting(event(number % 7, 5050, 1_700_000_000, Vec::new(), &content))
        })
        .collect()
}

/// What archives and encodings like to stumble over.
pub fn tricky() -> Vec<Event> {
    let id = key(7).to_string();
    let long = "x".repeat(100_000);
    vec![
        event(1, 0, 0, vec![], ""),
        event(1, u16::MAX, i64::MAX, vec![vec![]], "\0"),
        event(
            2,
            5050,
            1,
            vec![tag(&["e"]), tag(&["", ""]), tag(&["e", "\0", "\0\0"])],
            "a\0b\u{7f}\u{ffff}\u{10ffff}",
        ),
        event(
            2,
            5050,
            2,
            vec![tag(&["$set", "."]), tag(&["_id", "$ne"])],
            "{\"$where\":\"1\"}",
        ),
        event(
            3,
            6050,
            3,
            vec![tag(&["e", &id]); 300],
            "the same reference again and again",
        ),
        event(
            3,
            6050,
            4,
            vec![
                tag(&["e", &id.to_uppercase()]),
                tag(&["p", &id, "wss://x", "more"]),
            ],
            "\\u0000 \" \\ \r\n\t",
        ),
        event(4, 7000, 5, vec![tag(&["content", &long])], &long),
        event(
            4,
            7000,
            6,
            (0..2_000).map(|n| tag(&["t", &n.to_string()])).collect(),
            "עברית 🦀 e\u{301}",
        ),
    ]
}
