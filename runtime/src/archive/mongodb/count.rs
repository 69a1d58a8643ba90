//! How many events there are, exactly and yet often.
//!
//! MongoDB keeps a count of its own, which costs nothing to ask for and is wrong for good after a crash. Counting an index is right and takes
//! about a third of a second per million. So the index is counted once for each life of the server, and its own count says what has come since.

use anyhow::{Context, Result};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Bson, doc};
use mongodb::{Collection, Database};
use tokio::sync::Mutex;

/// Below this the index is counted whenever the server's own count moves.
const FEW: i64 = 200_000;

/// What is known of the server's own count.
#[derive(Default)]
pub(super) struct Count(Mutex<Option<Known>>);

struct Known {
    /// This life of the server.
    server: ObjectId,
    /// The server's own count when it was last asked.
    own: i64,
    /// What has to be added to it.
    drift: i64,
    /// Nothing was written while the drift was measured.
    exact: bool,
}

impl Count {
    /// The events of the archive: exact while nobody writes, and nearly so while somebody does.
    pub(super) async fn count(
        &self,
        database: &Database,
        events: &Collection<RawDocumentBuf>,
    ) -> Result<u64> {
        let mut known = self.0.lock().await;
        let server = life(database).await?;
        let own = own_count(events).await?;
        if let Some(known) = &mut *known
            && known.server == server
            && (known.exact || own > FEW && own != known.own)
        {
            known.own = own;
            return Ok(u64::try_from(own + known.drift)?);
        }
        let counted = index_count(database, events.name()).await?;
        let after = own_count(events).await?;
        *known = Some(Known {
            server,
            own: after,
            drift: counted - after,
            exact: own == after,
        });
        Ok(u64::try_from(counted)?)
    }
}

async fn life(database: &Database) -> Result<ObjectId> {
    let hello = database.run_command(doc! { "hello": 1 }).await?;
    let version = hello.get_document("topologyVersion")?;
    Ok(version.get_object_id("processId")?)
}

async fn own_count(events: &Collection<RawDocumentBuf>) -> Result<i64> {
    Ok(i64::try_from(events.estimated_document_count().await?)?)
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
