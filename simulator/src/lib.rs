//! Made-up NIP-90 traffic in the shape of the real network: deterministic, seeded, properly signed.
//!
//! Kinds, DVM and customer skew, sizes, response times and the many ways in which real events are odd follow what was
//! counted on public relays from 2023 to 2025. It shares no code with the parts it feeds, so that a mistake made
//! there is not made here as well. One thing is exaggerated: payments, of which the real network has next to none.
//!
//! [`Simulator`] is an iterator over a stretch of history; [`Simulator::next_at`] makes live traffic without end;
//! [`invalid`] makes lines that must be refused.

mod announce;
mod invalid;
mod kinds;
mod money;
mod people;
mod request;
mod response;
mod rng;
mod sign;
mod texts;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

pub use invalid::invalid;
pub use sign::Event;

use announce::Announced;
use people::People;
use request::Job;
use rng::Rng;

/// What to make. The default is a month of the real network, thinned to 100,000 events.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The same seed and configuration give the same stream, byte for byte.
    pub seed: u64,
    /// How many events the iterator yields, repeats included. Time passes in step with them.
    pub events: u64,
    /// Where history begins, in unix seconds.
    pub start: i64,
    /// Events are spread over `[start, start + span_seconds)`. Answers that would fall behind the end have not happened.
    pub span_seconds: i64,
    /// How many DVMs there are (at least one). The first of them gets about `sqrt(1/dvms)` of the jobs.
    pub dvms: usize,
    /// How many customers there are (at least one).
    pub users: usize,
    /// Share of the yielded events that repeat one of the last 512, as several relays deliver the same event. 0.0 ..= 0.9.
    pub duplicates: f64,
    /// Share of the jobs whose request is dated before Nostr or an hour to 75 days behind the end of history, in turns.
    pub out_of_time: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 1,
            events: 100_000,
            start: 1_735_689_600,
            span_seconds: 30 * 86_400,
            dvms: 150,
            users: 1500,
            duplicates: 0.0,
            out_of_time: 0.001,
        }
    }
}

/// The traffic of one made-up network.
///
/// Events come roughly in the order of their `created_at`, as from relays: some arrive late, some before the event they
/// refer to, some back-dated. Never holds more than the answers that are still to come, the last 256 jobs and
/// the last 512 events.
pub struct Simulator {
    config: Config,
    rng: Rng,
    people: People,
    /// Events made so far, delivered or still waiting.
    planned: u64,
    /// Events yielded by the iterator, repeats included.
    yielded: u64,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Nothing is dated at or behind this, except on purpose.
    horizon: i64,
    /// DVMs that have presented themselves.
    introduced: usize,
    /// Jobs left of a burst, all asked within its second.
    burst: (u32, i64),
    jobs: VecDeque<Job>,
    announced: VecDeque<Announced>,
    recent: VecDeque<Event>,
    turns: Turns,
}

/// Rare things come in turns, so that even a short stream has every one of them.
#[derive(Default)]
struct Turns {
    amount: usize,
    deletion: usize,
    oddity: usize,
    receipt: usize,
    status: usize,
    time: usize,
    text: usize,
}

/// An event that is made and signed but not delivered yet; ordered by delivery, then by creation.
#[derive(PartialEq, Eq)]
struct Waiting {
    at: i64,
    number: u64,
    event: Event,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

const RECENT_EVENTS: usize = 512;
const RECENT_JOBS: usize = 256;

impl Simulator {
    /// Makes nothing yet. Shares outside their range and empty casts are moved to the nearest sensible value.
    pub fn new(mut config: Config) -> Self {
        config.dvms = config.dvms.max(1);
        config.users = config.users.max(1);
        config.span_seconds = config.span_seconds.max(1);
        config.duplicates = config.duplicates.clamp(0.0, 0.9);
        Simulator {
            rng: Rng::new(config.seed),
            people: People::new(config.seed),
            planned: 0,
            yielded: 0,
            waiting: BinaryHeap::new(),
            horizon: config.start.saturating_add(config.span_seconds),
            introduced: 0,
            burst: (0, 0),
            jobs: VecDeque::new(),
            announced: VecDeque::new(),
            recent: VecDeque::new(),
            turns: Turns::default(),
            config,
        }
    }

    /// The next event of endless live traffic, delivered at `now` (unix seconds, not before that of the call before).
    ///
    /// Never dated after `now`; answers follow their request as `now` moves on. The caller sets the rate by how often
    /// it calls. Ignores `events`, `start` and `span_seconds`; repeats earlier events as `duplicates` says.
    pub fn next_at(&mut self, now: i64) -> Event {
        self.horizon = i64::MAX;
        if let Some(event) = self.repeat() {
            return event;
        }
        loop {
            if let Some(event) = self.due(now) {
                return event;
            }
            if self.introduced < self.config.dvms && self.rng.chance(0.2) {
                self.introduce(now);
            } else {
                self.act(now);
            }
        }
    }

    /// One thing happens: mostly a job, with all its answers still to come.
    fn act(&mut self, now: i64) {
        match self.rng.below(1000) {
            0..8 => self.tip(now),
            8..12 => self.announce_again(now),
            12..14 => self.announce_application(now),
            14..20 => self.profile(now),
            20..30 => self.delete(now),
            _ if self.rng.chance(self.config.out_of_time) => self.ask_out_of_time(now),
            _ => self.ask(now),
        }
    }

    /// Where history stands: in step with the number of events made, except within a burst.
    fn history_now(&mut self, wanted: u64) -> i64 {
        let steady = self.config.start + self.clock(wanted);
        if self.burst.0 == 0 && self.rng.chance(0.003) {
            self.burst = (10 + self.rng.below(40) as u32, steady);
        }
        if self.burst.0 == 0 {
            return steady;
        }
        self.burst.0 -= 1;
        self.burst.1
    }

    fn clock(&self, wanted: u64) -> i64 {
        let passed = self.config.span_seconds as u128 * u128::from(self.planned.min(wanted))
            / u128::from(wanted.max(1));
        passed as i64
    }

    /// How many different events the iterator makes.
    fn wanted(&self) -> u64 {
        let fresh = (self.config.events as f64 * (1.0 - self.config.duplicates)) as u64;
        fresh.clamp(1, self.config.events.max(1))
    }

    /// Puts an event in line for delivery, never before it exists; one that lies behind the end is dropped.
    fn deliver(&mut self, event: Event, at: i64) {
        if event.created_at < self.horizon {
            let at = at.max(event.created_at);
            self.deliver_as_it_is(event, at);
        }
    }

    fn deliver_as_it_is(&mut self, event: Event, at: i64) {
        self.waiting.push(Reverse(Waiting {
            at,
            number: self.planned,
            event,
        }));
        self.planned += 1;
    }

    fn due(&mut self, now: i64) -> Option<Event> {
        if self.waiting.peek()?.0.at > now {
            return None;
        }
        let Reverse(Waiting { event, .. }) = self.waiting.pop()?;
        if self.config.duplicates > 0.0 {
            self.recent.push_back(event.clone());
            if self.recent.len() > RECENT_EVENTS {
                self.recent.pop_front();
            }
        }
        Some(event)
    }

    fn repeat(&mut self) -> Option<Event> {
        if self.recent.is_empty() || !self.rng.chance(self.config.duplicates) {
            return None;
        }
        let which = self.rng.below(self.recent.len() as u64) as usize;
        self.recent.get(which).cloned()
    }

    /// The last jobs, for what refers to an earlier one.
    fn remember(&mut self, job: Job) {
        self.jobs.push_back(job);
        if self.jobs.len() > RECENT_JOBS {
            self.jobs.pop_front();
        }
    }
}

impl Iterator for Simulator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.yielded == self.config.events {
            return None;
        }
        self.yielded += 1;
        if let Some(event) = self.repeat() {
            return Some(event);
        }
        let wanted = self.wanted();
        let introductions = self.config.dvms.min(1 + (wanted / 150) as usize);
        loop {
            // All is made once enough is waiting; what repeats left open is made behind that, at the end.
            let all_made = self.planned >= wanted;
            let until = if all_made {
                i64::MAX
            } else {
                self.config.start + self.clock(wanted)
            };
            if let Some(event) = self.due(until) {
                return Some(event);
            }
            let now = self.history_now(wanted).min(self.horizon - 1);
            if self.introduced < introductions && self.rng.chance(0.5) {
                self.introduce(now);
            } else {
                self.act(now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
