//! Signed changes of rollup rows.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use crate::{Hex32, Pubkey, fold::Payment, latency};

/// The kind of cells that hold what has no known kind (an orphan's feedback, a tip).
pub const NO_KIND: i32 = -1;

/// One bucket of the finest resolution. Hours and days are sums of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Unix seconds, a multiple of 60.
    pub start: i64,
    /// Request kind, or [`NO_KIND`].
    pub kind: i32,
    /// `None`: what is counted of the kind as a whole.
    pub dvm: Option<Pubkey>,
}

impl Cell {
    /// The cell that holds the moment `at` (unix seconds).
    pub(super) fn at(at: i64, kind: Option<u16>, dvm: Option<Pubkey>) -> Self {
        Self {
            start: at - at.rem_euclid(60),
            kind: kind.map_or(NO_KIND, i32::from),
            dvm,
        }
    }
}

/// The additive counters of a cell, as METRICS.md defines them; the order is that of the rollup table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Job requests (kind), or jobs that name the DVM or that it responded to.
    Requests,
    /// Job results.
    Results,
    /// Feedback events.
    Feedback,
    /// Feedback by status: seven counters in the order of [`crate::Status`].
    FirstStatus,
    /// Jobs with a matching result.
    JobsAnswered = 10,
    /// (job, DVM) pairs with a matching result or an error.
    Outcomes,
    /// Those of the outcomes without a matching result.
    Failures,
    /// Response times of 0..=86400 s.
    ResponseCount,
    /// Their sum, in seconds.
    ResponseSum,
    /// Results dated before their request.
    Skewed,
    /// Response times above 86400 s.
    Late,
    /// Millisats asked.
    Asked,
    /// Millisats paid by receipts tied to a job.
    Paid,
    /// Millisats of receipts tied to no job.
    Tips,
}

/// How many counters a cell has.
const COUNTERS: usize = Counter::Tips as usize + 1;

/// A cell's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([i64; COUNTERS]);

impl Counters {
    /// Whether nothing changes.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|value| *value == 0)
    }

    /// The values in the order of [`Counter`].
    pub fn values(&self) -> &[i64] {
        &self.0
    }

    /// Adds another cell's counters, as hours and days do with their minutes.
    pub fn merge(&mut self, other: &Self) {
        for (sum, value) in self.0.iter_mut().zip(other.0) {
            *sum += value;
        }
    }
}

impl Index<Counter> for Counters {
    type Output = i64;
    fn index(&self, counter: Counter) -> &i64 {
        &self.0[counter as usize]
    }
}

impl IndexMut<Counter> for Counters {
    fn index_mut(&mut self, counter: Counter) -> &mut i64 {
        &mut self.0[counter as usize]
    }
}

/// What a batch changes.
#[derive(Debug, Default, PartialEq)]
pub struct Deltas {
    /// Changes of counters.
    pub cells: HashMap<Cell, Counters>,
    /// Changes of histograms: (cell, observed, slot) -> samples.
    pub latency: HashMap<(Cell, bool, i32), i64>,
    /// Customers present in a cell: how many entities say so more than before.
    pub presence: HashMap<(Cell, Pubkey), i64>,
    /// Changes of what senders of tied receipts spent, in millisats.
    pub spent: HashMap<Pubkey, i64>,
    /// What the touched payment hashes amount to now; one that counts for nothing is absent.
    pub payments: HashMap<Hex32, Payment>,
    /// The touched payment hashes: those that are not in `payments` count for nothing.
    pub payments_seen: Vec<Hex32>,
}

impl Deltas {
    pub(super) fn count(&mut self, cell: Cell, counter: Counter, by: i64) {
        self.cells.entry(cell).or_default()[counter] += by;
    }

    /// Counts in the kind's own cell and in the DVM's.
    pub(super) fn count_both(
        &mut self,
        at: i64,
        kind: Option<u16>,
        dvm: Pubkey,
        counter: Counter,
        by: i64,
    ) {
        self.count(Cell::at(at, kind, None), counter, by);
        self.count(Cell::at(at, kind, Some(dvm)), counter, by);
    }

    pub(super) fn status(&mut self, cell: Cell, status: crate::Status, by: i64) {
        let counters = self.cells.entry(cell).or_default();
        counters[Counter::Feedback] += by;
        counters.0[Counter::FirstStatus as usize + status as usize] += by;
    }

    pub(super) fn sample(&mut self, cell: Cell, observed: bool, value: u64, by: i64) {
        *self
            .latency
            .entry((cell, observed, latency::slot(value)))
            .or_default() += by;
    }

    /// Drops what cancelled out.
    pub fn compact(&mut self) {
        self.cells.retain(|_, counters| !counters.is_zero());
        self.latency.retain(|_, samples| *samples != 0);
        self.presence.retain(|_, more| *more != 0);
        self.spent.retain(|_, msat| *msat != 0);
    }
}
