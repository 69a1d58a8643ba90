//! The collector with real relays and real brokers: everything arrives once, and no cursor passes what is not confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dvmdash_collector::{Args, run};
use dvmdash_core::Rules;
use dvmdash_runtime::cursors::{Cursors, FileCursors};
use dvmdash_runtime::queue::{InProcess, Queue, RabbitMq as RabbitMqQueue, wire};
use dvmdash_runtime::settings::{PublishArgs, RabbitMqArgs};
use dvmdash_tests::harness::{RabbitMq, folder, free_port};
use nostr_relay_builder::prelude::{
    Event, EventBuilder, Filter, Keys, Kind, LocalRelay, MemoryDatabase, MemoryDatabaseOptions,
    NostrDatabase, RelayBuilder, Tag, Timestamp,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const PATIENCE: Duration = Duration::from_secs(180);

/// A real relay that cuts its answers to 500 events, as most do. What it holds outlives a restart.
pub struct Relay {
    port: u16,
    held: MemoryDatabase,
    running: LocalRelay,
}

impl Relay {
    pub async fn start() -> Self {
        let held = MemoryDatabase::with_opts(MemoryDatabaseOptions {
            events: true,
            max_events: None,
        });
        let port = free_port();
        let running = Self::run(port, &held).await;
        Self {
            port,
            held,
            running,
        }
    }

    async fn run(port: u16, held: &MemoryDatabase) -> LocalRelay {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let builder = RelayBuilder::default()
                .port(port)
                .database(held.clone())
                .max_filter_limit(500);
            let relay = LocalRelay::new(builder);
            match relay.run().await {
                Ok(()) => return relay,
                // The port of the one before is not free yet.
                Err(error) => assert!(Instant::now() < deadline, "start a relay: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", SocketAddr::from(([127, 0, 0, 1], self.port)))
    }

    /// Stores events without telling anybody.
    pub async fn hold(&self, events: &[Event]) {
        for event in events {
            self.held.save_event(event).await.unwrap();
        }
    }

    /// Stores an event and sends it to subscribers.
    pub async fn accept(&self, event: &Event) {
        self.hold(std::slice::from_ref(event)).await;
        self.running.notify_event(event.clone());
    }

    /// What it holds of these kinds.
    pub async fn held(&self, kinds: RangeInclusive<u16>) -> Vec<Event> {
        let kinds = Filter::new().kinds(kinds.map(Kind::from_u16));
        let held = self.held.query(kinds).await.unwrap();
        held.into_iter().collect()
    }

    /// Ends it and its connections.
    pub fn stop(&self) {
        self.running.shutdown();
    }

    pub async fn start_again(&mut self) {
        self.running = Self::run(self.port, &self.held).await;
    }
}

/// Everything that has come out of a queue, acknowledged.
#[derive(Clone, Default)]
pub struct Arrived {
    times: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Arrived {
    pub async fn of(queue: Arc<dyn Queue>) -> Self {
        let arrived = Self::default();
        let mut deliveries = queue.consume(40).await.unwrap();
        let times = arrived.times.clone();
        tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                let message = wire::decode(&delivery, 0).unwrap();
                for seen in message.sightings {
                    let mut times = times.lock().unwrap();
                    *times.entry(seen.event.id.to_string()).or_default() += 1;
                }
                queue.ack(delivery).await.unwrap();
            }
        });
        arrived
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.times.lock().unwrap().keys().cloned().collect()
    }

    /// Waits until all of these have arrived.
    pub async fn wait(&self, events: &[Event]) {
        let expected = ids(events);
        let deadline = Instant::now() + PATIENCE;
        while !self.ids().is_superset(&expected) {
            let missing = expected.difference(&self.ids()).count();
            assert!(
                Instant::now() < deadline,
                "{missing} of {} events do not arrive",
                expected.len()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn assert_once(&self) {
        let times = self.times.lock().unwrap();
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "arrived more than once: {twice:?}");
    }
}

fn ids(events: &[Event]) -> BTreeSet<String> {
    events.iter().map(|event| event.id.to_hex()).collect()
}

/// A running collector.
pub struct Collector {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Collector {
    fn start(relays: &[&Relay], queue: &Arc<dyn Queue>, cursors: &Arc<FileCursors>) -> Self {
        let relays = relays.iter().map(|relay| relay.url()).collect();
        Self::start_with(relays, None, queue, cursors)
    }

    pub fn start_with(
        relays: Vec<String>,
        relays_file: Option<PathBuf>,
        queue: &Arc<dyn Queue>,
        cursors: &Arc<FileCursors>,
    ) -> Self {
        let stop = CancellationToken::new();
        let args = Args {
            relays,
            relays_file,
            backfill_seconds: 30 * 86_400,
            allow_private_relays: true,
            max_relays: 500,
            relay_redundancy: 2,
        };
        let publish = PublishArgs {
            publish_max_events: 100,
            publish_max_wait_ms: 50,
        };
        let running = run(
            args,
            publish,
            Rules::default(),
            queue.clone(),
            cursors.clone(),
            None,
            stop.clone(),
        );
        let task = tokio::spawn(running);
        Self { stop, task }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub fn cursors(name: &str) -> Arc<FileCursors> {
    Arc::new(FileCursors::open(folder(name).join("cursors.json")).unwrap())
}

/// The cursor of the only relay.
async fn cursor(cursors: &FileCursors) -> Option<i64> {
    cursors.load().await.unwrap().into_values().next()
}

async fn wait_for_cursor(cursors: &FileCursors, at_least: i64) {
    let deadline = Instant::now() + PATIENCE;
    while cursor(cursors).await < Some(at_least) {
        let stays = cursor(cursors).await;
        assert!(
            Instant::now() < deadline,
            "the cursor stays at {stays:?} and does not reach {at_least}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn in_process() -> (Arc<dyn Queue>, Arrived) {
    let queue: Arc<dyn Queue> = Arc::new(InProcess::new());
    let arrived = Arrived::of(queue.clone()).await;
    (queue, arrived)
}

pub fn now() -> u64 {
    Timestamp::now().as_secs()
}

pub fn event(keys: &Keys, kind: u16, at: u64, content: &str, tags: &[[&str; 2]]) -> Event {
    let tags = tags.iter().map(|tag| Tag::parse(tag.to_vec()).unwrap());
    EventBuilder::new(Kind::from_u16(kind), content)
        .tags(tags)
        .allow_self_tagging()
        .custom_created_at(Timestamp::from_secs(at))
        .sign_with_keys(keys)
        .unwrap()
}

/// So many job requests, one a second, the last at `last`.
pub fn requests(count: u64, last: u64) -> Vec<Event> {
    let keys = Keys::generate();
    (0..count)
        .map(|n| event(&keys, 5100, last - n, &n.to_string(), &[]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_two_relays_arrives_once() {
    let (one, other) = (Relay::start().await, Relay::start().await);
    let stored = requests(450, now() - 100);
    one.hold(&stored[..300]).await;
    other.hold(&stored[150..]).await;
    let (queue, arrived) = in_process().await;
    let collector = Collector::start(&[&one, &other], &queue, &cursors("two_relays"));
    arrived.wait(&stored).await;

    let live = requests(20, now());
    for event in &live {
        one.accept(event).await;
        other.accept(event).await;
    }
    arrived.wait(&live).await;
    collector.stop().await;
    arrived.assert_once();
    assert_eq!(arrived.ids().len(), 470);
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_receipts_and_deletions_of_the_people_of_jobs_are_read_and_of_nobody_else() {
    let relay = Relay::start().await;
    let [dvm, customer, stranger] = [(); 3].map(|()| Keys::generate());
    let at = now() - 5000;
    let dvm_hex = dvm.public_key().to_hex();
    let stranger_hex = stranger.public_key().to_hex();
    let known = [
        // Older than the backfill: a profile has no age.
        event(&dvm, 0, at - 400 * 86_400, "{}", &[]),
        event(&dvm, 6100, at, "answer", &[]),
        event(&customer, 5100, at - 5, "please", &[]),
        event(&customer, 5, at + 5, "", &[["e", &"1".repeat(64)]]),
        event(&dvm, 5, at + 6, "", &[["e", &"2".repeat(64)]]),
        event(&stranger, 9735, at + 7, "", &[["p", &dvm_hex]]),
    ];
    let foreign = [
        event(&stranger, 0, at, "{}", &[]),
        event(&stranger, 5, at, "", &[["e", &"3".repeat(64)]]),
        event(&stranger, 9735, at, "", &[["p", &stranger_hex]]),
        event(&stranger, 1, at, "hello", &[]),
    ];
    relay.hold(&known).await;
    relay.hold(&foreign).await;
    let (queue, arrived) = in_process().await;
    let collector = Collector::start(&[&relay], &queue, &cursors("people"));
    arrived.wait(&known).await;

    let live = [
        event(&stranger, 9735, now(), "live", &[["p", &dvm_hex]]),
        event(&dvm, 0, now(), r#"{"name":"new"}"#, &[]),
        event(&customer, 5, now(), "live", &[["e", &"4".repeat(64)]]),
    ];
    for event in &live {
        relay.accept(event).await;
    }
    arrived.wait(&live).await;
    collector.stop().await;
    assert!(arrived.ids().is_disjoint(&ids(&foreign)));
    arrived.assert_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_events_than_a_page_holds_are_read_page_by_page() {
    let relay = Relay::start().await;
    let mut stored = requests(1300, now() - 1000);
    let (keys, second) = (Keys::generate(), now() - 100_000);
    // More in one second than the relay ever answers at once.
    stored.extend((0..700).map(|n| event(&keys, 5000 + n % 20, second, &n.to_string(), &[])));
    stored.extend(requests(300, second - 10));
    relay.hold(&stored).await;
    let (queue, arrived) = in_process().await;
    let collector = Collector::start(&[&relay], &queue, &cursors("pages"));
    arrived.wait(&stored).await;
    collector.stop().await;
    arrived.assert_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_reads_from_the_cursor_with_an_overlap() {
    let relay = Relay::start().await;
    let before = requests(30, now() - 5 * 3600);
    relay.hold(&before).await;
    let (queue, arrived) = in_process().await;
    let cursors = cursors("restart");
    let collector = Collector::start(&[&relay], &queue, &cursors);
    arrived.wait(&before).await;
    let started = i64::try_from(now()).unwrap();
    wait_for_cursor(&cursors, started - 60).await;
    collector.stop().await;

    let backdated = requests(30, now() - 1000);
    let older_than_the_overlap = requests(1, now() - 3 * 3600);
    relay.hold(&backdated).await;
    relay.hold(&older_than_the_overlap).await;
    let collector = Collector::start(&[&relay], &queue, &cursors);
    arrived.wait(&backdated).await;
    wait_for_cursor(&cursors, started).await;
    collector.stop().await;
    arrived.assert_once();
    assert!(
        arrived.ids().is_disjoint(&ids(&older_than_the_overlap)),
        "it was read from the begin"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_comes_back_is_read_from_where_it_went() {
    let mut relay = Relay::start().await;
    let before = requests(10, now() - 10);
    relay.hold(&before).await;
    let (queue, arrived) = in_process().await;
    let collector = Collector::start(&[&relay], &queue, &cursors("relay_restart"));
    arrived.wait(&before).await;

    relay.stop();
    let meanwhile = requests(600, now() - 5);
    relay.hold(&meanwhile).await;
    relay.start_again().await;
    arrived.wait(&meanwhile).await;
    let after = requests(5, now());
    for event in &after {
        relay.accept(event).await;
    }
    arrived.wait(&after).await;
    collector.stop().await;
    arrived.assert_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_gone_moves_no_cursor_and_loses_nothing() {
    let mut broker = RabbitMq::start().await;
    let args = RabbitMqArgs {
        rabbitmq_uri: Some(broker.uri()),
        rabbitmq_uri_file: None,
        rabbitmq_queue: "collected".to_owned(),
        rabbitmq_ca_file: None,
        rabbitmq_cert_file: None,
        rabbitmq_key_file: None,
    };
    let queue: Arc<dyn Queue> = Arc::new(RabbitMqQueue::new(&args).unwrap());
    queue.declare().await.unwrap();
    let relay = Relay::start().await;
    let before = requests(100, now() - 100);
    relay.hold(&before).await;
    let cursors = cursors("broker");
    let collector = Collector::start(&[&relay], &queue, &cursors);
    wait_for_cursor(&cursors, i64::try_from(now()).unwrap() - 60).await;

    broker.kill_hard().await;
    // What was confirmed before the kill is written by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let held = cursor(&cursors).await;
    let mut unconfirmed = requests(50, now());
    // More than messages and channels hold, so that reading stops as well.
    unconfirmed.extend(requests(1200, now() - 60));
    for event in &unconfirmed {
        relay.accept(event).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(cursor(&cursors).await, held, "moved without a confirm");

    broker.restart().await;
    let newest = i64::try_from(unconfirmed[0].created_at.as_secs()).unwrap();
    wait_for_cursor(&cursors, newest).await;
    let arrived = Arrived::of(queue.clone()).await;
    arrived.wait(&before).await;
    arrived.wait(&unconfirmed).await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_relays_takes_effect_when_it_changes() {
    let (one, other) = (Relay::start().await, Relay::start().await);
    let (first, second) = (requests(5, now() - 50), requests(5, now() - 50));
    one.hold(&first).await;
    other.hold(&second).await;
    let file = folder("relays_file").join("relays.json");
    let write = |one_is_read: bool| {
        let entries = serde_json::json!([
            {"url": one.url(), "enabled": one_is_read, "priority": "High"},
            {"url": other.url(), "enabled": !one_is_read},
        ]);
        std::fs::write(&file, entries.to_string()).unwrap();
    };
    write(true);
    let (queue, arrived) = in_process().await;
    let cursors = cursors("relays_file");
    let collector = Collector::start_with(Vec::new(), Some(file.clone()), &queue, &cursors);
    arrived.wait(&first).await;
    assert!(arrived.ids().is_disjoint(&ids(&second)));

    std::fs::write(&file, "no list").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let still_read = requests(1, now());
    one.accept(&still_read[0]).await;
    arrived.wait(&still_read).await;

    write(false);
    arrived.wait(&second).await;
    let unread = requests(1, now());
    one.accept(&unread[0]).await;
    let read = requests(1, now());
    other.accept(&read[0]).await;
    arrived.wait(&read).await;
    collector.stop().await;
    assert!(arrived.ids().is_disjoint(&ids(&unread)));
}
