//! Histograms of response times in log-spaced slots: additive, subtractable, and of a relative error below 2 % (METRICS.md section 6).

use std::collections::BTreeMap;

/// Below this a slot holds one value.
const EXACT: u64 = 64;
const EXACT_SLOTS: i32 = EXACT as i32;
/// Slots in each octave above [`EXACT`].
const PER_OCTAVE: i32 = 32;
/// The slot of `u64::MAX`.
pub const LAST_SLOT: i32 = EXACT_SLOTS + 58 * PER_OCTAVE - 1;
/// Percentiles of fewer samples are not given.
pub const MIN_SAMPLES: i64 = 20;

/// The slot of a value: exact below 64, then 32 slots an octave.
pub fn slot(value: u64) -> i32 {
    if value < EXACT {
        return value as i32;
    }
    let octave = value.ilog2();
    // The value's six leading bits, 32..=63, say where in its octave it lies.
    let leading = (value >> (octave - 5)) as i32;
    EXACT_SLOTS + (octave as i32 - 6) * PER_OCTAVE + leading - PER_OCTAVE
}

/// The least and the greatest value of a slot. A number that is no slot is taken as the nearest one.
pub fn slot_bounds(slot: i32) -> (u64, u64) {
    let slot = slot.clamp(0, LAST_SLOT);
    if slot < EXACT_SLOTS {
        return (slot as u64, slot as u64);
    }
    let above = slot - EXACT_SLOTS;
    let shift = above / PER_OCTAVE + 1;
    let low = ((PER_OCTAVE + above % PER_OCTAVE) as u64) << shift;
    (low, low + ((1 << shift) - 1))
}

/// The value that stands for a slot: the middle of its bounds, within 2 % of every value in it.
pub fn slot_value(slot: i32) -> f64 {
    let (low, high) = slot_bounds(slot);
    low as f64 + (high - low) as f64 / 2.0
}

/// Counts by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(BTreeMap<i32, i64>);

impl Histogram {
    /// Adds `count` samples to a slot; a negative count takes them out again.
    pub fn add(&mut self, slot: i32, count: i64) {
        let entry = self.0.entry(slot).or_default();
        *entry += count;
        if *entry == 0 {
            self.0.remove(&slot);
        }
    }

    /// Adds all samples of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (&slot, &count) in &other.0 {
            self.add(slot, count);
        }
    }

    /// How many samples there are.
    pub fn count(&self) -> i64 {
        self.0.values().sum()
    }

    /// The slots that hold samples, ascending, with their counts.
    pub fn slots(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.0.iter().map(|(&slot, &count)| (slot, count))
    }

    /// The nearest-rank percentile, `q` in 0..=1 and read to four decimals; `None` under [`MIN_SAMPLES`] samples.
    pub fn percentile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count < MIN_SAMPLES {
            return None;
        }
        // In integers, because 0.07 * 100 is more than 7 in floating point and would ask for the next rank.
        let parts = (q.clamp(0.0, 1.0) * 10_000.0).round() as i128;
        let rank = ((parts * i128::from(count) + 9_999) / 10_000).max(1);
        let mut below = 0_i128;
        for (&slot, &here) in &self.0 {
            below += i128::from(here);
            if below >= rank {
                return Some(slot_value(slot));
            }
        }
        None
    }
}

impl FromIterator<(i32, i64)> for Histogram {
    fn from_iter<I: IntoIterator<Item = (i32, i64)>>(slots: I) -> Self {
        let mut histogram = Self::default();
        for (slot, count) in slots {
            histogram.add(slot, count);
        }
        histogram
    }
}

#[cfg(test)]
mod tests;
