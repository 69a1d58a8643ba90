//! From a file to the numbers, through all servers: the API equals the naive program field by field.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dvmdash_tests::harness::{Dvmdash, Servers, wait_settled};

use crate::collector::Relay;

use crate::numbers;
use crate::running::{counted, import, lines, migrate, process, serve};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_gives_the_numbers_of_the_naive_program_in_every_window() {
    let world = Servers::shared().await.world("import").await;
    migrate(&world).await;
    let mut lines = lines(31, 2500);
    lines.extend(crate::invalid(31, 200));
    let _one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    let imported = import(&world, &lines).await;
    let naive = numbers::naive(&lines);
    assert_eq!(imported["refused"], serde_json::json!(naive.rejected()));

    let api = serve(&world).await;
    counted(&api, naive.counted().len()).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(
        status["quarantined"],
        serde_json::json!(naive.quarantined()),
        "{status}"
    );
    assert_eq!(
        status["rejected"],
        serde_json::json!(naive.rejected()),
        "{status}"
    );
    for (from, to) in numbers::windows(&numbers::times(&lines)) {
        let mut found = numbers::differences(&api.url(), &naive, &from, &to).await;
        found.extend(numbers::single_differences(&api.url(), &naive, &from, &to).await);
        assert!(
            found.is_empty(),
            "{from}..{to}: {} differences: {:#?}",
            found.len(),
            &found[..found.len().min(20)]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_two_relays_through_two_collectors_give_the_numbers_of_the_naive_program() {
    use nostr_relay_builder::prelude::{Event, JsonUtil as _};

    let world = Servers::shared().await.world("relays").await;
    migrate(&world).await;
    // A relay drops what is replaced or deleted; kinds 5000 to 7000 it keeps.
    let lines = lines(32, 1500);
    let mut wanted = BTreeSet::new();
    let (one, two) = (Relay::start().await, Relay::start().await);
    for (number, line) in lines.iter().enumerate() {
        let Ok(event) = Event::from_json(line) else {
            continue;
        };
        if event.tags.expiration().is_none() && (5000..=7000).contains(&event.kind.as_u16()) {
            wanted.insert(event.id.to_hex());
        }
        // Some on one, some on the other, some on both.
        let event = [event];
        match number % 3 {
            0 => one.hold(&event).await,
            1 => two.hold(&event).await,
            _ => {
                one.hold(&event).await;
                two.hold(&event).await;
            }
        }
    }
    let relays = format!("{},{}", one.url(), two.url());
    let collecting = [
        ("DVMDASH_RELAYS", relays.as_str()),
        ("DVMDASH_ALLOW_PRIVATE_RELAYS", "true"),
        ("DVMDASH_BACKFILL_SECONDS", "200000000"),
    ];
    let _first = Dvmdash::start(&world, &["collect"], &collecting).await;
    let _second = Dvmdash::start(&world, &["collect"], &collecting).await;
    let _one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    let api = serve(&world).await;
    let naive_wanted: BTreeSet<String> = numbers::naive(&lines)
        .counted()
        .intersection(&wanted)
        .cloned()
        .collect();
    let pool = world.postgres().await;
    wait_for(&pool, &naive_wanted).await;
    // Profiles, receipts and deletions of the people who were seen follow; once nothing moves any more, everything agrees.
    wait_until_still(&pool).await;
    wait_settled(&api.url()).await;
    let naive = numbers::naive(&crate::archived_lines(&world).await);
    for (from, to) in numbers::windows(&numbers::times(&lines)) {
        let found = numbers::differences(&api.url(), &naive, &from, &to).await;
        assert!(
            found.is_empty(),
            "{from}..{to}: {:#?}",
            &found[..found.len().min(20)]
        );
    }
}

/// Waits until all of these are counted.
pub async fn wait_for(pool: &sqlx::PgPool, wanted: &BTreeSet<String>) {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        let counted: Vec<Vec<u8>> = sqlx::query_scalar("select id from ledger")
            .fetch_all(pool)
            .await
            .unwrap();
        let counted: BTreeSet<String> = counted.iter().map(hex::encode).collect();
        let missing: Vec<_> = wanted.difference(&counted).collect();
        if missing.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{} events are missing, like {}",
            missing.len(),
            missing[0]
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_killed_while_it_reads_loses_nothing() {
    use nostr_relay_builder::prelude::{EventBuilder, Keys, Kind, Timestamp};

    let world = Servers::shared().await.world("kill_collector").await;
    migrate(&world).await;
    let (relay, keys) = (Relay::start().await, Keys::generate());
    let now = Timestamp::now().as_secs();
    let mut wanted = BTreeSet::new();
    for number in 0..4000 {
        let at = Timestamp::from_secs(now - number / 3);
        let event = EventBuilder::new(Kind::from_u16(5300), number.to_string());
        let event = event.custom_created_at(at).sign_with_keys(&keys).unwrap();
        wanted.insert(event.id.to_hex());
        relay.hold(&[event]).await;
    }
    let url = relay.url();
    let collecting = [
        ("DVMDASH_RELAYS", url.as_str()),
        ("DVMDASH_ALLOW_PRIVATE_RELAYS", "true"),
        ("DVMDASH_PUBLISH_MAX_EVENTS", "20"),
    ];
    let _one = process(&world, &[]).await;
    let pool = world.postgres().await;
    let mut killed_early = 0;
    for pause in [1, 30, 60, 90, 120] {
        let mut collector = Dvmdash::start(&world, &["collect"], &collecting).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        collector.kill_hard();
        let counted: i64 = sqlx::query_scalar("select counted from progress")
            .fetch_one(&pool)
            .await
            .unwrap();
        killed_early += usize::from(counted < 4000);
    }
    assert!(killed_early > 0, "none was killed while it read");
    let _last = Dvmdash::start(&world, &["collect"], &collecting).await;
    wait_for(&pool, &wanted).await;
    let api = serve(&world).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(status["counted"], 4000, "each once: {status}");
    assert_eq!(status["totals"]["requests"], 4000, "{status}");
}

/// Waits until the number of counted events has not moved for some seconds.
pub async fn wait_until_still(pool: &sqlx::PgPool) {
    let (mut counted, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(6) {
        let now: i64 = sqlx::query_scalar("select counted from progress")
            .fetch_one(pool)
            .await
            .unwrap();
        if now != counted {
            (counted, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
