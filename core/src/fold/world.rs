//! The entities that a batch touches.

use std::collections::{HashMap, HashSet};

use super::{Deltas, job, payment};
use crate::{Activity, EventId, Hex32, Pubkey, Receipt, Request, Response};

/// What new events say, as far as the rollups are concerned.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Job requests.
    pub requests: Vec<Request>,
    /// Results and feedback.
    pub responses: Vec<Response>,
    /// Valid receipts.
    pub receipts: Vec<Receipt>,
    /// DVMs that these events make known (METRICS.md section 9).
    pub known: HashSet<Pubkey>,
}

impl Facts {
    /// Takes the activity's part in the rollups.
    pub fn add(&mut self, activity: &Activity) {
        match activity {
            Activity::Request(request) => self.requests.push(request.clone()),
            Activity::Response(response, _) => {
                self.known.insert(response.dvm);
                self.responses.push(response.clone());
            }
            Activity::Receipt(receipt) => self.receipts.push(receipt.clone()),
            Activity::Announcement(version) if !version.kinds.is_empty() => {
                self.known.insert(version.pubkey);
            }
            _ => {}
        }
    }
}

/// A part of the counted facts that is closed in itself: it holds every response of each job in it, every receipt of each payment hash in
/// it, and what those receipts point to. Jobs that nothing touches may be in it: they contribute the same before and after.
#[derive(Clone, Debug, Default)]
pub struct World {
    requests: HashMap<EventId, Request>,
    responses: HashMap<EventId, Vec<Response>>,
    orphans: Vec<Response>,
    /// Response id -> (its job, its DVM): what a receipt may point to.
    answers: HashMap<EventId, (Option<EventId>, Pubkey)>,
    receipts: HashMap<Hex32, Vec<Receipt>>,
    known: HashSet<Pubkey>,
}

impl World {
    /// Adds facts, each once.
    pub fn add(&mut self, facts: &Facts) {
        self.requests.extend(
            facts
                .requests
                .iter()
                .map(|request| (request.id, request.clone())),
        );
        for response in &facts.responses {
            self.answers
                .insert(response.id, (response.job, response.dvm));
            match response.job {
                Some(job) => self
                    .responses
                    .entry(job)
                    .or_default()
                    .push(response.clone()),
                None => self.orphans.push(response.clone()),
            }
        }
        for receipt in &facts.receipts {
            self.receipts
                .entry(receipt.payment_hash)
                .or_default()
                .push(receipt.clone());
        }
        self.known.extend(&facts.known);
    }

    /// Changes of all rollups when `facts` join this world.
    pub fn fold(mut self, facts: &Facts) -> Deltas {
        let mut deltas = Deltas::default();
        self.contribute(&mut deltas, -1);
        deltas.payments.clear();
        self.add(facts);
        self.contribute(&mut deltas, 1);
        deltas.payments_seen = self.receipts.keys().copied().collect();
        deltas.compact();
        deltas
    }

    /// Adds (`sign` 1) or takes out (`sign` -1) what this world amounts to.
    fn contribute(&self, deltas: &mut Deltas, sign: i64) {
        for (id, request) in &self.requests {
            let responses = self.responses.get(id).map_or(&[][..], Vec::as_slice);
            job::contribute(Some(request), responses, deltas, sign);
        }
        for (job, responses) in &self.responses {
            if !self.requests.contains_key(job) {
                job::contribute(None, responses, deltas, sign);
            }
        }
        for orphan in &self.orphans {
            job::contribute_orphan(orphan, deltas, sign);
        }
        for receipts in self.receipts.values() {
            if let Some(payment) = payment::resolve(receipts, self) {
                payment.contribute(deltas, sign);
                deltas
                    .payments
                    .insert(payment.receipt.payment_hash, payment);
            }
        }
    }

    pub(super) fn request(&self, id: EventId) -> Option<&Request> {
        self.requests.get(&id)
    }

    pub(super) fn responded(&self, job: EventId, dvm: Pubkey) -> bool {
        self.responses
            .get(&job)
            .is_some_and(|responses| responses.iter().any(|response| response.dvm == dvm))
    }

    pub(super) fn answer(&self, id: EventId) -> Option<(Option<EventId>, Pubkey)> {
        self.answers.get(&id).copied()
    }

    pub(super) fn knows(&self, dvm: Pubkey) -> bool {
        self.known.contains(&dvm)
    }
}
