//! A processor inside the test: events in, tables out, with the real PostgreSQL beneath.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::{Rules, parse, verify};
use dvmdash_processor::Parts;
use dvmdash_runtime::archive::{Archive, PostgresArchive};
use dvmdash_runtime::lock::LocalLock;
use dvmdash_runtime::postgres;
use dvmdash_runtime::queue::{InProcess, Message, Queue, Sighting, Source};
use dvmdash_runtime::settings::{BatchArgs, RetentionArgs};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// Publishes `messages` in their order to a processor on an empty database of its own and returns that database when all are counted.
/// Minutes are kept for ever, so that the tables do not hang on the date of the test.
///
/// # Errors
/// When the processor ends or the database cannot be reached.
pub async fn count(pool: PgPool, messages: Vec<Message>, batch_max_events: u32) -> Result<PgPool> {
    postgres::migrate(&pool).await.context("migrate")?;
    let archive = Arc::new(PostgresArchive::new(pool.clone()));
    archive.prepare().await.context("prepare the archive")?;
    let queue = Arc::new(InProcess::new());
    let shutdown = CancellationToken::new();
    let parts = Parts {
        queue: queue.clone(),
        archive,
        lock: Arc::new(LocalLock::new()),
        pool: pool.clone(),
        rules: Rules::default(),
        batch: BatchArgs {
            batch_max_events,
            batch_max_wait_ms: 50,
            prefetch_messages: 40,
        },
        lease: Duration::from_secs(15),
        retention: RetentionArgs {
            minute_bucket_days: 36_500,
            hour_bucket_days: 36_500,
        },
        busy: Arc::default(),
    };
    let processor = tokio::spawn(dvmdash_processor::run(parts, shutdown.clone()));
    let publish = async {
        let publishes = messages.iter().map(|message| queue.publish(message));
        futures_util::future::try_join_all(publishes)
            .await
            .map(|_| ())
    };
    tokio::pin!(processor);
    tokio::select! {
        published = publish => published.context("publish")?,
        ended = &mut processor => anyhow::bail!("the processor has ended: {ended:?}"),
    }
    shutdown.cancel();
    processor.await.context("join the processor")??;
    Ok(pool)
}

/// The lines as an import would publish them, `size` to a message: verified ones as sightings, others as refusals.
pub fn messages<S: AsRef<str>>(lines: &[S], size: usize) -> Vec<Message> {
    let rules = Rules::default();
    let message = |lines: &[S]| {
        let mut message = Message {
            verified: true,
            ..Message::default()
        };
        for line in lines {
            match parse(line.as_ref()).and_then(|event| verify(&event, &rules).map(|()| event)) {
                Ok(event) => {
                    message.sightings.push(Sighting {
                        event,
                        first_seen: 0,
                        relay: None,
                        source: Source::Import,
                    });
                }
                Err(refusal) => {
                    *message
                        .refused
                        .entry(refusal.as_str().to_owned())
                        .or_default() += 1
                }
            }
        }
        message
    };
    lines.chunks(size).map(message).collect()
}
