//! The API as its users see it: shapes, errors, pages, formats, caching. The numbers themselves are held against the naive program.

mod events;
mod http;
mod lists;

use std::collections::BTreeMap;
use std::sync::Arc;

use dvmdash_runtime::archive::PostgresArchive;
use dvmdash_runtime::queue::InProcess;
use dvmdash_tests::harness::{Servers, get};
use dvmdash_tests::naive::diff;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgPool, SqlSafeStr};
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
        let state =
            dvmdash_api::State::new(pool, archive, Arc::new(InProcess::new()), Arc::default());
        let shutdown = CancellationToken::new();
        tokio::spawn(dvmdash_api::serve(listener, state, shutdown.clone()));
        Self {
            url,
            _shutdown: shutdown.drop_guard(),
        }
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
            let pool = count(world.postgres().await, messages(&lines, 100), 500)
                .await
                .unwrap();
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
        assert!(
            found.is_empty(),
            "{from}..{to}: {} differences: {:#?}",
            found.len(),
            &found[..found.len().min(20)]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_series_of_every_dvm_and_kind_are_the_naive_ones() {
    let (api, lines) = api().await;
    let naive = numbers::naive(&lines);
    let (from, to) = (1_604_707_200, i64::from(u32::MAX));
    let window = |answer: &Value| {
        [&answer["from"], &answer["to"]].map(|at| {
            at.as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
                .as_second()
        })
    };
    let mut found = Vec::new();
    for row in api.json("/api/v1/dvms?from=all&limit=40").await["items"]
        .as_array()
        .unwrap()
    {
        let dvm = row["pubkey"].as_str().unwrap();
        let one = api
            .json(&format!("/api/v1/dvms/{dvm}?from={from}&to={to}"))
            .await;
        let actual: BTreeMap<u64, &Value> = one["by_kind"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["kind"].as_u64().unwrap(), row))
            .collect();
        let expected = naive.dvm_kinds(dvm, from, to);
        assert_eq!(
            actual.keys().copied().collect::<Vec<_>>(),
            expected
                .keys()
                .map(|kind| u64::from(*kind))
                .collect::<Vec<_>>(),
            "{dvm}"
        );
        for (kind, expected) in expected {
            found.extend(diff(
                actual[&u64::from(kind)],
                &expected,
                &format!("{dvm} {kind}"),
            ));
        }
        let series = api
            .json(&format!("/api/v1/dvms/{dvm}/series?timeRange=7d&step=hour"))
            .await;
        let [from, to] = window(&series);
        found.extend(diff(
            &series["points"],
            &Value::Array(naive.dvm_series(dvm, 3600, from, to)),
            &format!("series of {dvm}"),
        ));
    }
    for row in api.json("/api/v1/kinds?from=all&limit=40").await["items"]
        .as_array()
        .unwrap()
    {
        let kind = u16::try_from(row["kind"].as_u64().unwrap()).unwrap();
        let one = api
            .json(&format!("/api/v1/kinds/{kind}?from={from}&to={to}"))
            .await;
        let actual: BTreeMap<&str, &Value> = one["league"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["pubkey"].as_str().unwrap(), row))
            .collect();
        let expected = naive.kind_dvms(kind, from, to);
        assert_eq!(
            actual.keys().copied().collect::<Vec<_>>(),
            expected.keys().map(String::as_str).collect::<Vec<_>>(),
            "{kind}"
        );
        for (dvm, expected) in expected {
            found.extend(diff(
                actual[dvm.as_str()],
                &expected,
                &format!("{kind} {dvm}"),
            ));
        }
        let series = api
            .json(&format!(
                "/api/v1/kinds/{kind}/series?timeRange=30d&step=day"
            ))
            .await;
        let [from, to] = window(&series);
        found.extend(diff(
            &series["points"],
            &Value::Array(naive.kind_series(kind, 86_400, from, to)),
            &format!("series of {kind}"),
        ));
    }
    assert!(
        found.is_empty(),
        "{} differences: {:#?}",
        found.len(),
        &found[..found.len().min(20)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_can_be_prepared() {
    let (pool, _) = counted().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src/sql");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let sql = std::fs::read_to_string(&path).unwrap();
        pool.prepare(AssertSqlSafe(sql).into_sql_str())
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        files += 1;
    }
    assert!(files > 10, "the queries lie in {folder}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_gives_zeros_and_places_without_a_holder() {
    let world = Servers::shared().await.world("empty").await;
    let pool = count(world.postgres().await, Vec::new(), 100)
        .await
        .unwrap();
    let api = Api::start(pool).await;
    for query in ["", "?from=all", "?timeRange=1h"] {
        let global = api.json(&format!("/api/v1/stats/global{query}")).await;
        assert_eq!(global["requests"], 0);
        assert!(global["most_popular_dvm"].is_null() && global["most_paid_kind"].is_null());
        assert!(global["response_time"]["p50_s"].is_null());
    }
    for path in ["dvms", "kinds", "users", "events", "relays"] {
        assert_eq!(
            api.json(&format!("/api/v1/{path}?from=all")).await["items"],
            serde_json::json!([]),
            "{path}"
        );
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
    assert_eq!(
        status["quarantined"],
        serde_json::json!(naive.quarantined())
    );
    assert_eq!(status["settled"], true);
    let invariants = status["invariants"].as_array().unwrap();
    assert!(
        invariants.len() >= 6 && invariants.iter().all(|one| one["holds"] == true),
        "{invariants:?}"
    );
}
