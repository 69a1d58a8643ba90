//! The archive of local mode: a table beside the rollups.

use std::collections::HashSet;

use anyhow::{Context, Result};
use async_trait::async_trait;
use dvmdash_core::{Event, EventId, Hex32};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, QueryBuilder, Row};

use super::{Archive, Archived, Find};
use crate::queue::{Sighting, Source};

/// Events in the table `archive_events`.
pub struct PostgresArchive {
    pool: PgPool,
}

impl PostgresArchive {
    /// An archive in this database; [`Archive::prepare`] makes its table.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

/// The event's seven fields are kept as JSON in bytes: text of PostgreSQL cannot hold U+0000. The lock makes two at once take turns, which
/// `if not exists` alone does not.
const PREPARE: &str = "
select pg_advisory_xact_lock(7260);
create table if not exists archive_events (
    id bytea primary key,
    pubkey bytea not null,
    created_at bigint not null,
    kind integer not null,
    e bytea[] not null,
    p bytea[] not null,
    event bytea not null,
    first_seen bigint not null,
    relay text,
    source text not null,
    quarantined text
);
create index if not exists archive_events_by_time on archive_events (created_at desc, id);
create index if not exists archive_events_by_kind on archive_events (kind, created_at desc);
create index if not exists archive_events_by_pubkey on archive_events (pubkey, created_at desc);
create index if not exists archive_events_by_e on archive_events using gin (e);
create index if not exists archive_events_by_p on archive_events using gin (p);
";

/// In the order of ids, so that two inserts of the same events cannot wait for each other.
const INSERT: &str = "
insert into archive_events (id, pubkey, created_at, kind, e, p, event, first_seen, relay, source, quarantined)
select id, pubkey, created_at, kind, e::bytea[], p::bytea[], event, first_seen, relay, source, quarantined
from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::bytea[], $8::bigint[], $9::text[], $10::text[], $11::text[])
    with ordinality as n (id, pubkey, created_at, kind, e, p, event, first_seen, relay, source, quarantined, position)
order by id, position
on conflict (id) do nothing
";

const COLUMNS: &str = "select event, first_seen, relay, source, quarantined from archive_events";

/// Distinct values of 64 hex digits of a tag, as an array literal.
fn references(event: &Event, name: &str) -> String {
    let mut ids: Vec<Hex32> = event.values(name).filter_map(Hex32::parse).collect();
    ids.sort_unstable();
    ids.dedup();
    let items: Vec<String> = ids.iter().map(|id| format!(r#""\\x{id}""#)).collect();
    format!("{{{}}}", items.join(","))
}

fn archived(row: &PgRow) -> Result<Archived> {
    let event: Vec<u8> = row.try_get("event")?;
    let source: String = row.try_get("source")?;
    let relay: Option<String> = row.try_get("relay")?;
    Ok(Archived {
        relays: relay.iter().cloned().collect(),
        sighting: Sighting {
            event: serde_json::from_slice(&event).context("read an archived event")?,
            first_seen: row.try_get("first_seen")?,
            relay,
            source: source.parse::<Source>().map_err(anyhow::Error::msg)?,
        },
        quarantined: row.try_get("quarantined")?,
    })
}

#[async_trait]
impl Archive for PostgresArchive {
    async fn prepare(&self) -> Result<()> {
        sqlx::raw_sql(PREPARE)
            .execute(&self.pool)
            .await
            .context("create the archive's table")?;
        Ok(())
    }

    async fn insert_new(&self, events: &[(&Sighting, Option<&str>)]) -> Result<()> {
        sqlx::query(INSERT)
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| &sighting.event.id.0[..])
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| &sighting.event.pubkey.0[..])
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| sighting.event.created_at)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| i32::from(sighting.event.kind))
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| references(&sighting.event, "e"))
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| references(&sighting.event, "p"))
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| serde_json::to_vec(&sighting.event))
                    .collect::<Result<Vec<_>, _>>()?,
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| sighting.first_seen)
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| sighting.relay.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|(sighting, _)| sighting.source.as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(events.iter().map(|(_, reason)| *reason).collect::<Vec<_>>())
            .execute(&self.pool)
            .await
            .context("insert into the archive's table")?;
        Ok(())
    }

    async fn get(&self, id: EventId) -> Result<Option<Archived>> {
        Ok(self.get_many(&[id]).await?.pop())
    }

    async fn get_many(&self, ids: &[EventId]) -> Result<Vec<Archived>> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id.0[..]).collect();
        let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
        query.push(" where id = any(").push_bind(ids).push(")");
        query
            .build()
            .fetch_all(&self.pool)
            .await?
            .iter()
            .map(archived)
            .collect()
    }

    async fn find(&self, find: &Find) -> Result<Vec<Archived>> {
        let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
        query.push(" where true");
        if !find.kinds.is_empty() {
            query.push(" and (false");
            for range in &find.kinds {
                query
                    .push(" or kind between ")
                    .push_bind(i32::from(*range.start()));
                query.push(" and ").push_bind(i32::from(*range.end()));
            }
            query.push(")");
        }
        if let Some(pubkey) = find.pubkey {
            query.push(" and pubkey = ").push_bind(pubkey.0.to_vec());
        }
        if let Some(e) = find.e {
            query.push(" and e @> ").push_bind(vec![e.0.to_vec()]);
        }
        if let Some(p) = find.p {
            query.push(" and p @> ").push_bind(vec![p.0.to_vec()]);
        }
        if let Some(since) = find.since {
            query.push(" and created_at >= ").push_bind(since);
        }
        if let Some(until) = find.until {
            query.push(" and created_at < ").push_bind(until);
        }
        if let Some((at, id)) = find.after {
            query.push(" and (created_at < ").push_bind(at);
            query
                .push(" or created_at = ")
                .push_bind(at)
                .push(" and id > ")
                .push_bind(id.0.to_vec())
                .push(")");
        }
        query
            .push(" order by created_at desc, id limit ")
            .push_bind(i64::try_from(find.limit)?);
        query
            .build()
            .fetch_all(&self.pool)
            .await?
            .iter()
            .map(archived)
            .collect()
    }

    async fn mark(&self, ids: &[EventId], reason: &str) -> Result<()> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id.0[..]).collect();
        sqlx::query("update archive_events set quarantined = $2 where id = any($1)")
            .bind(ids)
            .bind(reason)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn release(&self, ids: &[EventId]) -> Result<()> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id.0[..]).collect();
        sqlx::query("update archive_events set quarantined = null where id = any($1)")
            .bind(ids)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn ids(&self) -> Result<HashSet<EventId>> {
        let ids: Vec<[u8; 32]> = sqlx::query_scalar("select id from archive_events")
            .fetch_all(&self.pool)
            .await?;
        Ok(ids.into_iter().map(Hex32).collect())
    }

    async fn count(&self) -> Result<u64> {
        let count: i64 = sqlx::query_scalar("select count(*) from archive_events")
            .fetch_one(&self.pool)
            .await?;
        Ok(count.unsigned_abs())
    }

    async fn ping(&self) -> Result<()> {
        sqlx::query("select 1")
            .execute(&self.pool)
            .await
            .context("reach the archive's PostgreSQL")?;
        Ok(())
    }
}
