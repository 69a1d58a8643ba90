//! Events that must not count, and that must not hurt their neighbours.

use std::time::{Duration, Instant};

use dvmdash_tests::harness::{Servers, World, get, shared_data, wait_settled};
use nostr_relay_builder::prelude::{
    Event, EventBuilder, JsonUtil as _, Keys, Kind, Tag, Timestamp,
};
use serde_json::{Value, json};

use crate::numbers;
use crate::running::{counted, hold, import, lines, migrate, process, serve};

fn now() -> u64 {
    Timestamp::now().as_secs()
}

fn event(keys: &Keys, kind: u16, at: u64, content: &str, tags: &[&[&str]]) -> Event {
    let tags = tags
        .iter()
        .map(|tag| Tag::parse(tag.iter().copied()).unwrap());
    EventBuilder::new(Kind::from(kind), content)
        .tags(tags)
        .custom_created_at(Timestamp::from(at))
        .sign_with_keys(keys)
        .unwrap()
}

async fn world(name: &str) -> World {
    let world = Servers::shared().await.world(name).await;
    migrate(&world).await;
    world
}

async fn status(url: &str) -> Value {
    get(&format!("{url}/api/v1/status")).await.json
}

#[tokio::test(flavor = "multi_thread")]
async fn real_events_that_do_not_verify_are_refused_by_reason_among_good_ones() {
    let Some(folder) = shared_data() else { return };
    let text = std::fs::read_to_string(folder.join("events/invalid.jsonl")).unwrap();
    let invalid = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].to_string());
    let world = world("invalid").await;
    let good = lines(41, 300);
    let mut all: Vec<String> = Vec::new();
    for (good, bad) in good.iter().zip(
        invalid
            .chain(crate::invalid(41, 200))
            .chain(std::iter::repeat_with(|| "[]".to_owned())),
    ) {
        all.extend([good.clone(), bad]);
    }
    let naive = numbers::naive(&all);
    let imported = import(&world, &all).await;
    assert_eq!(imported["refused"], json!(naive.rejected()));
    assert!(
        naive.rejected().len() >= 5,
        "every reason occurs: {:?}",
        naive.rejected()
    );
    let _one = process(&world, &[]).await;
    hold(&world, &all).await;
    let api = serve(&world).await;
    assert_eq!(
        status(&api.url()).await["rejected"],
        json!(naive.rejected())
    );
}

#[test]
fn a_member_that_stands_twice_is_malformed_to_both_programs_only_among_the_seven() {
    let line = lines(43, 1).pop().unwrap();
    let with = |member: &str| format!("{},{member}}}", line.strip_suffix('}').unwrap());
    let both = |text: &str| {
        let naive = numbers::naive(&[text.to_owned()]);
        let core = dvmdash_core::parse(text).is_ok();
        (core, !naive.rejected().contains_key("malformed"))
    };
    assert_eq!(both(&line), (true, true));
    assert_eq!(both(&with(r#""kind":5000"#)), (false, false));
    assert_eq!(both(&with(r#""sig":1"#)), (false, false));
    assert_eq!(both(&with(r#""seen_on":1"#)), (true, true));
    assert_eq!(both(&with(r#""seen_on":1,"seen_on":2"#)), (true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_breaks_every_transaction_is_set_aside_and_the_rest_is_counted() {
    let world = world("unprocessable").await;
    let pool = world.postgres().await;
    sqlx::query("alter table requests add constraint unlucky check (kind <> 5777)")
        .execute(&pool)
        .await
        .unwrap();
    let keys = Keys::generate();
    let unlucky = event(&keys, 5777, now() - 100, "breaks it", &[]);
    let good = lines(42, 400);
    let mut all = good.clone();
    all.insert(200, unlucky.as_json());
    import(&world, &all).await;
    let _one = process(&world, &[("DVMDASH_BATCH_MAX_EVENTS", "5000")]).await;
    let api = serve(&world).await;
    counted(&api, numbers::naive(&good).counted().len()).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(status["quarantined"]["unprocessable"], 1, "{status}");
    let found = numbers::differences(&api.url(), &numbers::naive(&good), "all", "now").await;
    assert!(found.is_empty(), "{found:#?}");
    let archived = get(&format!(
        "{}/api/v1/events/{}",
        api.url(),
        unlucky.id.to_hex()
    ))
    .await
    .json;
    assert_eq!(archived["event"]["content"], "breaks it", "{archived}");
    assert_eq!(archived["quarantined"], "unprocessable", "{archived}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_from_the_future_counts_once_its_time_has_come() {
    let world = world("future").await;
    let keys = Keys::generate();
    // Two minutes ahead is the clock of a neighbour; this one is due in a few seconds; that one in 75 days.
    let soon = event(&keys, 5300, now() + 900 + 20, "soon", &[]);
    let far = event(&keys, 5300, now() + 75 * 86_400, "far", &[]);
    let ahead = event(&keys, 5300, now() + 120, "ahead", &[]);
    let all = [&soon, &far, &ahead].map(Event::as_json);
    import(&world, &all).await;
    let _one = process(&world, &[]).await;
    let api = serve(&world).await;
    counted(&api, 1).await;
    let before = wait_settled(&api.url()).await;
    assert_eq!(before["counted"], 1, "{before}");
    assert_eq!(before["quarantined"]["future"], 2, "{before}");
    counted(&api, 2).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while status(&api.url()).await["quarantined"]["future"] != 1 {
        assert!(Instant::now() < deadline, "{}", status(&api.url()).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let released = get(&format!("{}/api/v1/events/{}", api.url(), soon.id.to_hex()))
        .await
        .json;
    assert_eq!(released["quarantined"], Value::Null, "{released}");
    let far = get(&format!("{}/api/v1/events/{}", api.url(), far.id.to_hex()))
        .await
        .json;
    assert_eq!(far["quarantined"], "future", "{far}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_broke_the_old_dashboard_breaks_nothing_here() {
    let world = world("old_dashboard").await;
    let (customer, dvm, quiet) = (Keys::generate(), Keys::generate(), Keys::generate());
    let at = now() - 7200;
    let request = event(
        &customer,
        5300,
        at,
        "",
        &[&["p", &dvm.public_key().to_hex()]],
    );
    let result =
        |content: &str, at: u64| event(&dvm, 6300, at, content, &[&["e", &request.id.to_hex()]]);
    let nul = result("a \u{0} b <script>alert(1)</script>", at + 1);
    let odd = event(&dvm, 6999, at + 60, "", &[]);
    let amounts = (0..12u64).map(|n| {
        // Each the largest amount there is; their sum needs more than 64 bits in no time at the real scale, and must never overflow.
        event(
            &dvm,
            7000,
            at + n,
            "",
            &[
                &["e", &format!("{n:064x}")],
                &["status", "payment-required"],
                &["amount", "1_000_000_000_000"],
            ],
        )
    });
    let announced = event(
        &quiet,
        31990,
        at,
        "{\"name\":\"quiet\"}",
        &[&["d", "x"], &["k", "5300"]],
    );
    let ahead = event(&customer, 5300, now() + 75 * 86_400, "", &[]);
    let mut all = vec![
        request.as_json(),
        nul.as_json(),
        odd.as_json(),
        announced.as_json(),
        ahead.as_json(),
    ];
    all.extend(amounts.map(|event| event.as_json()));
    // An hour with nothing but results.
    all.extend((0..20).map(|n| event(&dvm, 6300, at - 3600 * 10 + n, "", &[]).as_json()));
    import(&world, &all).await;
    let _one = process(&world, &[]).await;
    hold(&world, &all).await;

    let api = serve(&world).await;
    let answer = get(&format!("{}/api/v1/events/{}", api.url(), nul.id.to_hex()))
        .await
        .json;
    assert_eq!(answer["event"]["content"], nul.content.as_str());
    let kinds = get(&format!("{}/api/v1/kinds?from=all", api.url()))
        .await
        .json;
    let results: u64 = kinds["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["results"].as_u64().unwrap())
        .sum();
    assert_eq!(
        results, 22,
        "results per kind were always 0 there, and kind 6999 never collected: {kinds}"
    );
    let quiet = get(&format!(
        "{}/api/v1/dvms/{}",
        api.url(),
        quiet.public_key().to_hex()
    ))
    .await;
    assert_eq!(
        quiet.status, 200,
        "a DVM without activity was not found there: {}",
        quiet.text
    );
    let page = get(&format!("{}/", api.url())).await;
    assert!(
        !page.text.contains("<script>alert(1)"),
        "no event's text is in the page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_the_server_that_is_gone() {
    let mut mongod = dvmdash_tests::harness::Mongod::start().await;
    let world = Servers::shared()
        .await
        .world("readiness")
        .await
        .with_mongod(&mongod);
    migrate(&world).await;
    let one = process(&world, &[]).await;
    let url = format!("{}/readyz", one.admin_url());
    assert_eq!(get(&url).await.status, 200);
    mongod.kill_hard().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = get(&url).await;
        if answer.status == 503 {
            assert_ne!(answer.json["mongodb"], "ok", "{}", answer.text);
            assert_eq!(answer.json["postgresql"], "ok", "{}", answer.text);
            break;
        }
        assert!(Instant::now() < deadline, "still ready: {}", answer.text);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(get(&format!("{}/livez", one.admin_url())).await.status, 200);
    mongod.restart().await;
}
