//! Collectors that share relays, as processes: they come, go and are killed, and nothing is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dvmdash_tests::harness::{Dvmdash, Servers, World, get, wait_settled};
use etcd_client::{Client, GetOptions};
use nostr_relay_builder::prelude::{Event, EventBuilder, Keys, Kind, Timestamp};

use crate::collector::Relay;
use crate::pipeline::wait_for;
use crate::running::{migrate, process, serve};

/// Relay -> the process ids of the collectors that say that they read it.
async fn readers(world: &World) -> BTreeMap<String, BTreeSet<u32>> {
    let mut client = Client::connect([&world.etcd_endpoints], None)
        .await
        .unwrap();
    let prefix = format!("{}/readers/", world.etcd_prefix);
    let options = GetOptions::new().with_prefix();
    let found = client.get(prefix.as_str(), Some(options)).await.unwrap();
    let mut readers: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for pair in found.kvs() {
        let name = pair.key_str().unwrap().strip_prefix(&prefix).unwrap();
        let (relay, reader) = name.rsplit_once(' ').unwrap();
        let (_, pid) = reader.rsplit_once('-').unwrap();
        readers
            .entry(relay.to_owned())
            .or_default()
            .insert(pid.parse().unwrap());
    }
    readers
}

/// Waits until each of the relays is read by so many of these collectors, and by nobody else.
async fn wait_readers(world: &World, relays: &[Relay], each: usize, of: &[u32]) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let readers = readers(world).await;
        let well = |relay: &Relay| {
            readers.get(&relay.url()).is_some_and(|readers| {
                readers.len() == each && readers.iter().all(|pid| of.contains(pid))
            })
        };
        if relays.iter().all(well) {
            return;
        }
        assert!(Instant::now() < deadline, "{of:?} read {readers:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn collector(world: &World, relays: &[Relay], redundancy: &str) -> Dvmdash {
    let urls: Vec<String> = relays.iter().map(Relay::url).collect();
    let urls = urls.join(",");
    let settings = [
        ("DVMDASH_RELAYS", urls.as_str()),
        ("DVMDASH_RELAY_REDUNDANCY", redundancy),
        ("DVMDASH_ALLOW_PRIVATE_RELAYS", "true"),
        ("DVMDASH_PUBLISH_MAX_EVENTS", "20"),
    ];
    Dvmdash::start(world, &["collect"], &settings).await
}

fn request(keys: &Keys, at: u64, content: String) -> Event {
    EventBuilder::new(Kind::from_u16(5300), content)
        .custom_created_at(Timestamp::from_secs(at))
        .sign_with_keys(keys)
        .unwrap()
}

/// Sends an event through each relay.
async fn send(relays: &[Relay], keys: &Keys, round: usize, wanted: &mut BTreeSet<String>) {
    for (number, relay) in relays.iter().enumerate() {
        let now = Timestamp::now().as_secs();
        let event = request(keys, now, format!("live {round} {number}"));
        relay.accept(&event).await;
        wanted.insert(event.id.to_hex());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_share_relays_and_a_killed_or_restarted_one_leaves_no_gap() {
    let world = Servers::shared().await.world("sharing").await;
    migrate(&world).await;
    let keys = Keys::generate();
    let (mut relays, mut wanted) = (Vec::new(), BTreeSet::new());
    let now = Timestamp::now().as_secs();
    for number in 0..9 {
        let relay = Relay::start().await;
        for back in 0..100 {
            let event = request(&keys, now - back, format!("{number} {back}"));
            relay.hold(std::slice::from_ref(&event)).await;
            wanted.insert(event.id.to_hex());
        }
        relays.push(relay);
    }
    let _one = process(&world, &[]).await;
    let mut collectors = Vec::new();
    for _ in 0..3 {
        collectors.push(collector(&world, &relays, "1").await);
    }
    let pids = |collectors: &[Dvmdash]| collectors.iter().map(Dvmdash::id).collect::<Vec<_>>();
    wait_readers(&world, &relays, 1, &pids(&collectors)).await;
    send(&relays, &keys, 0, &mut wanted).await;

    // Whoever reads the first relay is killed; what comes meanwhile is read when its lease has run out.
    let reader = *readers(&world).await[&relays[0].url()].first().unwrap();
    let at = collectors
        .iter()
        .position(|one| one.id() == reader)
        .unwrap();
    let mut killed = collectors.remove(at);
    killed.kill_hard();
    send(&relays, &keys, 1, &mut wanted).await;
    wait_readers(&world, &relays, 1, &pids(&collectors)).await;
    send(&relays, &keys, 2, &mut wanted).await;

    // A rolling restart: a new one comes, an old one goes.
    for round in 3..5 {
        collectors.push(collector(&world, &relays, "1").await);
        let mut old = collectors.remove(0);
        send(&relays, &keys, round, &mut wanted).await;
        old.terminate().await;
        wait_readers(&world, &relays, 1, &pids(&collectors)).await;
    }
    send(&relays, &keys, 5, &mut wanted).await;

    let pool = world.postgres().await;
    wait_for(&pool, &wanted).await;
    let api = serve(&world).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(status["counted"], wanted.len(), "each once: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_relay_is_read_by_as_many_collectors_as_wished_and_its_events_count_once() {
    let world = Servers::shared().await.world("redundancy").await;
    migrate(&world).await;
    let keys = Keys::generate();
    let (relays, mut wanted) = (
        vec![Relay::start().await, Relay::start().await],
        BTreeSet::new(),
    );
    let _one = process(&world, &[]).await;
    let mut collectors = Vec::new();
    for _ in 0..3 {
        collectors.push(collector(&world, &relays, "2").await);
    }
    let pids: Vec<u32> = collectors.iter().map(Dvmdash::id).collect();
    wait_readers(&world, &relays, 2, &pids).await;
    for round in 0..20 {
        send(&relays, &keys, round, &mut wanted).await;
    }
    let pool = world.postgres().await;
    wait_for(&pool, &wanted).await;
    let api = serve(&world).await;
    wait_settled(&api.url()).await;
    let global = get(&format!("{}/api/v1/stats/global?from=all", api.url())).await;
    assert_eq!(global.json["requests"], wanted.len(), "{}", global.text);

    // What the collectors say of the relays comes along, some seconds later.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = get(&format!("{}/api/v1/relays", api.url())).await;
        let items = answer.json["items"].as_array().unwrap();
        let well = |item: &serde_json::Value| {
            item["connected"] == true
                && item["collectors"].as_array().unwrap().len() == 2
                && item["cursor"].is_string()
                && item["wide_filters"] == true
                && item["events"].as_u64() >= Some(20)
        };
        if items.len() == 2 && items.iter().all(well) {
            return;
        }
        assert!(Instant::now() < deadline, "{}", answer.text);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
