//! From a full queue to committed numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dvmdash_runtime::queue::{Queue, RabbitMq};
use dvmdash_runtime::settings::RabbitMqArgs;
use dvmdash_tests::harness::{Dvmdash, World};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::traffic;
use crate::usage::{self, Usage};

/// How often the counter is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// As long as this nothing may happen before the run is called over.
const STILL: Duration = Duration::from_secs(5);
/// Messages on their way to the broker at once.
const IN_FLIGHT: usize = 16;
/// Events that are kept for the floor.
const SAMPLE: usize = 20_000;
/// The last events wait for more to make a batch of, so they are left out: a batch of each processor.
const BATCH: i64 = 5000;

/// What one run has shown.
pub struct Run {
    /// Events counted in all.
    pub counted: i64,
    /// Events a second over all, the first and the last third.
    pub rate: [f64; 3],
    /// By name of process; CPU seconds are those of the run, memory the peak since the process began.
    pub usage: BTreeMap<String, Usage>,
    /// CPU seconds of the whole machine meanwhile: spent, and idle.
    pub machine: (f64, f64),
    /// Rows of each table that has any, at the end.
    pub rows: Vec<(String, i64)>,
    /// Bytes that PostgreSQL has written to its log.
    pub wal: i64,
}

/// The queue of a world.
pub fn queue(world: &World) -> Result<RabbitMq> {
    Ok(RabbitMq::new(&RabbitMqArgs {
        rabbitmq_uri: Some(world.rabbitmq_uri.clone()),
        rabbitmq_uri_file: None,
        rabbitmq_queue: world.queue.clone(),
        rabbitmq_ca_file: None,
        rabbitmq_cert_file: None,
        rabbitmq_key_file: None,
    })?)
}

/// Prepares a world and fills its queue; returns the first events.
pub async fn fill(world: &World, events: u64, span: i64) -> Result<Vec<String>> {
    Dvmdash::run(world, &["migrate"], &[]).await.success();
    let queue = Arc::new(queue(world)?);
    let mut packs = traffic::make(events, span);
    let mut publishing: JoinSet<Result<()>> = JoinSet::new();
    let mut sample = Vec::new();
    while let Some(lines) = packs.recv().await {
        if sample.len() < SAMPLE {
            sample.extend_from_slice(&lines);
        }
        if publishing.len() >= IN_FLIGHT
            && let Some(published) = publishing.join_next().await
        {
            published??;
        }
        let queue = queue.clone();
        publishing.spawn(async move { queue.publish(&traffic::message(&lines)?).await });
    }
    while let Some(published) = publishing.join_next().await {
        published??;
    }
    Ok(sample)
}

/// Lets processors loose on the full queue until it is empty.
pub async fn run(world: &World, processors: usize, events: u64) -> Result<Run> {
    let pool = world.postgres().await;

    let wal = |pool: PgPool| async move {
        let bytes = sqlx::query_scalar::<_, i64>(
            "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint",
        );
        bytes.fetch_one(&pool).await
    };
    let (wal_before, before) = (wal(pool.clone()).await?, usage::below());

    let machine_before = usage::machine();
    let mut workers = Vec::new();
    for _ in 0..processors {
        workers.push(Dvmdash::spawn(world, &["process"], &[]).await);
    }
    let curve = watch(&pool, events).await?;
    let (spent, idle) = usage::machine();
    let mut usage = usage::below();
    for (name, usage) in &mut usage {
        usage.cpu -= before.get(name).map_or(0.0, |before| before.cpu);
    }
    let wal = wal(pool.clone()).await? - wal_before;
    for worker in &mut workers {
        worker.terminate().await;
    }
    let Some(&(_, counted)) = curve.last() else {
        bail!("nothing was counted");
    };
    let processors = i64::try_from(processors)?;
    Ok(Run {
        counted,
        rate: rates(&curve, counted - processors * BATCH)?,
        usage,
        machine: (spent - machine_before.0, idle - machine_before.1),
        rows: rows(&pool).await?,
        wal,
    })
}

/// Counted events over time, from the first that count until no more do.
async fn watch(pool: &PgPool, events: u64) -> Result<Vec<(f64, i64)>> {
    let (began, mut moved) = (Instant::now(), Instant::now());
    let mut curve: Vec<(f64, i64)> = Vec::new();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let counted: i64 = sqlx::query_scalar("select counted from progress")
            .fetch_one(pool)
            .await
            .context("look at the progress")?;
        if counted > curve.last().map_or(0, |(_, counted)| *counted) {
            moved = Instant::now();
            curve.push(((moved - began).as_secs_f64(), counted));
        }
        let enough = u64::try_from(counted)? >= events;
        if enough || !curve.is_empty() && moved.elapsed() > STILL {
            return Ok(curve);
        }
        if moved.elapsed() > Duration::from_secs(120) {
            bail!("{counted} of {events} events were counted, and no more are");
        }
    }
}

/// Events a second over all, the first and the last third, of what lies between the first look and `end`.
fn rates(curve: &[(f64, i64)], end: i64) -> Result<[f64; 3]> {
    let begin = curve[0].1;
    if end - begin < 3 * BATCH {
        bail!("too few events to tell a rate: {begin} to {end}");
    }
    let at = |counted: i64| -> f64 {
        let after = curve.iter().position(|(_, other)| *other >= counted);
        let after = after.unwrap_or(curve.len() - 1).max(1);
        let ((t0, c0), (t1, c1)) = (curve[after - 1], curve[after]);
        t0 + (t1 - t0) * (counted - c0) as f64 / (c1 - c0).max(1) as f64
    };
    let third = (end - begin) / 3;
    let rate = |from: i64, to: i64| (to - from) as f64 / (at(to) - at(from));
    Ok([
        rate(begin, end),
        rate(begin, begin + third),
        rate(end - third, end),
    ])
}

/// How many rows the tables have, the parts of a table by themselves; the ledger's months as one.
async fn rows(pool: &PgPool) -> Result<Vec<(String, i64)>> {
    sqlx::query("analyze").execute(pool).await?;
    let rows = sqlx::query_as(
        "select regexp_replace(relname, '^ledger_.*', 'ledger') as name, sum(greatest(reltuples, 0))::bigint as rows
         from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
         group by 1 having sum(greatest(reltuples, 0)) > 0 order by 2 desc",
    );
    Ok(rows.fetch_all(pool).await?)
}
