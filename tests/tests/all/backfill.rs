//! A stretch of the relays' past, read on purpose.

use std::collections::BTreeSet;
use std::time::Duration;

use dvmdash_tests::harness::{Dvmdash, Servers, wait_settled};
use nostr_relay_builder::prelude::{Event, EventBuilder, Keys, Kind, Timestamp};
use serde_json::Value;

use crate::collector::Relay;
use crate::pipeline::wait_for;
use crate::running::{migrate, process, serve};

/// Requests of one customer, an hour apart, the newest first.
fn requests(count: u64) -> Vec<Event> {
    let (keys, now) = (Keys::generate(), Timestamp::now().as_secs());
    let request = |number: u64| {
        let at = Timestamp::from_secs(now - 3600 * (number + 1));
        let event = EventBuilder::new(Kind::from_u16(5300), number.to_string());
        event.custom_created_at(at).sign_with_keys(&keys).unwrap()
    };
    (0..count).map(request).collect()
}

fn ids(events: &[Event]) -> BTreeSet<String> {
    events.iter().map(|event| event.id.to_hex()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_brings_its_stretch_and_nothing_else() {
    let world = Servers::shared().await.world("backfill").await;
    migrate(&world).await;
    let (events, relay) = (requests(1500), Relay::start().await);
    relay.hold(&events).await;
    let _one = process(&world, &[]).await;
    let (newest, oldest) = (&events[200], &events[1299]);
    let [since, until] = [oldest, newest].map(|event| event.created_at.as_secs().to_string());
    let url = relay.url();
    let asked = [
        "backfill", "--since", &since, "--until", &until, "--relay", &url,
    ];
    let private = [("DVMDASH_ALLOW_PRIVATE_RELAYS", "true")];
    let done = Dvmdash::run(&world, &asked, &private).await.success();
    let report: Value = serde_json::from_str(done.stdout.trim()).unwrap();
    assert_eq!(report["published"], 1100, "{report}");
    assert_eq!(report["done"], serde_json::json!([url]), "{report}");

    let pool = world.postgres().await;
    wait_for(&pool, &ids(&events[200..1300])).await;
    let api = serve(&world).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(status["counted"], 1100, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_backfill_says_how_to_go_on_and_misses_nothing() {
    let world = Servers::shared().await.world("backfill_on").await;
    migrate(&world).await;
    let (events, relay) = (requests(6000), Relay::start().await);
    relay.hold(&events).await;
    let _one = process(&world, &[]).await;
    let since = events[5999].created_at.as_secs().to_string();
    let url = relay.url();
    let asked = ["backfill", "--since", &since, "--relay", &url];
    let settings = [
        ("DVMDASH_ALLOW_PRIVATE_RELAYS", "true"),
        ("DVMDASH_PUBLISH_MAX_EVENTS", "20"),
    ];
    let mut first = Dvmdash::spawn(&world, &asked, &settings).await;
    let pool = world.postgres().await;
    wait_for(&pool, &ids(&events[..600])).await;
    assert_eq!(first.terminate().await, Some(0));
    let report: Value = serde_json::from_str(first.stdout().trim()).unwrap();
    let reached = report["left"][&url].as_i64().expect("it was interrupted");
    let said = first.log_tail();
    let command =
        format!("go on with: dvmdash backfill --since {since} --until {reached} --relay {url}");
    assert!(said.contains(&command), "{said}");

    // What it says was read is there, without the second run.
    let above = events
        .iter()
        .take_while(|event| event.created_at.as_secs() > reached.unsigned_abs())
        .count();
    assert!((600..6000).contains(&above), "{above} were read");
    wait_for(&pool, &ids(&events[..above])).await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let until = reached.to_string();
    let rest = [
        "backfill", "--since", &since, "--until", &until, "--relay", &url,
    ];
    Dvmdash::run(&world, &rest, &settings).await.success();
    wait_for(&pool, &ids(&events)).await;
    let api = serve(&world).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(status["counted"], 6000, "each once: {status}");
}
