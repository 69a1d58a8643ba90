//! Cuts the stream of deliveries into batches.

use std::time::Duration;

use dvmdash_runtime::queue::Delivery;
use dvmdash_runtime::settings::BatchArgs;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

/// Bytes of a batch's messages, about: what bounds its memory where events are large.
const MAX_BYTES: usize = 32 << 20;

/// Deliveries in the order of their arrival, cut by size or time.
pub(crate) struct Intake {
    deliveries: Receiver<Delivery>,
    first: Option<Delivery>,
    max_events: usize,
    max_wait: Duration,
}

impl Intake {
    pub(crate) fn new(deliveries: Receiver<Delivery>, batch: &BatchArgs) -> Self {
        Self {
            deliveries,
            first: None,
            max_events: batch.batch_max_events as usize,
            max_wait: Duration::from_millis(u64::from(batch.batch_max_wait_ms)),
        }
    }

    /// Waits for the first delivery of a batch; `false` when the queue has closed. Safe to cancel.
    pub(crate) async fn ready(&mut self) -> bool {
        if self.first.is_none() {
            self.first = self.deliveries.recv().await;
        }
        self.first.is_some()
    }

    /// The first delivery and what follows, until there are enough events or the first has waited long enough.
    pub(crate) async fn take(&mut self) -> Vec<Delivery> {
        let mut batch: Vec<_> = self.first.take().into_iter().collect();
        let mut events: usize = batch.iter().map(events).sum();
        let deadline = Instant::now() + self.max_wait;
        let mut bytes: usize = batch.iter().map(|delivery| delivery.body.len()).sum();
        while events < self.max_events && bytes < MAX_BYTES {
            match tokio::time::timeout_at(deadline, self.deliveries.recv()).await {
                Ok(Some(delivery)) => {
                    events += self::events(&delivery);
                    bytes += delivery.body.len();
                    batch.push(delivery);
                }
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }
}

/// How many events a message holds, without decoding it: every event has one `sig` member, and text inside a string has its quotes escaped.
fn events(delivery: &Delivery) -> usize {
    delivery
        .body
        .windows(6)
        .filter(|window| *window == b"\"sig\":")
        .count()
        .max(1)
}
