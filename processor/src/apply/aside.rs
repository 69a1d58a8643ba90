//! What a batch brought that is in no number: quarantined and refused events, and what each relay delivered.

use std::collections::BTreeMap;

use anyhow::Result;
use dvmdash_runtime::queue::RelayReport;

use super::column;
use crate::batch::{Aside, Claimable};
use crate::turn::Transaction;

/// Writes it; `new` are the events that were counted beside.
pub(crate) async fn run(
    transaction: &mut Transaction,
    aside: &Aside<'_>,
    new: &[&Claimable],
) -> Result<()> {
    if !aside.quarantined.is_empty() {
        // An event that counts already (it came again after a clock was set back) is not quarantined any more.
        sqlx::query(
            "insert into quarantine (id, reason, created_at) select * from unnest($1::bytea[], $2::text[], $3::bigint[]) as q (id, reason, at)
             where not exists (select from ledger l where l.id = q.id and l.created_at = q.at)
             on conflict (id) do update set reason = excluded.reason where quarantine.reason <> excluded.reason",
        )
        .bind(column(aside.quarantined.iter().map(|(sighting, _)| &sighting.event.id)))
        .bind(aside.quarantined.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>())
        .bind(aside.quarantined.iter().map(|(sighting, _)| sighting.event.created_at).collect::<Vec<_>>())
        .execute(&mut **transaction)
        .await?;
    }
    if !aside.refused.is_empty() {
        sqlx::query(
            "insert into refused (reason, events) select * from unnest($1::text[], $2::bigint[])
             on conflict (reason) do update set events = refused.events + excluded.events",
        )
        .bind(aside.refused.keys().map(String::as_str).collect::<Vec<_>>())
        .bind(
            aside
                .refused
                .values()
                .map(|events| i64::try_from(*events))
                .collect::<Result<Vec<_>, _>>()?,
        )
        .execute(&mut **transaction)
        .await?;
        for (reason, events) in aside.refused {
            metrics::counter!("dvmdash_events_refused_total", "reason" => reason.clone())
                .increment(*events);
        }
    }
    relays(transaction, aside, new).await?;
    reports(transaction, aside.reports).await
}

/// How long a report that nothing follows is kept, in milliseconds.
const DAY_MS: i64 = 86_400_000;

async fn reports(transaction: &mut Transaction, reports: &[RelayReport]) -> Result<()> {
    let Some(newest) = reports.iter().map(|report| report.at_ms).max() else {
        return Ok(());
    };
    let reports: Vec<RelayReport> = reports.iter().cloned().map(without_nul).collect();
    sqlx::query(include_str!("../sql/upsert_relay_reports.sql"))
        .bind(
            reports
                .iter()
                .map(|report| report.url.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            reports
                .iter()
                .map(|report| report.collector.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            reports
                .iter()
                .map(|report| report.at_ms)
                .collect::<Vec<_>>(),
        )
        .bind(
            reports
                .iter()
                .map(serde_json::to_string)
                .collect::<Result<Vec<_>, _>>()?,
        )
        .execute(&mut **transaction)
        .await?;
    sqlx::query("delete from relay_reports where at_ms < $1")
        .bind(newest - DAY_MS)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn relays(
    transaction: &mut Transaction,
    aside: &Aside<'_>,
    new: &[&Claimable],
) -> Result<()> {
    #[derive(Default)]
    struct Delivered {
        events: i64,
        first: i64,
        last_seen_ms: Option<i64>,
    }
    let mut relays: BTreeMap<&str, Delivered> = BTreeMap::new();
    for (url, count) in aside.relays {
        let relay = relays.entry(url).or_default();
        relay.events = count.events;
        relay.last_seen_ms = Some(count.last_seen_ms);
    }
    for url in new
        .iter()
        .filter_map(|event| event.sighting.relay.as_deref())
    {
        relays.entry(url).or_default().first += 1;
    }
    if relays.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into relays (url, events, first_deliveries, last_seen_ms)
         select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
         on conflict (url) do update set events = relays.events + excluded.events,
             first_deliveries = relays.first_deliveries + excluded.first_deliveries,
             last_seen_ms = greatest(relays.last_seen_ms, excluded.last_seen_ms)",
    )
    .bind(relays.keys().copied().collect::<Vec<_>>())
    .bind(
        relays
            .values()
            .map(|relay| relay.events)
            .collect::<Vec<_>>(),
    )
    .bind(relays.values().map(|relay| relay.first).collect::<Vec<_>>())
    .bind(
        relays
            .values()
            .map(|relay| relay.last_seen_ms)
            .collect::<Vec<_>>(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A report as PostgreSQL can hold it: relays write what they like.
fn without_nul(mut report: RelayReport) -> RelayReport {
    let texts = [
        &mut report.last_closed,
        &mut report.last_notice,
        &mut report.trouble,
    ];
    for text in texts.into_iter().flatten() {
        *text = text.replace('\0', "\u{fffd}");
    }
    report
}
