//! Questions to the rollups: counters, histograms and customers of a window.

use std::collections::HashMap;

use dvmdash_core::latency::Histogram;
use sqlx::Row;

use crate::numbers::Cell;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::window::Pieces;

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

/// The query of that text over these pieces.
fn ask<'q>(
    sql: &'static str,
    pieces: &'q Pieces,
    parameter: Option<i32>,
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    let query = sqlx::query(sql)
        .bind(&pieces.steps)
        .bind(&pieces.starts)
        .bind(&pieces.ends);
    match parameter {
        Some(parameter) => query.bind(parameter),
        None => query,
    }
}

/// Sums by kind and DVM, each kind's own with `dvm_id` 0 (a DVM has none).
pub(crate) async fn cells(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    of: Of,
) -> Result<Vec<Cell>, Problem> {
    let sql = match of {
        Of::Network => include_str!("sql/cells_of_network.sql"),
        Of::Kind(_) => include_str!("sql/cells_of_kind.sql"),
        Of::Dvm(_) => include_str!("sql/cells_of_dvm.sql"),
    };
    let rows = ask(sql, pieces, of.parameter())
        .fetch_all(snapshot.connection())
        .await?;
    let cells = rows.iter().map(sqlx::FromRow::from_row);
    Ok(cells.collect::<Result<_, _>>()?)
}

/// What the histograms or customers of [`Of::Network`] are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Kind, whatever DVM.
    Kind,
    /// DVM, whatever kind.
    Dvm,
}

/// The network's histograms of claimed and of observed response times.
pub(crate) async fn network_latency(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
) -> Result<(Histogram, Histogram), Problem> {
    let sql = include_str!("sql/latency_of_network.sql");
    let mut both = histograms(snapshot, sql, pieces, None).await?;
    Ok((
        both.remove(&0).unwrap_or_default(),
        both.remove(&1).unwrap_or_default(),
    ))
}

/// The network's histograms of claimed response times by kind or by DVM.
pub(crate) async fn latency_by(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    by: By,
) -> Result<HashMap<i32, Histogram>, Problem> {
    let sql = match by {
        By::Kind => include_str!("sql/latency_by_kind.sql"),
        By::Dvm => include_str!("sql/latency_by_dvm.sql"),
    };
    histograms(snapshot, sql, pieces, None).await
}

/// Histograms of claimed response times: of a kind by `dvm_id` (0: its own), of a DVM by kind.
pub(crate) async fn kind_latency(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    kind: i32,
) -> Result<HashMap<i32, Histogram>, Problem> {
    let sql = include_str!("sql/latency_of_kind.sql");
    histograms(snapshot, sql, pieces, Some(kind)).await
}

/// A DVM's histograms of claimed response times by kind.
pub(crate) async fn dvm_latency(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    dvm_id: i32,
) -> Result<HashMap<i32, Histogram>, Problem> {
    let sql = include_str!("sql/latency_of_dvm.sql");
    histograms(snapshot, sql, pieces, Some(dvm_id)).await
}

async fn histograms(
    snapshot: &mut Snapshot,
    sql: &'static str,
    pieces: &Pieces,
    parameter: Option<i32>,
) -> Result<HashMap<i32, Histogram>, Problem> {
    let rows = ask(sql, pieces, parameter)
        .fetch_all(snapshot.connection())
        .await?;
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
) -> Result<i64, Problem> {
    let sql = include_str!("sql/users_of_network.sql");
    let users = users(snapshot, sql, pieces, None).await?;
    Ok(users.get(&0).copied().unwrap_or_default())
}

/// How many different customers each kind or each DVM had.
pub(crate) async fn users_by(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    by: By,
) -> Result<HashMap<i32, i64>, Problem> {
    let sql = match by {
        By::Kind => include_str!("sql/users_by_kind.sql"),
        By::Dvm => include_str!("sql/users_by_dvm.sql"),
    };
    users(snapshot, sql, pieces, None).await
}

/// How many different customers each DVM had in a kind; 0: the kind itself.
pub(crate) async fn kind_users(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    kind: i32,
) -> Result<HashMap<i32, i64>, Problem> {
    users(
        snapshot,
        include_str!("sql/users_of_kind.sql"),
        pieces,
        Some(kind),
    )
    .await
}

/// How many different customers a DVM had in each kind; -1: in all.
pub(crate) async fn dvm_users(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    dvm_id: i32,
) -> Result<HashMap<i32, i64>, Problem> {
    users(
        snapshot,
        include_str!("sql/users_of_dvm.sql"),
        pieces,
        Some(dvm_id),
    )
    .await
}

async fn users(
    snapshot: &mut Snapshot,
    sql: &'static str,
    pieces: &Pieces,
    parameter: Option<i32>,
) -> Result<HashMap<i32, i64>, Problem> {
    let rows = ask(sql, pieces, parameter)
        .fetch_all(snapshot.connection())
        .await?;
    let pairs = rows
        .iter()
        .map(|row| Ok((row.try_get("key")?, row.try_get("users")?)));
    Ok(pairs.collect::<Result<_, sqlx::Error>>()?)
}
