//! Who takes part: key pairs made from the seed, each once, when first needed.

use std::collections::HashMap;
use std::sync::Arc;

use secp256k1::{Keypair, SECP256K1, SecretKey};
use sha2::{Digest, Sha256};

pub(crate) struct Person {
    pub(crate) keypair: Keypair,
    /// x-only, 64 lower-case hex digits.
    pub(crate) pubkey: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Dvm,
    User,
    /// Signs zap receipts, and invoices as a Lightning node.
    Wallet,
    /// Belongs to no job: deletes what is not theirs, announces other applications.
    Stranger,
}

pub(crate) struct People {
    seed: u64,
    met: HashMap<(Role, usize), Arc<Person>>,
}

impl People {
    pub(crate) fn new(seed: u64) -> Self {
        People {
            seed,
            met: HashMap::new(),
        }
    }

    pub(crate) fn get(&mut self, role: Role, index: usize) -> Arc<Person> {
        let seed = self.seed;
        Arc::clone(
            self.met
                .entry((role, index))
                .or_insert_with(|| Arc::new(person(seed, role, index))),
        )
    }
}

fn person(seed: u64, role: Role, index: usize) -> Person {
    let secret = Sha256::digest(format!("dvmdash simulator {seed} {} {index}", role as u8));
    let secret =
        SecretKey::from_slice(&secret).expect("a hash is outside the curve's order once in 2^128");
    let keypair = Keypair::from_secret_key(SECP256K1, &secret);
    Person {
        pubkey: hex::encode(keypair.x_only_public_key().0.serialize()),
        keypair,
    }
}

const FIRST: [&str; 16] = [
    "Quiet", "Amber", "Tidal", "Copper", "Lucid", "Northern", "Paper", "Silver", "Velvet",
    "Humble", "Polar", "Curious", "Electric", "Golden", "Misty", "Brave",
];
const SECOND: [&str; 16] = [
    "Otter",
    "Feeds",
    "Lens",
    "Oracle",
    "Scribe",
    "Compass",
    "Trends",
    "Painter",
    "Relay",
    "Librarian",
    "Noteworthy",
    "Ear",
    "Kiosk",
    "Signal",
    "Workshop",
    "Digest",
];

/// A made-up name, the same for the same index, distinct below 256.
pub(crate) fn name(index: usize) -> String {
    let (first, second) = (FIRST[index % 16], SECOND[(index / 16 + index) % 16]);
    match index / 256 {
        0 => format!("{first} {second}"),
        again => format!("{first} {second} {}", again + 1),
    }
}
