//! How far one relay has been read, and how far its cursor may move.

use std::collections::{BTreeMap, BTreeSet};

use dvmdash_core::EventId;

/// The watermark of one relay. All times are unix seconds of events (`created_at`).
///
/// The cursor says: what this relay holds up to here is with the broker. So it stays below every event that the relay has delivered and the
/// broker has not confirmed, whoever delivered it first; and below every stretch of time that is still to be read.
#[derive(Debug)]
pub struct Progress {
    /// The cursor as it was last written.
    stored: i64,
    /// Everything up to here has been read, but for the gaps.
    read_to: i64,
    /// Delivered by this relay and not yet confirmed.
    unconfirmed: BTreeSet<(i64, EventId)>,
    /// What is still to be read, each with the time that the cursor must not pass meanwhile.
    gaps: BTreeMap<u64, i64>,
    next_gap: u64,
    /// How far a walk down through the past has come.
    walked: Option<i64>,
}

impl Progress {
    /// Begins where the cursor stands.
    pub fn new(cursor: i64) -> Self {
        Self {
            stored: cursor,
            read_to: cursor,
            unconfirmed: BTreeSet::new(),
            gaps: BTreeMap::new(),
            next_gap: 0,
            walked: None,
        }
    }

    /// Up to here everything has been read, but for the gaps.
    pub fn read_to(&self) -> i64 {
        self.read_to
    }

    /// The cursor as it was last written.
    pub fn cursor(&self) -> i64 {
        self.stored
    }

    /// Something is still to be read: the cursor stays where it may be now until [`Self::end_gap`].
    pub fn begin_gap(&mut self) -> u64 {
        let gap = self.next_gap;
        self.next_gap += 1;
        self.gaps.insert(gap, self.read_bound());
        gap
    }

    /// It has been read.
    pub fn end_gap(&mut self, gap: u64) {
        self.gaps.remove(&gap);
    }

    /// The relay has been read up to here, but for the gaps.
    pub fn read(&mut self, to: i64) {
        self.read_to = self.read_to.max(to);
    }

    /// The relay has delivered an event that waits for the broker's confirm.
    pub fn deliver(&mut self, created_at: i64, id: EventId) {
        self.unconfirmed.insert((created_at, id));
    }

    /// The broker has confirmed it.
    pub fn confirm(&mut self, created_at: i64, id: EventId) {
        self.unconfirmed.remove(&(created_at, id));
    }

    /// A walk down through the past has come to this second.
    pub fn walk(&mut self, reached: Option<i64>) {
        self.walked = reached;
    }

    /// Down to this second the walk has read everything, and the broker has confirmed it.
    pub fn walked(&self) -> Option<i64> {
        let newest = self.unconfirmed.last().map(|(created_at, _)| *created_at);
        self.walked
            .map(|walked| newest.map_or(walked, |newest| walked.max(newest)))
    }

    /// Where the cursor may move to, if that is forward.
    pub fn target(&self) -> Option<i64> {
        let mut target = self.read_bound();
        if let Some((created_at, _)) = self.unconfirmed.first() {
            target = target.min(created_at.saturating_sub(1));
        }
        (target > self.stored).then_some(target)
    }

    /// The cursor has been written.
    pub fn stored(&mut self, to: i64) {
        self.stored = self.stored.max(to);
    }

    fn read_bound(&self) -> i64 {
        self.gaps
            .values()
            .fold(self.read_to, |bound, &gap| bound.min(gap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvmdash_core::Hex32;
    use proptest::prelude::*;

    #[test]
    fn the_cursor_follows_what_was_read_and_confirmed() {
        let mut progress = Progress::new(100);
        assert_eq!(progress.target(), None);
        let gap = progress.begin_gap();
        progress.read(500);
        assert_eq!(progress.target(), None, "the gap is not read yet");
        progress.deliver(300, Hex32([1; 32]));
        progress.end_gap(gap);
        assert_eq!(progress.target(), Some(299));
        progress.confirm(300, Hex32([1; 32]));
        assert_eq!(progress.target(), Some(500));
        progress.stored(500);
        assert_eq!(progress.target(), None);
    }

    #[test]
    fn a_gap_found_while_reading_another_holds_as_low_as_that_one() {
        let mut progress = Progress::new(100);
        let first = progress.begin_gap();
        progress.read(500);
        let second = progress.begin_gap();
        progress.end_gap(first);
        assert_eq!(progress.target(), None);
        progress.end_gap(second);
        assert_eq!(progress.target(), Some(500));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Deliver(i64, u8),
        Confirm(usize),
        Read(i64),
        BeginGap,
        EndGap(usize),
        Write,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0i64..1000, any::<u8>()).prop_map(|(at, id)| Step::Deliver(at, id)),
            4 => any::<usize>().prop_map(Step::Confirm),
            2 => (0i64..1000).prop_map(Step::Read),
            1 => Just(Step::BeginGap),
            1 => any::<usize>().prop_map(Step::EndGap),
            2 => Just(Step::Write),
        ]
    }

    proptest! {
        #[test]
        fn the_cursor_never_passes_an_unconfirmed_event_or_an_unread_gap_and_never_moves_back(
            steps in prop::collection::vec(step(), 0..200)
        ) {
            let mut progress = Progress::new(0);
            let mut cursor = 0;
            let mut unconfirmed: Vec<(i64, EventId)> = Vec::new();
            let mut gaps: Vec<(u64, i64)> = Vec::new();
            let mut read_to = 0;
            for step in steps {
                match step {
                    Step::Deliver(at, id) => {
                        let id = Hex32([id; 32]);
                        if !unconfirmed.contains(&(at, id)) {
                            unconfirmed.push((at, id));
                        }
                        progress.deliver(at, id);
                    }
                    Step::Confirm(which) if !unconfirmed.is_empty() => {
                        let (at, id) = unconfirmed.swap_remove(which % unconfirmed.len());
                        progress.confirm(at, id);
                    }
                    Step::Read(to) => {
                        read_to = read_to.max(to);
                        progress.read(to);
                    }
                    // What was read before the gap was found may be passed.
                    Step::BeginGap => gaps.push((progress.begin_gap(), read_to)),
                    Step::EndGap(which) if !gaps.is_empty() => {
                        let (gap, _) = gaps.swap_remove(which % gaps.len());
                        progress.end_gap(gap);
                    }
                    Step::Write => if let Some(to) = progress.target() {
                        prop_assert!(to > cursor);
                        prop_assert!(to <= read_to);
                        prop_assert!(unconfirmed.iter().all(|&(at, _)| to < at));
                        prop_assert!(gaps.iter().all(|&(_, read)| to <= read));
                        progress.stored(to);
                        cursor = to;
                    }
                    Step::Confirm(_) | Step::EndGap(_) => {}
                }
            }
            for (at, id) in unconfirmed {
                progress.confirm(at, id);
            }
            for (gap, _) in gaps {
                progress.end_gap(gap);
            }
            prop_assert_eq!(progress.target().unwrap_or(cursor), read_to);
        }
    }
}
