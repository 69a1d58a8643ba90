//! How many events there are, exactly and yet often.
//!
//! MongoDB keeps a count of its own, which costs nothing to ask for, is wrong for good after a crash and runs ahead of what can be read while
//! something is inserted. Counting an index is right and takes about a third of a second per million. So in a large archive the index is
//! counted now and then, and the server's own count says what has come since.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Bson, doc};
use mongodb::{Collection, Database};
use tokio::sync::Mutex;

/// Up to here the index is counted each time.
const FEW: i64 = 200_000;
/// How long a larger archive's difference between the two counts is believed, at least.
const BELIEVED: Duration = Duration::from_secs(15);
/// Counting the index takes no more than this part of the time.
const SHARE: u32 = 20;

/// What is known of the server's own count.
#[derive(Default)]
pub(super) struct Count(Mutex<Option<Drift>>);

/// What has to be added to the server's own count.
struct Drift {
    events: i64,
    measured: Instant,
    took: Duration,
}

impl Drift {
    fn is_believed(&self) -> bool {
        self.measured.elapsed() < BELIEVED.max(self.took * SHARE)
    }
}

impl Count {
    /// The events of the archive: exact up to [`FEW`]; a larger archive's while nobody writes and has not since the last look at the index.
    pub(super) async fn count(
        &self,
        database: &Database,
        events: &Collection<RawDocumentBuf>,
    ) -> Result<u64> {
        let mut known = self.0.lock().await;
        let own = i64::try_from(events.estimated_document_count().await?)?;
        if let Some(drift) = &*known
            && own > FEW
            && drift.is_believed()
        {
            return Ok(u64::try_from(own + drift.events)?);
        }
        let began = Instant::now();
        let counted = index_count(database, events.name()).await?;
        *known = Some(Drift {
            events: counted - own,
            measured: Instant::now(),
            took: began.elapsed(),
        });
        Ok(u64::try_from(counted)?)
    }
}

/// Counts the keys of the index that begins with the kind; the driver's own way reads them one by one and takes four times as long.
async fn index_count(database: &Database, events: &str) -> Result<i64> {
    let count = doc! { "count": events, "query": { "kind": { "$gte": 0 } } };
    let answer = database.run_command(count).await?;
    match answer.get("n") {
        Some(Bson::Int32(n)) => Ok(i64::from(*n)),
        Some(Bson::Int64(n)) => Ok(*n),
        _ => Err(anyhow::anyhow!("{answer}")).context("read MongoDB's count"),
    }
}
