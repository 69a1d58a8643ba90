//! The collector with a relay that means no good, beside a good one: the good one is read as if it were alone.

mod scripted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dvmdash_runtime::cursors::{Cursors, FileCursors};
use futures_util::SinkExt;
use nostr_relay_builder::prelude::{Event, Keys};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::collector::{
    Arrived, Collector, PATIENCE, Relay, cursors, event, in_process, now, requests,
};
use scripted::{GOOD, Hostile, Manners, answer, eose, forged, greet, object, sent};

/// A good relay and hostile ones, followed by one collector.
struct Case {
    good: Relay,
    stored: Vec<Event>,
    arrived: Arrived,
    collector: Collector,
    cursors: Arc<FileCursors>,
    began: u64,
}

impl Case {
    async fn begin(name: &str, hostile: &[&Hostile]) -> Self {
        let good = Relay::start().await;
        // More than a page.
        let stored = requests(600, now() - 60);
        good.hold(&stored).await;
        let (queue, arrived) = in_process().await;
        let cursors = cursors(&format!("hostile_{name}"));
        let mut urls: Vec<String> = hostile.iter().map(|relay| relay.url.clone()).collect();
        urls.push(good.url());
        let began = now();
        let collector = Collector::start_with(urls, None, &queue, &cursors);
        Self {
            good,
            stored,
            arrived,
            collector,
            cursors,
            began,
        }
    }

    /// Everything of the good relay, stored and live, arrives once, and of the hostile ones these events and nothing else; the good one's
    /// cursor moves, and no cursor stands ahead of time.
    async fn end(self, of_the_hostile: &[Event]) {
        self.arrived.wait(&self.stored).await;
        let live = requests(5, now());
        for event in &live {
            self.good.accept(event).await;
        }
        self.arrived.wait(&live).await;
        self.arrived.wait(of_the_hostile).await;
        let name = format!("{} ", self.good.url());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stored = self.cursors.load().await.unwrap();
            let ahead = i64::try_from(now()).unwrap() + 1;
            assert!(stored.values().all(|&cursor| cursor <= ahead), "{stored:?}");
            let good = stored.iter().find(|(found, _)| found.starts_with(&name));
            if good.is_some_and(|(_, &cursor)| cursor >= i64::try_from(self.began).unwrap()) {
                break;
            }
            assert!(Instant::now() < deadline, "the cursor stays: {stored:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.collector.stop().await;
        self.arrived.assert_once();
        let expected: BTreeSet<String> = [&self.stored, &live, of_the_hostile]
            .into_iter()
            .flatten()
            .map(|event| event.id.to_hex())
            .collect();
        assert_eq!(self.arrived.ids(), expected);
    }
}

/// So many events, twelve in a second.
fn crowded(count: u64) -> Vec<Event> {
    let keys = Keys::generate();
    let last = now() - 3600;
    (0..count)
        .map(|n| event(&keys, 5100, last - n / 12, &n.to_string(), &[]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ids_and_wrong_signatures_do_not_arrive() {
    let held = requests(30, now() - 10);
    let bad: Vec<Value> = held
        .iter()
        .flat_map(|event| ["id", "sig", "pubkey"].map(|field| forged(event, field)))
        .collect();
    let hostile = Hostile::answering(move |id, _| {
        let events = bad.iter().map(|event| sent(id, event));
        events.chain([eose(id)]).collect()
    })
    .await;
    let case = Case::begin("forged", &[&hostile]).await;
    hostile.is_asked(2).await;
    case.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_copy_that_comes_first_does_not_hide_the_event() {
    let held = requests(30, now() - 10);
    let copies: Vec<Value> = held.iter().map(|event| forged(event, "sig")).collect();
    let hostile = Hostile::answering(move |id, _| {
        let events = copies.iter().map(|event| sent(id, event));
        events.chain([eose(id)]).collect()
    })
    .await;
    let case = Case::begin("copies", &[&hostile]).await;
    // It is asked for a page after the copies and the EOSE of its live subscription were read.
    hostile.is_asked(2).await;
    for event in &held {
        case.good.accept(event).await;
    }
    case.end(&held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_after_a_lying_eose_and_without_any_eose_arrive() {
    let (late, endless) = (requests(30, now() - 10), requests(30, now() - 10));
    let held = late.clone();
    let lying = Hostile::answering(move |id, filters| {
        let mut answers = answer(&held, id, filters, GOOD);
        answers.rotate_right(1);
        answers
    })
    .await;
    let held = endless.clone();
    let silent = Hostile::answering(move |id, filters| {
        // The live subscription, which asks for one event, is all that it is ever asked.
        let everything = filters.iter().cloned().map(|mut filter| {
            filter["limit"] = 500.into();
            filter
        });
        let mut answers = answer(&held, id, &everything.collect::<Vec<_>>(), GOOD);
        answers.pop();
        answers
    })
    .await;
    let case = Case::begin("eose", &[&lying, &silent]).await;
    case.end(&[late, endless].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_asked_for_do_not_arrive_and_many_of_them_drop_the_relay() {
    let keys = Keys::generate();
    let odd = [
        event(&keys, 1, now(), "hello", &[]),
        event(&keys, 0, now(), "{}", &[]),
        event(&keys, 9735, now(), "", &[["p", &"0".repeat(64)]]),
    ];
    let asked_for_elsewhere = object(&requests(1, now())[0]);
    let held = odd.to_vec();
    let few = Hostile::answering(move |id, _| {
        let mut answers: Vec<String> = held.iter().map(|event| sent(id, &object(event))).collect();
        answers.push(sent(&"other".into(), &asked_for_elsewhere));
        answers.push(eose(id));
        answers
    })
    .await;
    let flood = object(&odd[0]);
    let many = Hostile::answering(move |id, _| vec![sent(id, &flood); 1500]).await;
    let case = Case::begin("unasked", &[&few, &many]).await;
    few.is_asked(2).await;
    many.is_asked(1).await;
    // Past the first delays after which a relay is connected to again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(many.connections(), 1);
    case.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_leave_the_good_relay_current() {
    let known = requests(1, now() - 5);
    let one = object(&known[0]);
    let flood = |text: fn(&Value, &Value) -> String| {
        let one = one.clone();
        Hostile::serving(move |stream, relay| {
            let one = one.clone();
            async move {
                let Ok(mut socket) = accept_async(stream).await else {
                    return;
                };
                let Some(request) = relay.request(&mut socket).await else {
                    return;
                };
                let frame = Frame::text(text(&request[1], &one));
                while socket.send(frame.clone()).await.is_ok() {}
            }
        })
    };
    let copies = flood(sent).await;
    let notices = flood(|_, _| json!(["NOTICE", "slow down"]).to_string()).await;
    let noise = flood(|_, _| "x".repeat(1000)).await;
    let case = Case::begin("floods", &[&copies, &notices, &noise]).await;
    for hostile in [&copies, &notices, &noise] {
        hostile.is_asked(1).await;
    }
    case.end(&known).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_ten_megabytes_ends_its_connection_alone() {
    let hostile = Hostile::answering(|_, _| vec!["x".repeat(10 << 20)]).await;
    let case = Case::begin("long", &[&hostile]).await;
    hostile.is_asked(1).await;
    hostile.is_connected(2).await;
    case.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dribbles_bytes_holds_nobody_up() {
    let slow = Hostile::serving(|stream, relay| async move {
        let Ok(mut socket) = accept_async(stream).await else {
            return;
        };
        relay.request(&mut socket).await;
        // A text of 256 bytes, never finished.
        let raw = socket.get_mut();
        raw.write_all(&[0x81, 126, 1, 0]).await.unwrap();
        while raw.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let slow_handshake = Hostile::serving(|mut stream, _| async move {
        while stream.write_all(b"H").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let case = Case::begin("slow", &[&slow, &slow_handshake]).await;
    slow.is_asked(1).await;
    slow_handshake.is_connected(1).await;
    case.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_of_closed_and_nothing_but_notices_hold_nobody_up() {
    let storm = Hostile::answering(|id, _| {
        let ids = [json!("page-0"), json!("other"), json!(7), id.clone()];
        let closed = |id: Value| json!(["CLOSED", id, "error: no"]).to_string();
        let mut answers: Vec<String> = ids.map(closed).into_iter().cycle().take(2000).collect();
        answers.insert(0, eose(id));
        answers
    })
    .await;
    let notices = Hostile::answering(|_, _| vec![json!(["NOTICE", "no"]).to_string()]).await;
    let case = Case::begin("closed", &[&storm, &notices]).await;
    storm.is_connected(2).await;
    // Narrower subscriptions, after a notice to the wide one.
    notices.is_asked(2).await;
    case.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_clamp_order_or_cut_their_answers_in_their_own_ways_are_read_whole() {
    let mut relays = Vec::new();
    let mut all = Vec::new();
    let clamped = |clamp| Manners { clamp, ..GOOD };
    let exclusive = |clamp| Manners {
        exclusive: true,
        ..clamped(clamp)
    };
    let ways = [
        clamped(20),
        clamped(100),
        clamped(500),
        exclusive(100),
        exclusive(500),
        Manners {
            rising: true,
            ..GOOD
        },
        Manners {
            keeps_oldest: true,
            ..GOOD
        },
        Manners {
            keeps_oldest: true,
            ..clamped(100)
        },
    ];
    for manners in ways {
        let events = crowded(if manners.clamp == 20 { 150 } else { 650 });
        let held = events.clone();
        relays
            .push(Hostile::answering(move |id, filters| answer(&held, id, filters, manners)).await);
        all.extend(events);
    }
    let relays: Vec<&Hostile> = relays.iter().collect();
    Case::begin("manners", &relays).await.end(&all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_dated_ahead_arrive_and_no_cursor_runs_ahead_with_them() {
    let keys = Keys::generate();
    let ahead: Vec<Event> = [600, 86_400, 100 * 365 * 86_400]
        .map(|seconds| event(&keys, 5100, now() + seconds, &seconds.to_string(), &[]))
        .to_vec();
    let held = ahead.clone();
    let skewed = Hostile::answering(move |id, filters| answer(&held, id, filters, GOOD)).await;
    Case::begin("ahead", &[&skewed]).await.end(&ahead).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_asks_who_we_are_is_read_as_far_as_it_lets() {
    let events = requests(30, now() - 10);
    let held = events.clone();
    let asking = Hostile::answering(move |id, filters| {
        let mut answers = vec![json!(["AUTH", "who are you?"]).to_string()];
        answers.extend(answer(&held, id, filters, GOOD));
        answers
    })
    .await;
    let closing = Hostile::answering(|id, _| {
        vec![
            json!(["AUTH", "who are you?"]).to_string(),
            json!(["CLOSED", id, "auth-required: say who you are"]).to_string(),
        ]
    })
    .await;
    let case = Case::begin("auth", &[&asking, &closing]).await;
    closing.is_asked(1).await;
    case.end(&events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_drop_at_any_byte_of_the_handshake_hold_nobody_up() {
    const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Accept: KEY\r\n\r\n";
    let mut relays = Vec::new();
    // The key is 25 bytes longer than its name here.
    for bytes in 0..=ANSWER.len() + 25 {
        relays.push(Hostile::serving(move |stream, _| greet(stream, ANSWER, bytes)).await);
    }
    let others = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        format!("HTTP/1.1 101 {}", "x".repeat(100_000)),
    ];
    for answer in others {
        let answer: Arc<str> = answer.into();
        relays.push(
            Hostile::serving(move |stream, _| {
                let answer = answer.clone();
                async move { greet(stream, &answer, usize::MAX).await }
            })
            .await,
        );
    }
    let target = Hostile::answering(|id, _| vec![eose(id)]).await;
    let elsewhere = target.url.replace("ws://", "http://");
    let redirect: Arc<str> = format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}/\r\n\r\n").into();
    relays.push(
        Hostile::serving(move |stream, _| {
            let redirect = redirect.clone();
            async move { greet(stream, &redirect, usize::MAX).await }
        })
        .await,
    );
    let relays: Vec<&Hostile> = relays.iter().collect();
    let case = Case::begin("handshake", &relays).await;
    for relay in &relays {
        relay.is_connected(2).await;
    }
    case.end(&[]).await;
    assert_eq!(target.connections(), 0, "a redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_full_of_malformed_events_hides_no_older_ones() {
    let events = requests(50, now() - 10);
    let held = events.clone();
    let mut malformed = object(&events[0]);
    malformed["tags"] = json!([[1]]);
    let littered = Hostile::answering(move |id, filters| {
        let mut answers = vec![sent(id, &malformed); 495];
        let newest_page = filters[0]["until"].is_null();
        let shown = if newest_page { &held[..5] } else { &held[..] };
        answers.extend(answer(shown, id, filters, GOOD));
        answers
    })
    .await;
    Case::begin("litter", &[&littered]).await.end(&events).await;
}
