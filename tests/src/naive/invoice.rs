//! METRICS 7, the static part: amounts, invoices, and whether a receipt is valid by itself.

use lightning_invoice::{Currency, SignedRawBolt11Invoice};

use super::event::{Event, is_hex};

/// 10 BTC.
const MOST_MSAT: u64 = 1_000_000_000_000;

/// The millisats an `amount` tag's value asks for, if it is an amount.
pub fn amount(value: &str) -> Option<u64> {
    if value.chars().count() > 40 {
        return None;
    }
    let digits: String = value.chars().filter(|c| !"_, ".contains(*c)).collect();
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    // Decision: leading zeros do not hurt. What does not fit in 64 bits is far out of range.
    let msat: u64 = match digits.trim_start_matches('0') {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    (1..=MOST_MSAT).contains(&msat).then_some(msat)
}

/// A BOLT 11 string's payment hash and millisats, where both are there and as METRICS 7 wants them.
pub fn invoice(bolt11: &str) -> Option<(String, u64)> {
    let signed: SignedRawBolt11Invoice = bolt11.parse().ok()?;
    let raw = signed.raw_invoice();
    if raw.currency() != Currency::Bitcoin {
        return None;
    }
    let hash = raw.payment_hash()?.0.to_string();
    let pico = raw.amount_pico_btc()?;
    let msat = pico / 10;
    (pico % 10 == 0 && (1..=MOST_MSAT).contains(&msat)).then_some((hash, msat))
}

/// A receipt that is valid by itself; whether it is paid or a tip depends on other events.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The receipt's id.
    pub id: String,
    /// The receipt's time.
    pub at: i64,
    /// Who was paid.
    pub recipient: String,
    /// Who signed the zap request.
    pub sender: String,
    /// The zap request's first `e` that is 64 hex.
    pub target: Option<String>,
    /// The invoice's payment hash.
    pub payment_hash: String,
    /// The invoice's amount.
    pub msat: u64,
}

/// The receipt in a kind 9735, where it is valid.
pub fn receipt(event: &Event) -> Option<Receipt> {
    let zap = Event::parse(event.value("description")?)?;
    if zap.kind != 9734 || !zap.id_fits() || !zap.signature_verifies() {
        return None;
    }
    let (payment_hash, msat) = invoice(event.value("bolt11")?)?;
    if zap.value("amount").is_some_and(|v| v != msat.to_string()) {
        return None;
    }
    // Decision: a `p` tag of one element is no `p` tag, here as everywhere.
    let named: Vec<&str> = zap.values("p").collect();
    let [recipient] = named[..] else { return None };
    if !is_hex(recipient, 64) || event.value("p") != Some(recipient) {
        return None;
    }
    Some(Receipt {
        id: event.id.clone(),
        at: event.created_at,
        recipient: recipient.to_owned(),
        sender: zap.pubkey.clone(),
        target: zap.first_event_id().map(str::to_owned),
        payment_hash,
        msat,
    })
}
