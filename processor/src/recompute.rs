//! All tables anew from the archive, beside those in use, and then in their place.
//!
//! The fold is the processors' own: the same statements, on connections that find the tables of the schema `recompute`. Processors go on
//! counting into the tables in use; what they have counted meanwhile is folded too, the last of it inside a turn, in which nobody else
//! counts. The swap is one transaction, so a crash anywhere leaves the tables in use; the next start throws away what it finds.

mod compare;
mod tables;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use dvmdash_core::{EventId, Hex32, Quarantine};
use dvmdash_runtime::archive::{Archive, Archived, Find};
use dvmdash_runtime::lock::{LocalLock, Turn};
use dvmdash_runtime::postgres;
use dvmdash_runtime::queue::Sighting;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::mpsc;

use self::compare::Difference;
use self::tables::SCHEMA;
use crate::batch::{self, Batch};
use crate::decode::Decoder;
use crate::failpoint::reach;
use crate::{Parts, turn};

/// What to do with the new tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Throw them away.
    pub dry_run: bool,
    /// Say first what is different in them.
    pub diff: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Archived events that were read.
    pub archived: u64,
    /// Events that the new tables count.
    pub counted: i64,
    /// Events that are counted in the tables in use and cannot be in the new ones: not archived, or unprocessable. Where there are any, the
    /// tables are not swapped.
    pub left_out: i64,
    /// Whether the new tables are in use.
    pub swapped: bool,
    /// Tables with rows that differ, where that was asked for. What was archived and not counted yet differs too.
    pub differences: Vec<Difference>,
}

/// Missing events in one round that are few enough for the last one, in a turn.
const FEW: usize = 5000;

/// Builds all tables from the archive and puts them in the place of those in use.
///
/// # Errors
/// When a server fails or another one is at it. The tables in use are as they were.
pub async fn run(parts: &Parts, options: Options) -> Result<Report> {
    let _only = tables::only_one(&parts.pool).await?;
    tables::create(&parts.pool).await?;
    let rebuild = Rebuild {
        live: parts,
        new: Parts {
            queue: parts.queue.clone(),
            archive: parts.archive.clone(),
            lock: Arc::new(LocalLock::new()),
            pool: postgres::beside(&parts.pool, SCHEMA, 2),
            rules: parts.rules.clone(),
            batch: parts.batch.clone(),
            lease: std::time::Duration::from_secs(600),
            retention: parts.retention.clone(),
            busy: Arc::default(),
        },
    };
    let done = rebuild.run(options).await;
    rebuild.new.pool.close().await;
    let cleared = tables::clear(&parts.pool).await;
    let report = done?;
    cleared?;
    Ok(report)
}

/// New tables that say what those in use should say at one moment.
struct Frozen {
    report: Report,
    /// Sees that moment.
    tables: turn::Transaction,
}

impl Frozen {
    async fn compare(mut self, options: Options) -> Result<Report> {
        if options.diff {
            self.report.differences = compare::differences(&mut self.tables).await?;
        }
        self.tables.rollback().await.context("end to compare")?;
        Ok(self.report)
    }
}

struct Rebuild<'a> {
    live: &'a Parts,
    /// The same, on the new tables.
    new: Parts,
}

impl Rebuild<'_> {
    async fn run(&self, options: Options) -> Result<Report> {
        tables::prepare(&self.new.pool, &self.live.pool).await?;
        let mut lost = HashSet::new();
        let archived = self.fold_archive(&mut lost).await?;
        reach("recompute-filled");
        let mut decoder = Decoder::new(self.live.rules.clone());
        while self.catch_up(&mut decoder, &mut lost).await? > FEW {}
        tables::analyze(&self.new.pool).await?;

        let turn = self.live.lock.acquire().await;
        let turn = turn.context("wait for the turn")?;
        let frozen = self.freeze(&turn, &mut decoder, &mut lost).await;
        let (ended, released) = if options.dry_run {
            // Both are compared as they were in the turn, and nobody waits for that.
            let released = self.live.lock.release(turn).await;
            (frozen?.compare(options).await, released)
        } else {
            let ended = self.put_in_use(&turn, frozen, options).await;
            (ended, self.live.lock.release(turn).await)
        };
        let report = ended?;
        released.context("give the turn back")?;
        Ok(Report { archived, ..report })
    }

    /// Brings the new tables level with those in use, as long as this turn lasts.
    async fn freeze(
        &self,
        turn: &Turn,
        decoder: &mut Decoder,
        lost: &mut HashSet<EventId>,
    ) -> Result<Frozen> {
        // From here on holders of older turns are refused, so that what is counted does not grow any more unless this turn is lost; then
        // the swap is refused.
        let (transaction, _) = turn::begin(self.live, turn).await?;
        transaction.commit().await.context("pass the fence")?;
        self.catch_up(decoder, lost).await?;
        tables::carry_over(&self.new, &self.live.pool).await?;
        let counted = sqlx::query_scalar("select counted from progress");
        let report = Report {
            archived: 0,
            counted: counted.fetch_one(&self.new.pool).await?,
            left_out: tables::counted(&self.live.pool, lost).await?,
            swapped: false,
            differences: Vec::new(),
        };
        let tables = compare::snapshot(&self.live.pool).await?;
        Ok(Frozen { report, tables })
    }

    async fn put_in_use(
        &self,
        turn: &Turn,
        frozen: Result<Frozen>,
        options: Options,
    ) -> Result<Report> {
        let report = frozen?.compare(options).await?;
        if report.left_out > 0 {
            bail!(
                "{} events are counted and cannot be counted anew: the archive is not the one that they are in, or has lost them; the tables \
                 in use stay",
                report.left_out
            );
        }
        tables::swap(self.live, turn).await?;
        Ok(Report {
            swapped: true,
            ..report
        })
    }

    /// Folds all that is archived and in no quarantine, newest first. Reading and decoding go ahead of it.
    async fn fold_archive(&self, lost: &mut HashSet<EventId>) -> Result<u64> {
        let of = self.live.archive.count().await?;
        let (pages, mut waiting) = mpsc::channel(2);
        let (archive, rules) = (self.live.archive.clone(), self.live.rules.clone());
        let size = self.live.batch.batch_max_events as usize;
        let reader =
            tokio::spawn(async move { read(&*archive, Decoder::new(rules), size, &pages).await });
        let (started, mut said, mut done) = (Instant::now(), Instant::now(), 0);
        while let Some(batch) = waiting.recv().await {
            done += (batch.events.len() + batch.quarantined.len()) as u64;
            lost.extend(self.fold(&batch).await?);
            if said.elapsed().as_secs() >= 2 {
                said = Instant::now();
                let rate = done as f64 / started.elapsed().as_secs_f64();
                tracing::info!(events = done, of, rate = rate.round(), "recomputing");
            }
        }
        reader.await.context("read the archive")??;
        let rate = done as f64 / started.elapsed().as_secs_f64();
        tracing::info!(events = done, of, rate = rate.round(), "recomputed");
        Ok(done)
    }

    /// Folds what has been counted meanwhile, but for what is lost; returns how much that was.
    async fn catch_up(&self, decoder: &mut Decoder, lost: &mut HashSet<EventId>) -> Result<usize> {
        let mut missing = tables::missing(&self.live.pool).await?;
        missing.retain(|id| !lost.contains(id));
        for ids in missing.chunks(self.live.batch.batch_max_events as usize) {
            let events = self.live.archive.get_many(ids).await?;
            lost.extend(ids);
            for archived in &events {
                lost.remove(&archived.sighting.event.id);
            }
            // Counted is counted, whatever mark is still there.
            let sightings = events.into_iter().map(|archived| archived.sighting);
            let batch = Batch {
                events: decoder.again(sightings.collect()),
                ..Batch::default()
            };
            lost.extend(self.fold(&batch).await?);
        }
        Ok(missing.len())
    }

    /// Counts in the new tables; returns what cannot be.
    async fn fold(&self, batch: &Batch) -> Result<Vec<EventId>> {
        batch::count(&self.new, batch)
            .await
            .context("count archived events anew")
    }
}

/// Reads the archive to its end, page by page.
async fn read(
    archive: &dyn Archive,
    mut decoder: Decoder,
    size: usize,
    pages: &mpsc::Sender<Batch>,
) -> Result<()> {
    let mut find = Find {
        limit: size,
        ..Find::default()
    };
    loop {
        let page = archive.find(&find).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        find.after = Some((last.sighting.event.created_at, last.sighting.event.id));
        let (batch, back) = tokio::task::spawn_blocking(move || {
            let batch = decode(&mut decoder, page);
            (batch, decoder)
        })
        .await
        .context("decode archived events")?;
        decoder = back;
        if pages.send(batch).await.is_err() {
            return Ok(());
        }
    }
}

/// An event that was put in quarantine stays there until a processor counts it: it may hold a request that is not archived yet.
fn decode(decoder: &mut Decoder, page: Vec<Archived>) -> Batch {
    let mut quarantined = Vec::new();
    let mut sightings: Vec<Sighting> = Vec::new();
    for archived in page {
        match archived
            .quarantined
            .as_deref()
            .map(str::parse::<Quarantine>)
        {
            Some(Ok(reason)) => quarantined.push((archived.sighting, reason)),
            _ => sightings.push(archived.sighting),
        }
    }
    Batch {
        events: decoder.again(sightings),
        quarantined,
        ..Batch::default()
    }
}

/// 32-byte values of one column.
async fn ids(pool: &PgPool, sql: String) -> Result<Vec<EventId>> {
    let ids: Vec<[u8; 32]> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_all(pool)
        .await?;
    Ok(ids.into_iter().map(Hex32).collect())
}
