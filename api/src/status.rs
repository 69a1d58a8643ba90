//! `/api/v1/status`: how far counting is, and whether the numbers agree with each other.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::Response;
use dvmdash_runtime::queue::Depth;
use serde::Serialize;
use sqlx::FromRow;

use crate::cached::Rendered;
use crate::moment::{self, rfc3339, rfc3339_ms};
use crate::numbers::Msat;
use crate::problem::Problem;
use crate::snapshot::Snapshot;

#[derive(Serialize)]
struct Status {
    now: String,
    revision: i64,
    freshness: Freshness,
    archived: u64,
    counted: i64,
    quarantined: BTreeMap<String, i64>,
    rejected: BTreeMap<String, i64>,
    queue: Depth,
    settled: bool,
    totals: Totals,
    invariants: Vec<Invariant>,
}

#[derive(Serialize)]
struct Freshness {
    /// Greatest `created_at` of a counted event.
    newest_event: Option<String>,
    /// Seconds since then; 0 where it is dated ahead.
    lag_seconds: Option<i64>,
    /// When a relay last delivered an event.
    last_delivery: Option<String>,
    /// Seconds since then.
    last_delivery_seconds: Option<i64>,
}

#[derive(Serialize)]
struct Totals {
    requests: Msat,
    results: Msat,
    feedback: Msat,
    paid_msat: Msat,
}

/// A sum of all time that has to be that of its parts.
#[derive(Serialize)]
struct Invariant {
    name: &'static str,
    total: Msat,
    parts: Msat,
    holds: bool,
}

#[derive(FromRow)]
struct Sums {
    #[sqlx(try_from = "String")]
    requests: Msat,
    #[sqlx(try_from = "String")]
    requests_of_kinds: Msat,
    #[sqlx(try_from = "String")]
    results: Msat,
    #[sqlx(try_from = "String")]
    results_of_kinds: Msat,
    #[sqlx(try_from = "String")]
    results_of_dvms: Msat,
    #[sqlx(try_from = "String")]
    feedback: Msat,
    #[sqlx(try_from = "String")]
    feedback_of_dvms: Msat,
    #[sqlx(try_from = "String")]
    paid_msat: Msat,
    #[sqlx(try_from = "String")]
    paid_of_kinds: Msat,
    #[sqlx(try_from = "String")]
    paid_of_dvms: Msat,
}

impl Sums {
    fn invariants(&self) -> Vec<Invariant> {
        let equal = |name, total: Msat, parts: Msat| Invariant {
            name,
            total,
            parts,
            holds: total == parts,
        };
        vec![
            equal("requests of kinds", self.requests, self.requests_of_kinds),
            equal("results of kinds", self.results, self.results_of_kinds),
            equal("results of DVMs", self.results, self.results_of_dvms),
            equal("feedback of DVMs", self.feedback, self.feedback_of_dvms),
            equal("paid_msat of kinds", self.paid_msat, self.paid_of_kinds),
            equal("paid_msat of DVMs", self.paid_msat, self.paid_of_dvms),
        ]
    }
}

pub(crate) async fn get(State(state): State<crate::State>) -> Result<Response, Problem> {
    // In the order in which an event goes on: what moves while we look is then missing somewhere, never settled by mistake.
    let busy = state.busy.load(Ordering::SeqCst);
    let queue = state.queue.depth().await?;
    let archived = state.archive.count().await?;
    let mut snapshot = Snapshot::take(&state.pool).await?;
    let quarantined = counts(
        &mut snapshot,
        "select reason, count(*) from quarantine group by reason",
    )
    .await?;
    let rejected = counts(&mut snapshot, "select reason, events from refused").await?;
    let last_delivery: Option<i64> = sqlx::query_scalar("select max(last_seen_ms) from relays")
        .fetch_one(snapshot.connection())
        .await?;
    let sums: Sums = sqlx::query_as(include_str!("sql/invariants.sql"))
        .fetch_one(snapshot.connection())
        .await?;

    let progress = &snapshot.progress;
    let accounted = progress.counted + quarantined.values().sum::<i64>();
    let now = moment::now();
    let status = Status {
        now: rfc3339(now),
        revision: progress.revision,
        freshness: Freshness {
            newest_event: progress.newest.map(rfc3339),
            lag_seconds: progress.newest.map(|newest| (now - newest).max(0)),
            last_delivery: last_delivery.map(rfc3339_ms),
            last_delivery_seconds: last_delivery.map(|at| (now - at / 1000).max(0)),
        },
        archived,
        counted: progress.counted,
        settled: busy == 0
            && queue.ready == 0
            && i64::try_from(archived).is_ok_and(|archived| archived == accounted),
        quarantined,
        rejected,
        queue,
        totals: Totals {
            requests: sums.requests,
            results: sums.results,
            feedback: sums.feedback,
            paid_msat: sums.paid_msat,
        },
        invariants: sums.invariants(),
    };
    Ok(Rendered::json(&status)?.uncached())
}

/// Numbers by reason.
async fn counts(
    snapshot: &mut Snapshot,
    sql: &'static str,
) -> Result<BTreeMap<String, i64>, Problem> {
    let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(snapshot.connection()).await?;
    Ok(rows.into_iter().collect())
}
