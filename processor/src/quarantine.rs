//! The end of a quarantine: an event from the future counts once its time has come.

use std::collections::HashSet;

use anyhow::{Context, Result};
use dvmdash_core::{EventId, Hex32, quarantine};
use dvmdash_runtime::queue::Message;

use crate::Parts;
use crate::turn::Transaction;

/// At most so many are put back in one message.
const LIMIT: i64 = 500;

/// Takes events that are counted now out of the quarantine; returns them.
pub(crate) async fn end(
    transaction: &mut Transaction,
    claimed: &HashSet<EventId>,
) -> Result<Vec<EventId>> {
    let ids: Vec<&[u8]> = claimed.iter().map(|id| &id.0[..]).collect();
    let ended: Vec<[u8; 32]> =
        sqlx::query_scalar("delete from quarantine where id = any($1) returning id")
            .bind(ids)
            .fetch_all(&mut **transaction)
            .await?;
    Ok(ended.into_iter().map(Hex32).collect())
}

/// Puts events back on the queue whose time has come; they stay in quarantine until they are counted.
pub(crate) async fn put_back(parts: &Parts, now: i64) -> Result<()> {
    let due: Vec<[u8; 32]> = sqlx::query_scalar(
        "select id from quarantine where reason = 'future' and created_at <= $1 order by created_at limit $2",
    )
    .bind(now + dvmdash_core::admission::FUTURE_TOLERANCE_SECONDS)
    .bind(LIMIT)
    .fetch_all(&parts.pool)
    .await
    .context("look for events whose quarantine is over")?;
    if due.is_empty() {
        return Ok(());
    }
    let ids: Vec<EventId> = due.into_iter().map(Hex32).collect();
    let events = parts
        .archive
        .get_many(&ids)
        .await
        .context("read events from the archive")?;
    let sightings = events.into_iter().map(|event| event.sighting);
    let sightings =
        sightings.filter(|sighting| quarantine(sighting.event.created_at, now).is_none());
    let message = Message {
        sightings: sightings.collect(),
        verified: true,
        ..Message::default()
    };
    // Not waited for: in one process, a publish ends when this very loop has counted its events. Given up before the next one begins.
    let queue = parts.queue.clone();
    tokio::spawn(async move {
        let published = tokio::time::timeout(crate::UPKEEP / 2, queue.publish(&message)).await;
        if let Err(error) = published.context("no answer in time").flatten() {
            tracing::warn!(
                error = format!("{error:#}"),
                "events whose quarantine is over stay there for now"
            );
        }
    });
    Ok(())
}
