//! One connection of a relay: live subscriptions, and beside them the walks through its past.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dvmdash_core::kinds::{DELETION, PROFILE, RECEIPT};
use dvmdash_core::{Event, Refusal, verify};
use dvmdash_runtime::queue::{Sighting, Source};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::follower::{Follower, now, now_ms};
use crate::relay::{Connection, Heard};
use crate::selection::{AUTHORS, Query, Selection};
use crate::walk::Page;

/// How long a relay may take to send what it holds up to EOSE.
const EOSE_PATIENCE: Duration = Duration::from_secs(60);
/// The same after a NOTICE, which may have been a refusal.
const NOTICE_PATIENCE: Duration = Duration::from_secs(3);
/// Filters in one subscription, at most.
const FILTERS: usize = 10;
/// After this silence a relay is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(60);
/// After this silence the connection is dead.
const DEAD: Duration = Duration::from_secs(180);
/// A relay may lose live events under load: after live events their time is read once more, soon after a burst.
const CHECK: Duration = Duration::from_secs(60);
const CHECK_AFTER_BURST: Duration = Duration::from_secs(15);
/// In narrow parts that costs a hundred queries.
const CHECK_NARROW: Duration = Duration::from_secs(600);
/// How far below the last check that reading begins, in seconds.
const CHECK_SECONDS: i64 = 120;
/// Live events since the last check that are called a burst.
const BURST: u64 = 500;

/// The page that a walk waits for.
struct OpenPage {
    subscription: String,
    query: Query,
    page: Page,
    deadline: Instant,
}

/// Live events since their time was last read.
struct Live {
    events: u64,
    oldest: i64,
    checked: Instant,
    checked_at: i64,
}

impl Live {
    fn new() -> Self {
        Self {
            events: 0,
            oldest: i64::MAX,
            checked: Instant::now(),
            checked_at: now(),
        }
    }
}

/// A connection in use.
pub struct Session<'a> {
    follower: &'a mut Follower,
    connection: Connection,
    /// Live subscriptions whose stored events are still coming.
    opening: HashSet<String>,
    opening_deadline: Instant,
    established: bool,
    page: Option<OpenPage>,
    pages: u64,
    /// The most events that a page has held on this connection.
    largest: usize,
    dvms_live: usize,
    customers_live: usize,
    live: Live,
}

impl<'a> Session<'a> {
    /// Begins on an open connection; the follower has planned its walks.
    pub fn new(follower: &'a mut Follower, connection: Connection) -> Self {
        Self {
            follower,
            connection,
            opening: HashSet::new(),
            opening_deadline: Instant::now() + EOSE_PATIENCE,
            established: false,
            page: None,
            pages: 0,
            largest: 0,
            dvms_live: 0,
            customers_live: 0,
            live: Live::new(),
        }
    }

    /// Whether the relay has taken the live subscriptions.
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// Reads until the connection ends or is of no use.
    ///
    /// # Errors
    /// Why it has ended.
    pub async fn run(&mut self) -> Result<Infallible> {
        self.open_live().await?;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = self.connection.next() => self.hear(heard?).await?,
                _ = tick.tick() => self.tick().await?,
            }
        }
    }

    async fn hear(&mut self, heard: Heard) -> Result<()> {
        match heard {
            Heard::Event {
                subscription,
                event,
            } => self.take(&subscription, event).await,
            Heard::Eose(subscription) => self.hear_eose(&subscription).await,
            Heard::Closed(subscription, reason) => self.hear_closed(&subscription, &reason).await,
            Heard::Notice(text) => {
                tracing::debug!(relay = &*self.follower.url, notice = text, "notice");
                let soon = Instant::now() + NOTICE_PATIENCE;
                if !self.established {
                    self.opening_deadline = self.opening_deadline.min(soon);
                }
                if let Some(page) = &mut self.page {
                    page.deadline = page.deadline.min(soon);
                }
                Ok(())
            }
            Heard::Other => Ok(()),
        }
    }

    /// Hands an event on: verified, unless it is known to be; counted by its reason where it is refused.
    async fn take(&mut self, subscription: &str, event: Result<Event, Refusal>) -> Result<()> {
        let shared = self.follower.shared.clone();
        let first_seen = now_ms();
        let event = match event {
            Ok(event) => event,
            Err(reason) => {
                shared.intake.refuse(reason);
                return Ok(());
            }
        };
        if let Some(open) = &mut self.page
            && open.subscription == subscription
            && open.query.matches(&event)
        {
            open.page.note(&event);
        }
        let created_at = event.created_at;
        if !shared.intake.is_known(&self.follower.url, event.id) {
            if let Err(reason) = verify(&event, &shared.rules) {
                shared.intake.refuse(reason);
                return Ok(());
            }
            shared.people.learn(&event, &shared.rules);
            let room = self.room().await?;
            if shared.intake.accept(&self.follower.url, &event) {
                room.send(Sighting {
                    event,
                    first_seen,
                    relay: Some(self.follower.url.to_string()),
                    source: Source::Relay,
                });
            }
        }
        if let Some(open) = &mut self.page
            && open.subscription == subscription
        {
            open.deadline = Instant::now() + EOSE_PATIENCE;
        }
        // After it was taken in: from here on it holds the cursor back by itself.
        if subscription.starts_with("live-") {
            self.live.events += 1;
            self.live.oldest = self.live.oldest.min(created_at);
            let to = created_at.min(first_seen / 1000);
            self.follower.progress(|progress| progress.read(to));
        }
        Ok(())
    }

    /// Waits for the publisher. The relay is not to blame for that time.
    async fn room(&mut self) -> Result<mpsc::OwnedPermit<Sighting>> {
        let events = self.follower.events.clone();
        let since = Instant::now();
        let room = events
            .reserve_owned()
            .await
            .context("publishing has ended")?;
        let waited = since.elapsed();
        self.connection.excuse(waited);
        self.opening_deadline += waited;
        if let Some(open) = &mut self.page {
            open.deadline += waited;
        }
        Ok(room)
    }

    async fn hear_eose(&mut self, subscription: &str) -> Result<()> {
        if self.opening.remove(subscription) && self.opening.is_empty() && !self.established {
            self.established = true;
            self.follow_people().await?;
            return self.ask_page().await;
        }
        if self
            .page
            .as_ref()
            .is_none_or(|open| open.subscription != subscription)
        {
            return Ok(());
        }
        let Some(open) = self.page.take() else {
            return Ok(());
        };
        self.connection.unsubscribe(subscription).await?;
        let more = self
            .follower
            .walks
            .front_mut()
            .is_some_and(|walk| walk.turn(open.page, self.largest));
        self.largest = self.largest.max(open.page.events);
        if !more {
            // People of this stretch get their walks before its gap ends: until theirs are done, the cursor stays below it.
            self.follow_people().await?;
            if let Some(walk) = self.follower.walks.pop_front() {
                self.follower
                    .progress(|progress| progress.end_gap(walk.gap));
            }
        }
        self.ask_page().await
    }

    async fn hear_closed(&mut self, subscription: &str, reason: &str) -> Result<()> {
        if self.opening.contains(subscription) && !self.established {
            return self.fall_back(reason).await;
        }
        if self
            .page
            .as_ref()
            .is_some_and(|open| open.subscription == subscription)
        {
            return self.fall_back_page(reason).await;
        }
        // The relay has one subscription too many: what these people write now is read at the next connect.
        if subscription.starts_with("dvms-") || subscription.starts_with("customers-") {
            tracing::warn!(
                relay = &*self.follower.url,
                subscription,
                reason,
                "closed by the relay"
            );
            return Ok(());
        }
        ensure!(
            !subscription.starts_with("live-"),
            "the relay has closed a subscription: {reason}"
        );
        Ok(())
    }

    /// Opens the live subscriptions of what is read of everybody: one with all kinds, or several with few kinds a filter.
    async fn open_live(&mut self) -> Result<()> {
        let all = Selection::kinds(&self.follower.shared.kinds);
        let selections = if self.follower.wide {
            vec![all]
        } else {
            all.narrow()
        };
        self.opening_deadline = Instant::now() + EOSE_PATIENCE;
        for (index, part) in selections.chunks(FILTERS).enumerate() {
            let id = format!("live-{index}");
            self.connection.subscribe(&id, &live(part)).await?;
            self.opening.insert(id);
        }
        Ok(())
    }

    /// The relay does not take the live subscriptions: narrower ones, if these were wide.
    async fn fall_back(&mut self, reason: &str) -> Result<()> {
        ensure!(
            self.follower.wide,
            "the relay does not take the subscriptions: {reason}"
        );
        tracing::info!(
            relay = &*self.follower.url,
            reason,
            "the relay takes no wide filter"
        );
        self.follower.wide = false;
        for id in std::mem::take(&mut self.opening) {
            self.connection.unsubscribe(&id).await?;
        }
        self.open_live().await
    }

    /// The same for a page.
    async fn fall_back_page(&mut self, reason: &str) -> Result<()> {
        let Some(open) = self.page.take() else {
            return Ok(());
        };
        if !open.query.selection.is_wide() {
            bail!("the relay does not complete a page: {reason}");
        }
        tracing::info!(
            relay = &*self.follower.url,
            reason,
            "the relay takes no wide filter"
        );
        self.follower.wide = false;
        self.connection.unsubscribe(&open.subscription).await?;
        self.ask_page().await
    }

    /// Asks for the next page of the first walk, if none is under way.
    async fn ask_page(&mut self) -> Result<()> {
        if self.page.is_some() || !self.established {
            return Ok(());
        }
        if !self.follower.wide
            && self
                .follower
                .walks
                .front()
                .is_some_and(|walk| walk.selection.is_wide())
        {
            self.follower.narrow_first();
        }
        let Some(walk) = self.follower.walks.front() else {
            return Ok(());
        };
        let query = walk.query();
        let subscription = format!("page-{}", self.pages);
        self.pages += 1;
        self.connection
            .subscribe(&subscription, std::slice::from_ref(&query))
            .await?;
        self.page = Some(OpenPage {
            subscription,
            query,
            page: Page::default(),
            deadline: Instant::now() + EOSE_PATIENCE,
        });
        Ok(())
    }

    async fn tick(&mut self) -> Result<()> {
        let now = Instant::now();
        if !self.established {
            if now > self.opening_deadline {
                self.fall_back("no EOSE").await?;
            }
            return Ok(());
        }
        if self.page.as_ref().is_some_and(|open| now > open.deadline) {
            self.fall_back_page("no EOSE").await?;
        }
        let silence = self.connection.silence();
        ensure!(silence < DEAD, "the relay is silent");
        if silence > SILENCE {
            self.connection.ping().await?;
        }
        self.follow_people().await?;
        self.check_live();
        self.ask_page().await
    }

    /// Extends the live subscriptions to the people that have become known, and plans to read their history.
    async fn follow_people(&mut self) -> Result<()> {
        let people = &self.follower.shared.people;
        let (dvms, customers) = people.count();
        if dvms > self.dvms_live {
            let dvms = people.dvms();
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
            let customers = self.follower.shared.people.customers();
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

    async fn subscribe_live(&mut self, id: &str, selections: &[Selection]) -> Result<()> {
        self.connection.subscribe(id, &live(selections)).await
    }

    /// Plans to read the time of the last live events once more.
    fn check_live(&mut self) {
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
