//! The counters of a window, and what follows from them.

use std::collections::HashMap;

use dvmdash_core::latency::Histogram;
use serde::{Serialize, Serializer};
use sqlx::FromRow;

/// Whole millisats; a sum of them may be past 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Msat(pub(crate) i128);

/// PostgreSQL's `numeric`, as text.
impl TryFrom<String> for Msat {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl Serialize for Msat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i128(self.0)
    }
}

/// The sums of some rollup rows.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Counts {
    pub(crate) requests: i64,
    pub(crate) results: i64,
    pub(crate) feedback: i64,
    pub(crate) payment_required: i64,
    pub(crate) processing: i64,
    pub(crate) error: i64,
    pub(crate) success: i64,
    pub(crate) partial: i64,
    pub(crate) other: i64,
    pub(crate) encrypted: i64,
    pub(crate) jobs_answered: i64,
    pub(crate) outcomes: i64,
    pub(crate) failures: i64,
    pub(crate) response_count: i64,
    pub(crate) response_sum_s: i64,
    pub(crate) skewed: i64,
    pub(crate) late: i64,
    #[sqlx(try_from = "String")]
    pub(crate) asked_msat: Msat,
    #[sqlx(try_from = "String")]
    pub(crate) paid_msat: Msat,
    #[sqlx(try_from = "String")]
    pub(crate) tips_msat: Msat,
}

impl Counts {
    pub(crate) fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        self.results += more.results;
        self.feedback += more.feedback;
        self.payment_required += more.payment_required;
        self.processing += more.processing;
        self.error += more.error;
        self.success += more.success;
        self.partial += more.partial;
        self.other += more.other;
        self.encrypted += more.encrypted;
        self.jobs_answered += more.jobs_answered;
        self.outcomes += more.outcomes;
        self.failures += more.failures;
        self.response_count += more.response_count;
        self.response_sum_s += more.response_sum_s;
        self.skewed += more.skewed;
        self.late += more.late;
        self.asked_msat.0 += more.asked_msat.0;
        self.paid_msat.0 += more.paid_msat.0;
        self.tips_msat.0 += more.tips_msat.0;
    }

    /// Whether anything happened; rows of zeros stay behind when everything in them was taken back.
    pub(crate) fn any(&self) -> bool {
        self.requests > 0
            || self.results > 0
            || self.feedback > 0
            || self.asked_msat.0 > 0
            || self.paid_msat.0 > 0
            || self.tips_msat.0 > 0
    }

    /// Failures among outcomes; `None` without any.
    pub(crate) fn error_rate(&self) -> Option<f64> {
        (self.outcomes > 0).then(|| self.failures as f64 / self.outcomes as f64)
    }

    /// The mean response time in seconds; `None` without any.
    pub(crate) fn average_s(&self) -> Option<f64> {
        (self.response_count > 0).then(|| self.response_sum_s as f64 / self.response_count as f64)
    }

    pub(crate) fn response_time(&self, histogram: Option<&Histogram>) -> ResponseTime {
        let percentile = |q| histogram.and_then(|histogram| histogram.percentile(q));
        ResponseTime {
            count: self.response_count,
            avg_s: self.average_s(),
            p50_s: percentile(0.5),
            p90_s: percentile(0.9),
            p95_s: percentile(0.95),
            p99_s: percentile(0.99),
            skewed: self.skewed,
            late: self.late,
        }
    }
}

/// Response times as claimed by `created_at` (METRICS.md section 6), seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ResponseTime {
    count: i64,
    avg_s: Option<f64>,
    pub(crate) p50_s: Option<f64>,
    p90_s: Option<f64>,
    pub(crate) p95_s: Option<f64>,
    p99_s: Option<f64>,
    skewed: i64,
    late: i64,
}

/// Response times as seen by our collectors, milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ObservedResponseTime {
    count: i64,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl From<&Histogram> for ObservedResponseTime {
    fn from(histogram: &Histogram) -> Self {
        Self {
            count: histogram.count(),
            p50_ms: histogram.percentile(0.5),
            p90_ms: histogram.percentile(0.9),
            p95_ms: histogram.percentile(0.95),
            p99_ms: histogram.percentile(0.99),
        }
    }
}

/// Sums of one kind and DVM.
#[derive(Debug, FromRow)]
pub(crate) struct Cell {
    /// Request kind; -1 holds what has none.
    pub(crate) kind: i32,
    /// 0 is the kind's own.
    pub(crate) dvm_id: i32,
    #[sqlx(flatten)]
    pub(crate) counts: Counts,
}

/// Sums cells by a key; those without one are left out.
pub(crate) fn sums<K: std::hash::Hash + Eq>(
    cells: &[Cell],
    key: impl Fn(&Cell) -> Option<K>,
) -> HashMap<K, Counts> {
    let mut sums: HashMap<K, Counts> = HashMap::new();
    for cell in cells {
        if let Some(key) = key(cell) {
            sums.entry(key).or_default().add(&cell.counts);
        }
    }
    sums
}
