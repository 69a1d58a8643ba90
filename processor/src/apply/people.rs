//! DVMs, users, and which DVM supports which kind.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use dvmdash_core::fold::{Deltas, Facts};
use dvmdash_core::{Answer, Hex32, Pubkey};

use super::column;
use crate::turn::Transaction;

/// Row numbers by pubkey.
pub(super) type Ids = HashMap<Pubkey, i32>;

/// The DVMs of a batch.
pub(super) struct Dvms {
    pub(super) ids: Ids,
    /// Those that got their row just now: what earlier events said of them is not shown yet.
    pub(super) new: Vec<Pubkey>,
}

/// Least and greatest `created_at`.
#[derive(Clone, Copy)]
struct Seen {
    first: i64,
    last: i64,
}

impl Seen {
    fn widen(seen: Option<Self>, at: i64) -> Self {
        seen.map_or(
            Self {
                first: at,
                last: at,
            },
            |seen| Self {
                first: seen.first.min(at),
                last: seen.last.max(at),
            },
        )
    }
}

/// Gives every DVM that a delta names or the facts make known its row.
pub(super) async fn dvms(
    transaction: &mut Transaction,
    facts: &Facts,
    deltas: &Deltas,
) -> Result<Dvms> {
    let mut changes: BTreeMap<Pubkey, Option<Seen>> = BTreeMap::new();
    let cells = deltas
        .cells
        .keys()
        .chain(deltas.latency.keys().map(|(cell, ..)| cell));
    let cells = cells.chain(deltas.presence.keys().map(|(cell, _)| cell));
    for dvm in cells
        .filter_map(|cell| cell.dvm)
        .chain(facts.known.iter().copied())
    {
        changes.entry(dvm).or_default();
    }
    for response in &facts.responses {
        let seen = changes.entry(response.dvm).or_default();
        *seen = Some(Seen::widen(*seen, response.created_at));
    }
    let select = "select pubkey, dvm_id from dvms where pubkey = any($1)";
    let insert = "insert into dvms (pubkey) select unnest($1::bytea[]) returning pubkey, dvm_id";
    let (ids, new) = rows(transaction, select, insert, changes.keys()).await?;

    let changed: Vec<_> = changes
        .iter()
        .filter(|(dvm, _)| facts.known.contains(dvm))
        .collect();
    sqlx::query(include_str!("../sql/update_dvms.sql"))
        .bind(changed.iter().map(|(dvm, _)| ids[dvm]).collect::<Vec<_>>())
        .bind(vec![true; changed.len()])
        .bind(
            changed
                .iter()
                .map(|(_, seen)| seen.map(|seen| seen.first))
                .collect::<Vec<_>>(),
        )
        .bind(
            changed
                .iter()
                .map(|(_, seen)| seen.map(|seen| seen.last))
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(Dvms { ids, new })
}

/// Gives every customer and payer their row.
pub(super) async fn users(
    transaction: &mut Transaction,
    facts: &Facts,
    deltas: &Deltas,
) -> Result<Ids> {
    #[derive(Default)]
    struct Change {
        seen: Option<Seen>,
        requests: i64,
        spent: i64,
    }
    let mut changes: BTreeMap<Pubkey, Change> = BTreeMap::new();
    for request in &facts.requests {
        let change = changes.entry(request.customer).or_default();
        change.seen = Some(Seen::widen(change.seen, request.created_at));
        change.requests += 1;
    }
    for (payer, msat) in &deltas.spent {
        changes.entry(*payer).or_default().spent += msat;
    }
    // Customers whose job only now concerns a DVM are in no list above.
    for (_, customer) in deltas.presence.keys() {
        changes.entry(*customer).or_default();
    }
    let select = "select pubkey, user_id from users where pubkey = any($1)";
    let insert = "insert into users (pubkey) select unnest($1::bytea[]) returning pubkey, user_id";
    let (ids, _) = rows(transaction, select, insert, changes.keys()).await?;

    let changed: Vec<_> = changes
        .iter()
        .filter(|(_, change)| change.requests != 0 || change.spent != 0)
        .collect();
    sqlx::query(include_str!("../sql/update_users.sql"))
        .bind(
            changed
                .iter()
                .map(|(user, _)| ids[user])
                .collect::<Vec<_>>(),
        )
        .bind(
            changed
                .iter()
                .map(|(_, change)| change.seen.map(|seen| seen.first))
                .collect::<Vec<_>>(),
        )
        .bind(
            changed
                .iter()
                .map(|(_, change)| change.seen.map(|seen| seen.last))
                .collect::<Vec<_>>(),
        )
        .bind(
            changed
                .iter()
                .map(|(_, change)| change.requests)
                .collect::<Vec<_>>(),
        )
        .bind(
            changed
                .iter()
                .map(|(_, change)| change.spent)
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(ids)
}

/// Kinds, and the observed half of the support table.
pub(super) async fn support(transaction: &mut Transaction, facts: &Facts, ids: &Ids) -> Result<()> {
    let mut observed: BTreeMap<(u16, Pubkey), Option<Seen>> = BTreeMap::new();
    let mut kinds: Vec<i32> = facts
        .requests
        .iter()
        .map(|request| i32::from(request.kind))
        .collect();
    for response in &facts.responses {
        if let Answer::Result(kind) = response.answer {
            let seen = observed.entry((kind, response.dvm)).or_default();
            *seen = Some(Seen::widen(*seen, response.created_at));
            kinds.push(i32::from(kind));
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    sqlx::query("insert into kinds (kind) select unnest($1::int[]) on conflict do nothing")
        .bind(kinds)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(include_str!("../sql/upsert_kind_dvm.sql"))
        .bind(
            observed
                .keys()
                .map(|(kind, _)| i32::from(*kind))
                .collect::<Vec<_>>(),
        )
        .bind(observed.keys().map(|(_, dvm)| ids[dvm]).collect::<Vec<_>>())
        .bind(
            observed
                .values()
                .map(|seen| seen.map(|seen| seen.first))
                .collect::<Vec<_>>(),
        )
        .bind(
            observed
                .values()
                .map(|seen| seen.map(|seen| seen.last))
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// The rows of these pubkeys, made where they are missing, and which were. Nobody else makes any meanwhile: the fence is held.
async fn rows<'a>(
    transaction: &mut Transaction,
    select: &'static str,
    insert: &'static str,
    pubkeys: impl Iterator<Item = &'a Pubkey>,
) -> Result<(Ids, Vec<Pubkey>)> {
    let pubkeys: Vec<&Pubkey> = pubkeys.collect();
    let mut ids = Ids::with_capacity(pubkeys.len());
    let found: Vec<([u8; 32], i32)> = sqlx::query_as(select)
        .bind(column(pubkeys.iter().copied()))
        .fetch_all(&mut **transaction)
        .await?;
    ids.extend(found.into_iter().map(|(pubkey, id)| (Hex32(pubkey), id)));
    let missing: Vec<Pubkey> = pubkeys
        .into_iter()
        .filter(|pubkey| !ids.contains_key(pubkey))
        .copied()
        .collect();
    if !missing.is_empty() {
        let made: Vec<([u8; 32], i32)> = sqlx::query_as(insert)
            .bind(column(missing.iter()))
            .fetch_all(&mut **transaction)
            .await?;
        ids.extend(made.into_iter().map(|(pubkey, id)| (Hex32(pubkey), id)));
    }
    Ok((ids, missing))
}
