//! Every table as text that two databases can be compared by: row numbers are replaced by what they stand for, rows that retraction has
//! emptied are left out, and so is what only tells of our own watching.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sqlx::PgPool;

const COUNTERS: &str = "requests, results, feedback, payment_required, processing, error, success, partial, other, encrypted, \
    jobs_answered, outcomes, failures, response_count, response_sum_s, skewed, late, asked_msat, paid_msat, tips_msat";

/// Name and query of everything that must be a function of the set of events.
fn queries() -> Vec<(&'static str, String)> {
    let rollup = format!(
        "select step, start, kind, pubkey, {COUNTERS} from rollup left join dvms using (dvm_id)
         where (select bool_or(value::numeric <> 0) from jsonb_each_text(to_jsonb(rollup) - array['step', 'start', 'kind', 'dvm_id']))"
    );
    let plain = |table: &str, columns: &str| format!("select {columns} from {table}");
    vec![
        ("rollup", rollup),
        (
            "latency",
            plain(
                "latency left join dvms using (dvm_id) where samples <> 0 and not observed",
                "step, start, kind, pubkey, slot, samples",
            ),
        ),
        (
            "presence",
            plain(
                "presence join users u using (user_id) left join dvms d using (dvm_id)",
                "step, start, kind, d.pubkey as dvm, u.pubkey as customer",
            ),
        ),
        ("ledger", plain("ledger", "id, created_at")),
        ("quarantine", plain("quarantine", "*")),
        (
            "requests",
            plain(
                "requests",
                "id, customer, kind, created_at, named, expiration, after_jobs, after_events",
            ),
        ),
        (
            "responses",
            plain(
                "responses",
                "id, dvm, job, created_at, result_kind, status, amount_msat",
            ),
        ),
        ("receipts", plain("receipts", "*")),
        ("payments", plain("payments", "*")),
        ("announcements", plain("announcements", "*")),
        ("live_announcements", plain("live_announcements", "*")),
        ("profiles", plain("profiles", "*")),
        ("deletions", plain("deletions", "*")),
        ("address_deletions", plain("address_deletions", "*")),
        (
            "users",
            plain(
                "users where requests > 0 or spent_msat <> 0",
                "pubkey, first_seen, last_seen, requests, spent_msat",
            ),
        ),
        (
            "dvms",
            plain(
                "dvms",
                "pubkey, known, announced, first_seen, last_seen, name, about, picture, profile_updated_at, profile_malformed",
            ),
        ),
        ("kinds", plain("kinds", "*")),
        (
            "kind_dvm",
            plain(
                "kind_dvm k join dvms d using (dvm_id) where k.announced or k.observed",
                "k.kind, d.pubkey, k.announced, k.observed, k.first_seen, k.last_seen",
            ),
        ),
        ("progress", plain("progress", "counted, newest, oldest")),
        ("kind_stats", plain("kind_stats", "*")),
        (
            "dvm_stats",
            "select to_jsonb(s) - 'dvm_id' as row from dvm_stats s".to_owned(),
        ),
        (
            "kind_dvm_stats",
            "select to_jsonb(s) - 'dvm_id' as row from kind_dvm_stats s".to_owned(),
        ),
        ("global_stats", plain("global_stats", "*")),
        ("job_dvms", plain("job_dvms", "*")),
        ("jobs", plain("jobs", "*")),
    ]
}

/// The rows of each table, sorted.
///
/// # Errors
/// When a query fails.
pub async fn snapshot(pool: &PgPool) -> Result<BTreeMap<&'static str, Vec<String>>> {
    let mut tables = BTreeMap::new();
    for (name, query) in queries() {
        let sql = format!("select to_jsonb(t)::text from ({query}) t order by 1");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(pool)
            .await;
        tables.insert(name, rows.with_context(|| format!("read {name}"))?);
    }
    Ok(tables)
}

/// What differs between two snapshots, a few rows of each table; empty when nothing does.
pub fn differences(
    left: &BTreeMap<&'static str, Vec<String>>,
    right: &BTreeMap<&'static str, Vec<String>>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, left) in left {
        let right = &right[name];
        let only = |a: &[String], b: &[String]| {
            a.iter()
                .filter(|row| !b.contains(row))
                .take(3)
                .cloned()
                .collect::<Vec<_>>()
        };
        if left != right {
            found.push(format!(
                "{name}: {} rows and {} rows; only left {:?}; only right {:?}",
                left.len(),
                right.len(),
                only(left, right),
                only(right, left)
            ));
        }
    }
    found
}
