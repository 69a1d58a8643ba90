//! Which events may count (METRICS.md section 1): shape, size, id, signature, kind, time.

use std::borrow::Cow;
use std::str::FromStr;

use secp256k1::{Message, SECP256K1, XOnlyPublicKey, schnorr};
use sha2::{Digest, Sha256};

use crate::{Event, EventId, Hex32, Pubkey, Rules, Signature};

/// Why an event is not counted and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Not a NIP-01 event object.
    Malformed,
    /// Its serialization is longer than the rules allow.
    TooLarge,
    /// The id is not the hash of the serialization.
    BadId,
    /// The signature is not the author's.
    BadSignature,
    /// A kind that is none of ours: ignored rather than rejected.
    Kind,
}

impl Refusal {
    /// All of them, in the order of the checks.
    pub const ALL: [Self; 5] = [
        Self::Malformed,
        Self::TooLarge,
        Self::BadId,
        Self::BadSignature,
        Self::Kind,
    ];

    /// The reason as counters and the API name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::BadId => "bad_id",
            Self::BadSignature => "bad_signature",
            Self::Kind => "kind",
        }
    }
}

/// Why an event is kept in the archive but in no metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quarantine {
    /// Dated more than 900 s ahead; ends when its time has come.
    Future,
    /// Dated before the first Nostr event.
    Ancient,
    /// Makes the counting transaction fail every time.
    Unprocessable,
}

impl Quarantine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Future, Self::Ancient, Self::Unprocessable];

    /// The reason as the archive, counters and the API name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Future => "future",
            Self::Ancient => "ancient",
            Self::Unprocessable => "unprocessable",
        }
    }
}

impl FromStr for Quarantine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no reason for a quarantine"))
    }
}

/// How far ahead of its arrival an event may be dated, in seconds.
pub const FUTURE_TOLERANCE_SECONDS: i64 = 900;
/// 2020-11-07T00:00:00Z in unix seconds: no Nostr event is older.
pub const FIRST_EVENT_SECONDS: i64 = 1_604_707_200;

/// Reads one NIP-01 event object, with nothing around it but whitespace. Only its shape is checked.
///
/// Members beyond the seven are ignored. A number with a fraction or an exponent, one of the seven named twice, or a lone surrogate in
/// them is malformed.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn parse(json: &str) -> Result<Event, Refusal> {
    // The derived reader would also take the fields as a JSON array.
    if !json.trim_ascii_start().starts_with('{') {
        return Err(Refusal::Malformed);
    }
    let event: Event = serde_json::from_str(json).map_err(|_| Refusal::Malformed)?;
    if event.created_at < 0 {
        return Err(Refusal::Malformed);
    }
    Ok(event)
}

/// Checks size, id, signature and kind, in this order.
///
/// # Errors
/// The first check that fails.
pub fn verify(event: &Event, rules: &Rules) -> Result<(), Refusal> {
    verify_signed(event, rules.max_event_bytes)?;
    admit_verified(event, rules)
}

/// Checks what is left for an event whose size, id and signature somebody trusted has verified: its kind.
///
/// # Errors
/// [`Refusal::Kind`].
pub fn admit_verified(event: &Event, rules: &Rules) -> Result<(), Refusal> {
    match rules.family(event.kind) {
        Some(_) => Ok(()),
        None => Err(Refusal::Kind),
    }
}

/// Checks size, id and signature of an event of any kind.
pub(crate) fn verify_signed(event: &Event, max_bytes: usize) -> Result<(), Refusal> {
    verify_id(event, max_bytes)?;
    if !signature_is_valid(&event.id, &event.pubkey, &event.sig) {
        return Err(Refusal::BadSignature);
    }
    Ok(())
}

/// Checks size and id, which are cheap beside the signature.
pub(crate) fn verify_id(event: &Event, max_bytes: usize) -> Result<(), Refusal> {
    let serialized = serialize(event);
    if serialized.len() > max_bytes {
        return Err(Refusal::TooLarge);
    }
    if hash(&serialized) != event.id && hash(&escape_del(&serialized)) != event.id {
        return Err(Refusal::BadId);
    }
    Ok(())
}

/// Why an event that arrives at `now` must wait outside the metrics, if it must. Both in unix seconds.
pub fn quarantine(created_at: i64, now: i64) -> Option<Quarantine> {
    if created_at > now.saturating_add(FUTURE_TOLERANCE_SECONDS) {
        Some(Quarantine::Future)
    } else if created_at < FIRST_EVENT_SECONDS {
        Some(Quarantine::Ancient)
    } else {
        None
    }
}

/// The id that an event with these fields has (NIP-01), DEL verbatim. The event's own `id` and `sig` are not looked at.
pub fn event_id(event: &Event) -> EventId {
    hash(&serialize(event))
}

/// Whether `sig` is a BIP-340 signature of `id` by `pubkey`.
pub fn signature_is_valid(id: &EventId, pubkey: &Pubkey, sig: &Signature) -> bool {
    let Ok(key) = XOnlyPublicKey::from_slice(&pubkey.0) else {
        return false;
    };
    let Ok(signature) = schnorr::Signature::from_slice(&sig.0) else {
        return false;
    };
    SECP256K1
        .verify_schnorr(&signature, &Message::from_digest(id.0), &key)
        .is_ok()
}

/// The array `[0,pubkey,created_at,kind,tags,content]` without whitespace. JSON escapes of control characters, quotes and backslashes as
/// NIP-01 has them; everything else, DEL included, verbatim.
fn serialize(event: &Event) -> Vec<u8> {
    let mut pubkey = [0; 64];
    hex::encode_to_slice(event.pubkey.0, &mut pubkey).expect("64 digits hold 32 bytes");
    let pubkey = std::str::from_utf8(&pubkey).expect("hex digits are ASCII");
    let mut out = Vec::with_capacity(event.content.len() + 96 * event.tags.len() + 128);
    let fields = (
        0,
        pubkey,
        event.created_at,
        event.kind,
        &event.tags,
        &event.content,
    );
    serde_json::to_writer(&mut out, &fields).expect("text and integers always serialize");
    out
}

/// The other form in use: every DEL as `\u007f`.
fn escape_del(serialized: &[u8]) -> Cow<'_, [u8]> {
    if !serialized.contains(&0x7f) {
        return Cow::Borrowed(serialized);
    }
    let mut out = Vec::with_capacity(serialized.len() + 64);
    for &byte in serialized {
        match byte {
            0x7f => out.extend_from_slice(br"\u007f"),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn hash(bytes: &[u8]) -> EventId {
    Hex32(Sha256::digest(bytes).into())
}
