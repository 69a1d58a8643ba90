//! Queues: RabbitMQ and the one in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dvmdash_core::EventId;
use dvmdash_runtime::queue::{
    Delivery, InProcess, Message, Queue, RabbitMq, RelayReport, Source, wire,
};
use dvmdash_runtime::settings::RabbitMqArgs;
use dvmdash_tests::harness::{self, Servers, World};
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::sync::mpsc::Receiver;

use super::events::{event, plain, sighting, tricky};
use super::{PATIENCE, until};

fn rabbitmq(uri: String, queue: &str) -> RabbitMq {
    RabbitMq::new(&RabbitMqArgs {
        rabbitmq_uri: Some(uri),
        rabbitmq_uri_file: None,
        rabbitmq_queue: queue.to_owned(),
        rabbitmq_ca_file: None,
        rabbitmq_cert_file: None,
        rabbitmq_key_file: None,
    })
    .unwrap()
}

macro_rules! both {
    ($($fact:ident),* $(,)?) => {
        mod on_rabbitmq {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let world = super::Servers::shared().await.world(stringify!($fact)).await;
                let queue = super::rabbitmq(world.rabbitmq_uri.clone(), &world.queue);
                super::Queue::declare(&queue).await.unwrap();
                super::$fact(super::Arc::new(queue)).await;
            })*
        }
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                super::$fact(super::Arc::new(super::InProcess::new())).await;
            })*
        }
    };
}

both!(
    a_message_arrives_as_it_was_published,
    an_unacknowledged_message_comes_again,
    a_dead_letter_keeps_reason_and_body_and_is_replayed,
    prefetch_bounds_what_is_in_hand,
    many_publishes_at_once_are_shared_by_the_consumers,
    a_message_that_is_too_large_arrives_in_pieces,
);

fn message(first: usize, count: usize) -> Message {
    Message {
        sightings: plain((first + count) as u64).split_off(first),
        reports: Vec::new(),
        refused: BTreeMap::new(),
        verified: true,
    }
}

fn ids(message: &Message) -> BTreeSet<EventId> {
    message
        .sightings
        .iter()
        .map(|sighting| sighting.event.id)
        .collect()
}

/// Publishes in the background: in process, a publish ends with the acknowledgement.
fn publish(queue: &Arc<dyn Queue>, message: Message) -> tokio::task::JoinHandle<()> {
    let queue = queue.clone();
    tokio::spawn(async move { queue.publish(&message).await.unwrap() })
}

async fn next(deliveries: &mut Receiver<Delivery>) -> Delivery {
    tokio::time::timeout(PATIENCE, deliveries.recv())
        .await
        .expect("a message arrives")
        .expect("the queue stays open")
}

async fn wait_for_depth(queue: &Arc<dyn Queue>, ready: u64, dead_letters: u64) {
    until("the queue gets to that depth", async || {
        let depth = queue.depth().await.unwrap();
        (depth.ready, depth.dead_letters) == (ready, dead_letters)
    })
    .await;
}

async fn a_message_arrives_as_it_was_published(queue: Arc<dyn Queue>) {
    let sent = Message {
        sightings: tricky().into_iter().map(sighting).collect(),
        refused: BTreeMap::from([("bad_id".to_owned(), 2), ("kind".to_owned(), 1)]),
        reports: vec![RelayReport {
            url: "wss://relay.example".to_owned(),
            collector: "one".to_owned(),
            last_notice: Some("a \u{0} b".to_owned()),
            rejected: BTreeMap::from([("unasked".to_owned(), 3)]),
            ..RelayReport::default()
        }],
        verified: true,
    };
    let publishing = publish(&queue, sent.clone());
    let mut deliveries = queue.consume(10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert_eq!(wire::decode(&delivery, 0).unwrap(), sent);
    queue.ack(delivery).await.unwrap();
    publishing.await.unwrap();
    wait_for_depth(&queue, 0, 0).await;
}

async fn an_unacknowledged_message_comes_again(queue: Arc<dyn Queue>) {
    let publishing = publish(&queue, message(0, 3));
    for _ in 0..3 {
        let mut deliveries = queue.consume(10).await.unwrap();
        let delivery = next(&mut deliveries).await;
        assert_eq!(wire::decode(&delivery, 0).unwrap(), message(0, 3));
    }
    let mut deliveries = queue.consume(10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    queue.ack(delivery).await.unwrap();
    publishing.await.unwrap();
    drop(deliveries);
    wait_for_depth(&queue, 0, 0).await;
}

async fn a_dead_letter_keeps_reason_and_body_and_is_replayed(queue: Arc<dyn Queue>) {
    let publishing = publish(&queue, message(0, 2));
    let mut deliveries = queue.consume(10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    let (body, version) = (delivery.body.clone(), delivery.version);
    queue.dead_letter(delivery, "no good").await.unwrap();
    publishing.await.unwrap();
    wait_for_depth(&queue, 0, 1).await;

    // Looking takes nothing away.
    for _ in 0..2 {
        wait_for_depth(&queue, 0, 1).await;
        let letters = queue.dead_letters(10).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].reason, "no good");
        assert_eq!(letters[0].size, body.len());
        let start = String::from_utf8(body.clone()).unwrap();
        assert_eq!(letters[0].start, start[..200]);
    }
    wait_for_depth(&queue, 0, 1).await;

    assert_eq!(queue.replay_dead_letters().await.unwrap(), 1);
    let delivery = next(&mut deliveries).await;
    assert_eq!((&delivery.body, delivery.version), (&body, version));
    queue.ack(delivery).await.unwrap();
    wait_for_depth(&queue, 0, 0).await;
    assert!(queue.dead_letters(10).await.unwrap().is_empty());
}

async fn prefetch_bounds_what_is_in_hand(queue: Arc<dyn Queue>) {
    let publishing: Vec<_> = (0..10)
        .map(|number| publish(&queue, message(number, 1)))
        .collect();
    wait_for_depth(&queue, 10, 0).await;
    let mut deliveries = queue.consume(3).await.unwrap();
    let mut in_hand = Vec::new();
    for _ in 0..3 {
        in_hand.push(next(&mut deliveries).await);
    }
    wait_for_depth(&queue, 7, 0).await;
    assert!(deliveries.try_recv().is_err(), "a fourth one is in hand");

    queue.ack(in_hand.pop().unwrap()).await.unwrap();
    in_hand.push(next(&mut deliveries).await);
    wait_for_depth(&queue, 6, 0).await;
    for delivery in in_hand {
        queue.ack(delivery).await.unwrap();
    }
    for _ in 0..6 {
        let delivery = next(&mut deliveries).await;
        queue.ack(delivery).await.unwrap();
    }
    for published in publishing {
        published.await.unwrap();
    }
}

async fn many_publishes_at_once_are_shared_by_the_consumers(queue: Arc<dyn Queue>) {
    let publishing: Vec<_> = (0..200)
        .map(|number| publish(&queue, message(number * 5, 5)))
        .collect();
    let arrived = Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let mut consumers = Vec::new();
    for _ in 0..3 {
        let (queue, arrived) = (queue.clone(), arrived.clone());
        let mut deliveries = queue.consume(10).await.unwrap();
        consumers.push(tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                arrived
                    .lock()
                    .unwrap()
                    .extend(ids(&wire::decode(&delivery, 0).unwrap()));
                queue.ack(delivery).await.unwrap();
            }
        }));
    }
    for published in publishing {
        tokio::time::timeout(PATIENCE, published)
            .await
            .expect("it is confirmed")
            .unwrap();
    }
    let all = ids(&message(0, 1000));
    until("every event arrives", async || {
        *arrived.lock().unwrap() == all
    })
    .await;
    for consumer in consumers {
        consumer.abort();
    }
}

async fn a_message_that_is_too_large_arrives_in_pieces(queue: Arc<dyn Queue>) {
    let content = "y".repeat(1 << 20);
    let large = (0..10).map(|time| sighting(event(1, 5050, time, vec![], &content)));
    let sent = Message {
        sightings: large.collect(),
        refused: BTreeMap::from([("kind".to_owned(), 5)]),
        reports: Vec::new(),
        verified: true,
    };
    let publishing = publish(&queue, sent.clone());
    let mut deliveries = queue.consume(10).await.unwrap();
    let mut arrived = Message::default();
    let mut pieces = 0;
    while arrived.sightings.len() < sent.sightings.len() {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.body.len() <= wire::MAX_BODY);
        let piece = wire::decode(&delivery, 0).unwrap();
        arrived.sightings.extend(piece.sightings);
        for (reason, count) in piece.refused {
            *arrived.refused.entry(reason).or_default() += count;
        }
        queue.ack(delivery).await.unwrap();
        pieces += 1;
    }
    publishing.await.unwrap();
    assert_eq!(pieces, 2);
    assert_eq!(arrived.refused, sent.refused);
    assert_eq!(ids(&arrived), ids(&sent));
}

/// What somebody else puts on the queue.
async fn publish_raw(world: &World, version: Option<AMQPValue>, body: &[u8]) {
    let channel = world.rabbitmq().await.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let mut headers = FieldTable::default();
    if let Some(version) = version {
        headers.insert("dvmdash-version".into(), version);
    }
    let properties = BasicProperties::default().with_headers(headers);
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish(
        "".into(),
        world.queue.as_str().into(),
        options,
        body,
        properties,
    );
    assert!(confirm.await.unwrap().await.unwrap().is_ack());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_publish_is_read_or_refused_with_its_reason() {
    let world = Servers::shared().await.world("raw").await;
    let queue = rabbitmq(world.rabbitmq_uri.clone(), &world.queue);
    queue.declare().await.unwrap();
    let mut deliveries = queue.consume(10).await.unwrap();
    let one = sighting(event(1, 5050, 5, vec![], "\0"));
    let bare = serde_json::to_string(&one.event).unwrap();
    let element = serde_json::to_string(&one).unwrap();
    let number = |version: i32| Some(AMQPValue::LongInt(version));

    let mut read = async |version, body: &str| {
        publish_raw(&world, version, body.as_bytes()).await;
        let delivery = next(&mut deliveries).await;
        let read = wire::decode(&delivery, 77);
        queue.ack(delivery).await.unwrap();
        read
    };

    let message = read(None, &format!(" {bare}\n")).await.unwrap();
    assert!(!message.verified);
    assert_eq!(message.sightings[0].event, one.event);
    assert_eq!(message.sightings[0].source, Source::Queue);
    assert_eq!(message.sightings[0].first_seen, 77);

    // A bad element leaves its neighbours alone.
    let body = format!(r#"[{element},{{"event":{{}}}},7,null,{element}]"#);
    let message = read(number(1), &body).await.unwrap();
    assert_eq!(message.sightings, [one.clone(), one.clone()]);
    assert_eq!(
        message.refused,
        BTreeMap::from([("malformed".to_owned(), 3)])
    );
    assert!(message.verified);
    let message = read(None, &format!("[{element}]")).await.unwrap();
    assert!(
        !message.verified,
        "nobody vouches for an array without a version"
    );

    let refused = read(number(7), "[]").await.unwrap_err();
    assert_eq!(refused, "unsupported version 7");
    for body in ["", "{", "{}", "7", "\"event\"", "[1", "[] []"] {
        read(number(1), body).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_become_a_dead_letter() {
    let world = Servers::shared().await.world("bytes").await;
    let queue = rabbitmq(world.rabbitmq_uri.clone(), &world.queue);
    queue.declare().await.unwrap();
    publish_raw(&world, None, b"[\xff]").await;
    let mut deliveries = queue.consume(10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    let reason = wire::decode(&delivery, 0).unwrap_err();
    queue.dead_letter(delivery, &reason).await.unwrap();
    let letters = queue.dead_letters(1).await.unwrap();
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].start.as_str()),
        ("not UTF-8", "[\u{fffd}]")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_there_already_stays_as_it_is() {
    let world = Servers::shared().await.world("there").await;
    let channel = world.rabbitmq().await.create_channel().await.unwrap();
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(world.queue.as_str().into(), durable, FieldTable::default())
        .await
        .unwrap();
    let queue = rabbitmq(world.rabbitmq_uri.clone(), &world.queue);
    queue.declare().await.unwrap();
    queue.declare().await.unwrap();
    queue.publish(&message(0, 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_may_declare_at_once() {
    let world = Servers::shared().await.world("declare").await;
    let queue = || rabbitmq(world.rabbitmq_uri.clone(), &world.queue);
    let (one, other) = (queue(), queue());
    let (first, second) = tokio::join!(one.declare(), other.declare());
    first.unwrap();
    second.unwrap();
    one.publish(&message(0, 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_without_a_queue_ends_when_there_is_one() {
    let world = Servers::shared().await.world("late").await;
    let queue = Arc::new(rabbitmq(world.rabbitmq_uri.clone(), &world.queue));
    let mut publishing = publish(&(queue.clone() as Arc<dyn Queue>), message(0, 1));
    tokio::time::timeout(std::time::Duration::from_secs(1), &mut publishing)
        .await
        .expect_err("nothing confirms it");
    queue.declare().await.unwrap();
    publishing.await.unwrap();
    assert_eq!(queue.depth().await.unwrap().ready, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_messages_outlive_the_broker_and_publishes_wait_for_it() {
    let mut broker = harness::RabbitMq::start().await;
    let queue: Arc<dyn Queue> = Arc::new(rabbitmq(broker.uri(), "outlives"));
    queue.declare().await.unwrap();
    queue.publish(&message(0, 20)).await.unwrap();
    let mut deliveries = queue.consume(10).await.unwrap();
    let in_hand = next(&mut deliveries).await;

    broker.kill_hard().await;
    let during = publish(&queue, message(20, 20));
    assert!(queue.depth().await.is_err());
    broker.restart().await;

    during.await.unwrap();
    // Its channel is gone, so the message comes again.
    queue.ack(in_hand).await.unwrap();
    let mut arrived = BTreeSet::new();
    while arrived.len() < 40 {
        let delivery = next(&mut deliveries).await;
        arrived.extend(ids(&wire::decode(&delivery, 0).unwrap()));
        queue.ack(delivery).await.unwrap();
    }
    assert_eq!(arrived, ids(&message(0, 40)));
}
