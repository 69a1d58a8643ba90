//! Archives: MongoDB and a table of PostgreSQL.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use dvmdash_core::{Event, EventId};
use dvmdash_runtime::archive::{Archive, Find, MongoArchive, PostgresArchive};
use dvmdash_runtime::queue::{Sighting, Source};
use dvmdash_runtime::settings::MongoDbArgs;
use dvmdash_tests::harness::{Mongod, Servers};
use mongodb::bson::{Document, doc};

use super::events::{Numbers, event, key, plain, sighting, tag, tricky};
use super::until;

async fn mongodb(uri: String, database: &str) -> Arc<dyn Archive> {
    let args = MongoDbArgs {
        mongodb_uri: Some(uri),
        mongodb_uri_file: None,
        mongodb_database: database.to_owned(),
        mongodb_ca_file: None,
        mongodb_cert_file: None,
        mongodb_key_file: None,
    };
    Arc::new(MongoArchive::connect(&args).await.unwrap())
}

macro_rules! both {
    ($($fact:ident),* $(,)?) => {
        mod in_mongodb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let world = super::Servers::shared().await.world(stringify!($fact)).await;
                super::$fact(super::mongodb(world.mongodb_uri.clone(), &world.mongodb_database).await).await;
            })*
        }
        mod in_postgresql {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let world = super::Servers::shared().await.world(stringify!($fact)).await;
                super::$fact(super::Arc::new(super::PostgresArchive::new(world.postgres().await))).await;
            })*
        }
    };
}

both!(
    all_fields_come_back_as_signed,
    the_first_copy_stays,
    the_same_events_from_many_at_once_are_kept_once,
    a_quarantine_is_marked_and_released,
    any_combination_finds_what_a_naive_filter_finds,
    pages_follow_each_other_without_gap_or_overlap,
);

async fn prepared(archive: &Arc<dyn Archive>) {
    // Twice at once, and once more.
    let (one, other) = tokio::join!(archive.prepare(), archive.prepare());
    one.unwrap();
    other.unwrap();
    archive.prepare().await.unwrap();
    archive.ping().await.unwrap();
}

fn with_no_mark(events: Vec<Sighting>) -> Vec<(Sighting, Option<String>)> {
    events
        .into_iter()
        .map(|sighting| (sighting, None))
        .collect()
}

async fn insert(
    archive: &Arc<dyn Archive>,
    events: &[(Sighting, Option<String>)],
) -> anyhow::Result<()> {
    let events: Vec<_> = events
        .iter()
        .map(|(sighting, mark)| (sighting, mark.as_deref()))
        .collect();
    archive.insert_new(&events).await
}

fn ids(events: &[(Sighting, Option<String>)]) -> HashSet<EventId> {
    events
        .iter()
        .map(|(sighting, _)| sighting.event.id)
        .collect()
}

async fn all_fields_come_back_as_signed(archive: Arc<dyn Archive>) {
    prepared(&archive).await;
    let mut events = with_no_mark(tricky().into_iter().map(sighting).collect());
    for ((sighting, _), source) in events.iter_mut().zip(Source::ALL) {
        sighting.source = source;
        sighting.relay = (source == Source::Relay).then(|| "wss://relay.example/\"".to_owned());
    }
    insert(&archive, &events).await.unwrap();
    let all = Find {
        limit: 1000,
        ..Find::default()
    };
    let found = archive.find(&all).await.unwrap();
    assert_eq!(found.len(), events.len());
    for (sighting, _) in &events {
        let got = archive.get(sighting.event.id).await.unwrap().unwrap();
        assert_eq!(got.sighting, *sighting);
        assert_eq!(got.relays, Vec::from_iter(sighting.relay.clone()));
        assert_eq!(got.quarantined, None);
        assert!(found.contains(&got));
    }
    let wanted: Vec<EventId> = events
        .iter()
        .map(|(sighting, _)| sighting.event.id)
        .chain([key(999)])
        .collect();
    assert_eq!(archive.get_many(&wanted).await.unwrap().len(), events.len());
    assert_eq!(archive.get(key(999)).await.unwrap(), None);
    assert!(archive.get_many(&[]).await.unwrap().is_empty());
    assert_eq!(archive.ids().await.unwrap(), ids(&events));
    assert_eq!(archive.count().await.unwrap(), events.len() as u64);
}

async fn the_first_copy_stays(archive: Arc<dyn Archive>) {
    prepared(&archive).await;
    let first = plain(20);
    let later = |mut sighting: Sighting| {
        sighting.first_seen += 1;
        sighting.relay = Some("wss://other.example".to_owned());
        sighting.source = Source::Import;
        sighting
    };
    // Within one call, and in another one that brings new events as well.
    let twice: Vec<_> = first[..10]
        .iter()
        .cloned()
        .chain(first[..10].iter().cloned().map(later))
        .collect();
    insert(&archive, &with_no_mark(twice)).await.unwrap();
    let again: Vec<_> = first[..10]
        .iter()
        .cloned()
        .map(later)
        .chain(first[10..].iter().cloned())
        .collect();
    insert(&archive, &with_no_mark(again)).await.unwrap();
    insert(&archive, &[]).await.unwrap();
    for sighting in &first {
        let got = archive.get(sighting.event.id).await.unwrap().unwrap();
        assert_eq!(got.sighting, *sighting);
    }
    assert_eq!(archive.count().await.unwrap(), 20);
}

async fn the_same_events_from_many_at_once_are_kept_once(archive: Arc<dyn Archive>) {
    prepared(&archive).await;
    let events = with_no_mark(plain(500));
    let mut backwards = events.clone();
    backwards.reverse();
    let (one, two, three, four) = tokio::join!(
        insert(&archive, &events),
        insert(&archive, &backwards),
        insert(&archive, &events[100..]),
        insert(&archive, &backwards[50..])
    );
    for inserted in [one, two, three, four] {
        inserted.unwrap();
    }
    assert_eq!(archive.count().await.unwrap(), 500);
    assert_eq!(archive.ids().await.unwrap(), ids(&events));
}

async fn a_quarantine_is_marked_and_released(archive: Arc<dyn Archive>) {
    prepared(&archive).await;
    let mut events = with_no_mark(plain(3));
    events[0].1 = Some("future".to_owned());
    insert(&archive, &events).await.unwrap();
    let ids: Vec<EventId> = events
        .iter()
        .map(|(sighting, _)| sighting.event.id)
        .collect();
    let marks = async || {
        let mut marks = Vec::new();
        for id in &ids {
            marks.push(archive.get(*id).await.unwrap().unwrap().quarantined);
        }
        marks
    };
    let mark = |reason: &str| Some(reason.to_owned());
    assert_eq!(marks().await, [mark("future"), None, None]);
    archive.mark(&ids[1..2], "unprocessable").await.unwrap();
    assert_eq!(marks().await, [mark("future"), mark("unprocessable"), None]);
    archive.release(&[ids[0], ids[2], key(999)]).await.unwrap();
    assert_eq!(marks().await, [None, mark("unprocessable"), None]);
    archive.mark(&[], "nobody").await.unwrap();
    assert_eq!(archive.count().await.unwrap(), 3);
}

/// Few authors, references and seconds, so that conditions overlap; many kinds, so that not all of them fit into one query.
fn crowd() -> Vec<Event> {
    let mut numbers = Numbers(0x5eed);
    let names = ["e", "p", "e", "p", "E", "a", "i"];
    (0..1500)
        .map(|number| {
            let tags = (0..numbers.below(4))
                .map(|_| {
                    let name = names[numbers.below(7) as usize];
                    let value = key(numbers.below(6)).to_string();
                    match numbers.below(8) {
                        0 => tag(&[name]),
                        1 => tag(&[name, "relay", &value]),
                        2 => tag(&[name, &value.to_uppercase()]),
                        _ => tag(&[name, &value, "wss://relay.example"]),
                    }
                })
                .collect();
            let kind = match numbers.below(3) {
                0 => 7000,
                1 => 5000 + numbers.below(5) as u16,
                _ => 5000 + numbers.below(400) as u16,
            };
            let second = 1_700_000_000 + numbers.below(40) as i64;
            event(numbers.below(6), kind, second, tags, &number.to_string())
        })
        .collect()
}

/// What a [`Find`] means, read from its documentation.
fn naive<'a>(events: &'a [Event], find: &Find) -> Vec<&'a Event> {
    let named = |event: &Event, name: &str, value: Option<EventId>| {
        let Some(value) = value else { return true };
        let value = value.to_string();
        event
            .tags
            .iter()
            .any(|tag| tag.len() > 1 && tag[0] == name && tag[1] == value)
    };
    let mut found: Vec<&Event> = events
        .iter()
        .filter(|event| {
            find.kinds.is_empty() || find.kinds.iter().any(|range| range.contains(&event.kind))
        })
        .filter(|event| find.pubkey.is_none_or(|pubkey| event.pubkey == pubkey))
        .filter(|event| named(event, "e", find.e) && named(event, "p", find.p))
        .filter(|event| find.since.is_none_or(|since| event.created_at >= since))
        .filter(|event| find.until.is_none_or(|until| event.created_at < until))
        .collect();
    found.sort_by_key(|event| (Reverse(event.created_at), event.id));
    if let Some((at, id)) = find.after {
        found.retain(|event| (Reverse(event.created_at), event.id) > (Reverse(at), id));
    }
    found.truncate(find.limit);
    found
}

async fn crowded(archive: &Arc<dyn Archive>) -> Vec<Event> {
    prepared(archive).await;
    let events = crowd();
    insert(
        archive,
        &with_no_mark(events.iter().cloned().map(sighting).collect()),
    )
    .await
    .unwrap();
    events
}

async fn same(archive: &Arc<dyn Archive>, events: &[Event], find: &Find) -> usize {
    let found = archive.find(find).await.unwrap();
    let found: Vec<&Event> = found
        .iter()
        .map(|archived| &archived.sighting.event)
        .collect();
    assert_eq!(found, naive(events, find), "{find:?}");
    found.len()
}

async fn any_combination_finds_what_a_naive_filter_finds(archive: Arc<dyn Archive>) {
    let events = crowded(&archive).await;
    let mut numbers = Numbers(0xf1d);
    let mut some = 0;
    for combination in 0..128_u64 {
        let wanted = |bit: u64| combination >> bit & 1 == 1;
        let mut pick = |bit: u64, bound: u64| wanted(bit).then(|| numbers.below(bound));
        let kinds = match (wanted(0), wanted(1)) {
            (false, false) => vec![],
            (true, false) => vec![7000..=7000],
            (false, true) => vec![5000..=5999],
            (true, true) => vec![5003..=5003, 5001..=5350, 5003..=5004],
        };
        let find = Find {
            kinds,
            pubkey: pick(2, 6).map(key),
            e: pick(3, 6).map(key),
            p: pick(4, 6).map(key),
            since: pick(5, 20).map(|second| 1_700_000_000 + second as i64),
            until: pick(6, 20).map(|second| 1_700_000_020 + second as i64),
            after: None,
            limit: 0,
        };
        for limit in [0, 1, 10, 2000] {
            some += same(
                &archive,
                &events,
                &Find {
                    limit,
                    ..find.clone()
                },
            )
            .await;
        }
    }
    assert!(
        some > 10_000,
        "the conditions leave something to compare: {some}"
    );
}

async fn pages_follow_each_other_without_gap_or_overlap(archive: Arc<dyn Archive>) {
    let events = crowded(&archive).await;
    let of_author = Find {
        pubkey: Some(key(2)),
        ..Find::default()
    };
    let of_kinds = Find {
        kinds: vec![5000..=5999],
        ..Find::default()
    };
    let of_event = Find {
        e: Some(key(3)),
        kinds: vec![7000..=7000, 5000..=5100],
        ..Find::default()
    };
    for mut find in [Find::default(), of_author, of_kinds, of_event] {
        for limit in [7, 100] {
            find.limit = usize::MAX;
            find.after = None;
            let all = naive(&events, &find);
            find.limit = limit;
            let mut pages = Vec::new();
            loop {
                let page = archive.find(&find).await.unwrap();
                let Some(last) = page.last() else { break };
                find.after = Some((last.sighting.event.created_at, last.sighting.event.id));
                pages.extend(page.into_iter().map(|archived| archived.sighting.event));
            }
            assert_eq!(pages.iter().collect::<Vec<_>>(), all, "{find:?}");
        }
    }
}

async fn inserts(server: &Mongod) -> i64 {
    let client = mongodb::Client::with_uri_str(server.uri()).await.unwrap();
    let status: Document = client
        .database("admin")
        .run_command(doc! { "serverStatus": 1 })
        .await
        .unwrap();
    let counters = status.get_document("opcounters").unwrap();
    counters
        .get_i64("insert")
        .or_else(|_| counters.get_i32("insert").map(i64::from))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_cost_mongodb_no_insert() {
    let server = Mongod::start().await;
    let archive = mongodb(server.uri(), "duplicates").await;
    prepared(&archive).await;
    let events = with_no_mark(plain(300));
    insert(&archive, &events[..200]).await.unwrap();
    let before = inserts(&server).await;
    insert(&archive, &events[..200]).await.unwrap();
    assert_eq!(inserts(&server).await - before, 0);
    insert(&archive, &events).await.unwrap();
    assert_eq!(inserts(&server).await - before, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_inserted_outlives_a_killed_mongodb() {
    let mut server = Mongod::start().await;
    let archive = mongodb(server.uri(), "outlives").await;
    prepared(&archive).await;
    let events = with_no_mark(plain(3000));
    insert(&archive, &events[..1000]).await.unwrap();
    assert_eq!(archive.count().await.unwrap(), 1000);
    insert(&archive, &events[1000..2000]).await.unwrap();
    server.kill_hard().await;
    insert(&archive, &events[2000..]).await.unwrap_err();
    archive.ping().await.unwrap_err();
    server.restart().await;

    let kept = ids(&events[..2000]);
    until("MongoDB is reached again", async || {
        archive.ping().await.is_ok()
    })
    .await;
    assert_eq!(archive.ids().await.unwrap(), kept);
    assert_eq!(archive.count().await.unwrap(), 2000);
    insert(&archive, &events).await.unwrap();
    assert_eq!(archive.count().await.unwrap(), 3000);
    assert_eq!(archive.ids().await.unwrap(), ids(&events));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_whose_caller_has_left_is_finished() {
    let world = Servers::shared().await.world("left").await;
    let archive = mongodb(world.mongodb_uri.clone(), &world.mongodb_database).await;
    prepared(&archive).await;
    let events = with_no_mark(plain(2000));
    for _ in 0..20 {
        let _ = tokio::time::timeout(
            std::time::Duration::from_millis(3),
            insert(&archive, &events),
        )
        .await;
    }
    insert(&archive, &events).await.unwrap();
    assert_eq!(archive.ids().await.unwrap(), ids(&events));
}
