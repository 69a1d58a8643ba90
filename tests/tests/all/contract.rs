//! The sentences that are the contract, each with real servers.

use dvmdash_tests::harness::{Dvmdash, Servers, World, get};

use crate::running::{counted, doomed, hold, import, lines, migrate, process, serve, settings};
use crate::{archived_lines, in_process, snapshot};

async fn world(name: &str) -> World {
    let world = Servers::shared().await.world(name).await;
    migrate(&world).await;
    world
}

/// A processor crashes at `place`, another one takes over, and everything holds.
async fn crash(name: &str, place: &str) {
    let world = world(name).await;
    let lines = lines(11, 600);
    import(&world, &lines).await;
    let mut first = doomed(&world, place).await;
    assert!(
        !first.wait_exit().await.success(),
        "the failpoint {place} is reached"
    );
    let _second = process(&world, &[]).await;
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivered_batch_is_counted_once() {
    let world = world("redelivered").await;
    let lines = lines(1, 600);
    import(&world, &lines).await;
    // Everything counted, nothing acknowledged: the broker delivers it all again.
    let mut first = doomed(&world, "committed").await;
    first.wait_exit().await;
    let mut second = doomed(&world, "committed").await;
    second.wait_exit().await;
    let _third = process(&world, &[]).await;
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_between_commit_and_ack_is_counted_once() {
    crash("commit_and_ack", "committed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_before_commit_is_counted_once() {
    crash("before_commit", "applied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_anywhere_on_the_straight_line_is_counted_once() {
    for place in [
        "decoded",
        "archived",
        "begun",
        "fenced",
        "claimed",
        "folded",
        "rejected",
        "acknowledged",
    ] {
        crash(place, place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn same_event_from_two_relays_is_counted_once() {
    let world = world("two_relays").await;
    let lines = lines(2, 300);
    // Two deliveries of every event by different publishers, one after the other and to whichever processor.
    import(&world, &lines).await;
    import(&world, &lines).await;
    let _one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_inside_one_batch_is_counted_once() {
    let world = world("duplicate_inside").await;
    let lines = lines(3, 200);
    let doubled: Vec<String> = lines
        .iter()
        .flat_map(|line| [line.clone(), line.clone()])
        .collect();
    import(&world, &doubled).await;
    let _one = process(&world, &[("DVMDASH_BATCH_MAX_EVENTS", "5000")]).await;
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_lease_holder_is_fenced_out() {
    let world = world("stale_holder").await;
    let lines = lines(4, 600);
    import(&world, &lines).await;
    // Stops with the turn in hand, before its transaction begins.
    let mut stale = doomed(&world, "stop@archived").await;
    stale.wait_stopped().await;
    let _successor = process(&world, &[]).await;
    let api = serve(&world).await;
    counted(&api, 200).await;
    stale.resume();
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_holder_stopped_inside_its_transaction_blocks_nobody_for_long() {
    let world = world("stopped_inside").await;
    let lines = lines(5, 600);
    import(&world, &lines).await;
    let mut stopped = doomed(&world, "stop@claimed").await;
    stopped.wait_stopped().await;
    let _successor = process(&world, &[]).await;
    let api = serve(&world).await;
    // The successor counts while the other stands still; what that one holds unacknowledged is missing yet.
    counted(&api, 50).await;
    stopped.resume();
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_take_turns_and_lose_nothing() {
    let world = world("two_workers").await;
    let lines = lines(6, 2000);
    let mut one = process(&world, &[("DVMDASH_PREFETCH_MESSAGES", "4")]).await;
    let mut two = process(&world, &[("DVMDASH_PREFETCH_MESSAGES", "4")]).await;
    let read = import(&world, &lines).await;
    assert_eq!(read["read"].as_u64(), Some(lines.len() as u64));
    hold(&world, &lines).await;
    for worker in [&mut one, &mut two] {
        let metrics = get(&format!("{}/metrics", worker.admin_url())).await.text;
        let counted = metrics
            .lines()
            .find(|line| line.starts_with("dvmdash_events_counted_total "));
        assert!(
            counted.is_some_and(|line| !line.ends_with(" 0")),
            "a worker had no turn: {metrics}"
        );
        assert_eq!(worker.terminate().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_goes_to_the_dead_letters_and_the_rest_is_counted() {
    let world = world("poison").await;
    let lines = lines(7, 300);
    let channel = world.rabbitmq().await.create_channel().await.unwrap();
    let poison: [&[u8]; 4] = [b"", b"not JSON", b"\xff\xfe", b"{\"kind\": 1}"];
    for body in poison {
        let properties = lapin::BasicProperties::default();
        let queue = world.queue.as_str();
        channel
            .basic_publish(
                "".into(),
                queue.into(),
                Default::default(),
                body,
                properties,
            )
            .await
            .unwrap()
            .await
            .unwrap();
    }
    import(&world, &lines).await;
    let _one = process(&world, &[]).await;
    hold(&world, &lines).await;

    let listed = Dvmdash::run(&world, &["dead-letters", "list"], &settings(&[]))
        .await
        .success();
    assert!(listed.stdout.contains("not JSON"), "{}", listed.stdout);
    let api = serve(&world).await;
    let status = get(&format!("{}/api/v1/status", api.url())).await.json;
    assert_eq!(
        status["queue"]["dead_letters"].as_u64(),
        Some(poison.len() as u64),
        "{status}"
    );
    Dvmdash::run(&world, &["dead-letters", "replay"], &settings(&[]))
        .await
        .success();
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_rebuilt_from_the_archive_equal_the_live_ones() {
    let world = world("rebuilt").await;
    let lines = lines(8, 1500);
    let _one = process(&world, &[]).await;
    import(&world, &lines).await;
    hold(&world, &lines).await;

    let events = archived_lines(&world).await;
    let other = Servers::shared().await.world("rebuilt_tables").await;
    let rebuilt = in_process::count(
        other.postgres().await,
        in_process::messages(&events, 333),
        1000,
    )
    .await
    .unwrap();
    let live = world.postgres().await;
    let found = snapshot::differences(
        &snapshot::snapshot(&live).await.unwrap(),
        &snapshot::snapshot(&rebuilt).await.unwrap(),
    );
    assert!(found.is_empty(), "{found:#?}");
}
