//! All integration tests in one binary: it links once, and the tests share one set of servers.
// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used)]

mod answers;
mod backfill;
mod bad_input;
mod collector;
mod command_line;
mod completeness;
mod conformance;
mod contract;
mod crash;
mod fold;
mod hostile;
mod house;
mod in_process;
mod local;
mod numbers;
mod pipeline;
mod recompute;
mod running;
mod servers;
mod sharing;
mod snapshot;
mod views;

/// Signed events in the shape of the real network, over the twenty days before now.
fn simulated(seed: u64, events: u64) -> Vec<String> {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let span_seconds = 20 * 86_400;
    let config = dvmdash_simulator::Config {
        seed,
        events,
        start: i64::try_from(now).unwrap() - span_seconds - 3600,
        span_seconds,
        out_of_time: 0.01,
        ..dvmdash_simulator::Config::default()
    };
    dvmdash_simulator::Simulator::new(config)
        .map(|event| event.json)
        .collect()
}

/// Lines that must be refused.
fn invalid(seed: u64, lines: usize) -> Vec<String> {
    dvmdash_simulator::invalid(seed, lines)
}

/// The archive's events as NIP-01 objects, read without the project's own code.
async fn archived_lines(world: &dvmdash_tests::harness::World) -> Vec<String> {
    use futures_util::TryStreamExt as _;
    let events = world
        .mongodb()
        .await
        .collection::<mongodb::bson::Document>("events");
    let found = events.find(mongodb::bson::doc! {}).await.unwrap();
    let stored: Vec<_> = found.try_collect().await.unwrap();
    stored.iter().map(event_of).collect()
}

/// The NIP-01 object of an archived document.
fn event_of(document: &mongodb::bson::Document) -> String {
    let bytes = |name: &str| match document.get(name) {
        Some(mongodb::bson::Bson::Binary(binary)) => hex::encode(&binary.bytes),
        other => panic!("{name} is {other:?}"),
    };
    serde_json::json!({
        "id": bytes("_id"),
        "pubkey": bytes("pubkey"),
        "created_at": document.get_i64("created_at").unwrap(),
        "kind": document.get_i32("kind").unwrap(),
        "tags": document.get_array("tags").unwrap(),
        "content": document.get_str("content").unwrap(),
        "sig": bytes("sig"),
    })
    .to_string()
}
