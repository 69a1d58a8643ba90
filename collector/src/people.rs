//! Whose profiles, deletions and receipts are read: the people of the jobs seen by this collector.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use dvmdash_core::{Event, Family, Pubkey, Rules, parse};

/// People of each sort that are followed, at most: ten subscriptions of a relay.
const MOST: usize = 2_000;

/// Why somebody is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Who answers or announces.
    Dvms,
    /// Who asks.
    Customers,
}

impl Sort {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Dvms, Self::Customers];

    /// The word for it in logs and in etcd.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dvms => "dvms",
            Self::Customers => "customers",
        }
    }
}

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

impl Seen {
    fn list(&mut self, sort: Sort) -> &mut List {
        match sort {
            Sort::Dvms => &mut self.dvms,
            Sort::Customers => &mut self.customers,
        }
    }

    fn add(&mut self, sort: Sort, pubkey: Pubkey) {
        self.list(sort).add(pubkey, sort.as_str());
    }
}

impl People {
    /// Adds somebody whom another collector has seen.
    pub fn add(&self, sort: Sort, pubkey: Pubkey) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.add(sort, pubkey);
    }

    /// All of a sort, in the order of appearance.
    pub fn all(&self, sort: Sort) -> Vec<Pubkey> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.list(sort).order.clone()
    }

    /// Takes note of the people of a verified event.
    pub fn learn(&self, event: &Event, rules: &Rules) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match rules.family(event.kind) {
            Some(Family::Request) => seen.add(Sort::Customers, event.pubkey),
            Some(Family::Result | Family::Feedback) => {
                seen.add(Sort::Dvms, event.pubkey);
                // A request that is seen only inside its result has a customer as well. It is verified where it is counted.
                if let Some(Ok(request)) = event.tag("request").map(parse)
                    && rules.is_request(request.kind)
                {
                    seen.add(Sort::Customers, request.pubkey);
                }
            }
            Some(Family::Announcement) if announces(event, rules) => {
                seen.add(Sort::Dvms, event.pubkey);
            }
            _ => {}
        }
    }

    /// How many DVMs and customers there are.
    pub fn count(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.dvms.order.len(), seen.customers.order.len())
    }

    /// Whether this is a DVM.
    pub fn is_dvm(&self, pubkey: &Pubkey) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.dvms.members.contains(pubkey)
    }

    /// Whether this is a customer.
    pub fn is_customer(&self, pubkey: &Pubkey) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.customers.members.contains(pubkey)
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
        assert_eq!(numbers(people.all(Sort::Dvms)), [2, 3, 4]);
        assert_eq!(numbers(people.all(Sort::Customers)), [1, 7]);
    }
}
