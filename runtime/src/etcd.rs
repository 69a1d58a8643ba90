//! The connection to etcd.

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
