//! Events and invoices made for one test.

use dvmdash_core::{Event, EventId, Hex32, Pubkey, Signature, event_id};
use secp256k1::{Keypair, Message, SECP256K1};

fn keypair(author: u8) -> Keypair {
    Keypair::from_seckey_slice(SECP256K1, &[author; 32]).expect("a small number is a key")
}

/// The public key of author number 1..=254.
pub fn pubkey(author: u8) -> Pubkey {
    Hex32(keypair(author).x_only_public_key().0.serialize())
}

/// A signature of an id by an author.
pub fn sign(author: u8, id: EventId) -> Signature {
    let message = Message::from_digest(id.0);
    Signature(
        SECP256K1
            .sign_schnorr_no_aux_rand(&message, &keypair(author))
            .serialize(),
    )
}

/// A signed event.
pub fn event(author: u8, kind: u16, created_at: i64, tags: &[&[&str]], content: &str) -> Event {
    let mut event = Event {
        id: Hex32::default(),
        pubkey: pubkey(author),
        created_at,
        kind,
        tags: tags
            .iter()
            .map(|tag| tag.iter().map(|&part| part.to_owned()).collect())
            .collect(),
        content: content.to_owned(),
        sig: Signature([0; 64]),
    };
    event.id = event_id(&event);
    event.sig = sign(author, event.id);
    event
}

/// The JSON of an event.
pub fn json(event: &Event) -> String {
    serde_json::to_string(event).expect("an event serializes")
}

/// A BOLT 11 string with this human-readable part and payment hash, a right checksum, and a signature of zeros.
pub fn invoice(prefix: &str, payment_hash: Option<[u8; 32]>) -> String {
    let mut words = vec![0; 7];
    if let Some(hash) = payment_hash {
        // Tag `p`, length 52 = 1 * 32 + 20.
        words.extend([1, 1, 20]);
        words.extend(five_bit_words(&hash));
    }
    words.extend([0; 104]);
    words.extend(checksum(prefix, &words));
    let digits = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let data: String = words
        .iter()
        .map(|&word| char::from(digits[word as usize]))
        .collect();
    format!("{prefix}1{data}")
}

fn five_bit_words(bytes: &[u8]) -> Vec<u8> {
    let bit = |index: usize| {
        bytes
            .get(index / 8)
            .map_or(0, |byte| byte >> (7 - index % 8) & 1)
    };
    (0..(bytes.len() * 8).div_ceil(5))
        .map(|word| (0..5).fold(0, |sum, place| sum << 1 | bit(word * 5 + place)))
        .collect()
}

/// BIP 173's checksum.
fn checksum(prefix: &str, words: &[u8]) -> Vec<u8> {
    let expanded = prefix
        .bytes()
        .map(|byte| byte >> 5)
        .chain([0])
        .chain(prefix.bytes().map(|byte| byte & 31))
        .chain(words.iter().copied())
        .chain([0; 6]);
    let residue = expanded.fold(1_u32, |sum, word| {
        let top = sum >> 25;
        [
            0x3b6a_57b2,
            0x2650_8e6d,
            0x1ea1_19fa,
            0x3d42_33dd,
            0x2a14_62b3,
        ]
        .into_iter()
        .enumerate()
        .filter(|(place, _)| top >> place & 1 == 1)
        .fold(
            (sum & 0x1ff_ffff) << 5 ^ u32::from(word),
            |sum, (_, generator)| sum ^ generator,
        )
    }) ^ 1;
    (0..6)
        .map(|place| (residue >> (5 * (5 - place)) & 31) as u8)
        .collect()
}
