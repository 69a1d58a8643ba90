//! A queue inside one process, for local mode. Nothing in it outlives the process, so a publish ends only when a processor has
//! acknowledged: whoever publishes keeps what is unconfirmed, as with a broker that is gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot};

use super::{DeadLetter, Delivery, DeliveryReceipt, Depth, Message, Queue, wire};

/// The in-process queue.
#[derive(Default)]
pub struct InProcess {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    ready: Mutex<VecDeque<Delivery>>,
    dead: Mutex<Vec<(DeadLetter, Vec<u8>)>>,
    more: Notify,
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
        let (receipt, acknowledged) = oneshot::channel();
        let delivery = Delivery {
            body,
            version,
            refused,
            receipt: DeliveryReceipt::InProcess(receipt),
        };
        self.state
            .ready
            .lock()
            .expect("no holder panics")
            .push_back(delivery);
        self.state.more.notify_one();
        acknowledged.await.context("the queue has closed")
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
        let (sender, receiver) = mpsc::channel(usize::from(prefetch.max(1)));
        let state = self.state.clone();
        tokio::spawn(async move {
            while let Ok(permit) = sender.reserve().await {
                let more = state.more.notified();
                let next = state.ready.lock().expect("no holder panics").pop_front();
                match next {
                    Some(delivery) => permit.send(delivery),
                    None => {
                        drop(permit);
                        tokio::select! {
                            () = more => {}
                            () = sender.closed() => return,
                        }
                    }
                }
            }
        });
        Ok(receiver)
    }

    async fn ack(&self, delivery: Delivery) -> Result<()> {
        if let DeliveryReceipt::InProcess(receipt) = delivery.receipt {
            // A publisher that no longer waits has given up, and will publish again what it holds unconfirmed.
            let _ = receipt.send(());
        }
        Ok(())
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<()> {
        let letter = DeadLetter::new(reason, &delivery.body);
        self.state
            .dead
            .lock()
            .expect("no holder panics")
            .push((letter, delivery.body.clone()));
        self.ack(delivery).await
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        let dead = self.state.dead.lock().expect("no holder panics");
        Ok(dead
            .iter()
            .take(limit)
            .map(|(letter, _)| letter.clone())
            .collect())
    }

    async fn replay_dead_letters(&self) -> Result<u64> {
        bail!("local mode keeps no dead letters beyond its process")
    }

    async fn depth(&self) -> Result<Depth> {
        let ready = self.state.ready.lock().expect("no holder panics").len();
        let dead = self.state.dead.lock().expect("no holder panics").len();
        Ok(Depth {
            ready: ready as u64,
            dead_letters: dead as u64,
        })
    }
}
