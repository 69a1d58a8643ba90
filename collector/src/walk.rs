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
    /// The greatest.
    pub newest: Option<i64>,
    /// That of the first that came.
    pub first: Option<i64>,
    /// That of the last that came.
    pub last: Option<i64>,
}

impl Page {
    /// Notes an event that matches the query.
    pub fn note(&mut self, event: &Event) {
        self.note_at(event.created_at);
    }

    fn note_at(&mut self, at: i64) {
        self.events += 1;
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        self.newest = Some(self.newest.map_or(at, |newest| newest.max(at)));
        self.first.get_or_insert(at);
        self.last = Some(at);
    }
}

/// A stretch that is still to be read: from `floor` to where the last page ended.
///
/// Relays answer with the newest few hundred of what is asked for, whatever limit is asked for. So each page is asked for up to the second
/// in which the one before ended, that second included, since the page may have cut it. A page that lies in one second alone tells nothing
/// of what is left of that second: it is read by itself, cut by kinds and people until the parts are smaller than pages.
///
/// A relay that holds an event of the second that a page is asked up to, and does not answer with one, leaves that second out: it is asked
/// for one second more from then on. One whose first page does not fall in time may have begun at the oldest: it is asked for what is above
/// as well, page by page upwards.
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
    /// Whether the relay holds an event of that second.
    held: bool,
    /// Whether the relay leaves that second out.
    exclusive: bool,
    /// Whether a full page has shown in which order the relay answers.
    ordered: bool,
    /// What is read upwards goes on from here.
    above: Option<i64>,
    second: Option<i64>,
    parts: Vec<Selection>,
    /// Whether it has been told that something may be missing.
    told: bool,
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
            held: false,
            exclusive: false,
            ordered: false,
            above: None,
            second: None,
            parts: Vec::new(),
            told: false,
        }
    }

    /// The same that begins at `until` (unix seconds, included) instead of the newest event.
    pub fn from(self, until: i64) -> Self {
        Self {
            until: Some(until),
            ..self
        }
    }

    /// Everything after this second has been read; `None` before the first page.
    pub fn reached(&self) -> Option<i64> {
        self.until
    }

    /// Whether a page of it has been read.
    pub fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    /// The same stretch for a part of its selection.
    pub fn part(&self, selection: Selection, gap: u64) -> Self {
        Self {
            until: self.until,
            held: self.held,
            exclusive: self.exclusive,
            ordered: self.ordered,
            above: self.above,
            ..Self::new(selection, self.floor, self.purpose, gap)
        }
    }

    /// The page to ask for now.
    pub fn query(&self) -> Query {
        let more = i64::from(self.exclusive);
        match (self.second, self.parts.last()) {
            (Some(second), Some(part)) => Query {
                selection: part.clone(),
                since: second,
                until: Some(second.saturating_add(more)),
                limit: SECOND_EVENTS,
            },
            _ => Query {
                selection: self.selection.clone(),
                since: self.above.unwrap_or(self.floor),
                until: match self.above {
                    Some(_) => None,
                    None => self.until.map(|until| until.saturating_add(more)),
                },
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
        if let Some(since) = self.above {
            self.turn_above(since, page);
            return true;
        }
        let left_out = |until| page.newest.is_none_or(|newest| newest < until);
        if self.held && !self.exclusive && self.until.is_some_and(left_out) {
            self.exclusive = true;
            return true;
        }
        let Some(oldest) = page.oldest else {
            return false;
        };
        if page.events < SHORTEST_FULL_PAGE {
            return false;
        }
        if !self.ordered {
            self.ordered = true;
            self.above = page.newest.filter(|_| page.first <= page.last);
        }
        match self.until {
            Some(until) if until <= oldest => {
                self.second = Some(until);
                self.parts = vec![self.selection.clone()];
            }
            _ => {
                self.until = Some(oldest);
                self.held = true;
            }
        }
        true
    }

    /// Goes on upwards until a page is short.
    fn turn_above(&mut self, since: i64, page: Page) {
        self.above = page.newest.filter(|_| page.events >= SHORTEST_FULL_PAGE);
        if self.above.is_some_and(|newest| newest <= since) {
            self.second = Some(since);
            self.parts = vec![self.selection.clone()];
        }
    }

    fn turn_part(&mut self, second: i64, part: &Selection, page: Page, largest: usize) -> bool {
        if page.events >= SHORTEST_FULL_PAGE && page.events >= largest {
            match part.halves() {
                Some((left, right)) => self.parts.extend([left, right]),
                None if std::mem::replace(&mut self.told, true) => {}
                None => tracing::warn!(
                    second,
                    events = page.events,
                    "a second may hold more than the relay tells"
                ),
            }
        }
        if self.parts.is_empty() {
            self.second = None;
            if self.above.is_some() {
                self.above = Some(second.saturating_add(1));
                return true;
            }
            self.until = Some(second.saturating_sub(1));
            self.held = false;
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

    /// How relays differ.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Way {
        NewestFirst,
        /// As told by NIP-01, but for `until`.
        Exclusive,
        /// The newest, in rising order.
        Rising,
        /// The oldest, in rising order.
        OldestFirst,
    }

    /// What a relay that holds these events (time, kind) answers, cut to its own limit.
    fn answer(held: &[(i64, u16)], query: &Query, clamp: usize, way: Way) -> Vec<usize> {
        let mut found: Vec<usize> = (0..held.len())
            .filter(|&index| {
                let (at, kind) = held[index];
                let in_time = |until| at < until || (at == until && way != Way::Exclusive);
                at >= query.since
                    && query.until.is_none_or(in_time)
                    && query.selection.kinds.contains(&kind)
            })
            .collect();
        let sign = if way == Way::OldestFirst { 1 } else { -1 };
        found.sort_by_key(|&index| (sign * held[index].0, index));
        found.truncate(query.limit.min(clamp));
        if way == Way::Rising {
            found.reverse();
        }
        found
    }

    fn walk_through(held: &[(i64, u16)], floor: i64, clamp: usize) -> (BTreeSet<usize>, usize) {
        walk_through_at(held, floor, clamp, Way::NewestFirst)
    }

    fn walk_through_at(
        held: &[(i64, u16)],
        floor: i64,
        clamp: usize,
        way: Way,
    ) -> (BTreeSet<usize>, usize) {
        let kinds: Vec<u16> = (0..64).collect();
        let mut walk = Walk::new(Selection::kinds(&kinds), floor, Purpose::CatchUp, 0);
        let (mut seen, mut largest, mut pages) = (BTreeSet::new(), 0, 0);
        loop {
            let found = answer(held, &walk.query(), clamp, way);
            let mut page = Page::default();
            for &index in &found {
                page.note_at(held[index].0);
            }
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
            way in prop::sample::select(vec![Way::NewestFirst, Way::Exclusive, Way::Rising, Way::OldestFirst]),
        ) {
            let mut held: Vec<(i64, u16)> = Vec::new();
            for (at, kind, count) in seconds {
                let there = held.iter().filter(|&&event| event == (at, kind)).count();
                // More than a page of one kind in one second: nobody can read that.
                let room = (clamp - 1).saturating_sub(there);
                held.extend(std::iter::repeat_n((at, kind), count.min(room)));
            }
            let (seen, _) = walk_through_at(&held, 0, clamp, way);
            prop_assert_eq!(seen.len(), held.len());
        }
    }
}
