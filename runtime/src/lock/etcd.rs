//! Turns by etcd's lock: waiters are keys under one prefix, in order of their create revisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use etcd_client::{Client, LockOptions};
use tokio::sync::Mutex;

use super::{Lock, Turn};
use crate::etcd::Etcd;
use crate::settings::{EtcdArgs, LockArgs, Misconfigured};

/// The lock at `<prefix>/turn`.
pub struct EtcdLock {
    etcd: Etcd,
    name: String,
    lease: u32,
    renew: Duration,
    retry: Duration,
    session: Mutex<Option<Session>>,
}

/// A lease of this process, kept alive in the background and used for turn after turn.
struct Session {
    lease: i64,
    alive: Arc<AtomicBool>,
    keeper: tokio::task::JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.keeper.abort();
    }
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
        if let Some(session) = session.as_ref()
            && session.alive.load(Ordering::SeqCst)
        {
            return Ok(session.lease);
        }
        let lease = client
            .lease_grant(self.lease.into(), None)
            .await
            .context("get a lease")?
            .id();
        let alive = Arc::new(AtomicBool::new(true));
        let keeper = tokio::spawn(keep(client.clone(), lease, self.renew, alive.clone()));
        *session = Some(Session {
            lease,
            alive,
            keeper,
        });
        Ok(lease)
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
            "the lease is lost; the next turn gets a new one"
        );
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
        let Some(lease) = self
            .session
            .lock()
            .await
            .as_ref()
            .map(|session| session.lease)
        else {
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
