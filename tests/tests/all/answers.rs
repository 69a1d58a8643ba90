//! The API as its users see it: shapes, errors, pages, formats, caching. The numbers themselves are held against the naive program.

use std::collections::BTreeSet;
use std::sync::Arc;

use dvmdash_runtime::archive::PostgresArchive;
use dvmdash_runtime::postgres;
use dvmdash_runtime::queue::InProcess;
use dvmdash_tests::harness::{Servers, get, get_with};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use tokio::sync::OnceCell;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::in_process::{count, messages};
use crate::numbers;

/// An API inside the test.
struct Api {
    url: String,
    _shutdown: DropGuard,
}

impl Api {
    async fn start(pool: PgPool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let archive = Arc::new(PostgresArchive::new(pool.clone()));
        let state = dvmdash_api::State::new(pool, archive, Arc::new(InProcess::new()), Arc::default());
        let shutdown = CancellationToken::new();
        tokio::spawn(dvmdash_api::serve(listener, state, shutdown.clone()));
        Self { url, _shutdown: shutdown.drop_guard() }
    }

    async fn json(&self, path: &str) -> Value {
        let answer = get(&format!("{}{path}", self.url)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json
    }
}

/// The URI of a database in which the same events are counted for all tests here.
async fn counted() -> (PgPool, Vec<String>) {
    static URI: OnceCell<(String, Vec<String>)> = OnceCell::const_new();
    let (uri, lines) = URI
        .get_or_init(|| async {
            let world = Servers::shared().await.world("answers").await;
            let lines = crate::running::lines(71, 2500);
            let pool = count(world.postgres().await, messages(&lines, 100), 500).await.unwrap();
            pool.close().await;
            (world.postgres_uri.clone(), lines)
        })
        .await;
    // A pool belongs to the runtime of its test.
    (PgPool::connect(uri).await.unwrap(), lines.clone())
}

async fn api() -> (Api, Vec<String>) {
    let (pool, lines) = counted().await;
    (Api::start(pool).await, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_is_the_naive_one_in_windows_that_cut_minutes_hours_and_days() {
    let (api, lines) = api().await;
    let naive = numbers::naive(&lines);
    for (from, to) in numbers::windows(&numbers::times(&lines)) {
        let mut found = numbers::differences(&api.url, &naive, &from, &to).await;
        found.extend(numbers::single_differences(&api.url, &naive, &from, &to).await);
        assert!(found.is_empty(), "{from}..{to}: {} differences: {:#?}", found.len(), &found[..found.len().min(20)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_can_be_prepared() {
    let (pool, _) = counted().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src/sql");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let sql = std::fs::read_to_string(&path).unwrap();
        pool.prepare(AssertSqlSafe(sql).into_sql_str()).await.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        files += 1;
    }
    assert!(files > 10, "the queries lie in {folder}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_which_parameter_and_what_to_write() {
    let (api, _) = api().await;
    let dvm = api.json("/api/v1/dvms?limit=1").await["items"][0]["pubkey"].as_str().unwrap().to_owned();
    let cases = [
        ("/nothing", 404, "not-found", None),
        ("/api/v1/nothing", 404, "not-found", None),
        ("/api/v1/events/0000000000000000000000000000000000000000000000000000000000000000", 404, "not-found", None),
        ("/api/v1/dvms/0000000000000000000000000000000000000000000000000000000000000000", 404, "not-found", None),
        ("/api/v1/users/0000000000000000000000000000000000000000000000000000000000000000", 404, "not-found", None),
        ("/api/v1/kinds/5998", 404, "not-found", None),
        ("/api/v1/kinds/5998/series", 404, "not-found", None),
        ("/api/v1/kinds/7000", 400, "bad-parameter", Some("kind")),
        ("/api/v1/dvms/xyz", 400, "bad-parameter", Some("pubkey")),
        ("/api/v1/dvms/%ff", 400, "bad-parameter", Some("path")),
        ("/api/v1/events/xyz", 400, "bad-parameter", Some("id")),
        ("/api/v1/stats/global?from=yesterday", 400, "bad-parameter", Some("from")),
        ("/api/v1/stats/global?from=200&to=100", 400, "bad-parameter", Some("from")),
        ("/api/v1/stats/global?to=1e9", 400, "bad-parameter", Some("to")),
        ("/api/v1/stats/global?timeRange=2h", 400, "bad-parameter", Some("timeRange")),
        ("/api/v1/stats/global/series?step=week", 400, "bad-parameter", Some("step")),
        ("/api/v1/stats/global/series?from=0&step=minute", 400, "bad-parameter", Some("step")),
        ("/api/v1/dvms?limit=0", 400, "bad-parameter", Some("limit")),
        ("/api/v1/dvms?limit=1001", 400, "bad-parameter", Some("limit")),
        ("/api/v1/dvms?sort=beauty", 400, "bad-parameter", Some("sort")),
        ("/api/v1/dvms?cursor=00", 400, "bad-parameter", Some("cursor")),
        ("/api/v1/dvms?format=xml", 400, "bad-parameter", Some("format")),
        ("/api/v1/events?kind=70000", 400, "bad-parameter", Some("kind")),
        ("/api/v1/events?p=1", 400, "bad-parameter", Some("p")),
    ];
    for (path, status, kind, parameter) in cases {
        let answer = get(&format!("{}{path}", api.url)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        assert_eq!(answer.json["type"], format!("/problems/{kind}"), "{path}");
        assert_eq!(answer.json["status"], status, "{path}");
        assert_eq!(answer.json["parameter"].as_str(), parameter, "{path}");
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(parameter.is_none_or(|name| detail.starts_with(name)), "{path}: {detail}");
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/api/v1/stats/global".to_owned(), format!("/api/v1/dvms/{dvm}")] {
        let answer = client.post(format!("{}{path}", api.url)).send().await.unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_every_list_in_every_order_make_up_the_whole_list() {
    let (api, _) = api().await;
    let lists = [
        ("dvms", "pubkey", &["results", "requests", "paid", "p50", "success", "last_seen"][..]),
        ("kinds", "kind", &["requests", "results", "paid", "dvms", "kind"]),
        ("users", "pubkey", &["requests", "spent", "first_seen", "last_seen"]),
    ];
    for (list, key, orders) in lists {
        for sort in orders {
            let path = format!("/api/v1/{list}?from=all&sort={sort}");
            let whole = api.json(&format!("{path}&limit=1000")).await;
            assert!(whole["next_cursor"].is_null(), "{path}: more than a page of data");
            let whole: Vec<Value> = whole["items"].as_array().unwrap().iter().map(|row| row[key].clone()).collect();
            let (mut paged, mut cursor, mut windows) = (Vec::new(), String::new(), BTreeSet::new());
            loop {
                let page = api.json(&format!("{path}&limit=37{cursor}")).await;
                windows.insert((page["from"].to_string(), page["to"].to_string()));
                paged.extend(page["items"].as_array().unwrap().iter().map(|row| row[key].clone()));
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(paged, whole, "{path}");
            assert!(list == "users" || windows.len() == 1, "{path}: the window of the first page stays: {windows:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dvm_is_found_by_every_form_of_its_key_and_by_its_name() {
    let (api, _) = api().await;
    let list = api.json("/api/v1/dvms?from=all&limit=1000").await;
    let row = list["items"].as_array().unwrap().iter().find(|row| row["name"].is_string()).unwrap();
    let (pubkey, npub, name) = (row["pubkey"].as_str().unwrap(), row["npub"].as_str().unwrap(), row["name"].as_str().unwrap());
    for form in [pubkey.to_owned(), npub.to_owned(), pubkey.to_uppercase(), format!("nostr:{npub}")] {
        let one = api.json(&format!("/api/v1/dvms/{form}?from=all")).await;
        assert_eq!(one["results"], row["results"], "{form}");
        assert_eq!(one["pubkey"], pubkey);
    }
    let encoded: String = name.to_uppercase().bytes().map(|byte| format!("%{byte:02x}")).collect();
    for q in [&pubkey[5..20], &npub[..20], &encoded] {
        let found = api.json(&format!("/api/v1/dvms?from=all&limit=1000&q={q}")).await;
        let found = found["items"].as_array().unwrap();
        assert!(found.iter().any(|row| row["pubkey"] == pubkey), "{q}");
        assert!(found.len() < list["items"].as_array().unwrap().len(), "{q}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dvms_of_a_kind_are_those_of_its_league_with_the_same_numbers() {
    let (api, _) = api().await;
    let kinds = api.json("/api/v1/kinds?from=all&sort=results&limit=5").await;
    for kind in kinds["items"].as_array().unwrap() {
        let one = api.json(&format!("/api/v1/kinds/{}?from=all", kind["kind"])).await;
        let league = one["league"].as_array().unwrap();
        let list = api.json(&format!("/api/v1/dvms?from=all&limit=1000&kind={}", kind["kind"])).await;
        let list = list["items"].as_array().unwrap();
        assert_eq!(list.len(), league.len());
        for (row, other) in list.iter().zip(league) {
            for name in ["pubkey", "requests", "results", "feedback", "paid_msat", "unique_users", "error_rate"] {
                assert_eq!(row[name], other[name], "kind {} {name}", kind["kind"]);
            }
            let dvm = api.json(&format!("/api/v1/dvms/{}?from=all", row["pubkey"].as_str().unwrap())).await;
            let own = dvm["by_kind"].as_array().unwrap().iter().find(|own| own["kind"] == kind["kind"]);
            assert_eq!(own.unwrap()["results"], row["results"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_of_a_series_add_up_to_the_window_at_every_step() {
    let (api, _) = api().await;
    let window = "from=2020-11-07T00:00:00Z&to=now";
    let kind = api.json(&format!("/api/v1/kinds?{window}&limit=1")).await["items"][0]["kind"].to_string();
    let dvm = api.json(&format!("/api/v1/dvms?{window}&limit=1")).await["items"][0]["pubkey"].as_str().unwrap().to_owned();
    for path in ["stats/global".to_owned(), format!("kinds/{kind}"), format!("dvms/{dvm}")] {
        let whole = api.json(&format!("/api/v1/{path}?{window}")).await;
        let series = api.json(&format!("/api/v1/{path}/series?{window}&step=day")).await;
        assert_eq!(series["step"], "day");
        for name in ["requests", "results", "feedback", "paid_msat"] {
            let sum: u64 = series["points"].as_array().unwrap().iter().map(|point| point[name].as_u64().unwrap()).sum();
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
    for path in ["dvms?from=all", "kinds?from=all", "users?a=b", "events?kind=5000-5999", "relays?a=b"] {
        let json = api.json(&format!("/api/v1/{path}&limit=50")).await;
        let items = json["items"].as_array().unwrap();
        let lines = get(&format!("{}/api/v1/{path}&limit=50&format=jsonl", api.url)).await;
        let rows: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(&rows, items, "{path}");
        assert_eq!(lines.headers["dvmdash-from"].to_str().unwrap(), json["from"], "{path}");
        assert_eq!(lines.headers.get("dvmdash-next-cursor").is_some(), json["next_cursor"].is_string(), "{path}");
        let table = get(&format!("{}/api/v1/{path}&limit=50&format=csv", api.url)).await;
        assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
        let head = table.text.lines().next().unwrap();
        assert!(head.split(',').count() > 3, "{path}: {head}");
        assert!(items.is_empty() || table.text.lines().count() > items.len(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_back_as_signed_newest_first_under_every_condition() {
    let (api, lines) = api().await;
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let page = api.json("/api/v1/events?kind=5000-5999&kind=7000&limit=200").await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 200);
    assert!(page["next_cursor"].is_string());
    let order: Vec<_> = items.iter().map(|item| (-item["event"]["created_at"].as_i64().unwrap(), item["event"]["id"].as_str().unwrap())).collect();
    assert!(order.is_sorted());
    for item in items {
        let kind = item["event"]["kind"].as_i64().unwrap();
        assert!((5000..6000).contains(&kind) || kind == 7000);
        // Requests that only came embedded in another event are in no line.
        if let Some(event) = events.iter().find(|event| event["id"] == item["event"]["id"]) {
            for field in ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"] {
                assert_eq!(item["event"][field], event[field]);
            }
        }
    }
    let next = api.json(&format!("/api/v1/events?kind=5000-5999&kind=7000&limit=200&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!((&next["from"], &next["to"]), (&page["from"], &page["to"]));
    let seen: BTreeSet<&str> = items.iter().map(|item| item["event"]["id"].as_str().unwrap()).collect();
    assert!(next["items"].as_array().unwrap().iter().all(|item| !seen.contains(item["event"]["id"].as_str().unwrap())));

    let event = &items[7]["event"];
    let author = api.json(&format!("/api/v1/events?pubkey={}", event["pubkey"].as_str().unwrap())).await;
    assert!(author["items"].as_array().unwrap().iter().all(|item| item["event"]["pubkey"] == event["pubkey"]));
    let one = api.json(&format!("/api/v1/events/{}", event["id"].as_str().unwrap())).await;
    assert_eq!(&one, &items[7]);
    let at = event["created_at"].as_i64().unwrap();
    let moment = api.json(&format!("/api/v1/events?since={at}&until={}", at + 1)).await;
    assert!(moment["items"].as_array().unwrap().iter().any(|item| item["event"]["id"] == event["id"]));
    assert!(moment["items"].as_array().unwrap().iter().all(|item| item["event"]["created_at"] == at));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_event_is_not_shown_but_said_to_be_deleted() {
    let (api, lines) = api().await;
    let naive = numbers::naive(&lines);
    let deleted = naive.deleted();
    assert!(!deleted.is_empty(), "the events hold deletions");
    for (id, deletion) in &deleted {
        let one = api.json(&format!("/api/v1/events/{id}")).await;
        assert_eq!((one["id"].as_str(), one["deleted_by"].as_str()), (Some(id.as_str()), Some(deletion.as_str())), "{one}");
        assert!(one["event"].is_null() && one["kind"].is_u64() && one["pubkey"].is_string() && one["created_at"].is_string(), "{one}");
    }
    let (mut cursor, mut shown) = (String::new(), BTreeSet::new());
    loop {
        let page = api.json(&format!("/api/v1/events?limit=1000{cursor}")).await;
        shown.extend(page["items"].as_array().unwrap().iter().map(|item| item["event"]["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected: BTreeSet<String> = naive.counted().into_iter().filter(|id| !deleted.contains_key(id)).collect();
    assert!(expected.is_subset(&shown), "every other event is in the list");
    assert!(deleted.keys().all(|id| !shown.contains(id)), "no deleted one is");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_client_has_is_not_sent_again_until_a_number_changes() {
    let world = Servers::shared().await.world("etag").await;
    let pool = count(world.postgres().await, Vec::new(), 100).await.unwrap();
    let api = Api::start(pool.clone()).await;
    let url = format!("{}/api/v1/stats/global?from=1700000000&to=1700003600", api.url);
    let first = get(&url).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = get_with(&url, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(again.headers["etag"], tag.as_str());
    sqlx::query("update progress set revision = revision + 1").execute(&pool).await.unwrap();
    let changed = get_with(&url, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], tag.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_gives_zeros_and_places_without_a_holder() {
    let world = Servers::shared().await.world("empty").await;
    let pool = count(world.postgres().await, Vec::new(), 100).await.unwrap();
    let api = Api::start(pool).await;
    for query in ["", "?from=all", "?timeRange=1h"] {
        let global = api.json(&format!("/api/v1/stats/global{query}")).await;
        assert_eq!(global["requests"], 0);
        assert!(global["most_popular_dvm"].is_null() && global["most_paid_kind"].is_null());
        assert!(global["response_time"]["p50_s"].is_null());
    }
    for path in ["dvms", "kinds", "users", "events", "relays"] {
        assert_eq!(api.json(&format!("/api/v1/{path}?from=all")).await["items"], serde_json::json!([]), "{path}");
    }
    let status = api.json("/api/v1/status").await;
    assert_eq!(status["settled"], true);
    assert!(status["freshness"]["newest_event"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_accounts_for_every_event_and_its_sums_agree() {
    let (api, lines) = api().await;
    let naive = numbers::naive(&lines);
    let status = api.json("/api/v1/status").await;
    assert_eq!(status["archived"], naive.archived().len());
    assert_eq!(status["counted"], naive.counted().len());
    assert_eq!(status["quarantined"], serde_json::json!(naive.quarantined()));
    assert_eq!(status["settled"], true);
    let invariants = status["invariants"].as_array().unwrap();
    assert!(invariants.len() >= 6 && invariants.iter().all(|one| one["holds"] == true), "{invariants:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_503_and_not_a_mistake_of_the_server() {
    let options = "postgresql://postgres@127.0.0.1:1/none".parse().unwrap();
    let api = Api::start(postgres::pool(options, 1)).await;
    let answer = get(&format!("{}/api/v1/stats/global", api.url)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.json["type"], "/problems/unavailable");
    // The page itself needs no store, and says what it cannot reach.
    assert_eq!(get(&api.url).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_page_loads_nothing_and_anybody_may_read_the_json() {
    let (api, _) = api().await;
    let page = get(&api.url).await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    for outside in ["http://", "https://", "src=", "innerHTML", "@import"] {
        assert!(!page.text.contains(outside), "{outside}");
    }
    let answer = get_with(&format!("{}/api/v1/status", api.url), &[("origin", "https://elsewhere.example")]).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let answer = get_with(&format!("{}/api/v1/dvms?from=all", api.url), &[("accept-encoding", "gzip")]).await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_path_that_answers() {
    let (api, _) = api().await;
    let described = api.json("/api/openapi.json").await;
    let paths = described["paths"].as_object().unwrap();
    let routes = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src/routes.rs")).unwrap();
    let routed: BTreeSet<&str> = routes.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let named: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let routed: BTreeSet<&str> = routed.into_iter().filter(|path| path.starts_with("/api/v1/")).collect();
    assert_eq!(named, routed);
}
