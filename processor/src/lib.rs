//! Processors: queue -> archive + rollups, in turns, each event counted once.

mod apply;
mod batch;
mod decode;
mod failpoint;
mod intake;
mod load;
mod quarantine;
pub mod recompute;
mod retention;
pub mod sweep;
mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::Rules;
use dvmdash_runtime::archive::Archive;
use dvmdash_runtime::lock::Lock;
use dvmdash_runtime::queue::Queue;
use dvmdash_runtime::settings::{BatchArgs, RetentionArgs};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::intake::Intake;

/// How often the upkeep between batches runs: retention, and events whose quarantine is over.
const UPKEEP: Duration = Duration::from_secs(60);

/// How long a batch in hand may take once the process is to end; less than the thirty seconds that Kubernetes grants.
const GRACE: Duration = Duration::from_secs(20);

/// What a processor works with.
pub struct Parts {
    /// Where events come from.
    pub queue: Arc<dyn Queue>,
    /// Where every event is kept.
    pub archive: Arc<dyn Archive>,
    /// Who may write now.
    pub lock: Arc<dyn Lock>,
    /// Where the rollups are; migrated.
    pub pool: PgPool,
    /// Which events count.
    pub rules: Rules,
    /// How batches are cut.
    pub batch: BatchArgs,
    /// The lock's lease; time-outs inside the transaction are shorter.
    pub lease: Duration,
    /// How long fine buckets are kept.
    pub retention: RetentionArgs,
    /// Counts batches in hand, for `/api/v1/status` in the same process.
    pub busy: Arc<AtomicUsize>,
}

/// Takes batches off the queue until `shutdown`; the batch in hand is finished first.
///
/// Servers that are gone are waited for: the batch is tried again, and stays unacknowledged. Ends with an error only where waiting cannot help.
pub async fn run(parts: Parts, shutdown: CancellationToken) -> Result<()> {
    tokio::select! {
        ended = take_turns(&parts, &shutdown) => ended,
        () = sweep::now_and_then(&parts) => Ok(()),
    }
}

async fn take_turns(parts: &Parts, shutdown: &CancellationToken) -> Result<()> {
    let mut decoder = decode::Decoder::new(parts.rules.clone());
    let deliveries = parts
        .queue
        .consume(parts.batch.prefetch_messages)
        .await
        .context("consume the queue")?;
    let mut intake = Intake::new(deliveries, &parts.batch);
    let mut upkeep = tokio::time::interval(UPKEEP);
    upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);

    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            _ = upkeep.tick() => {
                let _busy = Busy::new(&parts.busy);
                let kept_up = tokio::select! {
                    kept_up = keep_up(parts) => kept_up,
                    () = shutdown.cancelled() => return Ok(()),
                };
                if let Err(error) = kept_up {
                    tracing::warn!(error = format!("{error:#}"), "upkeep failed; tried again in a minute");
                }
            }
            more = intake.ready() => {
                if !more {
                    anyhow::bail!("the queue has closed");
                }
                let _busy = Busy::new(&parts.busy);
                let deliveries = intake.take().await;
                let (batch, back) = tokio::task::spawn_blocking(move || {
                    let batch = decoder.decode(deliveries, now());
                    (batch, decoder)
                })
                .await
                .context("decode a batch")?;
                decoder = back;
                finish(parts, batch, shutdown).await?;
            }
        }
    }
}

/// Brings one batch to its end, however often its servers fail on the way; given up unacknowledged only at shutdown.
async fn finish(parts: &Parts, mut batch: Batch, shutdown: &CancellationToken) -> Result<()> {
    let mut pause = Duration::from_millis(100);
    loop {
        let run = tokio::select! {
            run = batch::run(parts, &mut batch) => run,
            () = grace(shutdown) => {
                tracing::warn!("a batch was not finished in time; its messages come again");
                return Ok(());
            }
        };
        let Err(error) = run else { return Ok(()) };
        tracing::warn!(
            error = format!("{error:#}"),
            "a batch failed and is tried again"
        );
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Resolves when a batch in hand has had its time after the wish to end. Dropped there, its transaction is rolled back.
async fn grace(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// The work between batches.
async fn keep_up(parts: &Parts) -> Result<()> {
    retention::advance(parts, now())
        .await
        .context("drop old buckets")?;
    quarantine::put_back(parts, now())
        .await
        .context("put back events whose quarantine is over")
}

/// Unix seconds.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Says that work is in hand while it lives.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
