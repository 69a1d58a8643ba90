//! The roles as processes on real servers, and what must hold when they are done.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dvmdash_tests::harness::{Dvmdash, Servers, World, get, real_events, wait_settled};
use serde_json::Value;

use crate::in_process::{count, messages};
use crate::snapshot;
use crate::{numbers, snapshot::snapshot};

/// Minutes for ever, so that windows of old events are not widened; small batches, so that there are many.
pub const SETTINGS: &[(&str, &str)] = &[
    ("DVMDASH_MINUTE_BUCKET_DAYS", "20000"),
    ("DVMDASH_HOUR_BUCKET_DAYS", "20000"),
    ("DVMDASH_BATCH_MAX_EVENTS", "300"),
    ("DVMDASH_BATCH_MAX_WAIT_MS", "100"),
    ("DVMDASH_LOCK_LEASE_SECONDS", "3"),
    ("DVMDASH_LOCK_RENEW_SECONDS", "1"),
    ("DVMDASH_LOCK_RETRY_SECONDS", "1"),
];

/// [`SETTINGS`] and more.
pub fn settings<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    SETTINGS.iter().chain(more).copied().collect()
}

/// Real events where they are, and simulated ones.
pub fn lines(seed: u64, simulated: u64) -> Vec<String> {
    let mut lines = real_events();
    lines.extend(crate::simulated(seed, simulated));
    lines
}

/// Creates what the servers need.
pub async fn migrate(world: &World) {
    Dvmdash::run(world, &["migrate"], SETTINGS).await.success();
}

/// Imports the lines and returns the last line that `import` prints.
pub async fn import(world: &World, lines: &[String]) -> Value {
    let file = world.dir.join(format!("import-{}.jsonl", lines.len()));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let path = file.to_str().unwrap();
    let done = Dvmdash::run(
        world,
        &["import", path],
        &[("DVMDASH_PUBLISH_MAX_EVENTS", "40")],
    )
    .await
    .success();
    let last = done.stdout.lines().last().unwrap_or_default().to_owned();
    serde_json::from_str(&last).unwrap_or_else(|error| panic!("import prints {last:?}: {error}"))
}

/// Starts a processor.
pub async fn process(world: &World, more: &[(&str, &str)]) -> Dvmdash {
    Dvmdash::start(world, &["process"], &settings(more)).await
}

/// Starts a processor that is to crash or stop soon.
pub async fn doomed(world: &World, failpoint: &str) -> Dvmdash {
    // It holds little beyond its batch, so that another one has something to do while it stands still.
    let more = [
        ("DVMDASH_FAILPOINT", failpoint),
        ("DVMDASH_PREFETCH_MESSAGES", "8"),
    ];
    Dvmdash::spawn(world, &["process"], &settings(&more)).await
}

/// Starts the API.
pub async fn serve(world: &World) -> Dvmdash {
    Dvmdash::start(world, &["serve"], SETTINGS).await
}

/// What must be true after whatever happened, once nothing waits any more: the archive holds the input set, the ledger what counts of it,
/// every table is that of an undisturbed processor, the API agrees with the naive program, and the queue is empty.
pub async fn hold(world: &World, lines: &[String]) {
    let api = serve(world).await;
    let naive = numbers::naive(lines);
    // What a processor has in hand is neither ready on the queue nor in the archive yet, so being settled alone does not say that it is done.
    counted(&api, naive.counted().len()).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(
        status["archived"].as_u64(),
        Some(naive.archived().len() as u64),
        "{status}"
    );
    assert_eq!(
        status["counted"].as_u64(),
        Some(naive.counted().len() as u64),
        "{status}"
    );
    assert_eq!(status["queue"]["ready"], 0, "{status}");

    let pool = world.postgres().await;
    let ledger: Vec<Vec<u8>> = sqlx::query_scalar("select id from ledger")
        .fetch_all(&pool)
        .await
        .unwrap();
    let ledger: BTreeSet<String> = ledger.iter().map(hex::encode).collect();
    assert!(ledger == naive.counted(), "the ledger is what counts");

    let found = numbers::differences(&api.url(), &naive, "all", "now").await;
    assert!(found.is_empty(), "{found:#?}");

    let other = Servers::shared()
        .await
        .world("undisturbed")
        .await
        .postgres()
        .await;
    let undisturbed = count(other, messages(lines, 500), 5000).await.unwrap();
    let found = snapshot::differences(
        &snapshot(&undisturbed).await.unwrap(),
        &snapshot(&pool).await.unwrap(),
    );
    assert!(found.is_empty(), "{found:#?}");
    pool.close().await;
    undisturbed.close().await;
}

/// Waits until the API says that at least so many events are counted.
pub async fn counted(api: &Dvmdash, events: usize) {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        let status = get(&format!("{}/api/v1/status", api.url())).await;
        if status.json["counted"].as_u64() >= Some(events as u64) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "waiting for {events} events: {}",
            status.text
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
