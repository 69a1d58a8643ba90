//! What the new tables say otherwise than those in use.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgPool, Row};

use super::tables;
use crate::turn::Transaction;

/// A table with rows that differ.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// How many of its rows differ.
    pub rows: i64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// A row that differs; null where it is not there. Row numbers are replaced by public keys.
#[derive(Debug, Serialize)]
pub struct Example {
    /// In the tables in use.
    pub live: Value,
    /// In the new ones.
    pub recomputed: Value,
}

/// Examples of one table.
const EXAMPLES: usize = 20;

/// Table, key, and a query of its rows with `{s}` for the schema. Rows that say nothing (all zero, named once) are as good as none.
const TABLES: &[(&str, &str, &str)] = &[
    (
        "rollup",
        "step, start, kind, dvm",
        "select step, start, kind, coalesce(pubkey, '') as dvm, requests, results, feedback, payment_required, processing, error, success,
                partial, other, encrypted, jobs_answered, outcomes, failures, response_count, response_sum_s, skewed, late, asked_msat,
                paid_msat, tips_msat
         from {s}.rollup left join {s}.dvms using (dvm_id)
         where (requests, results, feedback, payment_required, processing, error, success, partial, other, encrypted, jobs_answered, outcomes,
                failures, response_count, response_sum_s, skewed, late, asked_msat, paid_msat, tips_msat)
               <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
    ),
    (
        "latency",
        "step, start, kind, dvm, observed, slot",
        "select step, start, kind, coalesce(pubkey, '') as dvm, observed, slot, samples
         from {s}.latency left join {s}.dvms using (dvm_id) where samples <> 0",
    ),
    (
        "presence",
        "step, start, kind, dvm, customer",
        "select step, start, kind, coalesce(d.pubkey, '') as dvm, u.pubkey as customer
         from {s}.presence join {s}.users u using (user_id) left join {s}.dvms d using (dvm_id)",
    ),
    (
        "users",
        "pubkey",
        "select pubkey, first_seen, last_seen, requests, spent_msat from {s}.users where requests > 0 or spent_msat <> 0",
    ),
    (
        "dvms",
        "pubkey",
        "select pubkey, known, announced, first_seen, last_seen, name, about, picture, profile_updated_at, profile_malformed from {s}.dvms",
    ),
    ("kinds", "kind", "select kind from {s}.kinds"),
    (
        "kind_dvm",
        "kind, pubkey",
        "select s.kind, d.pubkey, s.announced, s.observed, s.first_seen, s.last_seen
         from {s}.kind_dvm s join {s}.dvms d using (dvm_id) where s.announced or s.observed",
    ),
    ("ledger", "id, created_at", "select * from {s}.ledger"),
    ("quarantine", "id", "select * from {s}.quarantine"),
    ("requests", "id", "select * from {s}.requests"),
    ("responses", "id", "select * from {s}.responses"),
    ("receipts", "id", "select * from {s}.receipts"),
    ("payments", "payment_hash", "select * from {s}.payments"),
    ("announcements", "id", "select * from {s}.announcements"),
    ("profiles", "id", "select * from {s}.profiles"),
    ("deletions", "event_id, deletion", "select * from {s}.deletions"),
    (
        "address_deletions",
        "author, d, deletion",
        "select distinct * from {s}.address_deletions",
    ),
    (
        "progress",
        "only_row",
        "select only_row, counted, newest, oldest, minute_from, hour_from from {s}.progress",
    ),
];

/// A transaction that goes on seeing both schemas as they are now.
pub(super) async fn snapshot(live: &PgPool) -> Result<Transaction> {
    let mut transaction = live
        .begin_with("begin isolation level repeatable read, read only")
        .await
        .context("begin to compare")?;
    sqlx::query("select from recompute.progress")
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}

/// Compares all tables.
pub(super) async fn differences(transaction: &mut Transaction) -> Result<Vec<Difference>> {
    let schema = tables::in_use(transaction).await?;
    let mut found = Vec::new();
    for (table, key, rows) in TABLES {
        let (old, new) = (
            rows.replace("{s}", &schema),
            rows.replace("{s}", "recompute"),
        );
        let sql = format!(
            "select count(*) over () as rows, to_jsonb(l) as live, to_jsonb(n) as recomputed
             from ({old}) l full join ({new}) n using ({key}) where l is distinct from n limit {EXAMPLES}"
        );
        let differing = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&mut **transaction)
            .await
            .with_context(|| format!("compare {table}"))?;
        let Some(first) = differing.first() else {
            continue;
        };
        let example = |row| -> Result<Example, sqlx::Error> {
            let side = |name: &str| Row::try_get::<Option<Value>, _>(row, name);
            Ok(Example {
                live: side("live")?.unwrap_or_default(),
                recomputed: side("recomputed")?.unwrap_or_default(),
            })
        };
        found.push(Difference {
            table,
            rows: first.try_get("rows")?,
            examples: differing.iter().map(example).collect::<Result<_, _>>()?,
        });
    }
    Ok(found)
}
