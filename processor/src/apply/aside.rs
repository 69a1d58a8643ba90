//! What a batch brought that is in no number: quarantined and refused events, and what each relay delivered.

use std::collections::HashMap;

use anyhow::Result;

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
             where not exists (select from ledger l where l.id = q.id and l.created_at = q.at) on conflict do nothing",
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
    relays(transaction, aside, new).await
}

async fn relays(
    transaction: &mut Transaction,
    aside: &Aside<'_>,
    new: &[&Claimable],
) -> Result<()> {
    if aside.relays.is_empty() {
        return Ok(());
    }
    let mut first: HashMap<&str, i64> = HashMap::new();
    for relay in new
        .iter()
        .filter_map(|event| event.sighting.relay.as_deref())
    {
        *first.entry(relay).or_default() += 1;
    }
    let urls: Vec<&str> = aside.relays.keys().map(String::as_str).collect();
    sqlx::query(
        "insert into relays (url, events, first_deliveries, last_seen_ms)
         select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
         on conflict (url) do update set events = relays.events + excluded.events,
             first_deliveries = relays.first_deliveries + excluded.first_deliveries,
             last_seen_ms = greatest(relays.last_seen_ms, excluded.last_seen_ms)",
    )
    .bind(&urls)
    .bind(
        aside
            .relays
            .values()
            .map(|relay| relay.events)
            .collect::<Vec<_>>(),
    )
    .bind(
        urls.iter()
            .map(|url| first.get(url).copied().unwrap_or_default())
            .collect::<Vec<_>>(),
    )
    .bind(
        aside
            .relays
            .values()
            .map(|relay| relay.last_seen_ms)
            .collect::<Vec<_>>(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
