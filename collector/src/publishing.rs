//! From verified events to confirmed messages.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use backon::{BackoffBuilder, ExponentialBuilder};
use dvmdash_core::{EventId, Refusal};
use dvmdash_runtime::queue::{Message, Queue, Sighting};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::intake::Intake;

/// Messages that may wait for their confirm at once. With [`MESSAGE_BYTES`] it bounds what a broker that is gone makes us hold.
const IN_FLIGHT: usize = 40;
/// A message is closed when its events are about this long.
const MESSAGE_BYTES: usize = 1 << 20;
/// How often refused events are told where no event comes along with them.
const REFUSED_EVERY: Duration = Duration::from_secs(1);

/// Events of one message to be.
#[derive(Debug, Default)]
struct Pack {
    sightings: Vec<Sighting>,
    bytes: usize,
}

impl Pack {
    /// Adds an event. Breaks when the pack is full.
    fn push(&mut self, sighting: Sighting, max_events: usize) -> ControlFlow<()> {
        self.bytes += size(&sighting);
        self.sightings.push(sighting);
        if self.sightings.len() >= max_events || self.bytes >= MESSAGE_BYTES {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// About how many bytes an event takes.
fn size(sighting: &Sighting) -> usize {
    let event = &sighting.event;
    let tags: usize = event.tags.iter().flatten().map(|text| text.len() + 3).sum();
    500 + event.content.len() + tags
}

/// Packs and publishes.
pub struct Publisher {
    /// What is told of every confirm.
    pub intake: Arc<Intake>,
    /// Where messages go.
    pub queue: Arc<dyn Queue>,
    /// Events in a message, at most.
    pub max_events: usize,
    /// How long the first event of a message waits.
    pub max_wait: Duration,
}

impl Publisher {
    /// Publishes what comes until all senders are gone, then waits for the last confirm. A publish that fails is tried again for ever: its
    /// events hold the cursors back meanwhile, and the full channel holds the relays back.
    ///
    /// # Errors
    /// When a publishing task has panicked.
    pub async fn run(self, mut events: mpsc::Receiver<Sighting>) -> Result<()> {
        let mut publishing = JoinSet::new();
        loop {
            let (pack, end) = self.collect(&mut events).await;
            let refused = self.intake.take_refused();
            if !pack.sightings.is_empty() || !refused.is_empty() {
                if publishing.len() >= IN_FLIGHT
                    && let Some(published) = publishing.join_next().await
                {
                    published.context("publish events")?;
                }
                count(&pack, &refused);
                let (queue, intake) = (self.queue.clone(), self.intake.clone());
                publishing.spawn(publish(queue, intake, pack, refused));
            }
            while let Some(published) = publishing.try_join_next() {
                published.context("publish events")?;
            }
            if end {
                break;
            }
        }
        while let Some(published) = publishing.join_next().await {
            published.context("publish events")?;
        }
        Ok(())
    }

    /// The next pack, and whether it is the last. It is empty when nothing came for a while.
    async fn collect(&self, events: &mut mpsc::Receiver<Sighting>) -> (Pack, bool) {
        let mut pack = Pack::default();
        let first = match timeout_at(Instant::now() + REFUSED_EVERY, events.recv()).await {
            Ok(Some(first)) => first,
            Ok(None) => return (pack, true),
            Err(_) => return (pack, false),
        };
        let deadline = Instant::now() + self.max_wait;
        let mut next = Some(first);
        while let Some(sighting) = next {
            if pack.push(sighting, self.max_events).is_break() {
                return (pack, false);
            }
            next = match timeout_at(deadline, events.recv()).await {
                Ok(next) => next,
                Err(_) => return (pack, false),
            };
        }
        (pack, true)
    }
}

async fn publish(
    queue: Arc<dyn Queue>,
    intake: Arc<Intake>,
    pack: Pack,
    refused: BTreeMap<Refusal, u64>,
) {
    let ids: Vec<EventId> = pack.sightings.iter().map(|seen| seen.event.id).collect();
    let message = Message {
        sightings: pack.sightings,
        refused: refused
            .into_iter()
            .map(|(reason, count)| (reason.as_str().to_owned(), count))
            .collect(),
        verified: true,
        reports: Vec::new(),
    };
    let mut delays = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times()
        .with_jitter()
        .build();
    while let Err(error) = queue.publish(&message).await {
        tracing::warn!(
            events = ids.len(),
            "the broker does not confirm a message, it is published again: {error:#}"
        );
        sleep(delays.next().unwrap_or(Duration::from_secs(5))).await;
    }
    intake.confirm(ids);
}

fn count(pack: &Pack, refused: &BTreeMap<Refusal, u64>) {
    metrics::counter!("dvmdash_collector_events_total").increment(pack.sightings.len() as u64);
    for (reason, &count) in refused {
        metrics::counter!("dvmdash_collector_refused_total", "reason" => reason.as_str())
            .increment(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvmdash_core::{Event, Hex32, Signature};
    use dvmdash_runtime::queue::Source;

    fn sighting(id: usize, content: usize) -> Sighting {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&id.to_be_bytes());
        Sighting {
            event: Event {
                id: Hex32(bytes),
                pubkey: Hex32([1; 32]),
                created_at: 0,
                kind: 5100,
                tags: Vec::new(),
                content: "x".repeat(content),
                sig: Signature([0; 64]),
            },
            first_seen: 0,
            relay: None,
            source: Source::Relay,
        }
    }

    #[test]
    fn a_pack_is_full_by_its_events_or_its_bytes() {
        let mut pack = Pack::default();
        assert!(pack.push(sighting(0, 0), 2).is_continue());
        assert!(pack.push(sighting(1, 0), 2).is_break());
        let mut pack = Pack::default();
        assert!(pack.push(sighting(0, MESSAGE_BYTES / 2), 500).is_continue());
        assert!(pack.push(sighting(1, MESSAGE_BYTES / 2), 500).is_break());
    }

    #[tokio::test]
    async fn packs_are_cut_at_their_size_and_the_rest_goes_when_the_senders_are_gone() {
        let publisher = Publisher {
            intake: Arc::default(),
            queue: Arc::new(dvmdash_runtime::queue::InProcess::new()),
            max_events: 500,
            max_wait: Duration::from_secs(3600),
        };
        let (sender, mut events) = mpsc::channel(2000);
        for id in 0..1100 {
            sender.try_send(sighting(id, 0)).unwrap();
        }
        drop(sender);
        let mut sizes = Vec::new();
        loop {
            let (pack, end) = publisher.collect(&mut events).await;
            sizes.push(pack.sightings.len());
            if end {
                break;
            }
        }
        assert_eq!(sizes, [500, 500, 100]);
    }
}
