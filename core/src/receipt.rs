//! When a zap receipt is valid (NIP-57, METRICS.md section 7).

use crate::admission::{parse, verify_signed};
use crate::invoice::invoice;
use crate::kinds::ZAP_REQUEST;
use crate::{Event, Hex32, Pubkey, Receipt};

/// Reads a receipt; `None` where it is not valid. Who signed it is not judged: anybody can publish one.
pub fn receipt(event: &Event) -> Option<Receipt> {
    // The invoice first: it is the cheaper check.
    let invoice = invoice(event.tag("bolt11")?)?;
    let request = zap_request(event.tag("description")?)?;
    let recipient = recipient(event, &request)?;
    if let Some(amount) = request.tag("amount")
        && amount != invoice.amount_msat.to_string()
    {
        return None;
    }
    Some(Receipt {
        id: event.id,
        created_at: event.created_at,
        payment_hash: invoice.payment_hash,
        recipient,
        sender: request.pubkey,
        amount_msat: invoice.amount_msat,
        target: request.values("e").find_map(Hex32::parse),
    })
}

/// The signed zap request in a receipt's `description`. It has been inside an admitted event: its size needs no check of its own.
fn zap_request(description: &str) -> Option<Event> {
    let request = parse(description).ok()?;
    if request.kind != ZAP_REQUEST {
        return None;
    }
    verify_signed(&request, usize::MAX).ok()?;
    Some(request)
}

/// The value of the zap request's only `p` tag, which is the receipt's `p` too.
fn recipient(receipt: &Event, request: &Event) -> Option<Pubkey> {
    let mut values = request.values("p");
    let value = values.next()?;
    if values.next().is_some() || receipt.tag("p") != Some(value) {
        return None;
    }
    Hex32::parse(value)
}
