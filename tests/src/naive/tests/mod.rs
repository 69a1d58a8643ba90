//! Every sentence of METRICS as a small fact, on signed events made here.

mod admission;
mod corpus;
mod diff;
mod dvms;
mod jobs;
mod money;
mod receipts;
mod states;
mod windows;

use std::time::Duration;

use lightning_invoice::{Currency, InvoiceBuilder};
use secp256k1::{Keypair, Message, SECP256K1, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{KindsConfig, Naive};

/// 2023-11-14T22:00:00Z, the full hour that all small sets of events begin at.
pub const T: i64 = 1_699_999_200;
/// The time all sets are looked at, ten days later.
pub const NOW: i64 = T + 864_000;

/// The pubkey of the `n`th signer.
pub fn pubkey(n: u8) -> String {
    keypair(n).x_only_public_key().0.to_string()
}

fn keypair(n: u8) -> Keypair {
    let secret = SecretKey::from_slice(&[n; 32]).unwrap();
    Keypair::from_secret_key(SECP256K1, &secret)
}

/// A signed event as JSON.
pub fn event(signer: u8, at: i64, kind: u16, tags: Value, content: &str) -> Value {
    let array = json!([0, pubkey(signer), at, kind, tags, content]);
    signed(signer, &array, &array.to_string())
}

/// The event of a NIP-01 array, hashed as `text`.
pub fn signed(signer: u8, array: &Value, text: &str) -> Value {
    let id: [u8; 32] = Sha256::digest(text).into();
    let sig = SECP256K1.sign_schnorr_no_aux_rand(&Message::from_digest(id), &keypair(signer));
    json!({
        "id": hex::encode(id),
        "pubkey": array[1],
        "created_at": array[2],
        "kind": array[3],
        "tags": array[4],
        "content": array[5],
        "sig": sig.to_string(),
    })
}

/// The id of an event.
pub fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

/// A job request of kind 5100.
pub fn request(user: u8, at: i64) -> Value {
    event(user, at, 5100, json!([]), "")
}

/// A result of kind 6100 for `job`.
pub fn result(dvm: u8, at: i64, job: &Value) -> Value {
    event(dvm, at, 6100, json!([["e", id(job)]]), "")
}

/// A feedback for `job`.
pub fn feedback(dvm: u8, at: i64, job: &Value, status: &str) -> Value {
    event(
        dvm,
        at,
        7000,
        json!([["e", id(job)], ["status", status]]),
        "",
    )
}

/// A zap receipt signed by signer 200 for a zap by signer 100: `recipient`, `msat` and an invoice
/// whose payment hash is `payment` 32 times.
pub fn receipt(at: i64, recipient: u8, target: &Value, msat: u64, payment: u8) -> Value {
    let tags = json!([
        ["p", pubkey(recipient)],
        ["e", id(target)],
        ["amount", msat.to_string()]
    ]);
    let zap = event(100, at, 9734, tags, "");
    receipt_of(
        at,
        recipient,
        &zap.to_string(),
        &bolt11(Currency::Bitcoin, msat, payment),
    )
}

/// A zap receipt of any parts.
pub fn receipt_of(at: i64, recipient: u8, description: &str, bolt11: &str) -> Value {
    let tags = json!([
        ["p", pubkey(recipient)],
        ["bolt11", bolt11],
        ["description", description]
    ]);
    event(200, at, 9735, tags, "")
}

/// A BOLT 11 string.
pub fn bolt11(currency: Currency, msat: u64, payment: u8) -> String {
    let raw = InvoiceBuilder::new(currency)
        .amount_milli_satoshis(msat)
        .description(String::new())
        .payment_hash(hex::encode([payment; 32]).parse().unwrap())
        .duration_since_epoch(Duration::from_secs(T as u64))
        .build_raw()
        .unwrap();
    sign_invoice(raw)
}

/// Signs an invoice.
pub fn sign_invoice(raw: lightning_invoice::RawBolt11Invoice) -> String {
    let sign = |hash: &Message| {
        Ok::<_, ()>(SECP256K1.sign_ecdsa_recoverable(hash, &keypair(200).secret_key()))
    };
    raw.sign(sign).unwrap().to_string()
}

/// The set of some events, looked at `NOW`.
pub fn naive(events: &[&Value]) -> Naive {
    let lines: Vec<String> = events.iter().map(|e| e.to_string()).collect();
    lines_of(&lines)
}

/// The set of some lines, looked at `NOW`.
pub fn lines_of(lines: &[String]) -> Naive {
    Naive::load(lines, NOW, &KindsConfig::default())
}

/// The global numbers of all time.
pub fn global(events: &[&Value]) -> Value {
    naive(events).global(0, NOW + 1000)
}

/// A DVM's row of all time.
pub fn dvm(events: &[&Value], signer: u8) -> Value {
    naive(events).dvms(0, NOW + 1000)[&pubkey(signer)].clone()
}

/// A kind's row of all time.
pub fn kind(events: &[&Value], kind: u16) -> Value {
    naive(events).kinds(0, NOW + 1000)[&kind].clone()
}
