//! NIP-01 events: their shape, their serialization, their id and their signature.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{LazyLock, Mutex};

use secp256k1::{Message, SECP256K1, XOnlyPublicKey, schnorr::Signature};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use sha2::{Digest, Sha256};

/// A NIP-01 event whose seven fields have the right shape; nothing else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// 64 lower-case hex digits.
    pub id: String,
    /// 64 lower-case hex digits.
    pub pubkey: String,
    /// Unix seconds, never negative.
    pub created_at: i64,
    /// The kind.
    pub kind: u16,
    /// The tags.
    pub tags: Vec<Vec<String>>,
    /// The content.
    pub content: String,
    /// 128 lower-case hex digits.
    pub sig: String,
}

impl Event {
    /// The event in `text`, or `None` where its shape is wrong (METRICS 1, `malformed`).
    pub fn parse(text: &str) -> Option<Event> {
        serde_json::from_str(text).ok()
    }

    /// Values of every tag called `name` with at least two elements.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.tags
            .iter()
            .filter(move |tag| tag.len() >= 2 && tag[0] == name)
            .map(|tag| tag[1].as_str())
    }

    /// The value of "the `name` tag": the first with at least two elements.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The first `e` tag whose value is 64 lower-case hex.
    pub fn first_event_id(&self) -> Option<&str> {
        self.values("e").find(|value| is_hex(value, 64))
    }

    /// The array that NIP-01 hashes, with DEL verbatim.
    pub fn serialized(&self) -> String {
        self.serialized_with("\u{7f}")
    }

    fn serialized_with(&self, del: &str) -> String {
        let mut text = format!("[0,\"{}\",{},{},[", self.pubkey, self.created_at, self.kind);
        for (i, tag) in self.tags.iter().enumerate() {
            text.push_str(if i > 0 { ",[" } else { "[" });
            for (j, element) in tag.iter().enumerate() {
                if j > 0 {
                    text.push(',');
                }
                push_string(&mut text, element, del);
            }
            text.push(']');
        }
        text.push_str("],");
        push_string(&mut text, &self.content, del);
        text.push(']');
        text
    }

    /// Whether the id is the hash of the serialization, in either form of DEL.
    pub fn id_fits(&self) -> bool {
        ["\u{7f}", "\\u007f"]
            .iter()
            .any(|del| hex::encode(Sha256::digest(self.serialized_with(del))) == self.id)
    }

    /// Whether the signature is a BIP-340 signature of the id by the pubkey.
    pub fn signature_verifies(&self) -> bool {
        static SEEN: LazyLock<Mutex<HashMap<[String; 3], bool>>> = LazyLock::new(Mutex::default);
        let key = [self.id.clone(), self.pubkey.clone(), self.sig.clone()];
        if let Some(verdict) = SEEN.lock().expect("no holder panics").get(&key) {
            return *verdict;
        }
        let verdict = self.verify().is_some();
        SEEN.lock().expect("no holder panics").insert(key, verdict);
        verdict
    }

    fn verify(&self) -> Option<()> {
        let id: [u8; 32] = hex::decode(&self.id).ok()?.try_into().ok()?;
        let key = XOnlyPublicKey::from_slice(&hex::decode(&self.pubkey).ok()?).ok()?;
        let sig = Signature::from_slice(&hex::decode(&self.sig).ok()?).ok()?;
        SECP256K1
            .verify_schnorr(&sig, &Message::from_digest(id), &key)
            .ok()
    }
}

/// Whether `text` is exactly `length` lower-case hex digits.
pub fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn push_string(out: &mut String, text: &str, del: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{7f}' => out.push_str(del),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

const SEVEN: [&str; 7] = [
    "id",
    "pubkey",
    "created_at",
    "kind",
    "tags",
    "content",
    "sig",
];

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let (mut id, mut pubkey, mut sig) = (None::<String>, None::<String>, None::<String>);
        let (mut created_at, mut kind) = (None::<u64>, None::<u16>);
        let (mut tags, mut content) = (None, None);
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            // Decision: one of the seven members twice is malformed; others are ignored.
            if SEVEN.contains(&name.as_str()) && !seen.insert(name.clone()) {
                return Err(A::Error::custom("a member stands twice"));
            }
            match name.as_str() {
                "id" => id = Some(map.next_value()?),
                "pubkey" => pubkey = Some(map.next_value()?),
                "created_at" => created_at = Some(map.next_value()?),
                "kind" => kind = Some(map.next_value()?),
                "tags" => tags = Some(map.next_value()?),
                "content" => content = Some(map.next_value()?),
                "sig" => sig = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = || A::Error::custom("a field is missing or out of shape");
        Ok(Event {
            id: id.filter(|v| is_hex(v, 64)).ok_or_else(missing)?,
            pubkey: pubkey.filter(|v| is_hex(v, 64)).ok_or_else(missing)?,
            created_at: created_at
                .and_then(|v| i64::try_from(v).ok())
                .ok_or_else(missing)?,
            kind: kind.ok_or_else(missing)?,
            tags: tags.ok_or_else(missing)?,
            content: content.ok_or_else(missing)?,
            sig: sig.filter(|v| is_hex(v, 128)).ok_or_else(missing)?,
        })
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Event, D::Error> {
        d.deserialize_map(Members)
    }
}
