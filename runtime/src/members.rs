//! Collectors that share the work, and what they know together: keys of etcd.
//!
//! Nothing that counts hangs on them: a relay that two collectors read is read twice and counted once, one that nobody reads for a while is
//! caught up from its cursor.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use etcd_client::{Client, GetOptions, PutOptions};
use tokio::sync::Mutex;

use crate::etcd::{Etcd, Lease};
use crate::settings::{EtcdArgs, Misconfigured};

/// How long a member that says nothing more is believed to be there, in seconds.
pub const LEASE_SECONDS: u32 = 15;
/// How often it says that it is.
const RENEW: Duration = Duration::from_secs(5);

/// One member and its view of the others. Keys: `<prefix>/collectors/<name>` and `<prefix>/readers/<relay> <name>` under the member's lease,
/// `<prefix>/people/<sort> <pubkey>` for good.
pub struct Members {
    etcd: Etcd,
    prefix: String,
    name: String,
    joined: Mutex<Option<Joined>>,
}

struct Joined {
    lease: Lease,
    reading: BTreeSet<String>,
}

/// Who is there, and who reads what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Names of all members, this one included.
    pub members: Vec<String>,
    /// Relay -> the members that have said that they read it.
    pub readers: BTreeMap<String, BTreeSet<String>>,
}

impl Members {
    /// A member of this name, which must be nobody else's. Connects when it first [beats](Self::beat).
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(args: &EtcdArgs, name: &str) -> Result<Self, Misconfigured> {
        Ok(Self {
            etcd: Etcd::new(args)?,
            prefix: args.etcd_prefix.clone(),
            name: name.to_owned(),
            joined: Mutex::new(None),
        })
    }

    /// This member's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says that this member is there and reads these relays; returns who else does.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub async fn beat(&self, reading: &BTreeSet<String>) -> Result<View> {
        let mut joined = self.joined.lock().await;
        let view = self.try_beat(&mut joined, reading).await;
        if view.is_err() {
            *joined = None;
            self.etcd.forget().await;
        }
        view
    }

    async fn try_beat(
        &self,
        joined: &mut Option<Joined>,
        reading: &BTreeSet<String>,
    ) -> Result<View> {
        let mut client = self.etcd.client().await?;
        if joined
            .as_ref()
            .is_none_or(|joined| !joined.lease.is_alive())
        {
            let lease = Lease::grant(&mut client, LEASE_SECONDS, RENEW).await?;
            let key = format!("{}/collectors/{}", self.prefix, self.name);
            let options = PutOptions::new().with_lease(lease.id());
            client
                .put(key, "", Some(options))
                .await
                .context("join the collectors")?;
            *joined = Some(Joined {
                lease,
                reading: BTreeSet::new(),
            });
        }
        let joined = joined.as_mut().context("join the collectors")?;
        for relay in reading.difference(&joined.reading) {
            let options = PutOptions::new().with_lease(joined.lease.id());
            client
                .put(self.reader(relay), "", Some(options))
                .await
                .context("say what is read")?;
        }
        for relay in joined.reading.difference(reading) {
            client
                .delete(self.reader(relay), None)
                .await
                .context("say what is read no more")?;
        }
        joined.reading.clone_from(reading);

        let members = self.names(&mut client, "collectors/").await?;
        let mut readers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for reader in self.names(&mut client, "readers/").await? {
            if let Some((relay, name)) = reader.rsplit_once(' ') {
                readers
                    .entry(relay.to_owned())
                    .or_default()
                    .insert(name.to_owned());
            }
        }
        Ok(View { members, readers })
    }

    /// Says that this member is there no more, so that the others need not wait for its lease.
    ///
    /// # Errors
    /// When etcd does not answer; the lease then runs out.
    pub async fn leave(&self) -> Result<()> {
        let Some(joined) = self.joined.lock().await.take() else {
            return Ok(());
        };
        let mut client = self.etcd.client().await?;
        client
            .lease_revoke(joined.lease.id())
            .await
            .context("leave the collectors")?;
        Ok(())
    }

    /// Adds people of a sort (`dvms`, `customers`; pubkeys in hex) to those whom all collectors know; returns all of that sort.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub async fn know(&self, sort: &str, more: &[String]) -> Result<Vec<String>> {
        let known = async {
            let mut client = self.etcd.client().await?;
            for pubkey in more {
                let key = format!("{}/people/{sort} {pubkey}", self.prefix);
                client.put(key, "", None).await.context("share people")?;
            }
            self.names(&mut client, &format!("people/{sort} ")).await
        };
        let known = known.await;
        if known.is_err() {
            self.etcd.forget().await;
        }
        known
    }

    fn reader(&self, relay: &str) -> String {
        format!("{}/readers/{relay} {}", self.prefix, self.name)
    }

    /// What follows `<prefix>/<part>` in the keys that begin so, in order.
    async fn names(&self, client: &mut Client, part: &str) -> Result<Vec<String>> {
        let prefix = format!("{}/{part}", self.prefix);
        let options = GetOptions::new().with_prefix().with_keys_only();
        let found = client
            .get(prefix.as_str(), Some(options))
            .await
            .with_context(|| format!("list {part}"))?;
        let mut names = Vec::new();
        for pair in found.kvs() {
            let key = pair.key_str().context("read a key")?;
            names.extend(key.strip_prefix(&prefix).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }
}
