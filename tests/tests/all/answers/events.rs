//! Events as the archive holds them.

use std::collections::BTreeSet;

use dvmdash_core::{Event, Hex32, Signature};
use dvmdash_runtime::archive::{Archive, PostgresArchive};
use dvmdash_runtime::postgres;
use dvmdash_runtime::queue::{Sighting, Source};
use dvmdash_tests::harness::Servers;
use serde_json::Value;

use super::{Api, api};
use crate::numbers;

#[tokio::test(flavor = "multi_thread")]
async fn events_come_back_as_signed_newest_first_under_every_condition() {
    let (api, lines) = api().await;
    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let page = api
        .json("/api/v1/events?kind=5000-5999&kind=7000&limit=200")
        .await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 200);
    assert!(page["next_cursor"].is_string());
    let order: Vec<_> = items
        .iter()
        .map(|item| {
            (
                -item["event"]["created_at"].as_i64().unwrap(),
                item["event"]["id"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(order.is_sorted());
    for item in items {
        let kind = item["event"]["kind"].as_i64().unwrap();
        assert!((5000..6000).contains(&kind) || kind == 7000);
        // Requests that only came embedded in another event are in no line.
        if let Some(event) = events
            .iter()
            .find(|event| event["id"] == item["event"]["id"])
        {
            for field in [
                "id",
                "pubkey",
                "created_at",
                "kind",
                "tags",
                "content",
                "sig",
            ] {
                assert_eq!(item["event"][field], event[field]);
            }
        }
    }
    let next = api
        .json(&format!(
            "/api/v1/events?kind=5000-5999&kind=7000&limit=200&cursor={}",
            page["next_cursor"].as_str().unwrap()
        ))
        .await;
    assert_eq!((&next["from"], &next["to"]), (&page["from"], &page["to"]));
    let seen: BTreeSet<&str> = items
        .iter()
        .map(|item| item["event"]["id"].as_str().unwrap())
        .collect();
    assert!(
        next["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| !seen.contains(item["event"]["id"].as_str().unwrap()))
    );

    let event = &items[7]["event"];
    let author = api
        .json(&format!(
            "/api/v1/events?pubkey={}",
            event["pubkey"].as_str().unwrap()
        ))
        .await;
    assert!(
        author["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["event"]["pubkey"] == event["pubkey"])
    );
    let one = api
        .json(&format!("/api/v1/events/{}", event["id"].as_str().unwrap()))
        .await;
    assert_eq!(&one, &items[7]);
    let at = event["created_at"].as_i64().unwrap();
    let moment = api
        .json(&format!("/api/v1/events?since={at}&until={}", at + 1))
        .await;
    assert!(
        moment["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|item| item["event"]["id"] == event["id"])
    );
    assert!(
        moment["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["event"]["created_at"] == at)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_event_is_not_shown_but_said_to_be_deleted() {
    let (api, lines) = api().await;
    let naive = numbers::naive(&lines);
    let deleted = naive.deleted();
    assert!(!deleted.is_empty(), "the events hold deletions");
    for (id, deletion) in &deleted {
        let one = api.json(&format!("/api/v1/events/{id}")).await;
        assert_eq!(
            (one["id"].as_str(), one["deleted_by"].as_str()),
            (Some(id.as_str()), Some(deletion.as_str())),
            "{one}"
        );
        assert!(
            one["event"].is_null()
                && one["kind"].is_u64()
                && one["pubkey"].is_string()
                && one["created_at"].is_string(),
            "{one}"
        );
    }
    let (mut cursor, mut shown) = (String::new(), BTreeSet::new());
    loop {
        let page = api
            .json(&format!("/api/v1/events?limit=1000{cursor}"))
            .await;
        shown.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["event"]["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    let expected: BTreeSet<String> = naive
        .counted()
        .into_iter()
        .filter(|id| !deleted.contains_key(id))
        .collect();
    assert!(
        expected.is_subset(&shown),
        "every other event is in the list"
    );
    assert!(
        deleted.keys().all(|id| !shown.contains(id)),
        "no deleted one is"
    );
}

/// Event `number` of one author, each a second older than the one before.
fn numbered(number: u16) -> Sighting {
    let mut id = [7; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    Sighting {
        event: Event {
            id: Hex32(id),
            pubkey: Hex32([9; 32]),
            created_at: 1_700_000_000 - i64::from(number),
            kind: 5300,
            tags: Vec::new(),
            content: String::new(),
            sig: Signature([1; 64]),
        },
        first_seen: 0,
        relay: None,
        source: Source::Import,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_deleted_events_than_an_answer_looks_through_hide_no_older_one() {
    let pool = Servers::shared()
        .await
        .world("graveyard")
        .await
        .postgres()
        .await;
    postgres::migrate(&pool).await.unwrap();
    let archive = PostgresArchive::new(pool.clone());
    archive.prepare().await.unwrap();
    let events: Vec<Sighting> = (0..4500).map(numbered).collect();
    let new: Vec<_> = events.iter().map(|sighting| (sighting, None)).collect();
    archive.insert_new(&new).await.unwrap();
    // All but the last two.
    let (gone, left) = events.split_at(4498);
    sqlx::query(
        "insert into deletions (event_id, deletion, author, created_at) select id, $2, $3, 0 from unnest($1::bytea[]) as e (id)",
    )
    .bind(gone.iter().map(|sighting| &sighting.event.id.0[..]).collect::<Vec<_>>())
    .bind(&[3u8; 32][..])
    .bind(&[9u8; 32][..])
    .execute(&pool)
    .await
    .unwrap();

    let api = Api::start(pool).await;
    let (mut cursor, mut shown, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = api.json(&format!("/api/v1/events?limit=1{cursor}")).await;
        pages += 1;
        for item in page["items"].as_array().unwrap() {
            shown.push(item["event"]["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    let left: Vec<String> = left.iter().map(|one| one.event.id.to_string()).collect();
    assert_eq!(shown, left);
    assert!(pages > 2, "an answer looked through everything");
}
