//! The NIP-01 event and its 32-byte names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 32 bytes that Nostr writes as 64 lower-case hex digits: an event id, a public key, a payment hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hex32(pub [u8; 32]);

/// An event id (NIP-01): the sha256 of the event's serialization.
pub type EventId = Hex32;
/// An x-only public key (BIP-340).
pub type Pubkey = Hex32;

impl Hex32 {
    /// Reads exactly 64 lower-case hex digits; `None` for anything else, upper case included.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        decode_lower_hex(text, &mut bytes).then_some(Self(bytes))
    }
}

/// Fills `out` from lower-case hex of exactly twice its length; `false` when `text` is anything else.
pub(crate) fn decode_lower_hex(text: &str, out: &mut [u8]) -> bool {
    if text.len() != out.len() * 2 {
        return false;
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
            return false;
        };
        *byte = high << 4 | low;
    }
    true
}

impl fmt::Display for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hex32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Hex32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("expected 64 lower-case hex digits"))
    }
}

/// A 64-byte BIP-340 signature, written as 128 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        if decode_lower_hex(&text, &mut bytes) {
            Ok(Self(bytes))
        } else {
            Err(serde::de::Error::custom(
                "expected 128 lower-case hex digits",
            ))
        }
    }
}

/// A NIP-01 event with the values of its seven fields exactly as signed.
///
/// Serializes to a NIP-01 object. Members beyond the seven are dropped on reading; a member named twice is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// sha256 of the NIP-01 serialization.
    pub id: EventId,
    /// Who signed it.
    pub pubkey: Pubkey,
    /// Unix seconds as claimed by the signer, 0..=2^63-1.
    pub created_at: i64,
    /// 0..=65535.
    pub kind: u16,
    /// Each tag is a name and its values; a tag may be empty.
    pub tags: Vec<Vec<String>>,
    /// Any text that JSON can hold, U+0000 included.
    pub content: String,
    /// BIP-340 signature of `id` by `pubkey`.
    pub sig: Signature,
}

impl Event {
    /// The first tag of this name that has a value, as METRICS.md reads "the `x` tag".
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|tag| tag.len() >= 2 && tag[0] == name)
            .map(|tag| tag[1].as_str())
    }

    /// The values (second elements) of all tags of this name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.tags
            .iter()
            .filter(move |tag| tag.len() >= 2 && tag[0] == name)
            .map(|tag| tag[1].as_str())
    }
}
