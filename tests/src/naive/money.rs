//! METRICS 7, the part that depends on other events: what was asked, what receipts are tied to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::invoice::Receipt;
use super::jobs::{Request, Response};

/// One valid receipt for each payment hash: the earliest, then the smallest id.
pub fn one_per_payment(receipts: Vec<Receipt>) -> Vec<Receipt> {
    let mut chosen: BTreeMap<String, Receipt> = BTreeMap::new();
    for receipt in receipts {
        match chosen.get(&receipt.payment_hash) {
            Some(best) if (best.at, &best.id) <= (receipt.at, &receipt.id) => {}
            _ => {
                chosen.insert(receipt.payment_hash.clone(), receipt);
            }
        }
    }
    chosen.into_values().collect()
}

/// What a receipt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Tied to a job; `None` where the response it names is an orphan.
    Paid(Option<String>),
    /// To a known DVM, tied to no job.
    Tip,
    /// To nobody we know.
    Nothing,
}

/// What a valid receipt is, given everything else.
pub fn tie(
    receipt: &Receipt,
    requests: &BTreeMap<String, Request>,
    responses: &BTreeMap<String, Response>,
    dvms: &BTreeSet<String>,
) -> Tie {
    if let Some(target) = &receipt.target {
        let responded = || {
            responses
                .values()
                .any(|r| r.dvm == receipt.recipient && r.job.as_ref() == Some(target))
        };
        if requests.contains_key(target) && responded() {
            return Tie::Paid(Some(target.clone()));
        }
        if let Some(response) = responses.get(target)
            && response.dvm == receipt.recipient
        {
            return Tie::Paid(response.job.clone());
        }
    }
    if dvms.contains(&receipt.recipient) {
        return Tie::Tip;
    }
    Tie::Nothing
}

/// The response that stands for what each (job, DVM) asked: the largest amount, then the earliest.
// Decision: of two with the same amount in the same second the one with the smaller id; it is the same number.
pub fn asked(responses: &BTreeMap<String, Response>) -> Vec<&Response> {
    let mut best: BTreeMap<(&str, &str), &Response> = BTreeMap::new();
    let rank = |r: &Response| (r.asked, Reverse(r.at), Reverse(r.id.clone()));
    for response in responses.values() {
        let (Some(job), Some(_)) = (&response.job, response.asked) else {
            continue;
        };
        let best = best.entry((job, &response.dvm)).or_insert(response);
        if rank(response) > rank(best) {
            *best = response;
        }
    }
    best.into_values().collect()
}
