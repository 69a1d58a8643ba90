//! Rollup rows, histograms and presence sets, at the four resolutions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use dvmdash_core::fold::{Cell, Counters, Deltas};

use super::people::Ids;
use crate::turn::{Kept, Transaction};

/// (step, DVM, start, kind): the order of the larger tables' primary keys, so that a batch walks each index once.
type Key = (i32, i32, i64, i32);

/// Writes all three. A minute's change is summed into its hour, day and month here: one row a (resolution, bucket, kind, DVM) and batch.
pub(super) async fn write(
    transaction: &mut Transaction,
    deltas: &Deltas,
    dvms: &Ids,
    users: &Ids,
    kept: Kept,
) -> Result<()> {
    counters(transaction, deltas, dvms, kept).await?;
    latency(transaction, deltas, dvms, kept).await?;
    presence(transaction, deltas, dvms, users, kept).await
}

/// The coarsest step, in seconds: 32 days, so that days nest in it. What is asked of all time is summed from these.
const MONTH: i64 = 32 * 86_400;

/// The keys of a cell's minute, hour, day and month, as far as they are kept.
fn keys(cell: &Cell, dvms: &Ids, kept: Kept) -> impl Iterator<Item = Key> {
    let (at, kind) = (cell.start, cell.kind);
    let dvm = cell.dvm.map_or(0, |dvm| dvms[&dvm]);
    [
        (60, kept.minute_from),
        (3600, kept.hour_from),
        (86_400, i64::MIN),
        (MONTH, i64::MIN),
    ]
    .into_iter()
    .filter_map(move |(step, from)| {
        let start = at - at.rem_euclid(step);
        (start >= from).then_some((
            i32::try_from(step).expect("a month has few seconds"),
            dvm,
            start,
            kind,
        ))
    })
}

async fn counters(
    transaction: &mut Transaction,
    deltas: &Deltas,
    dvms: &Ids,
    kept: Kept,
) -> Result<()> {
    let mut rows: BTreeMap<Key, Counters> = BTreeMap::new();
    for (cell, counters) in &deltas.cells {
        for key in keys(cell, dvms, kept) {
            rows.entry(key).or_default().merge(counters);
        }
    }
    rows.retain(|_, counters| !counters.is_zero());
    let mut query = sqlx::query(include_str!("../sql/upsert_rollup.sql"));
    query = bind_keys(query, rows.keys().copied());
    for counter in 0..Counters::default().values().len() {
        let values = rows.values().map(|counters| counters.values()[counter]);
        query = match counter {
            // Seconds and millisats need 64 bits; counts of one batch fit in 32.
            14 | 17.. => query.bind(values.collect::<Vec<i64>>()),
            _ => query.bind(values.map(i32::try_from).collect::<Result<Vec<i32>, _>>()?),
        };
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

async fn latency(
    transaction: &mut Transaction,
    deltas: &Deltas,
    dvms: &Ids,
    kept: Kept,
) -> Result<()> {
    let mut rows: BTreeMap<(Key, bool, i32), i64> = BTreeMap::new();
    for ((cell, observed, slot), samples) in &deltas.latency {
        for key in keys(cell, dvms, kept) {
            *rows.entry((key, *observed, *slot)).or_default() += samples;
        }
    }
    rows.retain(|_, samples| *samples != 0);
    if rows.is_empty() {
        return Ok(());
    }
    bind_keys(
        sqlx::query(include_str!("../sql/upsert_latency.sql")),
        rows.keys().map(|(key, ..)| *key),
    )
    .bind(
        rows.keys()
            .map(|(_, observed, _)| *observed)
            .collect::<Vec<_>>(),
    )
    .bind(rows.keys().map(|(.., slot)| *slot).collect::<Vec<_>>())
    .bind(
        rows.values()
            .map(|samples| i32::try_from(*samples))
            .collect::<Result<Vec<_>, _>>()?,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn presence(
    transaction: &mut Transaction,
    deltas: &Deltas,
    dvms: &Ids,
    users: &Ids,
    kept: Kept,
) -> Result<()> {
    let mut rows: BTreeSet<(Key, i32)> = BTreeSet::new();
    for ((cell, customer), more) in &deltas.presence {
        if *more > 0 {
            rows.extend(keys(cell, dvms, kept).map(|key| (key, users[customer])));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    bind_keys(
        sqlx::query(include_str!("../sql/insert_presence.sql")),
        rows.iter().map(|(key, _)| *key),
    )
    .bind(rows.iter().map(|(_, user)| *user).collect::<Vec<_>>())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

type Query = sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// Binds the four key columns.
fn bind_keys(query: Query, keys: impl Iterator<Item = Key> + Clone) -> Query {
    query
        .bind(keys.clone().map(|key| key.0).collect::<Vec<_>>())
        .bind(keys.clone().map(|key| key.2).collect::<Vec<_>>())
        .bind(keys.clone().map(|key| key.3).collect::<Vec<_>>())
        .bind(keys.map(|key| key.1).collect::<Vec<_>>())
}
