//! Whose profiles, deletions and receipts are read: the people of the jobs seen by this collector.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use dvmdash_core::{Event, Family, Pubkey, Rules, parse};

/// People of each sort that are followed, at most: ten subscriptions of a relay.
const MOST: usize = 2_000;

/// The people seen so far, each in the order of appearance; the lists only grow.
#[derive(Debug, Default)]
pub struct People {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    dvms: List,
    customers: List,
}

#[derive(Debug, Default)]
struct List {
    order: Vec<Pubkey>,
    members: HashSet<Pubkey>,
}

impl List {
    fn add(&mut self, pubkey: Pubkey, sort: &str) {
        if self.members.contains(&pubkey) {
            return;
        }
        if self.order.len() == MOST {
            // Once, and then no more: the member list holds the mark.
            tracing::debug!(sort, "more people than are followed");
            return;
        }
        self.members.insert(pubkey);
        self.order.push(pubkey);
        if self.order.len() == MOST {
            tracing::warn!(
                sort,
                people = MOST,
                "no more people of this sort are followed"
            );
        }
    }
}

impl People {
    /// Takes note of the people of a verified event.
    pub fn learn(&self, event: &Event, rules: &Rules) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match rules.family(event.kind) {
            Some(Family::Request) => seen.customers.add(event.pubkey, "customers"),
            Some(Family::Result | Family::Feedback) => {
                seen.dvms.add(event.pubkey, "dvms");
                // A request that is seen only inside its result has a customer as well. It is verified where it is counted.
                if let Some(Ok(request)) = event.tag("request").map(parse)
                    && rules.is_request(request.kind)
                {
                    seen.customers.add(request.pubkey, "customers");
                }
            }
            Some(Family::Announcement) if announces(event, rules) => {
                seen.dvms.add(event.pubkey, "dvms");
            }
            _ => {}
        }
    }

    /// How many DVMs and customers there are.
    pub fn count(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.dvms.order.len(), seen.customers.order.len())
    }

    /// The DVMs, in order.
    pub fn dvms(&self) -> Vec<Pubkey> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.dvms.order.clone()
    }

    /// The customers, in order.
    pub fn customers(&self) -> Vec<Pubkey> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.customers.order.clone()
    }
}

fn announces(event: &Event, rules: &Rules) -> bool {
    event
        .values("k")
        .filter_map(|kind| kind.parse().ok())
        .any(|kind| rules.is_request(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvmdash_core::{Hex32, Signature};

    fn event(author: u8, kind: u16, tags: &[[&str; 2]]) -> Event {
        Event {
            id: Hex32([author; 32]),
            pubkey: Hex32([author; 32]),
            created_at: 0,
            kind,
            tags: tags
                .iter()
                .map(|tag| tag.map(str::to_owned).to_vec())
                .collect(),
            content: String::new(),
            sig: Signature([0; 64]),
        }
    }

    #[test]
    fn answers_and_announcements_make_dvms_and_requests_make_customers() {
        let (people, rules) = (People::default(), Rules::default());
        let request = serde_json::to_string(&event(7, 5100, &[])).unwrap();
        for event in [
            event(1, 5100, &[]),
            event(2, 6100, &[["request", &request]]),
            event(3, 7000, &[]),
            event(4, 31990, &[["k", "5100"]]),
            event(5, 31990, &[["k", "1"]]),
            event(6, 9735, &[["p", "x"]]),
            event(2, 6100, &[]),
        ] {
            people.learn(&event, &rules);
        }
        let numbers = |list: Vec<Pubkey>| list.iter().map(|key| key.0[0]).collect::<Vec<_>>();
        assert_eq!(numbers(people.dvms()), [2, 3, 4]);
        assert_eq!(numbers(people.customers()), [1, 7]);
    }
}
