//! All numbers anew from the archive, while the pipeline goes on; and what was archived and never counted.

use std::collections::BTreeSet;
use std::time::Duration;

use dvmdash_tests::harness::{Dvmdash, Finished, Servers, World, get};
use serde_json::Value;

use crate::running::{SETTINGS, counted, doomed, hold, import, lines, migrate, process, serve};
use crate::snapshot::{differences, snapshot};
use crate::{archived_lines, numbers};

const LOOK: Duration = Duration::from_millis(50);

async fn world(name: &str) -> World {
    let world = Servers::shared().await.world(name).await;
    migrate(&world).await;
    world
}

async fn recompute(world: &World, flags: &[&str]) -> Finished {
    let args = [&["recompute"], flags].concat();
    Dvmdash::run(world, &args, SETTINGS).await
}

/// Starts one that is to crash or stop soon.
async fn doomed_recompute(world: &World, failpoint: &str) -> Dvmdash {
    let more = [SETTINGS, &[("DVMDASH_FAILPOINT", failpoint)]].concat();
    Dvmdash::spawn(world, &["recompute"], &more).await
}

/// What it prints at the end.
fn report(stdout: &str) -> Value {
    let last = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("it prints {last:?}: {error}"))
}

/// Waits until so many events are counted.
async fn settled(api: &Dvmdash, lines: &[String]) {
    counted(api, numbers::naive(lines).counted().len()).await;
}

async fn leftovers(world: &World) -> Vec<String> {
    sqlx::query_scalar("select nspname::text from pg_namespace where nspname like 'recompute%'")
        .fetch_all(&world.postgres().await)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_recomputed_and_swapped_while_events_flow() {
    let world = world("recompute").await;
    let all = lines(41, 3000);
    let (first, second) = (&all[..all.len() - 1600], &all[..all.len() - 800]);
    let api = serve(&world).await;
    let _one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    import(&world, first).await;
    settled(&api, first).await;
    let asked = format!("{}/api/v1/stats", api.url());
    let before = get(&asked).await;

    // Some events are counted after the archive was read and before the swap, others while it goes on.
    let mut recomputing = doomed_recompute(&world, "stop@recompute-filled").await;
    recomputing.wait_stopped().await;
    import(&world, second).await;
    settled(&api, second).await;
    recomputing.resume();
    let importing = import(&world, &all);
    let asking = async {
        while recomputing.try_wait().is_none() {
            let answer = get(&asked).await;
            assert_eq!(answer.status, before.status, "{}", answer.text);
        }
        recomputing.wait_exit().await
    };
    let (_, ended) = tokio::join!(importing, asking);
    assert!(ended.success(), "{}", recomputing.log_tail());
    let report = report(&recomputing.stdout());
    assert_eq!(report["swapped"], true, "{report}");
    assert_eq!(report["left_out"], 0, "{report}");

    hold(&world, &all).await;
    // The same API, with the statements that it prepared on the old tables.
    let found = numbers::differences(&api.url(), &numbers::naive(&all), "all", "now").await;
    assert!(found.is_empty(), "{found:#?}");
    assert!(leftovers(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_tables_are_named_and_mended() {
    let world = world("damaged").await;
    let lines = lines(42, 1000);
    let api = serve(&world).await;
    let _one = process(&world, &[]).await;
    import(&world, &lines).await;
    settled(&api, &lines).await;
    hold(&world, &lines).await;
    let sound = recompute(&world, &["--dry-run", "--diff"]).await.success();
    let sound = report(&sound.stdout);
    assert_eq!(sound["differences"], serde_json::json!([]), "{sound}");
    assert_eq!(sound["swapped"], false, "{sound}");

    let pool = world.postgres().await;
    for damage in [
        "update rollup set requests = requests + 7 where step = 3600",
        "delete from presence where step = 86400",
        "grant select on dvm_stats to public",
    ] {
        sqlx::query(damage).execute(&pool).await.unwrap();
    }
    let damaged = snapshot(&pool).await.unwrap();
    let named = recompute(&world, &["--dry-run", "--diff"]).await;
    assert_eq!(named.code, Some(1), "{}", named.stderr);
    let named = report(&named.stdout);
    let tables: BTreeSet<&str> = named["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["table"].as_str().unwrap())
        .collect();
    assert_eq!(tables, BTreeSet::from(["presence", "rollup"]), "{named}");
    let example = &named["differences"][0]["examples"][0];
    assert_eq!(
        example["live"]["requests"].as_i64(),
        example["recomputed"]["requests"]
            .as_i64()
            .map(|requests| requests + 7)
            .or(Some(7)),
        "{example}"
    );
    let found = differences(&damaged, &snapshot(&pool).await.unwrap());
    assert!(found.is_empty(), "a dry run changes nothing: {found:#?}");

    // Somebody reads one table and, while the swap waits for it, another: both get through.
    let mut reader = pool.begin().await.unwrap();
    sqlx::query("select from users")
        .execute(&mut *reader)
        .await
        .unwrap();
    let mut recomputing = Dvmdash::spawn(&world, &["recompute"], SETTINGS).await;
    while !recomputing.log_tail().contains("trying again to swap") {
        assert!(recomputing.try_wait().is_none());
        tokio::time::sleep(LOOK).await;
    }
    for table in ["rollup", "requests", "progress"] {
        let look = format!("select from {table}");
        sqlx::query(sqlx::AssertSqlSafe(look))
            .execute(&mut *reader)
            .await
            .unwrap();
    }
    reader.commit().await.unwrap();
    assert!(recomputing.wait_exit().await.success());
    hold(&world, &lines).await;
    let granted: bool =
        sqlx::query_scalar("select relacl::text like '%{=r/%' or relacl::text like '%,=r/%' from pg_class where oid = 'dvm_stats'::regclass")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert!(granted, "who could read may read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recompute_that_dies_leaves_the_tables_in_use() {
    let world = world("recompute_dies").await;
    let all = lines(43, 900);
    let first = &all[..all.len() - 400];
    let api = serve(&world).await;
    let _one = process(&world, &[]).await;
    import(&world, first).await;
    settled(&api, first).await;
    let pool = world.postgres().await;
    let before = snapshot(&pool).await.unwrap();

    let mut killed = doomed_recompute(&world, "stop@recompute-filled").await;
    killed.wait_stopped().await;
    let other = recompute(&world, &[]).await;
    assert!(
        other.code == Some(1) && other.stderr.contains("another recompute"),
        "{}",
        other.stderr
    );
    killed.kill_hard();
    let mut aborted = doomed_recompute(&world, "recompute-swapped").await;
    assert!(!aborted.wait_exit().await.success());
    let found = differences(&before, &snapshot(&pool).await.unwrap());
    assert!(found.is_empty(), "{found:#?}");

    // One that stands still inside its swap holds nobody up for longer than its lease, and cannot swap later.
    let mut paused = doomed_recompute(&world, "stop@recompute-swapped").await;
    paused.wait_stopped().await;
    import(&world, &all).await;
    settled(&api, &all).await;
    paused.resume();
    assert!(!paused.wait_exit().await.success(), "{}", paused.log_tail());
    hold(&world, &all).await;

    recompute(&world, &[]).await.success();
    hold(&world, &all).await;
    assert!(leftovers(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_lost_after_it_was_archived_is_swept_up() {
    let mut world = world("sweep").await;
    import(&world, &lines(44, 800)).await;
    let mut first = doomed(&world, "archived").await;
    assert!(!first.wait_exit().await.success());
    // A broker that knows of nothing.
    world.queue.push_str("-anew");
    migrate(&world).await;
    let archived = archived_lines(&world).await;
    assert!(!archived.is_empty());

    let _second = process(&world, &[]).await;
    let sweep = async || {
        let swept = Dvmdash::run(&world, &["sweep", "--days", "20000"], &[]).await;
        report(&swept.success().stdout)["put_back"]
            .as_u64()
            .unwrap()
    };
    let put_back = sweep().await;
    let ledger: i64 = sqlx::query_scalar("select count(*) from ledger")
        .fetch_one(&world.postgres().await)
        .await
        .unwrap();
    let now_archived = archived_lines(&world).await.len();
    assert_eq!(
        put_back,
        archived.len() as u64,
        "{ledger} counted, {now_archived} archived"
    );
    hold(&world, &archived).await;
    assert_eq!(sweep().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_filled_from_the_archive_alone() {
    let world = world("archive_alone").await;
    let lines = lines(45, 700);
    let api = serve(&world).await;
    let mut one = process(&world, &[]).await;
    import(&world, &lines).await;
    settled(&api, &lines).await;
    one.terminate().await;

    let mut other = Servers::shared().await.world("filled").await;
    other.mongodb_database = world.mongodb_database.clone();
    other.queue = world.queue.clone();
    recompute(&other, &[]).await.success();
    let (live, filled) = (world.postgres().await, other.postgres().await);
    let found = differences(
        &snapshot(&live).await.unwrap(),
        &snapshot(&filled).await.unwrap(),
    );
    assert!(found.is_empty(), "{found:#?}");
    hold(&other, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_would_lose_something_is_refused() {
    let world = world("refused_swap").await;
    let lines = lines(46, 300);
    let api = serve(&world).await;
    let _one = process(&world, &[]).await;
    import(&world, &lines).await;
    settled(&api, &lines).await;

    let mut elsewhere = Servers::shared().await.world("elsewhere").await;
    let mongodb_database = elsewhere.mongodb_database.clone();
    elsewhere = World {
        mongodb_database,
        name: world.name.clone(),
        postgres_uri: world.postgres_uri.clone(),
        etcd_prefix: world.etcd_prefix.clone(),
        ..elsewhere
    };
    let refused = recompute(&elsewhere, &[]).await;
    assert!(
        refused.code == Some(1) && refused.stderr.contains("the archive is not the one"),
        "{}",
        refused.stderr
    );

    let pool = world.postgres().await;
    let view = "create view mine as select * from kind_stats";
    sqlx::query(view).execute(&pool).await.unwrap();
    let refused = recompute(&world, &[]).await;
    assert!(
        refused.code == Some(1) && refused.stderr.contains("mine"),
        "{}",
        refused.stderr
    );
    hold(&world, &lines).await;
}
