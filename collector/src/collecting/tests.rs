//! The collector against a relay that does what it is told, well-behaved or not.

use std::collections::BTreeMap;
use std::sync::Mutex;

use dvmdash_runtime::cursors::FileCursors;
use dvmdash_runtime::queue::{InProcess, wire};
use futures_util::{SinkExt, StreamExt};
use nostr_sdk::{EventBuilder, JsonUtil, Keys, Kind, Tag, Timestamp};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::*;

/// A relay that sends the objects it holds as they are, whatever they are, newest first; at most 500 for a filter.
#[derive(Clone, Default)]
struct Scripted {
    held: Arc<Mutex<Vec<Value>>>,
    /// Wider filters get a NOTICE and nothing else.
    max_kinds: Option<usize>,
    /// The first subscriptions are closed by the relay.
    closes: Arc<Mutex<usize>>,
    /// Filters seen.
    filters: Arc<Mutex<Vec<Value>>>,
}

impl Scripted {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let relay = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(relay.clone().serve(stream));
            }
        });
        url
    }

    async fn serve(self, stream: TcpStream) {
        let Ok(mut socket) = accept_async(stream).await else {
            return;
        };
        while let Some(Ok(Frame::Text(text))) = socket.next().await {
            let message: Value = serde_json::from_str(&text).unwrap();
            if message[0] != "REQ" {
                continue;
            }
            for answer in self.answers(&message) {
                if socket
                    .send(Frame::Text(answer.to_string().into()))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }

    fn answers(&self, message: &Value) -> Vec<Value> {
        let id = &message[1];
        let filters = &message.as_array().unwrap()[2..];
        self.filters.lock().unwrap().extend_from_slice(filters);
        let too_wide = |filter: &Value| {
            self.max_kinds
                .is_some_and(|max| filter["kinds"].as_array().unwrap().len() > max)
        };
        if filters.iter().any(too_wide) {
            return vec![json!(["NOTICE", "too many kinds"])];
        }
        let mut closes = self.closes.lock().unwrap();
        if *closes > 0 {
            *closes -= 1;
            return vec![json!(["CLOSED", id, "error: come back later"])];
        }
        let mut answers = Vec::new();
        for filter in filters {
            let mut found: Vec<Value> = self.held.lock().unwrap().clone();
            found.retain(|event| matches(filter, event));
            found.sort_by_key(|event| std::cmp::Reverse(event["created_at"].as_i64()));
            found.truncate(500);
            answers.extend(found.into_iter().map(|event| json!(["EVENT", id, event])));
        }
        answers.push(json!(["EOSE", id]));
        answers
    }
}

fn matches(filter: &Value, event: &Value) -> bool {
    let at = event["created_at"].as_i64().unwrap_or_default();
    let among = |name: &str, value: &Value| {
        filter[name]
            .as_array()
            .is_none_or(|list| list.contains(value))
    };
    among("kinds", &event["kind"])
        && among("authors", &event["pubkey"])
        && filter["#p"].is_null()
        && filter["since"].as_i64().is_none_or(|since| at >= since)
        && filter["until"].as_i64().is_none_or(|until| at <= until)
}

fn signed(kind: u16, content: &str, tags: &[[&str; 2]]) -> Value {
    let tags = tags.iter().map(|tag| Tag::parse(tag.to_vec()).unwrap());
    let event = EventBuilder::new(Kind::from_u16(kind), content)
        .tags(tags)
        .custom_created_at(Timestamp::from_secs(now() as u64 - 600))
        .sign_with_keys(&Keys::generate())
        .unwrap();
    serde_json::from_str(&event.as_json()).unwrap()
}

/// A collector, and what has arrived on its queue.
struct Collector {
    events: Arc<Mutex<Vec<Value>>>,
    refused: Arc<Mutex<BTreeMap<String, u64>>>,
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
    _folder: tempfile::TempDir,
}

impl Collector {
    async fn start(relays: &[String]) -> Self {
        Self::start_with(relays.to_vec(), None).await
    }

    async fn start_with(relays: Vec<String>, relays_file: Option<std::path::PathBuf>) -> Self {
        let queue = Arc::new(InProcess::new());
        let mut deliveries = queue.consume(10).await.unwrap();
        let (events, refused) = (Arc::default(), Arc::default());
        let folder = tempfile::tempdir().unwrap();
        let cursors = FileCursors::open(folder.path().join("cursors.json")).unwrap();
        let stop = CancellationToken::new();
        let args = Args {
            relays,
            relays_file,
            backfill_seconds: 86_400,
            allow_private_relays: true,
            max_relays: 50,
            relay_redundancy: 2,
        };
        let publish = PublishArgs {
            publish_max_events: 500,
            publish_max_wait_ms: 20,
        };
        let task = tokio::spawn(run(
            args,
            publish,
            Rules::default(),
            queue.clone(),
            Arc::new(cursors),
            None,
            stop.clone(),
        ));
        let collector = Self {
            events,
            refused,
            stop,
            task,
            _folder: folder,
        };
        let (events, refused) = (collector.events.clone(), collector.refused.clone());
        tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                let message = wire::decode(&delivery, 0).unwrap();
                for seen in &message.sightings {
                    let event = serde_json::to_value(&seen.event).unwrap();
                    events.lock().unwrap().push(event);
                }
                for (reason, count) in message.refused {
                    *refused.lock().unwrap().entry(reason).or_default() += count;
                }
                queue.ack(delivery).await.unwrap();
            }
        });
        collector
    }

    fn ids(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let mut ids: Vec<String> = events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    fn refused(&self, reason: &str) -> u64 {
        let refused = self.refused.lock().unwrap();
        refused.get(reason).copied().unwrap_or_default()
    }

    async fn wait_until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !done(self) {
            assert!(
                Instant::now() < deadline && !self.task.is_finished(),
                "waiting for {what}; arrived: {:?}, refused: {:?}",
                self.ids().len(),
                self.refused
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn ids_of(events: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_relay_that_takes_few_kinds_and_only_says_notice_is_read_in_parts() {
    let relay = Scripted {
        max_kinds: Some(20),
        ..Scripted::default()
    };
    let held: Vec<Value> = [5000, 5100, 5999, 6000, 6999, 7000, 31990]
        .iter()
        .map(|&kind| signed(kind, "narrow", &[]))
        .collect();
    *relay.held.lock().unwrap() = held.clone();
    let collector = Collector::start(&[relay.start().await]).await;
    collector
        .wait_until("all kinds", |collector| collector.ids() == ids_of(&held))
        .await;
    collector.stop().await;
    let filters = relay.filters.lock().unwrap();
    let widths = |filter: &Value| filter["kinds"].as_array().unwrap().len();
    assert!(widths(&filters[0]) > 20, "the wide one is tried first");
    assert!(
        filters
            .iter()
            .all(|filter| filter["limit"].as_u64() > Some(0))
    );
}

#[tokio::test]
async fn a_relay_that_closes_its_subscriptions_is_asked_again() {
    let relay = Scripted {
        closes: Arc::new(Mutex::new(5)),
        ..Scripted::default()
    };
    let held = vec![signed(5100, "after all", &[])];
    *relay.held.lock().unwrap() = held.clone();
    let collector = Collector::start(&[relay.start().await]).await;
    collector
        .wait_until("the event", |collector| collector.ids() == ids_of(&held))
        .await;
    collector.stop().await;
}

#[tokio::test]
async fn expired_events_and_both_forms_of_del_arrive() {
    let relay = Scripted::default();
    let mut escaped = signed(5100, "a\u{7f}b", &[]);
    let verbatim = signed(5100, "c\u{7f}d", &[]);
    // The other form of the id: DEL as an escape. It needs its own signature.
    resign_escaped(&mut escaped);
    let expired = signed(5100, "late", &[["expiration", "1700000000"]]);
    let held = vec![escaped, verbatim, expired];
    *relay.held.lock().unwrap() = held.clone();
    let collector = Collector::start(&[relay.start().await]).await;
    collector
        .wait_until("all three", |collector| collector.ids() == ids_of(&held))
        .await;
    collector.stop().await;
}

fn resign_escaped(event: &mut Value) {
    use nostr_sdk::hashes::{Hash, sha256};
    use nostr_sdk::secp256k1::{Keypair, Message, Secp256k1, SecretKey};
    let secp = Secp256k1::new();
    let pair = Keypair::from_secret_key(&secp, &SecretKey::from_slice(&[7; 32]).unwrap());
    event["pubkey"] = pair.x_only_public_key().0.to_string().into();
    let fields = json!([
        0,
        event["pubkey"],
        event["created_at"],
        event["kind"],
        event["tags"],
        event["content"]
    ]);
    let text = fields.to_string().replace('\u{7f}', "\\u007f");
    let hash = sha256::Hash::hash(text.as_bytes());
    let signature = secp.sign_schnorr(&Message::from_digest(hash.to_byte_array()), &pair);
    event["id"] = hash.to_string().into();
    event["sig"] = signature.to_string().into();
}

#[tokio::test]
async fn bad_events_are_refused_by_reason_and_the_good_one_of_the_same_id_is_taken_later() {
    let relay = Scripted::default();
    let good = signed(5100, "good", &[]);
    let mut bad_signature = good.clone();
    bad_signature["sig"] = signed(5100, "other", &[])["sig"].clone();
    let mut bad_id = good.clone();
    bad_id["content"] = "changed".into();
    let mut malformed = good.clone();
    malformed["tags"] = json!([[1]]);
    let neighbour = signed(6100, "neighbour", &[]);
    *relay.held.lock().unwrap() = vec![bad_signature, bad_id, malformed, neighbour.clone()];
    let faithful = Scripted::default();
    *faithful.held.lock().unwrap() = vec![good.clone()];

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relays.json");
    let write = |urls: &[&String]| {
        let entries: Vec<Value> = urls.iter().map(|url| json!({"url": url})).collect();
        std::fs::write(&file, Value::from(entries).to_string()).unwrap();
    };
    let (lying, honest) = (relay.start().await, faithful.start().await);
    write(&[&lying]);
    let collector = Collector::start_with(Vec::new(), Some(file.clone())).await;
    collector
        .wait_until("the refusals", |collector| {
            ["bad_signature", "bad_id", "malformed"]
                .iter()
                .all(|reason| collector.refused(reason) > 0)
                && collector.ids() == ids_of(std::slice::from_ref(&neighbour))
        })
        .await;

    write(&[&lying, &honest]);
    collector
        .wait_until("the good one", |collector| {
            collector.ids() == ids_of(&[good.clone(), neighbour.clone()])
        })
        .await;
    collector.stop().await;
}
