//! What a payment hash amounts to (METRICS.md section 7).

use super::{Cell, Counter, Deltas, World};
use crate::{EventId, Receipt};

/// What a receipt is tied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// A job: its id unless an orphan response was zapped, and its kind where the request is known.
    Job {
        /// The job.
        job: Option<EventId>,
        /// The request's kind.
        kind: Option<u16>,
    },
    /// No job, but a known DVM.
    Tip,
}

/// The receipt that stands for a payment hash, and what it is tied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Smallest `created_at`, then smallest id.
    pub receipt: Receipt,
    /// Paid or tip.
    pub tie: Tie,
}

/// The payment that the receipts of one hash amount to; `None` while their recipient is nobody we know.
pub(super) fn resolve(receipts: &[Receipt], world: &World) -> Option<Payment> {
    let receipt = receipts
        .iter()
        .min_by_key(|receipt| (receipt.created_at, receipt.id))?;
    let tie = receipt
        .target
        .and_then(|target| tie(receipt, target, world));
    let tie = tie.or_else(|| world.knows(receipt.recipient).then_some(Tie::Tip))?;
    Some(Payment {
        receipt: receipt.clone(),
        tie,
    })
}

/// A known request that the recipient responded to, or a response by the recipient.
fn tie(receipt: &Receipt, target: EventId, world: &World) -> Option<Tie> {
    if let Some(request) = world.request(target)
        && world.responded(target, receipt.recipient)
    {
        return Some(Tie::Job {
            job: Some(target),
            kind: Some(request.kind),
        });
    }
    let (job, dvm) = world.answer(target)?;
    let kind = job
        .and_then(|job| world.request(job))
        .map(|request| request.kind);
    (dvm == receipt.recipient).then_some(Tie::Job { job, kind })
}

impl Payment {
    pub(super) fn contribute(&self, deltas: &mut Deltas, sign: i64) {
        let Receipt {
            created_at,
            recipient,
            sender,
            amount_msat,
            ..
        } = self.receipt;
        match self.tie {
            Tie::Job { kind, .. } => {
                deltas.count_both(
                    created_at,
                    kind,
                    recipient,
                    Counter::Paid,
                    sign * amount_msat,
                );
                *deltas.spent.entry(sender).or_default() += sign * amount_msat;
            }
            Tie::Tip => {
                let cell = Cell::at(created_at, None, Some(recipient));
                deltas.count(cell, Counter::Tips, sign * amount_msat);
                deltas.count(
                    Cell { dvm: None, ..cell },
                    Counter::Tips,
                    sign * amount_msat,
                );
            }
        }
    }
}
