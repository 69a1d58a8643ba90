//! Turns: one processor at a time holds the lock. Correctness never depends on it; the fence in PostgreSQL does that.

mod etcd;
mod local;

use anyhow::Result;
use async_trait::async_trait;

pub use etcd::EtcdLock;
pub use local::LocalLock;

/// Proof of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Greater than that of every earlier turn of the same `cluster` (etcd: create revision of the lock key).
    pub token: i64,
    /// Which lock server: a rebuilt etcd has another cluster id and starts its revisions again.
    pub cluster: String,
}

/// Takes turns. Two implementations: etcd and local; one conformance suite.
#[async_trait]
pub trait Lock: Send + Sync {
    /// Waits for the turn (in order of asking). The lease is kept alive in the background until it is given back or this process dies.
    /// An error when the server is gone; the caller tries again.
    async fn acquire(&self) -> Result<Turn>;
    /// Gives the turn back; giving back a lost turn is no error.
    async fn release(&self, turn: Turn) -> Result<()>;
    /// Fails when the lock server cannot be reached.
    async fn ping(&self) -> Result<()>;
}
