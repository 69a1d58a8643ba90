//! Lists: order, pages, filters, tables; and series.

use std::collections::BTreeSet;

use dvmdash_tests::harness::get;
use serde_json::Value;

use super::api;

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_every_list_in_every_order_make_up_the_whole_list() {
    let (api, _) = api().await;
    let lists = [
        (
            "dvms",
            "pubkey",
            &["results", "requests", "paid", "p50", "success", "last_seen"][..],
        ),
        (
            "kinds",
            "kind",
            &["requests", "results", "paid", "dvms", "kind"],
        ),
        (
            "users",
            "pubkey",
            &["requests", "spent", "first_seen", "last_seen"],
        ),
    ];
    for (list, key, orders) in lists {
        for sort in orders {
            let path = format!("/api/v1/{list}?from=all&sort={sort}");
            let whole = api.json(&format!("{path}&limit=1000")).await;
            assert!(
                whole["next_cursor"].is_null(),
                "{path}: more than a page of data"
            );
            let whole: Vec<Value> = whole["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row[key].clone())
                .collect();
            let (mut paged, mut cursor, mut windows) = (Vec::new(), String::new(), BTreeSet::new());
            loop {
                let page = api.json(&format!("{path}&limit=37{cursor}")).await;
                windows.insert((page["from"].to_string(), page["to"].to_string()));
                paged.extend(
                    page["items"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|row| row[key].clone()),
                );
                let Some(next) = page["next_cursor"].as_str() else {
                    break;
                };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(paged, whole, "{path}");
            assert!(
                list == "users" || windows.len() == 1,
                "{path}: the window of the first page stays: {windows:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dvm_is_found_by_every_form_of_its_key_and_by_its_name() {
    let (api, _) = api().await;
    let list = api.json("/api/v1/dvms?from=all&limit=1000").await;
    let row = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"].is_string())
        .unwrap();
    let (pubkey, npub, name) = (
        row["pubkey"].as_str().unwrap(),
        row["npub"].as_str().unwrap(),
        row["name"].as_str().unwrap(),
    );
    for form in [
        pubkey.to_owned(),
        npub.to_owned(),
        pubkey.to_uppercase(),
        format!("nostr:{npub}"),
    ] {
        let one = api.json(&format!("/api/v1/dvms/{form}?from=all")).await;
        assert_eq!(one["results"], row["results"], "{form}");
        assert_eq!(one["pubkey"], pubkey);
    }
    let encoded: String = name
        .to_uppercase()
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    for q in [&pubkey[5..20], &npub[..20], &encoded] {
        let found = api
            .json(&format!("/api/v1/dvms?from=all&limit=1000&q={q}"))
            .await;
        let found = found["items"].as_array().unwrap();
        assert!(found.iter().any(|row| row["pubkey"] == pubkey), "{q}");
        assert!(found.len() < list["items"].as_array().unwrap().len(), "{q}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dvms_of_a_kind_are_those_of_its_league_with_the_same_numbers() {
    let (api, _) = api().await;
    let kinds = api
        .json("/api/v1/kinds?from=all&sort=results&limit=5")
        .await;
    for kind in kinds["items"].as_array().unwrap() {
        let one = api
            .json(&format!("/api/v1/kinds/{}?from=all", kind["kind"]))
            .await;
        let league = one["league"].as_array().unwrap();
        let list = api
            .json(&format!(
                "/api/v1/dvms?from=all&limit=1000&kind={}",
                kind["kind"]
            ))
            .await;
        let list = list["items"].as_array().unwrap();
        assert_eq!(list.len(), league.len());
        for (row, other) in list.iter().zip(league) {
            for name in [
                "pubkey",
                "requests",
                "results",
                "feedback",
                "paid_msat",
                "unique_users",
                "error_rate",
            ] {
                assert_eq!(row[name], other[name], "kind {} {name}", kind["kind"]);
            }
            let dvm = api
                .json(&format!(
                    "/api/v1/dvms/{}?from=all",
                    row["pubkey"].as_str().unwrap()
                ))
                .await;
            let own = dvm["by_kind"]
                .as_array()
                .unwrap()
                .iter()
                .find(|own| own["kind"] == kind["kind"]);
            assert_eq!(own.unwrap()["results"], row["results"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_of_a_series_add_up_to_the_window_at_every_step() {
    let (api, _) = api().await;
    let window = "from=2020-11-07T00:00:00Z&to=now";
    let kind =
        api.json(&format!("/api/v1/kinds?{window}&limit=1")).await["items"][0]["kind"].to_string();
    let dvm = api.json(&format!("/api/v1/dvms?{window}&limit=1")).await["items"][0]["pubkey"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        "stats/global".to_owned(),
        format!("kinds/{kind}"),
        format!("dvms/{dvm}"),
    ] {
        let whole = api.json(&format!("/api/v1/{path}?{window}")).await;
        let series = api
            .json(&format!("/api/v1/{path}/series?{window}&step=day"))
            .await;
        assert_eq!(series["step"], "day");
        for name in ["requests", "results", "feedback", "paid_msat"] {
            let sum: u64 = series["points"]
                .as_array()
                .unwrap()
                .iter()
                .map(|point| point[name].as_u64().unwrap())
                .sum();
            assert_eq!(whole[name], sum, "{path} {name}");
        }
    }
    let hour = api.json("/api/v1/stats/global/series?timeRange=1h").await;
    assert_eq!(hour["step"], "minute");
    assert!((60..=61).contains(&hour["points"].as_array().unwrap().len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_the_rows_of_the_json() {
    let (api, _) = api().await;
    for path in [
        "dvms?from=all",
        "kinds?from=all",
        "users?sort=requests",
        "events?kind=5000-5999",
        "relays?sort=requests",
    ] {
        let json = api.json(&format!("/api/v1/{path}&limit=50")).await;
        let items = json["items"].as_array().unwrap();
        let lines = get(&format!("{}/api/v1/{path}&limit=50&format=jsonl", api.url)).await;
        let rows: Vec<Value> = lines
            .text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(&rows, items, "{path}");
        assert_eq!(
            lines.headers["dvmdash-from"].to_str().unwrap(),
            json["from"],
            "{path}"
        );
        assert_eq!(
            lines.headers.get("dvmdash-next-cursor").is_some(),
            json["next_cursor"].is_string(),
            "{path}"
        );
        let table = get(&format!("{}/api/v1/{path}&limit=50&format=csv", api.url)).await;
        assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
        let head = table.text.lines().next().unwrap();
        assert!(head.split(',').count() > 3, "{path}: {head}");
        assert!(
            items.is_empty() || table.text.lines().count() > items.len(),
            "{path}"
        );
    }
}
