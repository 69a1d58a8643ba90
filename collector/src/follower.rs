//! Everything that one relay holds and sends: connect, read, connect again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use backon::{BackoffBuilder, ExponentialBuilder};
use dvmdash_core::kinds::{ANNOUNCEMENT, DELETION, PROFILE, RECEIPT};
use dvmdash_core::{Pubkey, Rules};
use dvmdash_runtime::queue::Sighting;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::health::{Health, said};
use crate::intake::Intake;
use crate::limits::Conduct;
use crate::people::{People, Sort};
use crate::relay::Connection;
use crate::selection::{AUTHORS, Selection};
use crate::session::Session;
use crate::walk::{Purpose, Walk};

/// How far below the cursor reading begins again, in seconds: events are published backdated.
pub const OVERLAP_SECONDS: i64 = 3600;

/// A connection that has lasted this long was a good one: the next attempt after it comes soon.
const STEADY: Duration = Duration::from_secs(30);

/// For how long a relay that did not take a wide filter is asked for a few kinds at a time; then it is tried again.
const NARROW_FOR: Duration = Duration::from_secs(6 * 3600);
/// How often the last days are read once more, and how many, in seconds: events are published backdated, and relays lose and find some.
pub const RESCAN_EVERY: Duration = Duration::from_secs(86_400);
/// See [`RESCAN_EVERY`].
pub const RESCAN_SECONDS: i64 = 3 * 86_400;

/// What all followers share.
pub struct Shared {
    /// Which events count.
    pub rules: Rules,
    /// The kinds that are read of whoever wrote them.
    pub kinds: Vec<u16>,
    /// What is known.
    pub intake: Arc<Intake>,
    /// Whose profiles, deletions and receipts are read.
    pub people: People,
    /// Whether relays at private addresses are read.
    pub allow_private: bool,
    /// How the relays are doing.
    pub health: Health,
}

/// How a connection has ended.
enum Ended {
    /// There is nothing left to read; only of a relay whose past alone is read.
    Finished,
    /// By an error.
    Lost {
        established: bool,
        error: anyhow::Error,
    },
}

/// The reader of one relay. What it has still to read outlives its connections.
pub struct Follower {
    /// The relay's normalised url.
    pub url: Arc<str>,
    /// What it has in common with the others.
    pub shared: Arc<Shared>,
    /// Where verified events go.
    pub events: mpsc::Sender<Sighting>,
    /// From when on people's deletions and receipts are read, unix seconds.
    pub backfill_from: i64,
    /// Whether the relay takes filters with all the kinds. Found out by trying.
    pub wide: bool,
    /// Since when it has been taken for one that does not.
    narrow_since: Instant,
    /// How the relay behaves.
    pub conduct: Conduct,
    /// Whether only the walks that were planned are read, and no live subscription is opened.
    pub only_past: bool,
    /// When the last days are read once more.
    pub rescan: Instant,
    /// What is still to be read, in order.
    pub walks: VecDeque<Walk>,
    /// The people whose history has been read or is among the walks.
    pub dvms_read: usize,
    /// The same for customers.
    pub customers_read: usize,
}

impl Follower {
    /// One for a relay that has [joined](Intake::join).
    pub fn new(
        url: Arc<str>,
        shared: Arc<Shared>,
        events: mpsc::Sender<Sighting>,
        backfill_from: i64,
    ) -> Self {
        Self {
            url,
            shared,
            events,
            backfill_from,
            wide: true,
            narrow_since: Instant::now(),
            conduct: Conduct::default(),
            only_past: false,
            rescan: Instant::now() + RESCAN_EVERY,
            walks: VecDeque::new(),
            dvms_read: 0,
            customers_read: 0,
        }
    }

    /// One that reads the past from `until` (unix seconds, included; `None`: from the newest event) down to `backfill_from`, and then ends.
    pub fn of_the_past(
        url: Arc<str>,
        shared: Arc<Shared>,
        events: mpsc::Sender<Sighting>,
        backfill_from: i64,
        until: Option<i64>,
    ) -> Self {
        let mut follower = Self::new(url, shared, events, backfill_from);
        follower.only_past = true;
        let all = Selection::kinds(&follower.shared.kinds);
        follower.plan(all, backfill_from, Purpose::History);
        if let Some(until) = until
            && let Some(walk) = follower.walks.pop_front()
        {
            follower.walks.push_front(walk.from(until));
        }
        follower.note_reached();
        follower
    }

    /// Reads the relay until told to end; whether there is nothing left to read. May be dropped at any time: what it has not handed on holds
    /// the cursor back.
    pub async fn run(mut self, shutdown: CancellationToken) -> bool {
        let mut delays = delays();
        loop {
            let began = Instant::now();
            let ended = tokio::select! {
                () = shutdown.cancelled() => return false,
                ended = self.connect_and_read() => ended,
            };
            let (established, error) = match ended {
                Ok(Ended::Finished) => return true,
                Ok(Ended::Lost { established, error }) => (established, error),
                Err(error) => (false, error),
            };
            if established && began.elapsed() >= STEADY {
                delays = self::delays();
            }
            self.shared.health.note(&self.url, |report| {
                report.trouble = said(&format!("{error:#}"));
            });
            let delay = self
                .conduct
                .take_pause()
                .or_else(|| delays.next())
                .unwrap_or(Duration::from_secs(60));
            tracing::info!(
                relay = &*self.url,
                retry_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                "the relay is not read: {error:#}"
            );
            tokio::select! {
                () = shutdown.cancelled() => return false,
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    /// One connection from its begin to its end.
    async fn connect_and_read(&mut self) -> Result<Ended> {
        self.conduct.resume();
        if self.narrow_since.elapsed() > NARROW_FOR {
            self.wide = true;
        }
        let shared = &self.shared;
        let longest = shared.rules.max_event_bytes;
        let connection = Connection::open(&self.url, shared.allow_private, longest).await?;
        let _connected = Connected::begin(self.shared.clone(), self.url.clone());
        tracing::info!(relay = &*self.url, "connected");
        if !self.only_past {
            self.plan_catch_up(now());
        }
        let mut session = Session::new(self, connection);
        let Err(error) = session.run().await else {
            return Ok(Ended::Finished);
        };
        let established = session.is_established();
        if !established {
            // Some relays hang up on a filter that is too wide for them.
            match self.wide {
                true => self.narrow(),
                false => self.wide = true,
            }
        }
        Ok(Ended::Lost { established, error })
    }

    /// Plans to read from where the relay was read to before until it meets what the subscriptions bring from `now` on.
    pub fn plan_catch_up(&mut self, now: i64) {
        let Some(read_to) = self.progress(|progress| progress.read_to()) else {
            return;
        };
        let mut selections = vec![Selection::kinds(&self.shared.kinds)];
        let dvms = self.shared.people.all(Sort::Dvms);
        for chunk in dvms[..self.dvms_read].chunks(AUTHORS) {
            selections.push(Selection::by(chunk, &[PROFILE, DELETION]));
            selections.push(Selection::naming(chunk, &[RECEIPT]));
        }
        let customers = self.shared.people.all(Sort::Customers);
        for chunk in customers[..self.customers_read].chunks(AUTHORS) {
            selections.push(Selection::by(chunk, &[DELETION]));
        }
        self.plan_again(selections, read_to.saturating_sub(OVERLAP_SECONDS));
        self.progress(|progress| progress.read(now));
    }

    /// Plans walks down to `floor` in place of those that catch up and have not begun, which would begin at the top as well.
    pub fn plan_again(&mut self, selections: Vec<Selection>, floor: i64) {
        let superseded = |walk: &Walk| walk.purpose == Purpose::CatchUp && !walk.has_begun();
        let old: Vec<Walk> = self
            .walks
            .iter()
            .filter(|walk| superseded(walk))
            .cloned()
            .collect();
        self.walks.retain(|walk| !superseded(walk));
        let floor = old.iter().fold(floor, |floor, walk| floor.min(walk.floor));
        for selection in selections {
            self.plan(selection, floor.max(0), Purpose::CatchUp);
        }
        for walk in old {
            self.progress(|progress| progress.end_gap(walk.gap));
        }
    }

    /// Plans to read what these people wrote, or was written to them, before they were known.
    pub fn plan_history_of_dvms(&mut self, dvms: &[Pubkey]) {
        for chunk in dvms.chunks(AUTHORS) {
            // However old, the newest of these is the one that counts.
            let cards = Selection::by(chunk, &[PROFILE, ANNOUNCEMENT]);
            self.plan(cards, 0, Purpose::History);
            self.plan_history_of_customers(chunk);
            let receipts = Selection::naming(chunk, &[RECEIPT]);
            self.plan(receipts, self.backfill_from, Purpose::History);
        }
    }

    /// The same for customers, of whom only deletions are read.
    pub fn plan_history_of_customers(&mut self, customers: &[Pubkey]) {
        for chunk in customers.chunks(AUTHORS) {
            let deletions = Selection::by(chunk, &[DELETION]);
            self.plan(deletions, self.backfill_from, Purpose::History);
        }
    }

    /// The relay does not take wide filters, as far as is known now.
    pub fn narrow(&mut self) {
        self.wide = false;
        self.narrow_since = Instant::now();
    }

    /// Notes down to which second everything that is read of everybody has been read.
    pub fn note_reached(&self) {
        let walks = self
            .walks
            .iter()
            .filter(|walk| walk.selection.is_of_everybody());
        let reached: Option<Vec<i64>> = walks.map(Walk::reached).collect();
        let reached = reached.map(|all| all.into_iter().max().unwrap_or(self.backfill_from));
        self.progress(|progress| progress.walk(reached));
    }

    /// Plans to read the last days once more, once a day.
    pub fn plan_rescan(&mut self, now: i64) {
        if Instant::now() < self.rescan || self.only_past {
            return;
        }
        self.rescan = Instant::now() + RESCAN_EVERY;
        let all = Selection::kinds(&self.shared.kinds);
        self.plan_again(vec![all], now - RESCAN_SECONDS);
    }

    fn plan(&mut self, selection: Selection, floor: i64, purpose: Purpose) {
        if let Some(gap) = self.progress(|progress| progress.begin_gap()) {
            self.walks
                .push_back(Walk::new(selection, floor, purpose, gap));
        }
    }

    /// Cuts the first walk into parts that every relay takes.
    pub fn narrow_first(&mut self) {
        let Some(walk) = self.walks.pop_front() else {
            return;
        };
        for selection in walk.selection.narrow().into_iter().rev() {
            if let Some(gap) = self.progress(|progress| progress.begin_gap()) {
                self.walks.push_front(walk.part(selection, gap));
            }
        }
        self.progress(|progress| progress.end_gap(walk.gap));
    }

    /// How far this relay has been read.
    pub fn progress<T>(
        &self,
        change: impl FnOnce(&mut crate::progress::Progress) -> T,
    ) -> Option<T> {
        self.shared.intake.progress(&self.url, change)
    }
}

/// Unix seconds.
pub fn now() -> i64 {
    now_ms() / 1000
}

/// Unix milliseconds.
pub fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(60))
        .without_max_times()
        .with_jitter()
        .build()
}

/// Counts the relays that are connected.
struct Connected {
    shared: Arc<Shared>,
    url: Arc<str>,
}

impl Connected {
    fn begin(shared: Arc<Shared>, url: Arc<str>) -> Self {
        metrics::gauge!("dvmdash_collector_relays_connected").increment(1);
        Self { shared, url }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        metrics::gauge!("dvmdash_collector_relays_connected").decrement(1);
        self.shared
            .health
            .note(&self.url, |report| report.connected = false);
    }
}
