//! From messages to events that may count, and what they say.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;

use dvmdash_core::{
    Activity, EventId, Rules, Signature, admit_verified, quarantine, read_trusting, verify,
};
use dvmdash_runtime::queue::{Delivery, Sighting, Source, wire};
use lru::LruCache;

use crate::batch::{Batch, Claimable};

/// How many verified signatures are remembered: results follow their requests within seconds. About 100 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// Turns deliveries into batches.
pub(crate) struct Decoder {
    rules: Rules,
    /// Signatures of requests that were verified, here or by who published them.
    verified: LruCache<EventId, Signature>,
}

impl Decoder {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            verified: LruCache::new(REMEMBERED),
        }
    }

    /// Judges everything that the deliveries carry. Nothing of a bad event touches its neighbours.
    pub(crate) fn decode(&mut self, deliveries: Vec<Delivery>, now: i64) -> Batch {
        let mut batch = Batch::default();
        let mut seen = HashSet::new();
        let mut embedded = Vec::new();
        for delivery in deliveries {
            match wire::decode(&delivery, now * 1000) {
                Ok(message) => {
                    for (reason, events) in message.refused {
                        *batch.refused.entry(reason).or_default() += events;
                    }
                    batch.reports.extend(message.reports);
                    for sighting in message.sightings {
                        batch.note_relay(&sighting);
                        self.judge(
                            sighting,
                            message.verified,
                            now,
                            &mut seen,
                            &mut batch,
                            &mut embedded,
                        );
                    }
                    batch.deliveries.push(delivery);
                }
                Err(reason) => batch.poison.push((delivery, reason)),
            }
        }
        // After all others, so that a request which a relay delivered too keeps that delivery's times.
        for sighting in embedded {
            self.judge(sighting, true, now, &mut seen, &mut batch, &mut Vec::new());
        }
        // So that archive and tables walk their indexes of ids once.
        batch
            .events
            .sort_unstable_by_key(|event| event.sighting.event.id);
        batch
    }

    /// What archived events say. They were admitted once, and requests inside them have been archived as events of their own.
    pub(crate) fn again(&mut self, sightings: Vec<Sighting>) -> Vec<Claimable> {
        for Sighting { event, .. } in &sightings {
            if self.rules.is_request(event.kind) {
                self.verified.put(event.id, event.sig);
            }
        }
        let read = |sighting: Sighting| {
            let activity = self.read(&sighting, &mut Vec::new());
            Claimable { sighting, activity }
        };
        let mut events: Vec<_> = sightings.into_iter().map(read).collect();
        events.sort_unstable_by_key(|event| event.sighting.event.id);
        events
    }

    fn judge(
        &mut self,
        sighting: Sighting,
        verified: bool,
        now: i64,
        seen: &mut HashSet<EventId>,
        batch: &mut Batch,
        embedded: &mut Vec<Sighting>,
    ) {
        let event = &sighting.event;
        let admission = if verified {
            admit_verified(event, &self.rules)
        } else {
            verify(event, &self.rules)
        };
        if let Err(refusal) = admission {
            count(&mut batch.refused, refusal.as_str());
            return;
        }
        if !seen.insert(event.id) {
            return;
        }
        if let Some(reason) = quarantine(event.created_at, now) {
            batch.quarantined.push((sighting, reason));
            return;
        }
        if self.rules.is_request(event.kind) {
            self.verified.put(event.id, event.sig);
        }
        let activity = self.read(&sighting, embedded);
        batch.events.push(Claimable { sighting, activity });
    }

    /// What the event says; a valid request inside it joins `embedded` as an event of its own.
    fn read(&self, sighting: &Sighting, embedded: &mut Vec<Sighting>) -> Activity {
        let (event, first_seen) = (&sighting.event, sighting.first_seen);
        let delivered = (sighting.source == Source::Relay).then_some(first_seen);
        let trusted = |id: &EventId, sig: &Signature| self.verified.peek(id) == Some(sig);
        match read_trusting(event, &self.rules, delivered, trusted) {
            Activity::Response(response, Some(request)) => {
                embedded.push(Sighting {
                    event: *request,
                    first_seen,
                    relay: None,
                    source: Source::Embedded,
                });
                Activity::Response(response, None)
            }
            other => other,
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, reason: &str) {
    *counts.entry(reason.to_owned()).or_default() += 1;
}
