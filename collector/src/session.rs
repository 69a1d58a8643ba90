//! One connection of a relay: live subscriptions, and beside them the walks through its past.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dvmdash_core::kinds::{DELETION, PROFILE, RECEIPT};
use dvmdash_core::{Event, Pubkey, Refusal, verify};
use dvmdash_runtime::queue::{RelayReport, Sighting, Source};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::follower::{Follower, now, now_ms};
use crate::health::said;
use crate::limits::Verdict;
use crate::people::Sort;
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

    /// Hands an event on: asked for, verified, unless it is known to be; counted by its reason where it is refused.
    async fn take(&mut self, subscription: &str, event: Result<Event, Refusal>) -> Result<()> {
        let shared = self.follower.shared.clone();
        let first_seen = now_ms();
        self.note(|report| {
            report.events += 1;
            report.last_event_ms = Some(first_seen);
        });
        let event = match event {
            Ok(event) => event,
            Err(reason) => {
                // A page that is full of these is no short one.
                if let Some(open) = self.page_of(subscription) {
                    open.page.events += 1;
                }
                return self.refuse(reason);
            }
        };
        if !self.is_asked(subscription, &event) {
            self.note(|report| *report.rejected.entry("unasked".to_owned()).or_default() += 1);
            return self.follower.conduct.judge(Verdict::Unasked);
        }
        let created_at = event.created_at;
        if let Some(open) = self.page_of(subscription) {
            open.page.note(&event);
        }
        let known = shared.intake.is_known(&self.follower.url, event.id);
        self.note(|report| report.duplicates += u64::from(known));
        if !known {
            if let Err(reason) = verify(&event, &shared.rules) {
                return self.refuse(reason);
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
        self.follower.conduct.judge(Verdict::Good)?;
        if let Some(open) = self.page_of(subscription) {
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

    /// The page under way, if it is this subscription's.
    fn page_of(&mut self, subscription: &str) -> Option<&mut OpenPage> {
        self.page
            .as_mut()
            .filter(|open| open.subscription == subscription)
    }

    fn note(&self, change: impl FnOnce(&mut RelayReport)) {
        self.follower.shared.health.note(&self.follower.url, change);
    }

    /// Counts an event that does not count.
    fn refuse(&mut self, reason: Refusal) -> Result<()> {
        self.follower.shared.intake.refuse(reason);
        self.note(|report| {
            *report
                .rejected
                .entry(reason.as_str().to_owned())
                .or_default() += 1
        });
        self.follower.conduct.judge(Verdict::Refused(reason))
    }

    /// Whether this connection has asked for the event by this subscription. Of live subscriptions it is enough that any of them asks for it:
    /// what becomes wider or narrower keeps its id.
    fn is_asked(&self, subscription: &str, event: &Event) -> bool {
        if let Some(open) = &self.page
            && open.subscription == subscription
        {
            return open.query.matches(event);
        }
        if let Some((_, query)) = self.ended.iter().find(|(id, _)| id == subscription) {
            return query.matches(event);
        }
        if !self.live_ids.contains(subscription) {
            return false;
        }
        let shared = &self.follower.shared;
        let (is_dvm, is_customer) = (
            |pubkey: &Pubkey| shared.people.is_dvm(pubkey),
            |pubkey: &Pubkey| shared.people.is_customer(pubkey),
        );
        match event.kind {
            PROFILE => is_dvm(&event.pubkey),
            DELETION => is_dvm(&event.pubkey) || is_customer(&event.pubkey),
            RECEIPT => event
                .values("p")
                .filter_map(Pubkey::parse)
                .any(|named| is_dvm(&named)),
            kind => shared.kinds.binary_search(&kind).is_ok(),
        }
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
            self.subscribe_live(&id, part).await?;
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
        self.follower.wide = false;
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

    /// Extends the live subscriptions to the people that have become known, and plans to read their history.
    async fn follow_people(&mut self) -> Result<()> {
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

    async fn subscribe_live(&mut self, id: &str, selections: &[Selection]) -> Result<()> {
        if self.follower.only_past {
            return Ok(());
        }
        self.live_ids.insert(id.to_owned());
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
