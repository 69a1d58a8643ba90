//! The connection to etcd, and leases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use etcd_client::{Client, ConnectOptions};
use tokio::sync::Mutex;

use crate::settings::{EtcdArgs, Misconfigured};

/// Connects when it is first used, and again after [`Etcd::forget`].
pub(crate) struct Etcd {
    endpoints: Vec<String>,
    options: ConnectOptions,
    client: Mutex<Option<Client>>,
}

impl Etcd {
    pub(crate) fn new(args: &EtcdArgs) -> Result<Self, Misconfigured> {
        Ok(Self {
            endpoints: args.etcd_endpoints.clone(),
            options: args.options()?,
            client: Mutex::new(None),
        })
    }

    pub(crate) async fn client(&self) -> Result<Client> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let connected = Client::connect(&self.endpoints, Some(self.options.clone()))
            .await
            .context("connect to etcd")?;
        Ok(client.insert(connected).clone())
    }

    /// Drops a connection that has failed.
    pub(crate) async fn forget(&self) {
        *self.client.lock().await = None;
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        self.client()
            .await?
            .status()
            .await
            .context("ask etcd for its status")?;
        Ok(())
    }
}

/// A lease of this process, kept alive in the background until it is dropped.
pub(crate) struct Lease {
    id: i64,
    alive: Arc<AtomicBool>,
    keeper: tokio::task::JoinHandle<()>,
}

impl Lease {
    /// One of so many seconds, renewed every `renew`.
    pub(crate) async fn grant(client: &mut Client, seconds: u32, renew: Duration) -> Result<Self> {
        let granted = client.lease_grant(seconds.into(), None).await;
        let id = granted.context("get a lease")?.id();
        let alive = Arc::new(AtomicBool::new(true));
        let keeper = tokio::spawn(keep(client.clone(), id, renew, alive.clone()));
        Ok(Self { id, alive, keeper })
    }

    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// Whether the last renewal went well.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Renews the lease until that fails.
async fn keep(mut client: Client, lease: i64, renew: Duration, alive: Arc<AtomicBool>) {
    let kept: Result<()> = async {
        let (mut keeper, mut answers) = client.lease_keep_alive(lease).await?;
        loop {
            keeper.keep_alive().await?;
            let answer = answers
                .message()
                .await?
                .context("etcd has ended the stream")?;
            anyhow::ensure!(answer.ttl() > 0, "it has run out");
            tokio::time::sleep(renew).await;
        }
    }
    .await;
    alive.store(false, Ordering::SeqCst);
    if let Err(error) = kept {
        tracing::warn!(
            error = format!("{error:#}"),
            "the lease is lost; a new one is asked for"
        );
    }
}
