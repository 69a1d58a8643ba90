//! The schema beside the one in use: its start, its end, and the swap.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dvmdash_core::EventId;
use dvmdash_runtime::lock::Turn;
use dvmdash_runtime::postgres;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::failpoint::reach;
use crate::{Parts, retention, turn};

/// Where the new tables are built.
pub(super) const SCHEMA: &str = "recompute";

/// Tables of the old schema can be dropped only where nothing else hangs on them.
const STRANGERS: &str = "
select distinct v.oid::regclass::text
from pg_depend d
join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
join pg_class v on v.oid = r.ev_class
join pg_class t on t.oid = d.refobjid and d.refclassid = 'pg_class'::regclass
where t.relnamespace = current_schema()::regnamespace and to_regclass('recompute.' || quote_ident(t.relname)) is not null
  and (v.relnamespace <> t.relnamespace or to_regclass('recompute.' || quote_ident(v.relname)) is null)";

/// Holds off every other one until it is dropped.
pub(super) async fn only_one(pool: &PgPool) -> Result<PoolConnection<Postgres>> {
    let mut connection = pool.acquire().await.context("connect to PostgreSQL")?;
    // Closed with the process, not given back: the lock is the connection's.
    connection.close_on_drop();
    // One that has died is noticed within moments.
    let locked = sqlx::raw_sql("set lock_timeout = '5s'; select pg_advisory_lock(7261)");
    match locked.execute(&mut *connection).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => {
            bail!("another recompute is running on this database")
        }
        locked => locked.context("hold off other recomputes")?,
    };
    Ok(connection)
}

/// An empty schema, whatever an earlier one has left.
pub(super) async fn create(pool: &PgPool) -> Result<()> {
    clear(pool).await?;
    sqlx::query("create schema recompute")
        .execute(pool)
        .await
        .context("create the schema `recompute`")?;
    Ok(())
}

/// Throws away what is not in use.
pub(super) async fn clear(pool: &PgPool) -> Result<()> {
    for sql in [
        "set local client_min_messages = warning; drop schema if exists recompute cascade",
        "set local client_min_messages = warning; drop schema if exists recompute_old cascade",
    ] {
        sqlx::raw_sql(sql)
            .execute(pool)
            .await
            .context("drop tables that are not in use")?;
    }
    Ok(())
}

/// Empty tables that keep fine buckets as long as those in use.
pub(super) async fn prepare(new: &PgPool, live: &PgPool) -> Result<()> {
    postgres::migrate(new).await?;
    let strangers: Vec<String> = sqlx::query_scalar(STRANGERS).fetch_all(live).await?;
    if !strangers.is_empty() {
        bail!(
            "views that are not ours read the tables and would be lost; drop them first: {}",
            strangers.join(", ")
        );
    }
    let (minute_from, hour_from) = kept(live).await?;
    sqlx::query("update progress set minute_from = $1, hour_from = $2")
        .bind(minute_from)
        .bind(hour_from)
        .execute(new)
        .await?;
    Ok(())
}

async fn kept(pool: &PgPool) -> Result<(i64, i64)> {
    sqlx::query_as("select minute_from, hour_from from progress")
        .fetch_one(pool)
        .await
        .context("see which buckets are kept")
}

/// Statistics for the planner, so that the first answers are as quick as the last ones.
pub(super) async fn analyze(new: &PgPool) -> Result<()> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select oid::regclass::text from pg_class where relnamespace = 'recompute'::regnamespace and relkind = 'r' and relpages > 0",
    )
    .fetch_all(new)
    .await?;
    for table in tables {
        sqlx::query(sqlx::AssertSqlSafe(format!("analyze {table}")))
            .execute(new)
            .await
            .context("analyze the new tables")?;
    }
    Ok(())
}

/// The schema in use, as it is written in a statement.
pub(super) async fn in_use(live: &mut PgConnection) -> Result<String> {
    Ok(sqlx::query_scalar("select quote_ident(current_schema())")
        .fetch_one(live)
        .await?)
}

/// How many of these events are counted in the tables in use.
pub(super) async fn counted(live: &PgPool, events: &HashSet<EventId>) -> Result<i64> {
    let ids: Vec<&[u8]> = events.iter().map(|id| &id.0[..]).collect();
    let counted = sqlx::query_scalar("select count(*) from ledger where id = any($1)");
    Ok(counted.bind(ids).fetch_one(live).await?)
}

/// What is counted in the tables in use and not in the new ones.
pub(super) async fn missing(live: &PgPool) -> Result<Vec<EventId>> {
    let sql = "select id from ledger l
        where not exists (select from recompute.ledger n where n.id = l.id and n.created_at = l.created_at)";
    super::ids(live, sql.to_owned())
        .await
        .context("look for events that were counted meanwhile")
}

/// Writes into the new tables what is not computed from events.
pub(super) async fn carry_over(new: &Parts, live: &PgPool) -> Result<()> {
    let (minute_from, hour_from) = kept(live).await?;
    let turn = new.lock.acquire().await?;
    let dropped = retention::drop_before(new, &turn, minute_from, hour_from).await;
    new.lock.release(turn).await?;
    dropped?;
    let schema = in_use(&mut *live.acquire().await?).await?;
    let upgraded = format!(
        "select (select max(version) from {schema}._sqlx_migrations) <> (select max(version) from recompute._sqlx_migrations)"
    );
    let upgraded = sqlx::query_scalar(sqlx::AssertSqlSafe(upgraded));
    if upgraded.fetch_one(live).await? {
        bail!("the schema in use was upgraded meanwhile; start again");
    }
    let sql = include_str!("../sql/carry_over.sql").replace("{live}", &schema);
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&new.pool)
        .await
        .context("carry over what is not computed")?;
    Ok(())
}

/// Puts the new tables in the place of those in use, unless a newer turn has written.
pub(super) async fn swap(live: &Parts, turn: &Turn) -> Result<()> {
    // Readers that hold one table and want the next are not waited for long, lest they and we wait for each other: they go on, and the
    // next try is a bit more patient.
    let mut patience = Duration::from_millis(250);
    for _ in 0..15 {
        match try_to_swap(live, turn, patience).await {
            Err(error) if is_busy(&error) => {
                tracing::info!("the tables are being read; trying again to swap them");
                tokio::time::sleep(patience).await;
                patience = (patience * 3 / 2).min(Duration::from_secs(5));
            }
            swapped => return swapped,
        }
    }
    bail!("the tables in use are read without a pause; they stay")
}

async fn try_to_swap(live: &Parts, turn: &Turn, patience: Duration) -> Result<()> {
    let (mut transaction, _) = turn::begin(live, turn).await?;
    sqlx::query("select set_config('lock_timeout', $1, true)")
        .bind(patience.as_millis().to_string())
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(include_str!("../sql/swap_tables.sql"))
        .execute(&mut *transaction)
        .await
        .context("swap the tables")?;
    reach("recompute-swapped");
    transaction.commit().await.context("commit the swap")?;
    Ok(())
}

/// Whether a lock was not free in time.
fn is_busy(error: &anyhow::Error) -> bool {
    let Some(sqlx::Error::Database(error)) = error.downcast_ref::<sqlx::Error>() else {
        return false;
    };
    // lock_not_available, deadlock_detected
    matches!(error.code().as_deref(), Some("55P03" | "40P01"))
}
