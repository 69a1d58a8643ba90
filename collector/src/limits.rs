//! What one relay may make this process do. What it does wrong costs the relay itself, never the others.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Result, bail};
use dvmdash_core::Refusal;
use tokio::time::Instant;

/// Messages of one relay that are read in a second, over time, and at once after a quiet time. Far above what relays send; one that sends
/// more is read slower, so that the others are not.
const MESSAGES_PER_SECOND: f64 = 20_000.0;
const MESSAGES_AT_ONCE: f64 = 40_000.0;
/// How long a relay that sends more waits each time.
const BREATH: Duration = Duration::from_millis(50);
/// More bad events than this among the last so many, and the relay is dropped.
const BAD: usize = 1_000;
const LAST: usize = 2_000;
/// For how long: the first time, and at most, after doubling.
const FIRST_PAUSE: Duration = Duration::from_secs(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What came of an event that a relay sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts, or is known already.
    Good,
    /// No subscription asked for it.
    Unasked,
    /// It does not count.
    Refused(Refusal),
}

impl Verdict {
    /// Whether the relay is to blame. Malformed or too large events are their authors' doing, and a relay may well take them; one that
    /// stands for a wrong id or signature, or for what nobody asked for, checks nothing.
    fn is_the_relays_fault(self) -> bool {
        matches!(
            self,
            Self::Unasked | Self::Refused(Refusal::BadId | Refusal::BadSignature)
        )
    }
}

/// How a relay behaves. It outlives connections.
#[derive(Debug)]
pub struct Conduct {
    /// Why the relay is not read for a while, until it is read again.
    pub dropped: Option<String>,
    /// Events that no subscription asked for.
    pub unasked: u64,
    /// Of the last events, whether they were bad.
    last: VecDeque<bool>,
    bad: usize,
    pause: Duration,
    messages: f64,
    counted: Instant,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            dropped: None,
            unasked: 0,
            last: VecDeque::new(),
            bad: 0,
            pause: FIRST_PAUSE,
            messages: MESSAGES_AT_ONCE,
            counted: Instant::now(),
        }
    }
}

impl Conduct {
    /// Notes a message, and how long to wait before it is looked at.
    pub fn pace(&mut self) -> Option<Duration> {
        self.pace_at(Instant::now())
    }

    fn pace_at(&mut self, now: Instant) -> Option<Duration> {
        let earned = now.duration_since(self.counted).as_secs_f64() * MESSAGES_PER_SECOND;
        self.messages = (self.messages + earned).min(MESSAGES_AT_ONCE) - 1.0;
        self.counted = now;
        (self.messages < 0.0).then_some(BREATH)
    }

    /// Notes what came of an event.
    ///
    /// # Errors
    /// When too many have been bad: the relay is to be dropped, for [`Self::take_pause`].
    pub fn judge(&mut self, verdict: Verdict) -> Result<()> {
        if verdict == Verdict::Unasked {
            self.unasked += 1;
            metrics::counter!("dvmdash_collector_unasked_total").increment(1);
        }
        let bad = verdict.is_the_relays_fault();
        self.last.push_back(bad);
        self.bad += usize::from(bad);
        if self.last.len() > LAST {
            let first = self.last.pop_front();
            self.bad -= usize::from(first == Some(true));
            // It has been good for long enough.
            if self.bad == 0 {
                self.pause = FIRST_PAUSE;
            }
        }
        if self.bad <= BAD {
            return Ok(());
        }
        let why = format!(
            "dropped for {} s: {} of its last {} events were forged or not asked for",
            self.pause.as_secs(),
            self.bad,
            self.last.len()
        );
        self.dropped = Some(why.clone());
        bail!(why)
    }

    /// How long the relay is not to be read, if it has just been dropped; longer each time.
    pub fn take_pause(&mut self) -> Option<Duration> {
        self.dropped.as_ref()?;
        self.last.clear();
        self.bad = 0;
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }

    /// The relay is read again.
    pub fn resume(&mut self) {
        self.dropped = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGED: Verdict = Verdict::Refused(Refusal::BadSignature);

    fn drop_once(conduct: &mut Conduct, verdict: Verdict) -> Option<Duration> {
        for _ in 0..BAD {
            conduct.judge(verdict).unwrap();
        }
        assert!(conduct.judge(verdict).is_err());
        assert!(conduct.dropped.as_deref().unwrap().contains("1001 of"));
        let pause = conduct.take_pause();
        conduct.resume();
        pause
    }

    #[test]
    fn a_relay_of_forged_or_unasked_events_is_dropped_each_time_for_longer_up_to_an_hour() {
        let mut conduct = Conduct::default();
        let pauses: Vec<u64> = [FORGED, Verdict::Unasked, FORGED, FORGED, FORGED, FORGED]
            .into_iter()
            .map(|verdict| drop_once(&mut conduct, verdict).unwrap().as_secs())
            .collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 3600, 3600]);
        assert_eq!(conduct.unasked, 1001);
        assert_eq!(conduct.take_pause(), None, "it is read again");
        for _ in 0..=LAST {
            conduct.judge(Verdict::Good).unwrap();
        }
        assert_eq!(
            drop_once(&mut conduct, FORGED),
            Some(FIRST_PAUSE),
            "it had been good"
        );
    }

    #[test]
    fn bad_events_among_as_many_good_ones_and_those_that_authors_made_bad_are_borne() {
        let mut conduct = Conduct::default();
        for _ in 0..10 * LAST {
            conduct.judge(FORGED).unwrap();
            conduct.judge(Verdict::Good).unwrap();
            for refusal in [Refusal::Malformed, Refusal::TooLarge] {
                conduct.judge(Verdict::Refused(refusal)).unwrap();
            }
        }
        assert_eq!(conduct.dropped, None);
    }

    #[test]
    fn a_burst_is_read_at_once_and_a_flood_slowly() {
        let mut conduct = Conduct::default();
        let start = conduct.counted;
        let read = |conduct: &mut Conduct, at: Instant| {
            (0..1_000_000)
                .take_while(|_| conduct.pace_at(at).is_none())
                .count()
        };
        assert_eq!(read(&mut conduct, start), 40_000);
        // The message that has to wait is paid for as well.
        assert_eq!(read(&mut conduct, start + BREATH), 999);
        let later = start + BREATH + Duration::from_secs(3600);
        assert_eq!(read(&mut conduct, later), 40_000);
    }
}
