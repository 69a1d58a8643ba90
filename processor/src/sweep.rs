//! Archived events that were never counted go back on the queue: what a broker lost after a processor had archived it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::{EventId, Hex32};
use dvmdash_runtime::archive::{Archive, Archived, Find};
use dvmdash_runtime::queue::{Message, Queue};
use sqlx::PgPool;

use crate::Parts;

/// Events looked at in one step, and put back in one message.
const STEP: usize = 500;
/// The first comes soon after a start, which may be the end of an outage.
const FIRST: Duration = Duration::from_secs(300);
const EVERY: Duration = Duration::from_secs(3600);
/// How far back a processor's own sweeps look.
const DAYS: u32 = 2;
/// What was first seen within so many seconds is still on its way, as far as a processor's own sweeps are concerned.
const UNDER_WAY: u32 = 600;

/// Sweeps now and then, beside the batches. Never ends.
pub(crate) async fn now_and_then(parts: &Parts) {
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        pause = EVERY;
        let swept = sweep(&*parts.archive, &parts.pool, &parts.queue, DAYS, UNDER_WAY);
        match swept.await {
            Ok(0) => {}
            Ok(events) => {
                tracing::warn!(
                    events,
                    "archived events were not counted; put back on the queue"
                );
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "a sweep failed; the next one is in an hour"
                );
            }
        }
    }
}

/// Puts events back on the queue that are archived, not counted and in no quarantine: those dated at most `days` ago and first seen more than
/// `under_way` seconds ago. Returns how many.
///
/// # Errors
/// When a server fails; what was put back before stays there, and is counted once.
pub async fn sweep(
    archive: &dyn Archive,
    pool: &PgPool,
    queue: &Arc<dyn Queue>,
    days: u32,
    under_way: u32,
) -> Result<usize> {
    let now = crate::now();
    let seen_before = now - i64::from(under_way);
    let mut find = Find {
        since: Some(now - i64::from(days) * 86_400),
        limit: STEP,
        ..Find::default()
    };
    let mut put_back = 0;
    loop {
        let page = archive.find(&find).await.context("read the archive")?;
        let Some(last) = page.last() else {
            return Ok(put_back);
        };
        find.after = Some((last.sighting.event.created_at, last.sighting.event.id));
        let uncounted = uncounted(pool, &page).await?;
        let sightings = page.into_iter().map(|archived| archived.sighting);
        let message = Message {
            sightings: sightings
                .filter(|sighting| uncounted.contains(&sighting.event.id))
                // In whole seconds, as `now` is: what came within this second has come.
                .filter(|sighting| sighting.first_seen / 1000 <= seen_before)
                .collect(),
            verified: true,
            ..Message::default()
        };
        if !message.sightings.is_empty() {
            queue
                .publish(&message)
                .await
                .context("put events back on the queue")?;
            put_back += message.sightings.len();
        }
    }
}

/// Those of the page that are neither in the ledger nor in quarantine.
async fn uncounted(pool: &PgPool, page: &[Archived]) -> Result<HashSet<EventId>> {
    let events = || page.iter().map(|archived| &archived.sighting.event);
    let ids: Vec<[u8; 32]> = sqlx::query_scalar(
        "select id from unnest($1::bytea[], $2::bigint[]) as a (id, created_at)
         where not exists (select from ledger l where l.id = a.id and l.created_at = a.created_at)
           and not exists (select from quarantine q where q.id = a.id)",
    )
    .bind(events().map(|event| &event.id.0[..]).collect::<Vec<_>>())
    .bind(events().map(|event| event.created_at).collect::<Vec<_>>())
    .fetch_all(pool)
    .await
    .context("look for events that were not counted")?;
    Ok(ids.into_iter().map(Hex32).collect())
}
