//! The archive in MongoDB: one document an event, in the collection `events`.
//!
//! Indexes are most of what an insert costs, so there are few of them: every combination of conditions leans on one of them and filters
//! what that yields.

mod count;
mod document;
mod find;

use std::collections::HashSet;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use dvmdash_core::EventId;
use futures_util::TryStreamExt as _;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, Tls, TlsOptions, WriteConcern};
use mongodb::{Collection, Database, IndexModel};

use self::count::Count;
use self::document::{binary, decode, encode, id};
use super::{Archive, Archived, Find};
use crate::queue::Sighting;
use crate::settings::MongoDbArgs;

/// Ids or documents in one command; each command stays far below what MongoDB takes.
const CHUNK: usize = 10_000;
/// How long a command may take before its caller is told that it failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// MongoDB's code of a document whose `_id` is there already.
const DUPLICATE: i32 = 11000;

/// MongoDB 6 or newer, a replica set or a single server.
pub struct MongoArchive {
    database: Database,
    events: Collection<RawDocumentBuf>,
    count: Arc<Count>,
    // The driver reads it again for every server that joins.
    _identity: Option<std::fs::File>,
}

impl MongoArchive {
    /// The archive of these settings. Connects when it is first used.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub async fn connect(args: &MongoDbArgs) -> Result<Self> {
        let (mut options, identity) = client_options(args).await?;
        options.app_name = Some("dvmdash".to_owned());
        options.server_selection_timeout = Some(Duration::from_secs(10));
        // An event that counts must not vanish with a primary, and one that may still vanish must not pass for archived.
        let journaled = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        options.write_concern = Some(journaled);
        options.read_concern = Some(ReadConcern::majority());
        let client = mongodb::Client::with_options(options).context("make a MongoDB client")?;
        let database = client.database(&args.mongodb_database);
        Ok(Self {
            events: database.collection("events"),
            database,
            count: Arc::default(),
            _identity: identity,
        })
    }

    /// Those of `ids` that are archived, answered from the index of `_id` alone.
    async fn existing(&self, ids: Vec<EventId>) -> Result<HashSet<EventId>> {
        let events = self.events.clone();
        detached("look for archived events", async move {
            let wanted: Vec<_> = ids.iter().map(|id| binary(&id.0)).collect();
            let mut found = events
                .find(doc! { "_id": { "$in": wanted } })
                .projection(doc! { "_id": 1 })
                .batch_size(u32::try_from(ids.len())?)
                .await?;
            let mut existing = HashSet::new();
            while found.advance().await? {
                existing.insert(id(found.current())?);
            }
            Ok(existing)
        })
        .await
    }

    async fn insert(&self, documents: Vec<RawDocumentBuf>) -> Result<()> {
        let events = self.events.clone();
        detached("insert into the archive", async move {
            match events.insert_many(documents).ordered(false).await {
                Err(error) if !only_duplicates(&error) => Err(error.into()),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn query(&self, filter: Document, sort: Document, limit: usize) -> Result<Vec<Archived>> {
        let events = self.events.clone();
        detached("read the archive", async move {
            let mut found = events
                .find(filter)
                .sort(sort)
                .limit(i64::try_from(limit)?)
                .max_time(PATIENCE)
                .await?;
            let mut archived = Vec::new();
            while found.advance().await? {
                archived.push(decode(found.current())?);
            }
            Ok(archived)
        })
        .await
    }
}

/// The driver's options, and the file that they name for our own certificate and key.
async fn client_options(args: &MongoDbArgs) -> Result<(ClientOptions, Option<std::fs::File>)> {
    let (uri, authority, pem) = (args.uri()?, args.authority()?, args.identity()?);
    let mut options = ClientOptions::parse(uri)
        .await
        .context("look up the servers of DVMDASH_MONGODB_URI")?;
    if authority.is_none() && pem.is_none() {
        return Ok((options, None));
    }
    let mut tls = match options.tls {
        Some(Tls::Enabled(tls)) => tls,
        _ => TlsOptions::default(),
    };
    if authority.is_some() {
        tls.ca_file_path = authority;
    }
    let identity = pem.map(in_memory).transpose()?;
    if let Some(file) = &identity {
        tls.cert_key_file_path = Some(format!("/proc/self/fd/{}", file.as_raw_fd()).into());
    }
    options.tls = Some(Tls::Enabled(tls));
    Ok((options, identity))
}

/// The driver wants certificate and key in one file; the key is written to no disk for that.
fn in_memory(pem: String) -> Result<std::fs::File> {
    let memory =
        rustix::fs::memfd_create("dvmdash-mongodb-identity", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = std::fs::File::from(memory.context("keep the certificate for MongoDB")?);
    file.write_all(pem.as_bytes())
        .context("keep the certificate for MongoDB")?;
    Ok(file)
}

/// Lets a command go on when its caller no longer waits: a driver whose question is dropped half way loses the connection or worse.
async fn detached<T: Send + 'static>(
    what: &'static str,
    command: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::time::timeout(PATIENCE, tokio::spawn(command)).await {
        Ok(Ok(answer)) => answer.context(what),
        Ok(Err(error)) => Err(error).context(what),
        Err(_) => bail!("{what}: MongoDB does not answer"),
    }
}

/// Whether nothing went wrong but that another worker was quicker.
fn only_duplicates(error: &Error) -> bool {
    let ErrorKind::InsertMany(failed) = error.kind.as_ref() else {
        return false;
    };
    let refused = failed.write_errors.as_deref().unwrap_or_default();
    failed.write_concern_error.is_none()
        && !refused.is_empty()
        && refused.iter().all(|refusal| refusal.code == DUPLICATE)
}

fn ids_in(ids: &[EventId]) -> Document {
    let ids: Vec<_> = ids.iter().map(|id| binary(&id.0)).collect();
    doc! { "_id": { "$in": ids } }
}

#[async_trait]
impl Archive for MongoArchive {
    async fn prepare(&self) -> Result<()> {
        let events = self.events.clone();
        detached("create the archive's indexes", async move {
            // The kind at the end tells those of other kinds before their documents are fetched.
            let keys = [
                doc! { "kind": 1, "created_at": -1 },
                doc! { "pubkey": 1, "created_at": -1, "kind": 1 },
                doc! { "refs": 1, "created_at": -1, "kind": 1 },
            ];
            let indexes = keys.map(|keys| IndexModel::builder().keys(keys).build());
            events.create_indexes(indexes).await?;
            Ok(())
        })
        .await
    }

    async fn insert_new(&self, events: &[(&Sighting, Option<&str>)]) -> Result<()> {
        for events in events.chunks(CHUNK) {
            let ids = events.iter().map(|(sighting, _)| sighting.event.id);
            let mut seen = self.existing(ids.collect()).await?;
            let new = events
                .iter()
                .filter(|(sighting, _)| seen.insert(sighting.event.id));
            let documents: Vec<_> = new
                .map(|(sighting, quarantined)| encode(sighting, *quarantined))
                .collect();
            if !documents.is_empty() {
                self.insert(documents).await?;
            }
        }
        Ok(())
    }

    async fn get(&self, id: EventId) -> Result<Option<Archived>> {
        Ok(self.get_many(&[id]).await?.pop())
    }

    async fn get_many(&self, ids: &[EventId]) -> Result<Vec<Archived>> {
        let mut archived = Vec::new();
        for ids in ids.chunks(CHUNK) {
            archived.extend(self.query(ids_in(ids), doc! {}, 0).await?);
        }
        Ok(archived)
    }

    async fn find(&self, find: &Find) -> Result<Vec<Archived>> {
        self.newest_of_all(find).await
    }

    async fn mark(&self, ids: &[EventId], reason: &str) -> Result<()> {
        let (events, ids) = (self.events.clone(), ids_in(ids));
        let update = doc! { "$set": { "quarantined": reason } };
        detached("mark archived events", async move {
            events.update_many(ids, update).await?;
            Ok(())
        })
        .await
    }

    async fn release(&self, ids: &[EventId]) -> Result<()> {
        let (events, ids) = (self.events.clone(), ids_in(ids));
        let update = doc! { "$unset": { "quarantined": "" } };
        detached("release archived events", async move {
            events.update_many(ids, update).await?;
            Ok(())
        })
        .await
    }

    async fn ids(&self) -> Result<HashSet<EventId>> {
        let events = self.events.clone();
        let all = async move {
            let all = events.find(doc! {}).projection(doc! { "_id": 1 }).await?;
            all.map_err(anyhow::Error::from)
                .and_then(async |document| id(&document))
                .try_collect()
                .await
        };
        detached("read the archive's ids", all).await
    }

    async fn count(&self) -> Result<u64> {
        let (database, events) = (self.database.clone(), self.events.clone());
        let known = self.count.clone();
        detached("count the archive", async move {
            known.count(&database, &events).await
        })
        .await
    }

    async fn ping(&self) -> Result<()> {
        let database = self.database.clone();
        detached("reach MongoDB", async move {
            database.run_command(doc! { "ping": 1 }).await?;
            Ok(())
        })
        .await
    }
}
