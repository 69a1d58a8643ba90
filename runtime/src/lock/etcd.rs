//! Turns by etcd's lock: waiters are keys under one prefix, in order of their create revisions.

use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use etcd_client::{Client, LockOptions};
use tokio::sync::Mutex;

use super::{Lock, Turn};
use crate::etcd::{Etcd, Lease};
use crate::settings::{EtcdArgs, LockArgs, Misconfigured};

/// The lock at `<prefix>/turn`.
pub struct EtcdLock {
    etcd: Etcd,
    name: String,
    lease: u32,
    renew: Duration,
    retry: Duration,
    session: Mutex<Option<Lease>>,
}

impl EtcdLock {
    /// The lock of these settings. Connects when it is first used.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(etcd: &EtcdArgs, lock: &LockArgs) -> Result<Self, Misconfigured> {
        lock.check()?;
        Ok(Self {
            name: format!("{}/turn", etcd.etcd_prefix),
            etcd: Etcd::new(etcd)?,
            lease: lock.lock_lease_seconds,
            renew: Duration::from_secs(lock.lock_renew_seconds.into()),
            retry: Duration::from_secs(lock.lock_retry_seconds.into()),
            session: Mutex::new(None),
        })
    }

    /// The lease in use, or a new one where that has run out.
    async fn lease(&self, client: &mut Client) -> Result<i64> {
        let mut session = self.session.lock().await;
        if let Some(lease) = session.as_ref().filter(|lease| lease.is_alive()) {
            return Ok(lease.id());
        }
        let lease = Lease::grant(client, self.lease, self.renew).await?;
        Ok(session.insert(lease).id())
    }

    async fn try_acquire(&self) -> Result<Turn> {
        let mut client = self.etcd.client().await?;
        let lease = self.lease(&mut client).await?;
        let options = LockOptions::new().with_lease(lease);
        let held = client
            .lock(self.name.as_str(), Some(options))
            .await
            .context("wait for the lock")?;
        let key = held.key().to_vec();
        let held = client
            .get(key, None)
            .await
            .context("look at the lock's key")?;
        let cluster = held
            .header()
            .map(|header| format!("{:x}", header.cluster_id()))
            .context("etcd names no cluster")?;
        let token = held
            .kvs()
            .first()
            .context("the lease ran out before the turn came")?
            .create_revision();
        Ok(Turn { token, cluster })
    }

    async fn give_up_session(&self) {
        *self.session.lock().await = None;
        self.etcd.forget().await;
    }
}

#[async_trait]
impl Lock for EtcdLock {
    async fn acquire(&self) -> Result<Turn> {
        let acquired = self.try_acquire().await;
        if acquired.is_err() {
            self.give_up_session().await;
            tokio::time::sleep(self.retry).await;
        }
        acquired
    }

    async fn release(&self, _turn: Turn) -> Result<()> {
        let Some(lease) = self.session.lock().await.as_ref().map(Lease::id) else {
            return Ok(());
        };
        let released = async {
            let mut client = self.etcd.client().await?;
            let key = format!("{}/{lease:x}", self.name);
            client.unlock(key).await.context("unlock")?;
            Ok::<_, anyhow::Error>(())
        };
        if let Err(error) = released.await {
            // Whoever waits gets the turn when the lease has run out.
            tracing::warn!(
                error = format!("{error:#}"),
                "a turn could not be given back"
            );
            self.give_up_session().await;
        }
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        self.etcd.ping().await
    }
}
