//! `/api/v1/stats/global`

use std::collections::{HashMap, HashSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use dvmdash_core::Hex32;
use serde::Serialize;

use crate::cached::Rendered;
use crate::moment::{self, rfc3339};
use crate::numbers::{Cell, Counts, Msat, ObservedResponseTime, ResponseTime, sums};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::rollups::{self, Of};
use crate::snapshot::Snapshot;
use crate::window::Window;

#[derive(Serialize)]
struct Global {
    from: String,
    to: String,
    requests: i64,
    results: i64,
    feedback: i64,
    feedback_by_status: FeedbackByStatus,
    unique_users: i64,
    unique_dvms: usize,
    known_dvms: i64,
    unique_kinds: usize,
    jobs_answered: i64,
    most_popular_dvm: Option<PopularDvm>,
    most_popular_kind: Option<PopularKind>,
    most_paid_dvm: Option<PaidDvm>,
    most_paid_kind: Option<PaidKind>,
    most_competitive_kind: Option<CompetitiveKind>,
    asked_msat: Msat,
    paid_msat: Msat,
    tips_msat: Msat,
    response_time: ResponseTime,
    observed_response_time: ObservedResponseTime,
}

#[derive(Serialize)]
struct FeedbackByStatus {
    #[serde(rename = "payment-required")]
    payment_required: i64,
    processing: i64,
    error: i64,
    success: i64,
    partial: i64,
    other: i64,
    encrypted: i64,
}

impl From<&Counts> for FeedbackByStatus {
    fn from(counts: &Counts) -> Self {
        Self {
            payment_required: counts.payment_required,
            processing: counts.processing,
            error: counts.error,
            success: counts.success,
            partial: counts.partial,
            other: counts.other,
            encrypted: counts.encrypted,
        }
    }
}

#[derive(Serialize)]
struct PopularDvm {
    pubkey: Hex32,
    name: Option<String>,
    results: i64,
}

#[derive(Serialize)]
struct PaidDvm {
    pubkey: Hex32,
    name: Option<String>,
    paid_msat: Msat,
}

#[derive(Serialize)]
struct PopularKind {
    kind: i32,
    requests: i64,
}

#[derive(Serialize)]
struct PaidKind {
    kind: i32,
    paid_msat: Msat,
}

#[derive(Serialize)]
struct CompetitiveKind {
    kind: i32,
    dvms: usize,
}

pub(crate) async fn get(
    State(state): State<crate::State>,
    asked: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let snapshot = Snapshot::take(&state.pool).await?;
    let window = Window::read(&parameters, None, &snapshot.progress, moment::now())?;
    let question = format!("global {} {}", window.from, window.to);
    let revision = snapshot.progress.revision;
    state
        .answers
        .answer(&asked, revision, question, render(snapshot, window))
        .await
}

async fn render(mut snapshot: Snapshot, window: Window) -> Result<Rendered, Problem> {
    let pieces = window.pieces();
    let cells = rollups::cells(&mut snapshot, &pieces, Of::Network).await?;
    let (claimed, observed) = rollups::network_latency(&mut snapshot, &pieces).await?;
    let unique_users = rollups::network_users(&mut snapshot, &pieces, window).await?;
    let known_dvms = sqlx::query_scalar("select count(*) from dvms where known")
        .fetch_one(snapshot.connection())
        .await?;

    let mut total = Counts::default();
    for cell in cells.iter().filter(|cell| cell.dvm_id == 0) {
        total.add(&cell.counts);
    }
    let kinds = sums(&cells, |cell| {
        (cell.dvm_id == 0 && cell.kind >= 0).then_some(cell.kind)
    });
    let dvms = sums(&cells, |cell| (cell.dvm_id != 0).then_some(cell.dvm_id));
    let competitive = most(dvms_by_kind(&cells));
    let popular = most_dvm(&mut snapshot, &dvms, |counts| counts.results.into()).await?;
    let paid = most_dvm(&mut snapshot, &dvms, |counts| counts.paid_msat.0).await?;
    let popular_kind = most(kinds.iter().map(|(kind, counts)| (*kind, counts.requests)));
    let paid_kind = most(
        kinds
            .iter()
            .map(|(kind, counts)| (*kind, counts.paid_msat.0)),
    );

    Rendered::json(&Global {
        from: rfc3339(window.from),
        to: rfc3339(window.to),
        requests: total.requests,
        results: total.results,
        feedback: total.feedback,
        feedback_by_status: (&total).into(),
        unique_users,
        unique_dvms: dvms
            .values()
            .filter(|counts| counts.results > 0 || counts.feedback > 0)
            .count(),
        known_dvms,
        unique_kinds: kinds
            .values()
            .filter(|counts| counts.requests > 0 || counts.results > 0)
            .count(),
        jobs_answered: total.jobs_answered,
        most_popular_dvm: popular.map(|(pubkey, name, results)| PopularDvm {
            pubkey,
            name,
            results: results as i64,
        }),
        most_popular_kind: popular_kind.map(|(kind, requests)| PopularKind { kind, requests }),
        most_paid_dvm: paid.map(|(pubkey, name, msat)| PaidDvm {
            pubkey,
            name,
            paid_msat: Msat(msat),
        }),
        most_paid_kind: paid_kind.map(|(kind, msat)| PaidKind {
            kind,
            paid_msat: Msat(msat),
        }),
        most_competitive_kind: competitive.map(|(kind, dvms)| CompetitiveKind { kind, dvms }),
        asked_msat: total.asked_msat,
        paid_msat: total.paid_msat,
        tips_msat: total.tips_msat,
        response_time: total.response_time(Some(&claimed)),
        observed_response_time: (&observed).into(),
    })
}

/// How many DVMs had a result, by kind.
fn dvms_by_kind(cells: &[Cell]) -> impl Iterator<Item = (i32, usize)> {
    let mut dvms: HashMap<i32, HashSet<i32>> = HashMap::new();
    for cell in cells {
        if cell.dvm_id != 0 && cell.kind >= 0 && cell.counts.results > 0 {
            dvms.entry(cell.kind).or_default().insert(cell.dvm_id);
        }
    }
    dvms.into_iter().map(|(kind, dvms)| (kind, dvms.len()))
}

/// The greatest amount above zero; of equals the one with the smallest key.
fn most<K: Ord, A: Ord + Default>(amounts: impl Iterator<Item = (K, A)>) -> Option<(K, A)> {
    amounts
        .filter(|(_, amount)| *amount > A::default())
        .max_by(|(key, amount), (other, most)| amount.cmp(most).then_with(|| other.cmp(key)))
}

/// The DVM with the greatest amount above zero; of equals the one with the smallest pubkey.
async fn most_dvm(
    snapshot: &mut Snapshot,
    dvms: &HashMap<i32, Counts>,
    amount: impl Fn(&Counts) -> i128,
) -> Result<Option<(Hex32, Option<String>, i128)>, Problem> {
    let most = dvms.values().map(&amount).max().unwrap_or_default();
    if most <= 0 {
        return Ok(None);
    }
    let first: Vec<i32> = dvms
        .iter()
        .filter(|(_, counts)| amount(counts) == most)
        .map(|(dvm_id, _)| *dvm_id)
        .collect();
    let (pubkey, name): ([u8; 32], Option<String>) = sqlx::query_as(
        "select pubkey, name from dvms where dvm_id = any($1) order by pubkey limit 1",
    )
    .bind(first)
    .fetch_one(snapshot.connection())
    .await?;
    Ok(Some((Hex32(pubkey), name, most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_key_wins_a_tie_and_zero_wins_nothing() {
        assert_eq!(
            most([(5100, 2), (5050, 2), (5000, 1)].into_iter()),
            Some((5050, 2))
        );
        assert_eq!(most([(5100, 0)].into_iter()), None);
    }
}
