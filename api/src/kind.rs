//! `/api/v1/kinds/{kind}`

use std::collections::HashMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use dvmdash_core::Hex32;
use serde::Serialize;
use sqlx::FromRow;

use crate::cached::Rendered;
use crate::keys::npub;
use crate::kinds::{self, KindRow};
use crate::moment::{self, rfc3339};
use crate::numbers::{Counts, sums};
use crate::pair::{self, Pair};
use crate::parameters::{Named, Parameters, request_kind};
use crate::problem::Problem;
use crate::rollups::{self, Of};
use crate::snapshot::Snapshot;
use crate::window::Window;

#[derive(Serialize)]
struct Kind {
    from: String,
    to: String,
    #[serde(flatten)]
    row: KindRow,
    /// DVMs that support the kind or did something in it, most results first.
    league: Vec<LeagueRow>,
}

#[derive(Serialize)]
struct LeagueRow {
    pubkey: Hex32,
    npub: String,
    name: Option<String>,
    #[serde(flatten)]
    pair: Pair,
}

#[derive(FromRow)]
struct DvmName {
    dvm_id: i32,
    pubkey: [u8; 32],
    name: Option<String>,
}

pub(crate) async fn get(
    State(state): State<crate::State>,
    asked: HeaderMap,
    Named(name): Named,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let kind = request_kind(&name)?;
    let snapshot = Snapshot::take(&state.pool).await?;
    let window = Window::read(&parameters, None, &snapshot.progress, moment::now())?;
    let question = format!("kind {kind} {} {}", window.from, window.to);
    let revision = snapshot.progress.revision;
    let render = render(snapshot, window, kind);
    state
        .answers
        .answer(&asked, revision, question, render)
        .await
}

async fn render(mut snapshot: Snapshot, window: Window, kind: i32) -> Result<Rendered, Problem> {
    let pieces = window.pieces();
    let known = kinds::find(&mut snapshot, kind).await?;
    let cells = rollups::cells(&mut snapshot, &pieces, Of::Kind(kind)).await?;
    let support = pair::support(&mut snapshot, include_str!("sql/kind_support.sql"), kind).await?;

    let counts: HashMap<i32, Counts> = sums(&cells, |cell| Some(cell.dvm_id));
    let active = counts
        .iter()
        .filter(|(dvm_id, counts)| **dvm_id != 0 && counts.any())
        .map(|(dvm_id, _)| *dvm_id);
    let mut ids: Vec<i32> = active.chain(support.keys().copied()).chain([0]).collect();
    ids.sort_unstable();
    ids.dedup();
    let histograms = rollups::kind_latency(&mut snapshot, &pieces, kind, &ids).await?;
    let users = rollups::kind_users(&mut snapshot, &pieces, kind, &ids).await?;
    let nothing = Counts::default();
    let users_of = |dvm_id| users.get(&dvm_id).copied().unwrap_or_default();
    let row = known.row(
        counts.get(&0).unwrap_or(&nothing),
        histograms.get(&0),
        users_of(0),
        counts
            .iter()
            .filter(|(dvm_id, counts)| **dvm_id != 0 && counts.results > 0)
            .count(),
    );
    let named: Vec<DvmName> =
        sqlx::query_as("select dvm_id, pubkey, name from dvms where known and dvm_id = any($1)")
            .bind(ids)
            .fetch_all(snapshot.connection())
            .await?;
    let mut league: Vec<LeagueRow> = named
        .into_iter()
        .map(|dvm| LeagueRow {
            pubkey: Hex32(dvm.pubkey),
            npub: npub(Hex32(dvm.pubkey)),
            name: dvm.name,
            pair: Pair::new(
                counts.get(&dvm.dvm_id).unwrap_or(&nothing),
                histograms.get(&dvm.dvm_id),
                users_of(dvm.dvm_id),
                support.get(&dvm.dvm_id),
            ),
        })
        .collect();
    league.sort_by_key(|row| (std::cmp::Reverse(row.pair.results), row.pubkey));
    Rendered::json(&Kind {
        from: rfc3339(window.from),
        to: rfc3339(window.to),
        row,
        league,
    })
}
