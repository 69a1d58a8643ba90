//! One connection of a relay: live subscriptions, and beside them the walks through its past.

mod live;
mod taking;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use dvmdash_runtime::queue::RelayReport;
use tokio::time::Instant;

use self::live::Live;
use crate::follower::{Follower, now};
use crate::health::said;
use crate::relay::{Connection, Heard};
use crate::selection::Query;
use crate::walk::Page;

/// How long a relay may take to send what it holds up to EOSE.
const EOSE_PATIENCE: Duration = Duration::from_secs(60);
/// The same after a NOTICE, which may have been a refusal.
const NOTICE_PATIENCE: Duration = Duration::from_secs(3);
/// After this silence a relay is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(60);
/// After this silence the connection is dead.
const DEAD: Duration = Duration::from_secs(180);
/// How soon after the publisher was behind it is looked at again.
const ROOM: Duration = Duration::from_millis(20);
/// Between two pages of a relay whose past alone is read: others have to get by.
const BREATH: Duration = Duration::from_millis(100);
/// Pages that have ended and whose events are still taken: some may be on their way, or come after an EOSE that was none.
const ENDED: usize = 8;

/// The page that a walk waits for.
struct OpenPage {
    subscription: String,
    query: Query,
    page: Page,
    deadline: Instant,
}

/// A connection in use.
pub struct Session<'a> {
    follower: &'a mut Follower,
    connection: Connection,
    /// Live subscriptions whose stored events are still coming.
    opening: HashSet<String>,
    opening_deadline: Instant,
    established: bool,
    /// Live subscriptions that this connection has asked for.
    live_ids: HashSet<String>,
    page: Option<OpenPage>,
    /// Whether the next page is asked for as soon as the publisher has caught up.
    waits_for_room: bool,
    pages: u64,
    /// The last pages that have ended.
    ended: VecDeque<(String, Query)>,
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
            live_ids: HashSet::new(),
            page: None,
            waits_for_room: false,
            pages: 0,
            ended: VecDeque::new(),
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

    /// Reads until the connection ends or is of no use, or, of a relay whose past alone is read, until that has been read.
    ///
    /// # Errors
    /// Why it has ended.
    pub async fn run(&mut self) -> Result<()> {
        if self.follower.only_past {
            self.established = true;
            self.ask_page().await?;
        } else {
            self.open_live().await?;
        }
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = self.connection.next() => self.hear(heard?).await?,
                _ = tick.tick() => self.tick().await?,
                () = tokio::time::sleep(ROOM), if self.waits_for_room => self.ask_page().await?,
            }
            if self.follower.only_past && self.page.is_none() && self.follower.walks.is_empty() {
                return Ok(());
            }
        }
    }

    async fn hear(&mut self, heard: Heard) -> Result<()> {
        if let Some(breath) = self.follower.conduct.pace() {
            tokio::time::sleep(breath).await;
        }
        match heard {
            Heard::Event {
                subscription,
                event,
            } => self.take(&subscription, event).await,
            Heard::Eose(subscription) => self.hear_eose(&subscription).await,
            Heard::Closed(subscription, reason) => self.hear_closed(&subscription, &reason).await,
            Heard::Notice(text) => {
                tracing::debug!(relay = &*self.follower.url, notice = text, "notice");
                self.note(|report| report.last_notice = said(&text));
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

    /// The page under way, if it is this subscription's.
    fn page_of(&mut self, subscription: &str) -> Option<&mut OpenPage> {
        self.page
            .as_mut()
            .filter(|open| open.subscription == subscription)
    }

    fn note(&self, change: impl FnOnce(&mut RelayReport)) {
        self.follower.shared.health.note(&self.follower.url, change);
    }

    /// Ends the page under way; its last events may still come.
    async fn end_page(&mut self) -> Result<Option<OpenPage>> {
        let Some(open) = self.page.take() else {
            return Ok(None);
        };
        self.connection.unsubscribe(&open.subscription).await?;
        self.ended.truncate(ENDED - 1);
        self.ended
            .push_front((open.subscription.clone(), open.query.clone()));
        Ok(Some(open))
    }

    async fn hear_eose(&mut self, subscription: &str) -> Result<()> {
        if self.opening.remove(subscription) && self.opening.is_empty() && !self.established {
            self.established = true;
            let wide = self.follower.wide;
            self.note(|report| {
                report.connected = true;
                report.trouble = None;
                report.wide_filters = wide;
            });
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
        let Some(open) = self.end_page().await? else {
            return Ok(());
        };
        let more = self
            .follower
            .walks
            .front_mut()
            .is_some_and(|walk| walk.turn(open.page, self.largest));
        self.largest = self.largest.max(open.page.events);
        let (largest, wide) = (self.largest as u64, self.follower.wide);
        self.note(|report| {
            report.largest_page = report.largest_page.max(largest);
            report.wide_filters = wide;
            report.gap_repairs += u64::from(!more);
        });
        if self.follower.only_past {
            self.follower.note_reached();
        }
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
        self.note(|report| report.last_closed = said(reason));
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
        if !self.live_ids.remove(subscription) {
            return Ok(());
        }
        ensure!(
            !subscription.starts_with("live-"),
            "the relay has closed a subscription: {reason}"
        );
        // The relay has one subscription too many: what these people write now is read at the next connect.
        tracing::warn!(
            relay = &*self.follower.url,
            subscription,
            reason,
            "closed by the relay"
        );
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
        self.follower.narrow();
        for id in std::mem::take(&mut self.opening) {
            self.connection.unsubscribe(&id).await?;
        }
        self.open_live().await
    }

    /// The same for a page.
    async fn fall_back_page(&mut self, reason: &str) -> Result<()> {
        let Some(open) = self.end_page().await? else {
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
        self.follower.narrow();
        self.ask_page().await
    }

    /// Asks for the next page of the first walk, if none is under way. Not while the publisher is behind: what relays send now goes first.
    async fn ask_page(&mut self) -> Result<()> {
        self.waits_for_room = false;
        if self.page.is_some() || !self.established || self.follower.walks.is_empty() {
            return Ok(());
        }
        if self.follower.events.capacity() < self.follower.events.max_capacity() / 2 {
            self.waits_for_room = true;
            return Ok(());
        }
        if self.follower.only_past && self.pages > 0 {
            tokio::time::sleep(BREATH).await;
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
        if !self.established {
            if Instant::now() > self.opening_deadline {
                self.fall_back("no EOSE").await?;
            }
            return Ok(());
        }
        if self
            .page
            .as_ref()
            .is_some_and(|open| Instant::now() > open.deadline)
        {
            self.fall_back_page("no EOSE").await?;
        }
        let silence = self.connection.silence();
        ensure!(silence < DEAD, "the relay is silent");
        if silence > SILENCE {
            self.connection.ping().await?;
        }
        self.follow_people().await?;
        self.check_live();
        self.follower.plan_rescan(now());
        self.ask_page().await
    }
}
