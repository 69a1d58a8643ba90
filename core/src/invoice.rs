//! What a BOLT 11 invoice says about money (METRICS.md section 7).

use lightning_invoice::{Currency, SignedRawBolt11Invoice};

use crate::Hex32;
use crate::amount::MAX_MSAT;

/// The two facts of an invoice that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Names the payment.
    pub payment_hash: Hex32,
    /// Millisats, 1..=10^12.
    pub amount_msat: i64,
}

/// The longest invoice that is looked at, in bytes: what the checksum's reader takes.
const MAX_BYTES: usize = 7089;
const PICO_BITCOIN_PER_MSAT: u64 = 10;

/// Reads a BOLT 11 string of network `bc`: one case, a right checksum, a payment hash, and a whole number of millisats in range.
/// Feature bits and the signature are not judged. `None` for anything else.
pub fn invoice(bolt11: &str) -> Option<Invoice> {
    if bolt11.len() > MAX_BYTES {
        return None;
    }
    let (raw, _, _) = bolt11.parse::<SignedRawBolt11Invoice>().ok()?.into_parts();
    if raw.currency() != Currency::Bitcoin {
        return None;
    }
    let pico_bitcoin = raw.amount_pico_btc()?;
    if !pico_bitcoin.is_multiple_of(PICO_BITCOIN_PER_MSAT) {
        return None;
    }
    let amount_msat = i64::try_from(pico_bitcoin / PICO_BITCOIN_PER_MSAT).ok()?;
    if !(1..=MAX_MSAT).contains(&amount_msat) {
        return None;
    }
    let payment_hash: &[u8; 32] = raw.payment_hash()?.0.as_ref();
    Some(Invoice {
        payment_hash: Hex32(*payment_hash),
        amount_msat,
    })
}
