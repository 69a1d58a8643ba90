//! Whatever collectors, relays and the broker do: in the end the archive holds every event that any relay holds.

use std::collections::BTreeSet;
use std::time::Duration;

use dvmdash_tests::harness::{Dvmdash, RabbitMq, Servers, World, wait_settled};
use nostr_relay_builder::prelude::{Event, EventBuilder, JsonUtil as _, Keys, Kind, Timestamp};

use crate::collector::Relay;
use crate::numbers;
use crate::pipeline::{wait_for, wait_until_still};
use crate::running::{migrate, process, serve};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's multiplier, the upper bits.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

async fn collector(world: &World, relays: &[Relay]) -> Dvmdash {
    let urls: Vec<String> = relays.iter().map(Relay::url).collect();
    let urls = urls.join(",");
    let settings = [
        ("DVMDASH_RELAYS", urls.as_str()),
        ("DVMDASH_ALLOW_PRIVATE_RELAYS", "true"),
        ("DVMDASH_BACKFILL_SECONDS", "200000000"),
    ];
    Dvmdash::start(world, &["collect"], &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_holds_what_any_relay_holds_whatever_dies() {
    let mut rabbitmq = RabbitMq::start().await;
    let world = Servers::shared()
        .await
        .world("complete")
        .await
        .with_rabbitmq(&rabbitmq);
    migrate(&world).await;
    let mut dice = Dice(7);
    let mut relays = Vec::new();
    for _ in 0..3 {
        relays.push(Relay::start().await);
    }
    // Some events on one relay, some on two, some on all.
    let lines = crate::simulated(77, 12_000);
    for line in &lines {
        let Ok(event) = Event::from_json(line) else {
            continue;
        };
        let holders: Vec<usize> = match dice.roll(4) {
            0 => vec![0, 1, 2],
            one => vec![
                usize::try_from(one - 1).unwrap(),
                usize::try_from(dice.roll(3)).unwrap(),
            ],
        };
        for holder in BTreeSet::from_iter(holders) {
            relays[holder].hold(std::slice::from_ref(&event)).await;
        }
    }
    let _one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    let mut collectors = vec![
        collector(&world, &relays).await,
        collector(&world, &relays).await,
    ];
    let keys = Keys::generate();
    for round in 0..12 {
        // Published now, dated up to half an hour back, many in the same second.
        for number in 0..100 {
            let at = Timestamp::now().as_secs() - dice.roll(60) * 30;
            let event = EventBuilder::new(Kind::from_u16(5300), format!("{round} {number}"))
                .custom_created_at(Timestamp::from_secs(at))
                .sign_with_keys(&keys)
                .unwrap();
            relays[usize::try_from(dice.roll(3)).unwrap()]
                .accept(&event)
                .await;
        }
        match dice.roll(5) {
            0 => {
                let at = usize::try_from(dice.roll(collectors.len() as u64)).unwrap();
                collectors[at].kill_hard();
                collectors[at] = collector(&world, &relays).await;
            }
            1 => {
                collectors[0].terminate().await;
                collectors[0] = collector(&world, &relays).await;
            }
            2 => collectors.push(collector(&world, &relays).await),
            3 => {
                let at = usize::try_from(dice.roll(3)).unwrap();
                relays[at].stop();
                tokio::time::sleep(Duration::from_millis(300)).await;
                relays[at].start_again().await;
            }
            _ => {
                rabbitmq.kill_hard().await;
                rabbitmq.restart().await;
            }
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(800))).await;
    }

    // What relays have deleted, replaced or let expire meanwhile nobody can ask them for.
    let mut held = Vec::new();
    for relay in &relays {
        held.extend(relay.held(5000..=7000).await);
    }
    // It tells nobody of those that have expired, and those far out of time are quarantined.
    let now = Timestamp::now().as_secs();
    held.retain(|event| {
        event.tags.expiration().is_none()
            && (1_604_707_200..=now).contains(&event.created_at.as_secs())
    });
    let held: BTreeSet<String> = held.iter().map(|event| event.id.to_hex()).collect();
    assert!(held.len() > 10_000, "{} events are held", held.len());
    let pool = world.postgres().await;
    wait_for(&pool, &held).await;
    wait_until_still(&pool).await;
    let api = serve(&world).await;
    wait_settled(&api.url()).await;
    // Cards, receipts and deletions of the people who were seen have come as well: the numbers are those of everything archived.
    let archived = crate::archived_lines(&world).await;
    let kinds: BTreeSet<u64> = archived
        .iter()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"]
                .as_u64()
                .unwrap()
        })
        .collect();
    for kind in [0, 5, 9735, 31_990] {
        assert!(kinds.contains(&kind), "no event of kind {kind} has come");
    }
    let naive = numbers::naive(&archived);
    let found = numbers::differences(&api.url(), &naive, "all", "now").await;
    assert!(found.is_empty(), "{:#?}", &found[..found.len().min(20)]);
}
