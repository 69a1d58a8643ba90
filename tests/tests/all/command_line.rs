//! The command line: what is wrong is named before anything is done, and what was done is said.

use std::collections::BTreeSet;
use std::time::Duration;

use dvmdash_tests::harness::{Dvmdash, Servers, World, free_port, get, wait_settled};
use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use serde_json::Value;

use crate::running::{SETTINGS, import, migrate, process, serve};

async fn world(name: &str) -> World {
    Servers::shared().await.world(name).await
}

/// The JSON line that a command prints at its end.
async fn said(world: &World, args: &[&str]) -> Value {
    let done = Dvmdash::run(world, args, SETTINGS).await.success();
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stdout))
}

fn ids(lines: &str) -> BTreeSet<String> {
    let event = |line| -> Value { serde_json::from_str(line).unwrap() };
    let id = |line| event(line)["id"].as_str().unwrap().to_owned();
    lines.lines().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_cannot_be_used_ends_with_2_and_its_name() {
    let world = world("settings").await;
    let missing = "/nowhere/at/all";
    let relays = ("DVMDASH_RELAYS", "wss://relay.example.com");
    for (role, variable, value) in [
        ("process", "DVMDASH_RABBITMQ_URI", "http://localhost"),
        ("process", "DVMDASH_RABBITMQ_URI", ""),
        ("process", "DVMDASH_RABBITMQ_CA_FILE", missing),
        ("process", "DVMDASH_RABBITMQ_QUEUE", ""),
        ("process", "DVMDASH_MONGODB_URI", "localhost:27017"),
        ("process", "DVMDASH_MONGODB_CA_FILE", missing),
        ("process", "DVMDASH_POSTGRESQL_URI", "mysql://localhost"),
        ("process", "DVMDASH_POSTGRESQL_CA_FILE", missing),
        ("process", "DVMDASH_ETCD_ENDPOINTS", "localhost:2379"),
        ("process", "DVMDASH_ETCD_CA_FILE", missing),
        ("process", "DVMDASH_BATCH_MAX_EVENTS", "0"),
        ("process", "DVMDASH_BATCH_MAX_WAIT_MS", "soon"),
        ("process", "DVMDASH_PREFETCH_MESSAGES", "-1"),
        ("process", "DVMDASH_LOCK_LEASE_SECONDS", "1"),
        ("process", "DVMDASH_LOCK_RENEW_SECONDS", "15"),
        ("process", "DVMDASH_LOCK_RETRY_SECONDS", "0"),
        ("process", "DVMDASH_REQUEST_KINDS", "6000-6999"),
        ("process", "DVMDASH_EXCLUDED_KINDS", "many"),
        ("process", "DVMDASH_MAX_EVENT_BYTES", "1"),
        ("process", "DVMDASH_MINUTE_BUCKET_DAYS", "0"),
        ("process", "DVMDASH_HOUR_BUCKET_DAYS", "x"),
        ("process", "DVMDASH_ADMIN_LISTEN", "9090"),
        ("process", "DVMDASH_LOG", "dvmdash=loud"),
        ("collect", "DVMDASH_RELAYS", "https://relay.example.com"),
        ("collect", "DVMDASH_RELAYS_FILE", missing),
        ("collect", "DVMDASH_PUBLISH_MAX_EVENTS", "0"),
        ("collect", "DVMDASH_PUBLISH_MAX_WAIT_MS", "0"),
        ("collect", "DVMDASH_BACKFILL_SECONDS", "-1"),
        ("collect", "DVMDASH_MAX_RELAYS", "0"),
        ("collect", "DVMDASH_ALLOW_PRIVATE_RELAYS", "perhaps"),
        ("serve", "DVMDASH_LISTEN", "localhost"),
        ("migrate", "DVMDASH_MONGODB_DATABASE", ""),
        ("local", "DVMDASH_LISTEN", "8080"),
        ("import", "DVMDASH_RABBITMQ_URI", "amqp"),
    ] {
        let args = match role {
            "import" => vec![role, "-"],
            _ => vec![role],
        };
        let ended = Dvmdash::run(&world, &args, &[relays, (variable, value)]).await;
        assert_eq!(
            ended.code,
            Some(2),
            "{role} {variable}={value}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(variable),
            "{role} {variable}={value}: {}",
            ended.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_missing_ends_with_2_and_its_name() {
    let world = world("missing").await;
    for (args, variables) in [
        (
            &["process"][..],
            &[
                "RABBITMQ_URI",
                "MONGODB_URI",
                "POSTGRESQL_URI",
                "ETCD_ENDPOINTS",
            ][..],
        ),
        (&["collect"], &["RELAYS"]),
        (
            &["collect", "--relays", "wss://relay.example.com"],
            &["RABBITMQ_URI", "ETCD_ENDPOINTS"],
        ),
        (
            &["serve"],
            &["RABBITMQ_URI", "MONGODB_URI", "POSTGRESQL_URI"],
        ),
        (
            &["migrate"],
            &["RABBITMQ_URI", "MONGODB_URI", "POSTGRESQL_URI"],
        ),
        (&["import", "-"], &["RABBITMQ_URI"]),
        (&["simulate", "--to", "queue"], &["RABBITMQ_URI"]),
        (&["dead-letters", "list"], &["RABBITMQ_URI"]),
    ] {
        for variable in variables {
            let variable = format!("DVMDASH_{variable}");
            let ended = Dvmdash::run_without(&world, args, &variable).await;
            assert_eq!(
                ended.code,
                Some(2),
                "{args:?} without {variable}: {}",
                ended.stderr
            );
            assert!(
                ended.stderr.contains(&variable),
                "{args:?} without {variable}: {}",
                ended.stderr
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_read_from_a_file_and_never_shown() {
    let world = world("secret").await;
    let secret = "hunter2";
    let uris = [
        ("RABBITMQ", "mqtt://dvmdash:hunter2@localhost"),
        ("MONGODB", "mongo://dvmdash:hunter2@localhost"),
        ("POSTGRESQL", "mysql://dvmdash:hunter2@localhost"),
    ];
    for (server, uri) in uris {
        let variable = format!("DVMDASH_{server}_URI");
        let file = world.dir.join(server);
        std::fs::write(&file, format!("{uri}\n")).unwrap();
        let path = file.to_str().unwrap();

        let both = Dvmdash::run(&world, &["process"], &[(&format!("{variable}_FILE"), path)]).await;
        assert_eq!(both.code, Some(2), "{}", both.stderr);
        assert!(both.stderr.contains(&variable), "{}", both.stderr);

        let direct = Dvmdash::run(&world, &["process"], &[(&variable, uri)]).await;
        assert_eq!(direct.code, Some(2), "{}", direct.stderr);
        for said in [&both.stderr, &direct.stderr] {
            assert!(!said.contains(secret), "{said}");
        }
        let help = Dvmdash::run(&world, &["process", "--help"], &[(&variable, uri)]).await;
        assert!(!help.stdout.contains(secret), "{}", help.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn import_says_what_it_has_read_published_and_refused() {
    let world = world("importsays").await;
    migrate(&world).await;
    let good = crate::simulated(51, 120);
    let mut lines = good.clone();
    lines.push("{}".to_owned());
    lines.push("   ".to_owned());
    lines.push("no json".to_owned());
    lines.push(good[0].replace("\"content\":\"", "\"content\":\"!"));
    let said = import(&world, &lines).await;
    assert_eq!(said["read"], good.len() + 3);
    assert_eq!(said["published"], good.len());
    let refused = serde_json::json!({ "malformed": 2, "bad_id": 1 });
    assert_eq!(said["refused"], refused);

    let ended = Dvmdash::run(&world, &["import", "no-such-file.jsonl"], SETTINGS).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("no-such-file.jsonl"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_simulates_the_same_events_into_files_and_onto_the_queue() {
    let world = world("simulate").await;
    let path = |name: &str| world.dir.join(name).to_str().unwrap().to_owned();
    let simulate = async |seed: &str, to: &str| {
        said(
            &world,
            &["simulate", "--events", "300", "--seed", seed, "--to", to],
        )
        .await
    };
    assert_eq!(simulate("7", &path("one")).await["written"], 300);
    simulate("7", &path("two")).await;
    simulate("8", &path("three")).await;
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("one"), read("two"));
    assert_ne!(read("one"), read("three"));

    migrate(&world).await;
    let published = simulate("7", "queue").await;
    assert_eq!(published["published"], 300, "{published}");
    let _processor = process(&world, &[]).await;
    let api = serve(&world).await;
    let expected = ids(&read("one"));
    // A message in another process's hands is not seen by the status, so nothing may look settled already.
    while wait_settled(&api.url()).await["archived"].as_u64() < Some(expected.len() as u64) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for id in expected {
        let event = get(&format!("{}/api/v1/events/{id}", api.url())).await;
        assert_eq!(event.status, 200, "{id}: {}", event.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_events_go_to_a_relay_at_a_rate() {
    let world = world("simulaterelay").await;
    let rate_limit = RateLimit {
        max_reqs: 10,
        notes_per_minute: 100_000,
    };
    let relay = LocalRelay::new(RelayBuilder::default().rate_limit(rate_limit));
    relay.run().await.unwrap();
    let url = relay.url().await.to_string();
    let args = [
        "simulate", "--live", "--rate", "200", "--events", "100", "--to", &url,
    ];
    let said = said(&world, &args).await;
    // The relay refuses what it calls expired or deleted.
    let refused = said["refused"].as_object().unwrap().values();
    let refused: u64 = refused.map(|events| events.as_u64().unwrap()).sum();
    assert_eq!(said["sent"].as_u64(), Some(100 - refused), "{said}");
    assert!(refused < 10, "{said}");

    let nowhere = format!("ws://127.0.0.1:{}", free_port());
    let ended = Dvmdash::run(&world, &["simulate", "--to", &nowhere], SETTINGS).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&nowhere), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_end_cleanly_when_asked_to() {
    let world = world("terminate").await;
    migrate(&world).await;
    let relay = LocalRelay::new(RelayBuilder::default());
    relay.run().await.unwrap();
    let url = relay.url().await.to_string();
    let relays = [
        ("DVMDASH_RELAYS", url.as_str()),
        ("DVMDASH_ALLOW_PRIVATE_RELAYS", "true"),
    ];
    for role in ["collect", "process", "serve"] {
        let mut running = Dvmdash::start(&world, &[role], &relays).await;
        let alive = get(&format!("{}/livez", running.admin_url())).await;
        assert_eq!(alive.status, 200);
        let code = running.terminate().await;
        assert_eq!(code, Some(0), "{role}: {}", running.log_tail());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_run_twice_at_once_and_again() {
    let world = world("migrations").await;
    let once = || Dvmdash::run(&world, &["migrate"], SETTINGS);
    for ended in <[_; 3]>::from(tokio::join!(once(), once(), once())) {
        ended.success();
    }
    once().await.success();
}
