//! Live subscriptions: what is read of everybody, and of the people who become known.

use std::time::Duration;

use anyhow::Result;
use dvmdash_core::kinds::{DELETION, PROFILE, RECEIPT};
use tokio::time::Instant;

use super::{EOSE_PATIENCE, Session};
use crate::follower::now;
use crate::people::Sort;
use crate::selection::{AUTHORS, Query, Selection};

/// Filters in one subscription, at most.
const FILTERS: usize = 10;
/// A relay may lose live events under load: after live events their time is read once more, soon after a burst.
const CHECK: Duration = Duration::from_secs(60);
const CHECK_AFTER_BURST: Duration = Duration::from_secs(15);
/// In narrow parts that costs a hundred queries.
const CHECK_NARROW: Duration = Duration::from_secs(600);
/// How far below the last check that reading begins, in seconds.
const CHECK_SECONDS: i64 = 120;
/// Live events since the last check that are called a burst.
const BURST: u64 = 500;
/// Live events since their time was last read.
pub(super) struct Live {
    pub(super) events: u64,
    pub(super) oldest: i64,
    checked: Instant,
    checked_at: i64,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            events: 0,
            oldest: i64::MAX,
            checked: Instant::now(),
            checked_at: now(),
        }
    }
}

impl Session<'_> {
    /// Opens the live subscriptions of what is read of everybody: one with all kinds, or several with few kinds a filter.
    pub(super) async fn open_live(&mut self) -> Result<()> {
        let all = Selection::kinds(&self.follower.shared.kinds);
        let selections = if self.follower.wide {
            vec![all]
        } else {
            all.narrow()
        };
        self.opening_deadline = Instant::now() + EOSE_PATIENCE;
        for (index, part) in selections.chunks(FILTERS).enumerate() {
            let id = format!("live-{index}");
            self.subscribe_live(&id, part).await?;
            self.opening.insert(id);
        }
        Ok(())
    }

    /// Extends the live subscriptions to the people that have become known, and plans to read their history.
    pub(super) async fn follow_people(&mut self) -> Result<()> {
        let people = &self.follower.shared.people;
        let (dvms, customers) = people.count();
        if dvms > self.dvms_live {
            let dvms = people.all(Sort::Dvms);
            for (index, chunk) in dvms
                .chunks(AUTHORS)
                .enumerate()
                .skip(self.dvms_live / AUTHORS)
            {
                let selections = [
                    Selection::by(chunk, &[PROFILE, DELETION]),
                    Selection::naming(chunk, &[RECEIPT]),
                ];
                self.subscribe_live(&format!("dvms-{index}"), &selections)
                    .await?;
            }
            self.dvms_live = dvms.len();
            let read = self.follower.dvms_read.min(dvms.len());
            self.follower.plan_history_of_dvms(&dvms[read..]);
            self.follower.dvms_read = dvms.len();
        }
        if customers > self.customers_live {
            let customers = self.follower.shared.people.all(Sort::Customers);
            let chunks = customers.chunks(AUTHORS).enumerate();
            for (index, chunk) in chunks.skip(self.customers_live / AUTHORS) {
                let deletions = [Selection::by(chunk, &[DELETION])];
                self.subscribe_live(&format!("customers-{index}"), &deletions)
                    .await?;
            }
            self.customers_live = customers.len();
            let read = self.follower.customers_read.min(customers.len());
            self.follower.plan_history_of_customers(&customers[read..]);
            self.follower.customers_read = customers.len();
        }
        Ok(())
    }

    pub(super) async fn subscribe_live(
        &mut self,
        id: &str,
        selections: &[Selection],
    ) -> Result<()> {
        if self.follower.only_past {
            return Ok(());
        }
        self.live_ids.insert(id.to_owned());
        self.connection.subscribe(id, &live(selections)).await
    }

    /// Plans to read the time of the last live events once more.
    pub(super) fn check_live(&mut self) {
        let burst = self.live.events >= BURST;
        let patience = match (self.follower.wide, burst) {
            (false, _) => CHECK_NARROW,
            (true, false) => CHECK,
            (true, true) => CHECK_AFTER_BURST,
        };
        if self.live.events == 0
            || self.live.checked.elapsed() < patience
            || !self.follower.walks.is_empty()
        {
            return;
        }
        let mut floor = self.live.checked_at - CHECK_SECONDS;
        if burst {
            floor = floor.min(self.live.oldest).max(self.follower.backfill_from);
        }
        self.live = Live::new();
        let all = Selection::kinds(&self.follower.shared.kinds);
        self.follower.plan_again(vec![all], floor);
        // What the relay has kept from the subscription up to now lies in this walk, whose gap holds the cursor.
        self.follower.progress(|progress| progress.read(now()));
    }
}

/// Filters of a live subscription. No time is named: events are published backdated, and a relay sends only what matches. Of what it holds
/// already one event is enough, since the walks read it.
fn live(selections: &[Selection]) -> Vec<Query> {
    selections
        .iter()
        .map(|selection| Query {
            selection: selection.clone(),
            since: 0,
            until: None,
            limit: 1,
        })
        .collect()
}
