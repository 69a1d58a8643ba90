//! Turns within one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;
use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{Lock, Turn};

/// The local lock. Its `cluster` is new with every process, so its tokens may start again.
pub struct LocalLock {
    turn: Arc<Semaphore>,
    token: AtomicI64,
    cluster: String,
}

impl LocalLock {
    /// A lock that nobody holds.
    pub fn new() -> Self {
        let started = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let cluster = format!("local-{}-{}", std::process::id(), started.as_nanos());
        Self {
            turn: Arc::new(Semaphore::new(1)),
            token: AtomicI64::new(0),
            cluster,
        }
    }
}

impl Default for LocalLock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Lock for LocalLock {
    async fn acquire(&self) -> Result<Turn> {
        self.turn.acquire().await?.forget();
        let token = self.token.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Turn {
            token,
            cluster: self.cluster.clone(),
        })
    }

    async fn release(&self, turn: Turn) -> Result<()> {
        if turn.token == self.token.load(Ordering::SeqCst) && self.turn.available_permits() == 0 {
            self.turn.add_permits(1);
        }
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}
