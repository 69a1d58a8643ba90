//! The views that people query by hand say what the naive program says.

use dvmdash_tests::harness::Servers;
use serde_json::Value;
use sqlx::PgPool;

use crate::in_process::{count, messages};
use crate::numbers::naive;
use crate::running::lines;

/// Rows of a query as JSON objects.
async fn rows(pool: &PgPool, query: &str) -> Vec<Value> {
    let sql = format!("select to_jsonb(t) from ({query}) t");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_all(pool)
        .await
        .unwrap()
}

fn sats(row: &Value) -> u64 {
    row["paid_msat"].as_u64().unwrap() / 1000
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_of_all_time_are_right() {
    let lines = lines(51, 2500);
    let naive = naive(&lines);
    let (from, to) = (0, i64::from(u32::MAX));
    let world = Servers::shared().await.world("views").await;
    let pool = count(world.postgres().await, messages(&lines, 500), 5000)
        .await
        .unwrap();

    let global = rows(
        &pool,
        "select *, trunc(total_sats_earned) as sats from global_stats",
    )
    .await
    .remove(0);
    let expected = naive.global(from, to);
    for (column, field) in [
        ("total_requests", "requests"),
        ("total_results", "results"),
        ("total_feedback", "feedback"),
        ("unique_users", "unique_users"),
        ("unique_dvms", "unique_dvms"),
        ("known_dvms", "known_dvms"),
    ] {
        assert_eq!(global[column], expected[field], "{column}");
    }
    assert_eq!(global["sats"].as_u64(), Some(sats(&expected)));
    assert_eq!(
        global["most_popular_dvm"],
        expected["most_popular_dvm"]["pubkey"]
    );
    assert_eq!(global["most_paid_dvm"], expected["most_paid_dvm"]["pubkey"]);
    assert_eq!(
        global["most_popular_kind"],
        expected["most_popular_kind"]["kind"]
    );
    assert_eq!(global["most_paid_kind"], expected["most_paid_kind"]["kind"]);

    let dvms = rows(
        &pool,
        "select *, trunc(total_sats_earned) as sats from dvm_stats",
    )
    .await;
    let expected = naive.dvms(from, to);
    assert_eq!(dvms.len(), expected.len());
    for dvm in &dvms {
        let expected = &expected[dvm["pubkey"].as_str().unwrap()];
        assert_eq!(dvm["name"], expected["name"]);
        assert_eq!(dvm["profile_description"], expected["about"]);
        assert_eq!(dvm["total_requests"], expected["requests"]);
        assert_eq!(dvm["total_results"], expected["results"]);
        assert_eq!(dvm["sats"].as_u64(), Some(sats(expected)));
        let (actual, wanted) = (
            dvm["average_response_seconds"].as_f64(),
            expected["avg_response_s"].as_f64(),
        );
        assert_eq!(actual.is_some(), wanted.is_some());
        assert!((actual.unwrap_or(0.0) - wanted.unwrap_or(0.0)).abs() < 1e-6);
    }

    let kinds = rows(
        &pool,
        "select *, trunc(total_sats_paid) as sats from kind_stats",
    )
    .await;
    for (kind, expected) in naive.kinds(from, to) {
        let found = kinds.iter().find(|row| row["kind"] == kind).unwrap();
        assert_eq!(found["total_requests"], expected["requests"], "{kind}");
        assert_eq!(found["total_responses"], expected["results"], "{kind}");
        assert_eq!(
            found["supporting_dvms"], expected["supporting_dvms"],
            "{kind}"
        );
        assert_eq!(found["sats"].as_u64(), Some(sats(&expected)), "{kind}");
    }

    let states = naive.job_states(
        i64::try_from(nostr_relay_builder::prelude::Timestamp::now().as_secs()).unwrap(),
    );
    let jobs = rows(&pool, "select encode(id, 'hex') as id, state from jobs").await;
    assert_eq!(jobs.len(), states.len());
    for job in &jobs {
        let id = job["id"].as_str().unwrap();
        assert_eq!(job["state"], states[id]["state"], "{id}");
    }
    let pairs = rows(
        &pool,
        "select encode(job, 'hex') as job, encode(dvm, 'hex') as dvm, state from job_dvms",
    )
    .await;
    for pair in &pairs {
        let (job, dvm) = (pair["job"].as_str().unwrap(), pair["dvm"].as_str().unwrap());
        assert_eq!(pair["state"], states[job]["dvms"][dvm], "{job} {dvm}");
    }
    let expected: usize = states
        .values()
        .map(|job| job["dvms"].as_object().unwrap().len())
        .sum();
    assert_eq!(pairs.len(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_says_what_it_holds() {
    let world = Servers::shared().await.world("comments").await;
    let pool = world.postgres().await;
    dvmdash_runtime::postgres::migrate(&pool).await.unwrap();
    let silent: Vec<String> = sqlx::query_scalar(
        "select c.relname || coalesce('.' || a.attname, '')
         from pg_class c
         left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
           and c.relname <> '_sqlx_migrations'
           and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(silent.is_empty(), "no comment on {silent:?}");
}
