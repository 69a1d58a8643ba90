//! Reading a stretch of a relay's past, page by page, newest first.

use dvmdash_core::Event;

use crate::selection::{Query, Selection};

/// Events asked for by a page.
pub const PAGE_EVENTS: usize = 500;
/// Events asked for of one second, which cannot be cut by time any more.
const SECOND_EVENTS: usize = 5000;
/// No relay cuts its pages below this, so a shorter one is the last.
const SHORTEST_FULL_PAGE: usize = 20;

/// Why a walk is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To meet the cursor after a connect.
    CatchUp,
    /// To read what people wrote before they were known.
    History,
}

/// What a page brought, as far as the walk cares.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// Events that match the query.
    pub events: usize,
    /// The least `created_at` of them.
    pub oldest: Option<i64>,
}

impl Page {
    /// Notes an event that matches the query.
    pub fn note(&mut self, event: &Event) {
        self.events += 1;
        self.oldest = Some(
            self.oldest
                .map_or(event.created_at, |oldest| oldest.min(event.created_at)),
        );
    }
}

/// A stretch that is still to be read: from `floor` to where the last page ended.
///
/// Relays answer with the newest few hundred of what is asked for, whatever limit is asked for. So each page is asked for up to the second
/// in which the one before ended, that second included, since the page may have cut it. A page that lies in one second alone tells nothing
/// of what is left of that second: it is read by itself, cut by kinds and people until the parts are smaller than pages.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Which events.
    pub selection: Selection,
    /// From this `created_at` on, unix seconds.
    pub floor: i64,
    /// Why.
    pub purpose: Purpose,
    /// The gap that ends with it.
    pub gap: u64,
    until: Option<i64>,
    second: Option<i64>,
    parts: Vec<Selection>,
}

impl Walk {
    /// One that has not begun.
    pub fn new(selection: Selection, floor: i64, purpose: Purpose, gap: u64) -> Self {
        Self {
            selection,
            floor,
            purpose,
            gap,
            until: None,
            second: None,
            parts: Vec::new(),
        }
    }

    /// Whether a page of it has been read.
    pub fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    /// The same stretch for a part of its selection.
    pub fn part(&self, selection: Selection, gap: u64) -> Self {
        Self {
            until: self.until,
            ..Self::new(selection, self.floor, self.purpose, gap)
        }
    }

    /// The page to ask for now.
    pub fn query(&self) -> Query {
        match (self.second, self.parts.last()) {
            (Some(second), Some(part)) => Query {
                selection: part.clone(),
                since: second,
                until: Some(second),
                limit: SECOND_EVENTS,
            },
            _ => Query {
                selection: self.selection.clone(),
                since: self.floor,
                until: self.until,
                limit: PAGE_EVENTS,
            },
        }
    }

    /// Takes note of the page that [`Self::query`] asked for, complete up to EOSE. `largest` is the most events that a page of this relay
    /// has held so far. Whether there is more to ask for.
    pub fn turn(&mut self, page: Page, largest: usize) -> bool {
        if let (Some(second), Some(part)) = (self.second, self.parts.pop()) {
            return self.turn_part(second, &part, page, largest);
        }
        let Some(oldest) = page.oldest else {
            return false;
        };
        if page.events < SHORTEST_FULL_PAGE {
            return false;
        }
        if self.until == Some(oldest) {
            self.second = Some(oldest);
            self.parts = vec![self.selection.clone()];
        } else {
            self.until = Some(oldest);
        }
        true
    }

    fn turn_part(&mut self, second: i64, part: &Selection, page: Page, largest: usize) -> bool {
        if page.events >= SHORTEST_FULL_PAGE && page.events >= largest {
            match part.halves() {
                Some((left, right)) => self.parts.extend([left, right]),
                None => tracing::warn!(
                    second,
                    events = page.events,
                    "a second may hold more than the relay tells"
                ),
            }
        }
        if self.parts.is_empty() {
            self.second = None;
            self.until = Some(second.saturating_sub(1));
            return second > self.floor;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// What a relay that holds these events (time, kind) answers, cut to its own limit.
    fn answer(held: &[(i64, u16)], query: &Query, clamp: usize) -> Vec<usize> {
        let mut found: Vec<usize> = (0..held.len())
            .filter(|&index| {
                let (at, kind) = held[index];
                at >= query.since
                    && query.until.is_none_or(|until| at <= until)
                    && query.selection.kinds.contains(&kind)
            })
            .collect();
        found.sort_by_key(|&index| (-held[index].0, index));
        found.truncate(query.limit.min(clamp));
        found
    }

    fn walk_through(held: &[(i64, u16)], floor: i64, clamp: usize) -> (BTreeSet<usize>, usize) {
        let kinds: Vec<u16> = (0..64).collect();
        let mut walk = Walk::new(Selection::kinds(&kinds), floor, Purpose::CatchUp, 0);
        let (mut seen, mut largest, mut pages) = (BTreeSet::new(), 0, 0);
        loop {
            let found = answer(held, &walk.query(), clamp);
            let page = Page {
                events: found.len(),
                oldest: found.iter().map(|&index| held[index].0).min(),
            };
            seen.extend(found);
            pages += 1;
            assert!(pages < 10_000, "the walk comes to an end");
            let more = walk.turn(page, largest);
            largest = largest.max(page.events);
            if !more {
                return (seen, pages);
            }
        }
    }

    #[test]
    fn a_second_with_more_events_than_a_page_is_read_by_its_kinds() {
        let held: Vec<(i64, u16)> = (0..700).map(|n| (1000, n % 64)).collect();
        assert_eq!(walk_through(&held, 0, 500).0.len(), 700);
        let one_kind = vec![(1000, 7); 700];
        assert_eq!(
            walk_through(&one_kind, 0, 5000).0.len(),
            700,
            "a relay that does not cut at the page"
        );
    }

    #[test]
    fn a_short_page_is_the_last() {
        assert_eq!(walk_through(&[(5, 1), (6, 2)], 0, 500).1, 1);
        assert_eq!(walk_through(&[], 0, 500).1, 1);
    }

    #[test]
    fn events_below_the_floor_are_not_read() {
        let held: Vec<(i64, u16)> = (0..100).map(|at| (at, 1)).collect();
        assert_eq!(walk_through(&held, 40, 25).0.len(), 60);
    }

    proptest! {
        #[test]
        fn a_walk_misses_nothing_wherever_pages_are_cut(
            seconds in prop::collection::vec((0i64..30, 0u16..64, 1usize..40), 0..60),
            clamp in 20usize..120,
        ) {
            let mut held: Vec<(i64, u16)> = Vec::new();
            for (at, kind, count) in seconds {
                let there = held.iter().filter(|&&event| event == (at, kind)).count();
                // More than a page of one kind in one second: nobody can read that.
                let room = (clamp - 1).saturating_sub(there);
                held.extend(std::iter::repeat_n((at, kind), count.min(room)));
            }
            prop_assert_eq!(walk_through(&held, 0, clamp).0.len(), held.len());
        }
    }
}
