//! Pubkeys and event ids as people write them (NIP-01, NIP-19, NIP-21).

use dvmdash_core::{EventId, Hex32, Pubkey};
use nostr::PublicKey;
use nostr::nips::nip19::{FromBech32, Nip19, ToBech32};

use crate::problem::Problem;

/// Reads a pubkey: hex, npub or nprofile.
///
/// # Errors
/// A problem that names the parameter.
pub(crate) fn pubkey(name: &'static str, text: &str) -> Result<Pubkey, Problem> {
    hex32(text)
        .or_else(|| match entity(text)? {
            Nip19::Pubkey(key) => Some(Hex32(key.to_bytes())),
            Nip19::Profile(profile) => Some(Hex32(profile.public_key.to_bytes())),
            _ => None,
        })
        .ok_or_else(|| Problem::parameter(name, "write 64 hex digits, an npub or an nprofile"))
}

/// Reads an event id: hex, note or nevent.
///
/// # Errors
/// A problem that names the parameter.
pub(crate) fn event_id(name: &'static str, text: &str) -> Result<EventId, Problem> {
    hex32(text)
        .or_else(|| match entity(text)? {
            Nip19::EventId(id) => Some(Hex32(id.to_bytes())),
            Nip19::Event(event) => Some(Hex32(event.event_id.to_bytes())),
            _ => None,
        })
        .ok_or_else(|| Problem::parameter(name, "write 64 hex digits, a note or an nevent"))
}

/// The npub of a pubkey.
pub(crate) fn npub(pubkey: Pubkey) -> String {
    let Ok(npub) = PublicKey::from_byte_array(pubkey.0).to_bech32();
    npub
}

fn hex32(text: &str) -> Option<Hex32> {
    Hex32::parse(&text.to_ascii_lowercase())
}

fn entity(text: &str) -> Option<Nip19> {
    Nip19::from_bech32(text.strip_prefix("nostr:").unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

    #[test]
    fn every_form_of_a_pubkey_names_the_same() {
        // The examples of NIP-19.
        let nprofile = "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p";
        let npub = npub(Hex32::parse(HEX).unwrap());
        assert!(npub.starts_with("npub1"));
        let nostr = format!("nostr:{npub}");
        for text in [HEX, &HEX.to_ascii_uppercase(), nprofile, &npub, &nostr] {
            assert_eq!(pubkey("pubkey", text).unwrap().to_string(), HEX, "{text}");
        }
    }

    #[test]
    fn every_form_of_an_id_names_the_same() {
        let id = nostr::EventId::from_hex(HEX).unwrap();
        let Ok(note) = id.to_bech32();
        let nevent = nostr::nips::nip19::Nip19Event::new(id).to_bech32().unwrap();
        for text in [HEX, &note, &nevent] {
            assert_eq!(event_id("id", text).unwrap().to_string(), HEX, "{text}");
        }
    }

    #[test]
    fn a_key_of_another_sort_is_refused() {
        let npub = npub(Hex32::parse(HEX).unwrap());
        assert!(event_id("id", &npub).is_err());
        let nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
        for text in ["", "xyz", &HEX[1..], nsec] {
            assert!(pubkey("pubkey", text).is_err(), "{text}");
        }
    }
}
