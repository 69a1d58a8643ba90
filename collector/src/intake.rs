//! What all relays of this process share: which events are known, which wait for the broker, and how far each relay has been read.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dvmdash_core::{Event, EventId, Refusal};
use lru::LruCache;

use crate::progress::Progress;

/// Ids that are remembered after their confirm.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(200_000).expect("not zero");

/// The shared state of the relays.
pub struct Intake {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Ids that the broker has confirmed. Only verified events get here.
    confirmed: LruCache<EventId, ()>,
    /// Verified events on their way to the broker.
    pending: HashMap<EventId, Pending>,
    relays: HashMap<Arc<str>, Progress>,
    refused: BTreeMap<Refusal, u64>,
    duplicates: u64,
    /// Events that the broker has confirmed since the beginning.
    published: u64,
}

struct Pending {
    created_at: i64,
    /// The relays that have delivered it, whose cursors it holds back.
    relays: Vec<Arc<str>>,
}

impl Inner {
    /// Whether it is known already. An event that another relay delivered and that waits for the broker holds this relay back as well.
    fn is_known(&mut self, relay: &Arc<str>, id: EventId) -> bool {
        if self.confirmed.get(&id).is_some() {
            return true;
        }
        let Some(pending) = self.pending.get_mut(&id) else {
            return false;
        };
        if !pending.relays.contains(relay) {
            pending.relays.push(relay.clone());
            if let Some(progress) = self.relays.get_mut(relay) {
                progress.deliver(pending.created_at, id);
            }
        }
        true
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                confirmed: LruCache::new(REMEMBERED),
                pending: HashMap::new(),
                relays: HashMap::new(),
                refused: BTreeMap::new(),
                duplicates: 0,
                published: 0,
            }),
        }
    }
}

impl Intake {
    /// A relay is read from now on; its cursor stands at `cursor`.
    pub fn join(&self, relay: Arc<str>, cursor: i64) {
        self.lock().relays.insert(relay, Progress::new(cursor));
    }

    /// A relay is read no more.
    pub fn leave(&self, relay: &str) {
        let mut inner = self.lock();
        inner.relays.remove(relay);
        // Should it come back meanwhile, what it delivers again has to hold its new cursor back.
        for pending in inner.pending.values_mut() {
            pending.relays.retain(|holder| &**holder != relay);
        }
    }

    /// Whether an event that this relay has delivered is known already: verified before, and confirmed or on its way.
    pub fn is_known(&self, relay: &Arc<str>, id: EventId) -> bool {
        let mut inner = self.lock();
        let known = inner.is_known(relay, id);
        inner.duplicates += u64::from(known);
        known
    }

    /// Takes a verified event in. `false` when another relay was faster.
    pub fn accept(&self, relay: &Arc<str>, event: &Event) -> bool {
        let mut inner = self.lock();
        if inner.is_known(relay, event.id) {
            inner.duplicates += 1;
            return false;
        }
        let pending = Pending {
            created_at: event.created_at,
            relays: vec![relay.clone()],
        };
        inner.pending.insert(event.id, pending);
        if let Some(progress) = inner.relays.get_mut(relay) {
            progress.deliver(event.created_at, event.id);
        }
        true
    }

    /// The broker has confirmed these events.
    pub fn confirm(&self, ids: impl IntoIterator<Item = EventId>) {
        let mut inner = self.lock();
        for id in ids {
            let Some(pending) = inner.pending.remove(&id) else {
                continue;
            };
            inner.confirmed.put(id, ());
            inner.published += 1;
            for relay in pending.relays {
                if let Some(progress) = inner.relays.get_mut(&relay) {
                    progress.confirm(pending.created_at, id);
                }
            }
        }
    }

    /// Counts a refused event.
    pub fn refuse(&self, reason: Refusal) {
        *self.lock().refused.entry(reason).or_default() += 1;
    }

    /// Refused events by reason since the last call, for the next message to carry.
    pub fn take_refused(&self) -> BTreeMap<Refusal, u64> {
        std::mem::take(&mut self.lock().refused)
    }

    /// Events that the broker has confirmed since the beginning.
    pub fn published(&self) -> u64 {
        self.lock().published
    }

    /// Duplicates since the last call.
    pub fn take_duplicates(&self) -> u64 {
        std::mem::take(&mut self.lock().duplicates)
    }

    /// Changes or reads how far a relay has been read; `None` when it is read no more.
    pub fn progress<T>(&self, relay: &str, change: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        self.lock().relays.get_mut(relay).map(change)
    }

    /// The cursors that may move, and where to.
    pub fn targets(&self) -> Vec<(Arc<str>, i64)> {
        self.lock()
            .relays
            .iter()
            .filter_map(|(relay, progress)| Some((relay.clone(), progress.target()?)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvmdash_core::{Hex32, Signature};

    fn event(id: u8, created_at: i64) -> Event {
        Event {
            id: Hex32([id; 32]),
            pubkey: Hex32([9; 32]),
            created_at,
            kind: 5100,
            tags: Vec::new(),
            content: String::new(),
            sig: Signature([0; 64]),
        }
    }

    fn relay(url: &str) -> Arc<str> {
        url.into()
    }

    #[test]
    fn an_event_that_another_relay_delivered_holds_the_cursor_until_its_confirm() {
        let intake = Intake::default();
        let (a, b) = (relay("a"), relay("b"));
        intake.join(a.clone(), 100);
        intake.join(b.clone(), 100);
        assert!(intake.accept(&a, &event(1, 200)));
        assert!(intake.is_known(&b, Hex32([1; 32])));
        for url in [&a, &b] {
            intake.progress(url, |progress| progress.read(300));
        }
        let mut targets = intake.targets();
        targets.sort();
        assert_eq!(targets, [(a.clone(), 199), (b.clone(), 199)]);
        intake.confirm([Hex32([1; 32])]);
        let mut targets = intake.targets();
        targets.sort();
        assert_eq!(targets, [(a.clone(), 300), (b.clone(), 300)]);
        assert!(intake.is_known(&a, Hex32([1; 32])), "known by its confirm");
        assert_eq!(intake.take_duplicates(), 2);
    }

    #[test]
    fn a_relay_that_comes_back_is_held_by_what_it_delivered_before() {
        let intake = Intake::default();
        let a = relay("a");
        intake.join(a.clone(), 100);
        assert!(intake.accept(&a, &event(1, 200)));
        intake.leave(&a);
        intake.join(a.clone(), 100);
        assert!(intake.is_known(&a, Hex32([1; 32])));
        intake.progress(&a, |progress| progress.read(300));
        assert_eq!(intake.targets(), [(a, 199)]);
    }

    #[test]
    fn an_event_is_taken_in_once_whoever_verified_it_too() {
        let intake = Intake::default();
        let (a, b) = (relay("a"), relay("b"));
        assert!(intake.accept(&a, &event(1, 200)));
        assert!(!intake.accept(&b, &event(1, 200)));
        intake.confirm([Hex32([1; 32])]);
        assert!(!intake.accept(&b, &event(1, 200)));
    }

    #[test]
    fn a_refused_event_is_counted_and_does_not_make_its_id_known() {
        let intake = Intake::default();
        let a = relay("a");
        assert!(!intake.is_known(&a, Hex32([1; 32])));
        intake.refuse(Refusal::BadSignature);
        intake.refuse(Refusal::BadSignature);
        assert_eq!(
            intake.take_refused(),
            BTreeMap::from([(Refusal::BadSignature, 2)])
        );
        assert!(intake.take_refused().is_empty());
        assert!(!intake.is_known(&a, Hex32([1; 32])));
        assert!(intake.accept(&a, &event(1, 200)));
    }
}
