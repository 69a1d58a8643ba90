//! How far each relay has been read: in etcd, or in a file in local mode.

mod etcd;
mod file;

use std::collections::BTreeMap;

use anyhow::Result;
use async_trait::async_trait;

pub use etcd::EtcdCursors;
pub use file::FileCursors;

/// One number (unix seconds) per name (a relay's url and a filter). Two implementations: etcd and a file; one conformance suite.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// All cursors.
    async fn load(&self) -> Result<BTreeMap<String, i64>>;
    /// Moves one forward; a smaller value than the stored one changes nothing.
    async fn advance(&self, name: &str, to: i64) -> Result<()>;
    /// Fails when the place cannot be reached.
    async fn ping(&self) -> Result<()>;
}
