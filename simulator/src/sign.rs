//! NIP-01: tags, ids, BIP-340 signatures.

use std::fmt::Write as _;

use secp256k1::{Message, SECP256K1};
use sha2::{Digest, Sha256};

use crate::people::Person;

/// A signed Nostr event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// 64 lower-case hex digits.
    pub id: String,
    /// Unix seconds, as signed.
    pub created_at: i64,
    pub kind: u16,
    /// The whole event, a NIP-01 object as compact JSON in one line.
    pub json: String,
}

/// The `tags` array, written as JSON while it grows.
pub(crate) struct Tags(String);

impl Tags {
    pub(crate) fn new() -> Self {
        Tags(String::from("["))
    }

    pub(crate) fn add(&mut self, tag: &[&str]) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        for (at, item) in tag.iter().enumerate() {
            self.0.push(if at == 0 { '[' } else { ',' });
            self.0.push_str(&quoted(item));
        }
        self.0.push(']');
        self
    }

    pub(crate) fn json(&self) -> String {
        format!("{}]", self.0)
    }
}

/// A JSON string. serde_json escapes as NIP-01 wants it: only what must be, the rest verbatim.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

/// What is hashed (NIP-01); `tags` and `content` are JSON.
pub(crate) fn serialization(
    pubkey: &str,
    created_at: i64,
    kind: u16,
    tags: &str,
    content: &str,
) -> String {
    format!("[0,\"{pubkey}\",{created_at},{kind},{tags},{content}]")
}

/// No auxiliary randomness: the same event is signed the same way each time.
pub(crate) fn signature(person: &Person, id: [u8; 32]) -> String {
    SECP256K1
        .sign_schnorr_no_aux_rand(&Message::from_digest(id), &person.keypair)
        .to_string()
}

pub(crate) fn sign(
    person: &Person,
    created_at: i64,
    kind: u16,
    tags: &Tags,
    content: &str,
) -> Event {
    let (tags, content) = (tags.json(), quoted(content));
    let hash: [u8; 32] = Sha256::digest(serialization(
        &person.pubkey,
        created_at,
        kind,
        &tags,
        &content,
    ))
    .into();
    let (id, sig) = (hex::encode(hash), signature(person, hash));
    let mut json = String::with_capacity(tags.len() + content.len() + 384);
    write!(
        json,
        "{{\"id\":\"{id}\",\"pubkey\":\"{}\",\"created_at\":{created_at},\"kind\":{kind},\"tags\":{tags},\"content\":{content},\"sig\":\"{sig}\"}}",
        person.pubkey
    )
    .expect("writing to a string cannot fail");
    Event {
        id,
        created_at,
        kind,
        json,
    }
}
