//! The transaction of a turn: its time-outs and its fence.

use anyhow::{Context, Result, bail};
use dvmdash_runtime::lock::Turn;

use crate::Parts;

pub(crate) type Transaction = sqlx::Transaction<'static, sqlx::Postgres>;

/// From which moments on fine buckets are kept, unix seconds.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) minute_from: i64,
    pub(crate) hour_from: i64,
}

/// Begins a transaction that only the holder of the newest turn gets.
///
/// The fence is the first write and locks its row until the end, so transactions are serial whatever the lock server does. A holder that is
/// paused inside its transaction must not block its successors for longer than its lease: PostgreSQL ends it first.
pub(crate) async fn begin(parts: &Parts, turn: &Turn) -> Result<(Transaction, Kept)> {
    let mut transaction = parts.pool.begin().await.context("begin")?;
    crate::failpoint::reach("begun");
    let patience = (parts.lease.as_millis() * 2 / 3).max(1).to_string();
    // Every statement of a turn looks rows up by key. A plan made while a table was small, and kept, must not read the grown table whole:
    // nested loops over indexes are what is left to the planner, and what it thinks of their cost must not make it compile them.
    sqlx::query(
        "select set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
                set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
                set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)",
    )
        .bind(&patience)
        .execute(&mut *transaction)
        .await
        .context("set time-outs")?;
    let row: Option<(i64, i64, String)> = sqlx::query_as(include_str!("sql/fence.sql"))
        .bind(&turn.cluster)
        .bind(turn.token)
        .fetch_optional(&mut *transaction)
        .await
        .context("pass the fence")?;
    let Some((minute_from, hour_from, before)) = row else {
        bail!(
            "turn {} of lock server {} is over: a newer holder has written",
            turn.token,
            turn.cluster
        );
    };
    if before != turn.cluster && !before.is_empty() {
        tracing::info!(
            before,
            now = turn.cluster,
            "another lock server gives the turns now"
        );
    }
    Ok((
        transaction,
        Kept {
            minute_from,
            hour_from,
        },
    ))
}
