//! The queue between collectors and processors: RabbitMQ, or one in this process.

mod in_process;
mod rabbitmq;
pub mod wire;

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::Result;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use dvmdash_core::Event;

pub use in_process::InProcess;
pub use rabbitmq::RabbitMq;

/// Where an event on the queue comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A relay sent it to a collector.
    Relay,
    /// `dvmdash import`.
    Import,
    /// It lay inside a response's `request` tag.
    Embedded,
    /// Somebody else put it on the queue as a bare event.
    Queue,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Relay, Self::Import, Self::Embedded, Self::Queue];

    /// The word for it in messages, the archive and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Import => "import",
            Self::Embedded => "embedded",
            Self::Queue => "queue",
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no source of an event"))
    }
}

/// One event and how we came to see it: an element of a message's JSON array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The event as signed.
    pub event: Event,
    /// Unix milliseconds when it was first seen.
    pub first_seen: i64,
    /// The relay that delivered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// What a collector says of a relay that it reads: an element of a message's JSON array, under the member `report`. Counts are since the
/// collector began to read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayReport {
    /// The relay's normalised url.
    pub url: String,
    /// The collector's name.
    pub collector: String,
    /// Unix milliseconds of this report.
    pub at_ms: i64,
    /// Whether its live subscriptions are established.
    pub connected: bool,
    /// Unix milliseconds of its last event.
    pub last_event_ms: Option<i64>,
    /// Events that it sent, duplicates and refused ones included.
    pub events: u64,
    /// Events that were known already.
    pub duplicates: u64,
    /// Events that were not taken, by reason: those of METRICS.md section 1, and `unasked` for what no subscription had asked for.
    pub rejected: BTreeMap<String, u64>,
    /// How far its events are with the broker, unix seconds.
    pub cursor: Option<i64>,
    /// Stretches of the past that were read to the end.
    pub gap_repairs: u64,
    /// Whether it takes filters of all kinds at once.
    pub wide_filters: bool,
    /// The most events that it answered a filter with.
    pub largest_page: u64,
    /// Its last CLOSED.
    pub last_closed: Option<String>,
    /// Its last NOTICE.
    pub last_notice: Option<String>,
    /// Why it is not read, where it is not.
    pub trouble: Option<String>,
}

/// What one message carries, decoded.
///
/// On the wire: a JSON array of [`Sighting`]s with content type `application/json` and the headers `dvmdash-version: 1`
/// and, where something was refused on the way, `dvmdash-refused: {"bad_id": 2}` as JSON text. Events of a version-1 array have been
/// verified by who published them. A JSON object is one bare NIP-01 event, which nobody has verified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The events.
    pub sightings: Vec<Sighting>,
    /// Events refused before the queue since the last message, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Whether the publisher verified the events (false for a bare event).
    pub verified: bool,
    /// What the publisher says of relays.
    pub reports: Vec<RelayReport>,
}

/// A message as it came from the queue, to be acknowledged or dead-lettered.
pub struct Delivery {
    /// The body's bytes.
    pub body: Vec<u8>,
    /// `dvmdash-version`, where there is one.
    pub version: Option<i64>,
    /// `dvmdash-refused`, where there is one.
    pub refused: Option<String>,
    /// How to acknowledge it.
    pub(crate) receipt: DeliveryReceipt,
}

/// The hold of a delivery on its queue.
pub(crate) enum DeliveryReceipt {
    /// RabbitMQ's acker. An old channel's fails after recovery; the message then comes again.
    RabbitMq(Box<lapin::message::Delivery>),
    /// Puts the message back when it is dropped.
    InProcess(in_process::Held),
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Messages ready for a processor.
    pub ready: u64,
    /// Messages among the dead letters.
    pub dead_letters: u64,
}

/// A message that could not be decoded.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    /// Why it lies here.
    pub reason: String,
    /// Bytes of the body.
    pub size: usize,
    /// The body's first 200 characters, invalid UTF-8 replaced.
    pub start: String,
}

impl DeadLetter {
    fn new(reason: &str, body: &[u8]) -> Self {
        let start = String::from_utf8_lossy(body).chars().take(200).collect();
        Self {
            reason: reason.to_owned(),
            size: body.len(),
            start,
        }
    }
}

/// The way from collectors to processors. Two implementations: RabbitMQ and in-process; one conformance suite.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Creates what is missing; idempotent.
    async fn declare(&self) -> Result<()>;
    /// Returns when the message is safe: RabbitMQ has confirmed it on a quorum queue, or (in process) a processor has acknowledged it.
    /// Many publishes may wait at once.
    async fn publish(&self, message: &Message) -> Result<()>;
    /// Deliveries, at most `prefetch` messages unacknowledged. Reconnects by itself; unacknowledged messages come again.
    /// The receiver closes when the queue is closed for good.
    async fn consume(&self, prefetch: u16) -> Result<mpsc::Receiver<Delivery>>;
    /// Acknowledges; an error of an old channel is none, since the message comes again and is counted once.
    async fn ack(&self, delivery: Delivery) -> Result<()>;
    /// Publishes the body to the dead letters with its reason, waits for the confirm, then acknowledges.
    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<()>;
    /// Looks at up to `limit` dead letters without taking them away.
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>>;
    /// Puts all dead letters back on the queue, each confirmed before it leaves the dead letters; returns how many.
    async fn replay_dead_letters(&self) -> Result<u64>;
    /// How much waits.
    async fn depth(&self) -> Result<Depth>;
}
