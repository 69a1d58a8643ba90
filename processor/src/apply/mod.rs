//! Writes a batch: the new facts, and what they change in every table. One statement a table, whatever the batch's size.

pub(crate) mod aside;
mod facts;
mod people;
mod rollups;
mod shown;

use anyhow::{Context, Result};
use dvmdash_core::fold::{Deltas, Facts};
use dvmdash_core::{Hex32, Pubkey};

use crate::batch::Claimable;
use crate::turn::{Kept, Transaction};

/// Writes `new` events, what they say (`facts`) and what they change (`deltas`).
pub(crate) async fn run(
    transaction: &mut Transaction,
    new: &[&Claimable],
    facts: &Facts,
    deltas: &Deltas,
    kept: Kept,
) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    facts::requests(transaction, &facts.requests)
        .await
        .context("store requests")?;
    facts::responses(transaction, &facts.responses)
        .await
        .context("store responses")?;
    facts::receipts(transaction, &facts.receipts)
        .await
        .context("store receipts")?;
    facts::payments(transaction, deltas)
        .await
        .context("store payments")?;
    let words = shown::store(transaction, new)
        .await
        .context("store announcements, profiles and deletions")?;

    let dvms = people::dvms(transaction, facts, deltas)
        .await
        .context("update DVMs")?;
    let users = people::users(transaction, facts, deltas)
        .await
        .context("update users")?;
    people::support(transaction, facts, &dvms.ids)
        .await
        .context("update the support table")?;
    let touched: Vec<Pubkey> = words.into_iter().chain(dvms.new).collect();
    shown::refresh(transaction, &touched)
        .await
        .context("refresh what is shown of DVMs")?;

    rollups::write(transaction, deltas, &dvms.ids, &users, kept)
        .await
        .context("update rollups")?;

    let times = || new.iter().map(|event| event.sighting.event.created_at);
    sqlx::query(
        "update progress set revision = revision + 1, counted = counted + $1, newest = greatest(newest, $2), oldest = least(oldest, $3)",
    )
    .bind(i64::try_from(new.len())?)
    .bind(times().max())
    .bind(times().min())
    .execute(&mut **transaction)
    .await
    .context("note the progress")?;
    Ok(())
}

/// A column of 32-byte values.
fn column<'a>(ids: impl Iterator<Item = &'a Hex32>) -> Vec<&'a [u8]> {
    ids.map(|id| &id.0[..]).collect()
}

/// An array literal of PostgreSQL's `bytea[]`.
fn array_literal(ids: &[Hex32]) -> String {
    if ids.is_empty() {
        return "{}".to_owned();
    }
    let items: Vec<String> = ids.iter().map(|id| format!(r#""\\x{id}""#)).collect();
    format!("{{{}}}", items.join(","))
}

/// Text as PostgreSQL can hold it.
fn text(value: Option<&String>) -> Option<String> {
    value.map(|value| value.replace('\0', "\u{fffd}"))
}
