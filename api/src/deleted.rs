//! Which events are shown no more (NIP-09, METRICS.md section 10).

use std::collections::HashMap;

use dvmdash_core::{Event, EventId, Hex32, kinds};

use crate::problem::Problem;
use crate::snapshot::Snapshot;

/// Of these events the deleted ones, with the id of the deletion. A deletion itself cannot be deleted.
pub(crate) async fn among<'a>(
    snapshot: &mut Snapshot,
    events: impl Iterator<Item = &'a Event>,
) -> Result<HashMap<EventId, EventId>, Problem> {
    let (mut ids, mut authors, mut times, mut addresses) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for event in events.filter(|event| event.kind != kinds::DELETION) {
        ids.push(&event.id.0[..]);
        authors.push(&event.pubkey.0[..]);
        times.push(event.created_at);
        let announcement = event.kind == kinds::ANNOUNCEMENT;
        addresses.push(announcement.then(|| event.tag("d").unwrap_or_default().as_bytes()));
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<([u8; 32], [u8; 32])> = sqlx::query_as(include_str!("sql/deletions_of.sql"))
        .bind(ids)
        .bind(authors)
        .bind(times)
        .bind(addresses)
        .fetch_all(snapshot.connection())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, deletion)| (Hex32(id), Hex32(deletion)))
        .collect())
}
