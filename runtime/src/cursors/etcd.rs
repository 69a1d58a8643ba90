//! Cursors as keys of etcd.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use async_trait::async_trait;
use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};

use super::Cursors;
use crate::etcd::Etcd;
use crate::settings::{EtcdArgs, Misconfigured};

/// Cursors under `<prefix>/cursors/`.
pub struct EtcdCursors {
    etcd: Etcd,
    prefix: String,
}

impl EtcdCursors {
    /// The cursors of these settings. Connects when they are first used.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(args: &EtcdArgs) -> Result<Self, Misconfigured> {
        Ok(Self {
            etcd: Etcd::new(args)?,
            prefix: format!("{}/cursors/", args.etcd_prefix),
        })
    }

    async fn try_load(&self) -> Result<BTreeMap<String, i64>> {
        let found = self
            .etcd
            .client()
            .await?
            .get(self.prefix.as_str(), Some(GetOptions::new().with_prefix()))
            .await;
        let mut cursors = BTreeMap::new();
        for pair in found.context("read the cursors")?.kvs() {
            let key = pair.key_str().context("read a cursor's name")?;
            let value = pair.value_str().context("read a cursor")?;
            if let Some(name) = key.strip_prefix(&self.prefix) {
                cursors.insert(name.to_owned(), value.parse().context("read a cursor")?);
            }
        }
        Ok(cursors)
    }

    async fn try_advance(&self, name: &str, to: i64) -> Result<()> {
        let mut client = self.etcd.client().await?;
        let key = format!("{}{name}", self.prefix);
        loop {
            let found = client
                .get(key.as_str(), None)
                .await
                .context("read a cursor")?;
            let unchanged = match found.kvs().first() {
                None => Compare::create_revision(key.as_str(), CompareOp::Equal, 0),
                Some(pair) => {
                    let at: i64 = pair.value_str()?.parse().context("read a cursor")?;
                    if at >= to {
                        return Ok(());
                    }
                    Compare::mod_revision(key.as_str(), CompareOp::Equal, pair.mod_revision())
                }
            };
            let put = TxnOp::put(key.as_str(), to.to_string(), None);
            let moved = client
                .txn(Txn::new().when([unchanged]).and_then([put]))
                .await
                .context("move a cursor")?;
            if moved.succeeded() {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Cursors for EtcdCursors {
    async fn load(&self) -> Result<BTreeMap<String, i64>> {
        let loaded = self.try_load().await;
        if loaded.is_err() {
            self.etcd.forget().await;
        }
        loaded
    }

    async fn advance(&self, name: &str, to: i64) -> Result<()> {
        let advanced = self.try_advance(name, to).await;
        if advanced.is_err() {
            self.etcd.forget().await;
        }
        advanced
    }

    async fn ping(&self) -> Result<()> {
        self.etcd.ping().await
    }
}
