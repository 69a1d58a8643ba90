//! Local mode: everything in one process, the database in another user's hands, and nothing left behind.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dvmdash_tests::harness::{Dvmdash, Servers, World, get, wait_settled};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::numbers;
use crate::running::{SETTINGS, lines};

/// How long something may take: machines are slow and shared.
const PATIENCE: Duration = Duration::from_secs(120);

/// A world whose servers nobody uses.
async fn world(name: &str) -> World {
    Servers::shared().await.world(name).await
}

fn file(world: &World, name: &str, lines: &[String]) -> String {
    let path = world.dir.join(name);
    std::fs::write(&path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn local(world: &World, args: &[&str]) -> Dvmdash {
    let args: Vec<&str> = ["local"].iter().chain(args).copied().collect();
    Dvmdash::start(world, &args, SETTINGS).await
}

async fn agrees_with_naive(api: &Dvmdash, lines: &[String]) {
    let status = wait_settled(&api.url()).await;
    let naive = numbers::naive(lines);
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
    let found = numbers::differences(&api.url(), &naive, "all", "now").await;
    assert!(found.is_empty(), "{found:#?}");
}

/// The process id of the database that holds this data folder, while there is one.
fn database(data: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(data.join("postgresql/data/postmaster.pid")).ok()?;
    Pid::from_raw(text.lines().next()?.parse().ok()?)
}

/// Waits until `look` finds something.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn local_mode_counts_as_the_naive_program_and_a_second_start_goes_on() {
    let world = world("local").await;
    let (first, second) = (lines(41, 1500), crate::simulated(42, 500));
    let data = world.dir.join("data");
    let data = data.to_str().unwrap();

    let import = file(&world, "first.jsonl", &first);
    let mut api = local(&world, &["--data", data, "--import", &import]).await;
    agrees_with_naive(&api, &first).await;
    assert_eq!(api.terminate().await, Some(0), "{}", api.log_tail());
    assert_eq!(database(Path::new(data)), None);

    let import = file(&world, "second.jsonl", &second);
    let done = Dvmdash::run(&world, &["import", &import, "--local", data], SETTINGS).await;
    let said: Value = serde_json::from_str(&done.success().stdout).unwrap();
    assert_eq!(said["read"].as_u64(), Some(second.len() as u64));

    let all: Vec<String> = first.into_iter().chain(second).collect();
    let mut api = local(&world, &["--data", data]).await;
    agrees_with_naive(&api, &all).await;
    assert_eq!(api.terminate().await, Some(0), "{}", api.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_local_mode_leaves_no_database_and_the_next_start_goes_on() {
    let world = world("localkill").await;
    let lines = crate::simulated(43, 800);
    let import = file(&world, "events.jsonl", &lines);
    let data = world.dir.join("data");
    let start = ["--data", data.to_str().unwrap(), "--import", &import];

    let mut api = local(&world, &start).await;
    agrees_with_naive(&api, &lines).await;
    assert!(database(&data).is_some());
    // The parent alone: its child sees that and ends the database.
    let id = Pid::from_raw(i32::try_from(api.id()).unwrap()).unwrap();
    kill_process(id, Signal::KILL).unwrap();
    api.wait_exit().await;
    eventually("without a database", async || {
        database(&data).is_none().then_some(())
    })
    .await;

    // Parent and child: the database stays, and is ended by the next start.
    let mut api = local(&world, &start).await;
    agrees_with_naive(&api, &lines).await;
    let left_over = database(&data).unwrap();
    api.kill_hard();
    assert_eq!(database(&data), Some(left_over));

    let mut api = local(&world, &start).await;
    agrees_with_naive(&api, &lines).await;
    assert_ne!(database(&data), Some(left_over));
    assert_eq!(api.terminate().await, Some(0), "{}", api.log_tail());
    assert_eq!(database(&data), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_is_open_in_one_process_at_a_time() {
    let world = world("localtwice").await;
    let data = world.dir.join("data");
    let data = data.to_str().unwrap();
    let mut api = local(&world, &["--data", data]).await;
    let args = ["local", "--data", data, "--listen", "127.0.0.1:0"];
    let second = Dvmdash::run(&world, &args, SETTINGS).await;
    assert_eq!(second.code, Some(1));
    assert!(
        second.stderr.contains("is open in another process"),
        "{}",
        second.stderr
    );
    assert_eq!(api.terminate().await, Some(0), "{}", api.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_numbers_move_without_any_network_and_an_ephemeral_folder_goes() {
    let world = world("demo").await;
    let temporary = world.dir.join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let left = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&temporary).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let env = [("TMPDIR", temporary.to_str().unwrap())];
    let mut api = Dvmdash::start(&world, &["local", "--demo", "--ephemeral"], &env).await;
    assert_eq!(left().len(), 1);

    let status = format!("{}/api/v1/status", api.url());
    let live = async || {
        let status = get(&status).await.json;
        // History is put on the queue; only what the collector has read was delivered.
        (!status["freshness"]["last_delivery"].is_null()).then(|| status["counted"].as_u64())
    };
    let before = eventually("delivered by the relay", live).await.unwrap();
    eventually("moving", async || {
        (live().await?? > before + 5).then_some(())
    })
    .await;
    let numbers = get(&format!("{}/api/v1/stats/global?from=now-7d", api.url())).await;
    assert!(numbers.json["requests"].as_u64() > Some(0), "{numbers:?}");
    assert!(numbers.json["results"].as_u64() > Some(0), "{numbers:?}");

    assert_eq!(api.terminate().await, Some(0), "{}", api.log_tail());
    assert_eq!(left(), Vec::<PathBuf>::new());
}
