//! A queue inside one process, for local mode. Nothing in it outlives the process, so a publish ends only when a processor has
//! acknowledged: whoever publishes keeps what is unconfirmed, as with a broker that is gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result};
use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{DeadLetter, Delivery, DeliveryReceipt, Depth, Message, Queue, wire};

/// The in-process queue.
#[derive(Default)]
pub struct InProcess {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    ready: VecDeque<Queued>,
    dead: Vec<(DeadLetter, Queued)>,
}

/// A message on the queue.
struct Queued {
    body: Arc<Vec<u8>>,
    version: Option<i64>,
    refused: Option<String>,
    /// Resolves the publisher's wait.
    confirm: Option<oneshot::Sender<()>>,
}

impl State {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder panics")
    }

    fn push(&self, message: Queued) {
        self.waiting().ready.push_back(message);
        self.more.notify_one();
    }

    /// Waits for a message. Safe to cancel.
    async fn next(&self) -> Queued {
        loop {
            let more = self.more.notified();
            let next = self.waiting().ready.pop_front();
            match next {
                Some(message) => return message,
                None => more.await,
            }
        }
    }
}

/// The hold of a delivery: dropped without an acknowledgement, it puts the message back.
pub(crate) struct Held {
    state: Arc<State>,
    message: Option<Queued>,
    _prefetch: OwnedSemaphorePermit,
}

impl Held {
    fn acknowledge(mut self) -> Option<Queued> {
        let mut message = self.message.take()?;
        if let Some(confirm) = message.confirm.take() {
            // A publisher that no longer waits has given up, and will publish again what it holds unconfirmed.
            let _ = confirm.send(());
        }
        Some(message)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.state.waiting().ready.push_front(message);
            self.state.more.notify_one();
        }
    }
}

impl InProcess {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    async fn send(
        &self,
        body: Vec<u8>,
        version: Option<i64>,
        refused: Option<String>,
    ) -> Result<()> {
        let (confirm, confirmed) = oneshot::channel();
        self.state.push(Queued {
            body: Arc::new(body),
            version,
            refused,
            confirm: Some(confirm),
        });
        confirmed.await.context("the queue has closed")
    }
}

fn delivery(state: &Arc<State>, message: Queued, prefetch: OwnedSemaphorePermit) -> Delivery {
    Delivery {
        body: message.body.to_vec(),
        version: message.version,
        refused: message.refused.clone(),
        receipt: DeliveryReceipt::InProcess(Held {
            state: state.clone(),
            message: Some(message),
            _prefetch: prefetch,
        }),
    }
}

fn acknowledge(delivery: Delivery) -> Option<Queued> {
    match delivery.receipt {
        DeliveryReceipt::InProcess(held) => held.acknowledge(),
        DeliveryReceipt::RabbitMq(_) => None,
    }
}

#[async_trait]
impl Queue for InProcess {
    async fn declare(&self) -> Result<()> {
        Ok(())
    }

    async fn publish(&self, message: &Message) -> Result<()> {
        let version = message.verified.then_some(wire::VERSION);
        let pieces = wire::bodies(message)
            .into_iter()
            .map(|(body, refused)| self.send(body, version, refused));
        futures_util::future::try_join_all(pieces).await.map(|_| ())
    }

    async fn consume(&self, prefetch: u16) -> Result<mpsc::Receiver<Delivery>> {
        let prefetch = usize::from(prefetch.max(1));
        let (sender, receiver) = mpsc::channel(prefetch);
        let state = self.state.clone();
        tokio::spawn(async move {
            let prefetch = Arc::new(Semaphore::new(prefetch));
            let deliver = async {
                while let Ok(prefetch) = prefetch.clone().acquire_owned().await {
                    let message = state.next().await;
                    if sender
                        .send(delivery(&state, message, prefetch))
                        .await
                        .is_err()
                    {
                        break;
                    }
                }
            };
            tokio::select! {
                () = deliver => {}
                () = sender.closed() => {}
            }
            // It may have been told of a message that another consumer can take.
            state.more.notify_one();
        });
        Ok(receiver)
    }

    async fn ack(&self, delivery: Delivery) -> Result<()> {
        acknowledge(delivery);
        Ok(())
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<()> {
        let letter = DeadLetter::new(reason, &delivery.body);
        if let Some(message) = acknowledge(delivery) {
            self.state.waiting().dead.push((letter, message));
        }
        Ok(())
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        let waiting = self.state.waiting();
        let letters = waiting.dead.iter().map(|(letter, _)| letter.clone());
        Ok(letters.take(limit).collect())
    }

    async fn replay_dead_letters(&self) -> Result<u64> {
        let dead = std::mem::take(&mut self.state.waiting().dead);
        let replayed = dead.len();
        for (_, message) in dead {
            self.state.push(message);
        }
        Ok(replayed as u64)
    }

    async fn depth(&self) -> Result<Depth> {
        let waiting = self.state.waiting();
        Ok(Depth {
            ready: waiting.ready.len() as u64,
            dead_letters: waiting.dead.len() as u64,
        })
    }
}
