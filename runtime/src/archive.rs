//! Every event as signed: MongoDB, or a table of the embedded PostgreSQL in local mode.

mod mongodb;
mod postgresql;

use std::collections::HashSet;
use std::ops::RangeInclusive;

use anyhow::Result;
use async_trait::async_trait;
use dvmdash_core::{EventId, Pubkey};

use crate::queue::Sighting;

pub use self::mongodb::MongoArchive;
pub use self::postgresql::PostgresArchive;

/// An archived event.
#[derive(Clone, Debug, PartialEq)]
pub struct Archived {
    /// The event as signed and how it was first seen.
    pub sighting: Sighting,
    /// Relays that were seen to hold it: the first, others as noticed.
    pub relays: Vec<String>,
    /// Reason, where it is in no number.
    pub quarantined: Option<String>,
}

/// Which events, newest first (`created_at` descending, then id ascending). Conditions are joined by "and"; an empty list is no condition.
#[derive(Clone, Debug, Default)]
pub struct Find {
    /// Kinds or ranges of kinds.
    pub kinds: Vec<RangeInclusive<u16>>,
    /// Author.
    pub pubkey: Option<Pubkey>,
    /// Some `e` tag's value.
    pub e: Option<EventId>,
    /// Some `p` tag's value.
    pub p: Option<Pubkey>,
    /// `created_at` at least.
    pub since: Option<i64>,
    /// `created_at` less than.
    pub until: Option<i64>,
    /// Continue after this (created_at, id) in the order of the answer.
    pub after: Option<(i64, EventId)>,
    /// At most so many.
    pub limit: usize,
}

/// Keeps every admitted event for ever. Two implementations: MongoDB and PostgreSQL (local mode); one conformance suite.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Creates collections, tables, indexes; idempotent.
    async fn prepare(&self) -> Result<()>;
    /// Stores those that are not there yet, durably (majority, journaled) before it returns; the first copy stays.
    /// Ids may repeat in one call. `quarantined` names the reason beside each, if any. Duplicates cost no failed insert.
    async fn insert_new(&self, events: &[(&Sighting, Option<&str>)]) -> Result<()>;
    /// One event by id.
    async fn get(&self, id: EventId) -> Result<Option<Archived>>;
    /// Several by id, in any order; missing ones are left out.
    async fn get_many(&self, ids: &[EventId]) -> Result<Vec<Archived>>;
    /// The newest by any combination of conditions.
    async fn find(&self, find: &Find) -> Result<Vec<Archived>>;
    /// Marks archived events as quarantined for this reason.
    async fn mark(&self, ids: &[EventId], reason: &str) -> Result<()>;
    /// Takes the quarantine's mark off.
    async fn release(&self, ids: &[EventId]) -> Result<()>;
    /// All ids: for tests and comparisons, not for a hot path.
    async fn ids(&self) -> Result<HashSet<EventId>>;
    /// How many events, quarantined ones included.
    async fn count(&self) -> Result<u64>;
    /// Fails when the archive cannot be reached.
    async fn ping(&self) -> Result<()>;
}
