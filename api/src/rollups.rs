//! Questions to the rollups: counters, histograms and customers of a window.

use std::collections::HashMap;

use dvmdash_core::latency::Histogram;
use sqlx::Row;

use crate::numbers::Cell;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::window::{Pieces, Window};

/// Whose rollups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Everybody's.
    Network,
    /// One kind's.
    Kind(i32),
    /// One DVM's, by its `dvm_id`.
    Dvm(i32),
}

impl Of {
    /// What a query has as its fourth parameter, if it has one.
    pub(crate) fn parameter(self) -> Option<i32> {
        match self {
            Self::Network => None,
            Self::Kind(number) | Self::Dvm(number) => Some(number),
        }
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// The query of that text over these pieces.
fn ask<'q>(sql: &'static str, pieces: &'q Pieces) -> Query<'q> {
    sqlx::query(sql)
        .bind(&pieces.steps)
        .bind(&pieces.starts)
        .bind(&pieces.ends)
}

/// Sums by kind and DVM, each kind's own with `dvm_id` 0 (a DVM has none).
pub(crate) async fn cells(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    of: Of,
) -> Result<Vec<Cell>, Problem> {
    let query = match of {
        Of::Network => ask(include_str!("sql/cells_of_network.sql"), pieces),
        Of::Kind(kind) => ask(include_str!("sql/cells_of_kind.sql"), pieces).bind(kind),
        Of::Dvm(dvm_id) => ask(include_str!("sql/cells_of_dvm.sql"), pieces).bind(dvm_id),
    };
    let rows = query.fetch_all(snapshot.connection()).await?;
    let cells = rows.iter().map(sqlx::FromRow::from_row);
    Ok(cells.collect::<Result<_, _>>()?)
}

/// The network's histograms of claimed and of observed response times.
pub(crate) async fn network_latency(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
) -> Result<(Histogram, Histogram), Problem> {
    let query = ask(include_str!("sql/latency_of_network.sql"), pieces);
    let mut both = histograms(snapshot, query).await?;
    Ok((
        both.remove(&0).unwrap_or_default(),
        both.remove(&1).unwrap_or_default(),
    ))
}

/// Histograms of claimed response times by kind.
pub(crate) async fn latency_by_kind(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
) -> Result<HashMap<i32, Histogram>, Problem> {
    let query = ask(include_str!("sql/latency_by_kind.sql"), pieces);
    histograms(snapshot, query).await
}

/// Histograms of claimed response times of these DVMs.
pub(crate) async fn latency_by_dvm(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    dvm_ids: &[i32],
) -> Result<HashMap<i32, Histogram>, Problem> {
    let query = ask(include_str!("sql/latency_by_dvm.sql"), pieces).bind(dvm_ids);
    histograms(snapshot, query).await
}

/// A kind's histograms of claimed response times by these DVMs; 0: its own.
pub(crate) async fn kind_latency(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    kind: i32,
    dvm_ids: &[i32],
) -> Result<HashMap<i32, Histogram>, Problem> {
    let query = ask(include_str!("sql/latency_of_kind.sql"), pieces)
        .bind(kind)
        .bind(dvm_ids);
    histograms(snapshot, query).await
}

/// A DVM's histograms of claimed response times by kind.
pub(crate) async fn dvm_latency(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    dvm_id: i32,
) -> Result<HashMap<i32, Histogram>, Problem> {
    let query = ask(include_str!("sql/latency_of_dvm.sql"), pieces).bind(dvm_id);
    histograms(snapshot, query).await
}

async fn histograms(
    snapshot: &mut Snapshot,
    query: Query<'_>,
) -> Result<HashMap<i32, Histogram>, Problem> {
    let rows = query.fetch_all(snapshot.connection()).await?;
    let mut histograms = HashMap::new();
    for row in rows {
        let slots: Vec<i32> = row.try_get("slots")?;
        let samples: Vec<i64> = row.try_get("samples")?;
        histograms.insert(
            row.try_get("key")?,
            slots.into_iter().zip(samples).collect(),
        );
    }
    Ok(histograms)
}

/// How many different customers the network had.
pub(crate) async fn network_users(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    window: Window,
) -> Result<i64, Problem> {
    let query = ask(include_str!("sql/users_of_network.sql"), pieces)
        .bind(window.from)
        .bind(window.to);
    let users = users(snapshot, query).await?;
    Ok(users.get(&0).copied().unwrap_or_default())
}

/// How many different customers each kind had.
pub(crate) async fn users_by_kind(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
) -> Result<HashMap<i32, i64>, Problem> {
    let query = ask(include_str!("sql/users_by_kind.sql"), pieces);
    users(snapshot, query).await
}

/// How many different customers each of these DVMs had.
pub(crate) async fn users_by_dvm(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    dvm_ids: &[i32],
) -> Result<HashMap<i32, i64>, Problem> {
    let query = ask(include_str!("sql/users_by_dvm.sql"), pieces).bind(dvm_ids);
    users(snapshot, query).await
}

/// How many different customers each of these DVMs had in a kind; 0: the kind itself.
pub(crate) async fn kind_users(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    kind: i32,
    dvm_ids: &[i32],
) -> Result<HashMap<i32, i64>, Problem> {
    let query = ask(include_str!("sql/users_of_kind.sql"), pieces)
        .bind(kind)
        .bind(dvm_ids);
    users(snapshot, query).await
}

/// How many different customers a DVM had in each kind; -1: in all.
pub(crate) async fn dvm_users(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    dvm_id: i32,
) -> Result<HashMap<i32, i64>, Problem> {
    let query = ask(include_str!("sql/users_of_dvm.sql"), pieces).bind(dvm_id);
    users(snapshot, query).await
}

async fn users(snapshot: &mut Snapshot, query: Query<'_>) -> Result<HashMap<i32, i64>, Problem> {
    let rows = query.fetch_all(snapshot.connection()).await?;
    let pairs = rows
        .iter()
        .map(|row| Ok((row.try_get("key")?, row.try_get("users")?)));
    Ok(pairs.collect::<Result<_, sqlx::Error>>()?)
}
