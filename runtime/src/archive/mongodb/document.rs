//! An event as a document of MongoDB.

use anyhow::{Context, Result};
use dvmdash_core::{Event, Hex32, Signature};
use mongodb::bson::raw::{RawArrayBuf, RawBinaryRef, RawDocument, RawDocumentBuf, cstr};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, RawBsonRef};

use crate::archive::Archived;
use crate::queue::{Sighting, Source};

/// Bytes as a value of a document.
pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

fn raw(bytes: &[u8]) -> RawBsonRef<'_> {
    RawBsonRef::Binary(RawBinaryRef {
        subtype: BinarySubtype::Generic,
        bytes,
    })
}

/// The document of an event: `_id`, `pubkey`, `sig` as bytes, `kind`, `created_at`, `tags`, `content` as they are, `first_seen` in unix ms,
/// `relays`, `source`; `refs` (see [`reference`]) and `quarantined` only where there is something.
pub(super) fn encode(sighting: &Sighting, quarantined: Option<&str>) -> RawDocumentBuf {
    let event = &sighting.event;
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), raw(&event.id.0));
    document.append(cstr!("pubkey"), raw(&event.pubkey.0));
    document.append(cstr!("kind"), i32::from(event.kind));
    document.append(cstr!("created_at"), event.created_at);
    let mut tags = RawArrayBuf::new();
    for tag in &event.tags {
        tags.push(tag.iter().map(String::as_str).collect::<RawArrayBuf>());
    }
    document.append(cstr!("tags"), tags);
    document.append(cstr!("content"), event.content.as_str());
    document.append(cstr!("sig"), raw(&event.sig.0));
    document.append(cstr!("first_seen"), sighting.first_seen);
    let relays: RawArrayBuf = sighting.relay.iter().map(String::as_str).collect();
    document.append(cstr!("relays"), relays);
    document.append(cstr!("source"), sighting.source.as_str());
    let refs = references(event);
    if !refs.is_empty() {
        let refs: RawArrayBuf = refs.iter().map(|bytes| raw(bytes)).collect();
        document.append(cstr!("refs"), refs);
    }
    if let Some(reason) = quarantined {
        document.append(cstr!("quarantined"), reason);
    }
    document
}

/// What the index over references holds of an event: each `e` and `p` value of 64 hex digits once.
fn references(event: &Event) -> Vec<[u8; 33]> {
    let named = ["e", "p"].into_iter().flat_map(|name| {
        let values = event.values(name).filter_map(Hex32::parse);
        values.map(|value| reference(name, value))
    });
    let mut refs: Vec<_> = named.collect();
    refs.sort_unstable();
    refs.dedup();
    refs
}

/// An element of `refs`: the tag's letter and the 32 bytes that it names, so that one index serves both tags.
pub(super) fn reference(name: &str, value: Hex32) -> [u8; 33] {
    let mut bytes = [0; 33];
    bytes[0] = name.as_bytes()[0];
    bytes[1..].copy_from_slice(&value.0);
    bytes
}

/// The `_id` of a document.
///
/// # Errors
/// When it is not 32 bytes.
pub(super) fn id(document: &RawDocument) -> Result<Hex32> {
    Ok(Hex32(bytes(document, "_id")?))
}

fn bytes<const N: usize>(document: &RawDocument, field: &str) -> Result<[u8; N]> {
    let value = document.get_binary(field)?.bytes;
    value
        .try_into()
        .with_context(|| format!("`{field}` of an archived event has {} bytes", value.len()))
}

/// Reads a document back.
///
/// # Errors
/// When somebody else has written something else.
pub(super) fn decode(document: &RawDocument) -> Result<Archived> {
    let mut tags = Vec::new();
    for tag in document.get_array("tags")? {
        let tag = tag?.as_array().context("a tag is no array")?;
        tags.push(texts(tag)?);
    }
    let event = Event {
        id: id(document)?,
        pubkey: Hex32(bytes(document, "pubkey")?),
        created_at: document.get_i64("created_at")?,
        kind: u16::try_from(document.get_i32("kind")?).context("read a kind")?,
        tags,
        content: document.get_str("content")?.to_owned(),
        sig: Signature(bytes(document, "sig")?),
    };
    let relays = texts(document.get_array("relays")?)?;
    let source = document.get_str("source")?;
    let quarantined = document
        .get("quarantined")?
        .and_then(|value| value.as_str());
    Ok(Archived {
        sighting: Sighting {
            event,
            first_seen: document.get_i64("first_seen")?,
            relay: relays.first().cloned(),
            source: source.parse::<Source>().map_err(anyhow::Error::msg)?,
        },
        relays,
        quarantined: quarantined.map(str::to_owned),
    })
}

fn texts(array: &mongodb::bson::raw::RawArray) -> Result<Vec<String>> {
    array
        .into_iter()
        .map(|text| Ok(text?.as_str().context("expected text")?.to_owned()))
        .collect()
}
