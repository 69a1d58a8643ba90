//! Fine buckets are kept for a while; days and months for ever.

use anyhow::Result;

use crate::{Parts, turn};

/// Moves the moments from which minutes and hours are kept, and drops what is older. They never move back, and lie on an hour and a day, so
/// that a window's edges always meet whole buckets.
pub(crate) async fn advance(parts: &Parts, now: i64) -> Result<()> {
    let minute_from = floor(
        now - i64::from(parts.retention.minute_bucket_days) * 86_400,
        3600,
    );
    let hour_from = floor(
        now - i64::from(parts.retention.hour_bucket_days) * 86_400,
        86_400,
    );
    let (minutes, hours): (i64, i64) =
        sqlx::query_as("select minute_from, hour_from from progress")
            .fetch_one(&parts.pool)
            .await?;
    if minute_from <= minutes && hour_from <= hours {
        return Ok(());
    }
    let turn = parts.lock.acquire().await?;
    let done = drop_before(parts, &turn, minute_from, hour_from).await;
    parts.lock.release(turn).await?;
    done
}

pub(crate) async fn drop_before(
    parts: &Parts,
    turn: &dvmdash_runtime::lock::Turn,
    minute_from: i64,
    hour_from: i64,
) -> Result<()> {
    let (mut transaction, _) = turn::begin(parts, turn).await?;
    sqlx::query("update progress set minute_from = greatest(minute_from, $1), hour_from = greatest(hour_from, $2), revision = revision + 1")
        .bind(minute_from)
        .bind(hour_from)
        .execute(&mut *transaction)
        .await?;
    for sql in [
        "delete from rollup r using progress p where r.step = 60 and r.start < p.minute_from",
        "delete from latency r using progress p where r.step = 60 and r.start < p.minute_from",
        "delete from presence r using progress p where r.step = 60 and r.start < p.minute_from",
        "delete from rollup r using progress p where r.step = 3600 and r.start < p.hour_from",
        "delete from latency r using progress p where r.step = 3600 and r.start < p.hour_from",
        "delete from presence r using progress p where r.step = 3600 and r.start < p.hour_from",
    ] {
        sqlx::query(sql).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The last moment up to `at` (but not before 1970) that is a multiple of `step`.
fn floor(at: i64, step: i64) -> i64 {
    (at - at.rem_euclid(step)).max(0)
}
