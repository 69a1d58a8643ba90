//! What HTTP adds to the numbers: errors, caching, who may read.

use std::collections::BTreeSet;

use dvmdash_runtime::postgres;
use dvmdash_tests::harness::{Servers, get, get_with};

use super::{Api, api};
use crate::in_process::count;

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_which_parameter_and_what_to_write() {
    let (api, _) = api().await;
    let dvm = api.json("/api/v1/dvms?limit=1").await["items"][0]["pubkey"]
        .as_str()
        .unwrap()
        .to_owned();
    let cases = [
        ("/nothing", 404, "not-found", None),
        ("/api/v1/nothing", 404, "not-found", None),
        (
            "/api/v1/events/0000000000000000000000000000000000000000000000000000000000000000",
            404,
            "not-found",
            None,
        ),
        (
            "/api/v1/dvms/0000000000000000000000000000000000000000000000000000000000000000",
            404,
            "not-found",
            None,
        ),
        (
            "/api/v1/users/0000000000000000000000000000000000000000000000000000000000000000",
            404,
            "not-found",
            None,
        ),
        ("/api/v1/kinds/5998", 404, "not-found", None),
        ("/api/v1/kinds/5998/series", 404, "not-found", None),
        ("/api/v1/kinds/7000", 400, "bad-parameter", Some("kind")),
        ("/api/v1/dvms/xyz", 400, "bad-parameter", Some("pubkey")),
        ("/api/v1/dvms/%ff", 400, "bad-parameter", Some("path")),
        ("/api/v1/events/xyz", 400, "bad-parameter", Some("id")),
        (
            "/api/v1/stats/global?from=yesterday",
            400,
            "bad-parameter",
            Some("from"),
        ),
        (
            "/api/v1/stats/global?from=200&to=100",
            400,
            "bad-parameter",
            Some("from"),
        ),
        (
            "/api/v1/stats/global?to=1e9",
            400,
            "bad-parameter",
            Some("to"),
        ),
        (
            "/api/v1/stats/global?timeRange=2h",
            400,
            "bad-parameter",
            Some("timeRange"),
        ),
        (
            "/api/v1/stats/global/series?step=week",
            400,
            "bad-parameter",
            Some("step"),
        ),
        (
            "/api/v1/stats/global/series?from=0&step=minute",
            400,
            "bad-parameter",
            Some("step"),
        ),
        ("/api/v1/dvms?limit=0", 400, "bad-parameter", Some("limit")),
        (
            "/api/v1/dvms?limit=1001",
            400,
            "bad-parameter",
            Some("limit"),
        ),
        (
            "/api/v1/dvms?sort=beauty",
            400,
            "bad-parameter",
            Some("sort"),
        ),
        (
            "/api/v1/dvms?cursor=00",
            400,
            "bad-parameter",
            Some("cursor"),
        ),
        (
            "/api/v1/dvms?format=xml",
            400,
            "bad-parameter",
            Some("format"),
        ),
        (
            "/api/v1/events?kind=70000",
            400,
            "bad-parameter",
            Some("kind"),
        ),
        ("/api/v1/events?p=1", 400, "bad-parameter", Some("p")),
        (
            "/api/v1/events?limit=1&frm=1",
            400,
            "bad-parameter",
            Some("query"),
        ),
    ];
    for (path, status, kind, parameter) in cases {
        let answer = get(&format!("{}{path}", api.url)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{path}"
        );
        assert_eq!(answer.json["type"], format!("/problems/{kind}"), "{path}");
        assert_eq!(answer.json["status"], status, "{path}");
        assert_eq!(answer.json["parameter"].as_str(), parameter, "{path}");
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(
            parameter.is_none_or(|name| detail.starts_with(name)),
            "{path}: {detail}"
        );
    }
    // A place beyond every number is a place.
    for (sort, key) in [("requests", "9"), ("first_seen", "-9"), ("spent", "9")] {
        let place = format!("0 60 {sort} {}{} {dvm}", key, "0".repeat(25));
        let cursor = hex::encode(place);
        let answer = get(&format!(
            "{}/api/v1/users?sort={sort}&cursor={cursor}",
            api.url
        ))
        .await;
        assert_eq!(answer.status, 200, "{sort}: {}", answer.text);
        let all = answer.json["items"].as_array().unwrap().len();
        assert_eq!(all == 0, key == "-9", "{sort}: {all} items");
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in [
        "/api/v1/stats/global".to_owned(),
        format!("/api/v1/dvms/{dvm}"),
    ] {
        let answer = client
            .post(format!("{}{path}", api.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_client_has_is_not_sent_again_until_a_number_changes() {
    let world = Servers::shared().await.world("etag").await;
    let pool = count(world.postgres().await, Vec::new(), 100)
        .await
        .unwrap();
    let api = Api::start(pool.clone()).await;
    let url = format!(
        "{}/api/v1/stats/global?from=1700000000&to=1700003600",
        api.url
    );
    let first = get(&url).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = get_with(&url, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(again.headers["etag"], tag.as_str());
    sqlx::query("update progress set revision = revision + 1")
        .execute(&pool)
        .await
        .unwrap();
    let changed = get_with(&url, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], tag.as_str());
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
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    for outside in ["http://", "https://", "src=", "innerHTML", "@import"] {
        assert!(!page.text.contains(outside), "{outside}");
    }
    let answer = get_with(
        &format!("{}/api/v1/status", api.url),
        &[("origin", "https://elsewhere.example")],
    )
    .await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let answer = get_with(
        &format!("{}/api/v1/dvms?from=all", api.url),
        &[("accept-encoding", "gzip")],
    )
    .await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_path_that_answers() {
    let (api, _) = api().await;
    let described = api.json("/api/openapi.json").await;
    let paths = described["paths"].as_object().unwrap();
    let routes =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src/routes.rs"))
            .unwrap();
    let routed: BTreeSet<&str> = routes
        .split(".route(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let named: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let routed: BTreeSet<&str> = routed
        .into_iter()
        .filter(|path| path.starts_with("/api/v1/"))
        .collect();
    assert_eq!(named, routed);
}
