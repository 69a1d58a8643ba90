//! One DVM in one kind: a row of a DVM's table of kinds, and of a kind's table of DVMs.

use std::collections::HashMap;

use dvmdash_core::latency::Histogram;
use serde::Serialize;
use sqlx::FromRow;

use crate::moment::rfc3339;
use crate::numbers::{Counts, Msat, ResponseTime};
use crate::problem::Problem;
use crate::snapshot::Snapshot;

/// The numbers of a window, and since when and how the DVM supports the kind.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Pair {
    requests: i64,
    pub(crate) results: i64,
    feedback: i64,
    jobs_answered: i64,
    error_rate: Option<f64>,
    paid_msat: Msat,
    asked_msat: Msat,
    unique_users: i64,
    response_time: ResponseTime,
    announced: bool,
    observed: bool,
    first_seen: Option<String>,
    last_seen: Option<String>,
}

/// A row of the support table, by the other half of its key.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Support {
    key: i32,
    announced: bool,
    observed: bool,
    first_seen: Option<i64>,
    last_seen: Option<i64>,
}

/// Rows of the support table by the half of their key that `sql` gives.
pub(crate) async fn support(
    snapshot: &mut Snapshot,
    sql: &'static str,
    of: i32,
) -> Result<HashMap<i32, Support>, Problem> {
    let rows: Vec<Support> = sqlx::query_as(sql)
        .bind(of)
        .fetch_all(snapshot.connection())
        .await?;
    Ok(rows.into_iter().map(|row| (row.key, row)).collect())
}

impl Pair {
    pub(crate) fn new(
        counts: &Counts,
        histogram: Option<&Histogram>,
        unique_users: i64,
        support: Option<&Support>,
    ) -> Self {
        Self {
            requests: counts.requests,
            results: counts.results,
            feedback: counts.feedback,
            jobs_answered: counts.jobs_answered,
            error_rate: counts.error_rate(),
            paid_msat: counts.paid_msat,
            asked_msat: counts.asked_msat,
            unique_users,
            response_time: counts.response_time(histogram),
            announced: support.is_some_and(|support| support.announced),
            observed: support.is_some_and(|support| support.observed),
            first_seen: support.and_then(|support| support.first_seen).map(rfc3339),
            last_seen: support.and_then(|support| support.last_seen).map(rfc3339),
        }
    }
}
