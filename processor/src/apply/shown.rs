//! Announcements, profiles and deletions: what is shown of DVMs.

use std::collections::BTreeSet;

use anyhow::Result;
use dvmdash_core::{Activity, Announcement, Deletion, Profile, Pubkey};

use super::{column, text};
use crate::batch::Claimable;
use crate::turn::Transaction;

/// Stores them; returns whose shown words may have changed.
pub(super) async fn store(
    transaction: &mut Transaction,
    new: &[&Claimable],
) -> Result<BTreeSet<Pubkey>> {
    let (mut announcements, mut profiles, mut deletions) = (Vec::new(), Vec::new(), Vec::new());
    let mut touched = BTreeSet::new();
    for event in new {
        match &event.activity {
            Activity::Announcement(version) => announcements.push(version),
            Activity::Profile(version) => profiles.push(version),
            Activity::Deletion(deletion) => deletions.push(deletion),
            _ => continue,
        }
        touched.insert(event.sighting.event.pubkey);
    }
    if !announcements.is_empty() {
        store_announcements(transaction, &announcements).await?;
    }
    if !profiles.is_empty() {
        store_profiles(transaction, &profiles).await?;
    }
    if !deletions.is_empty() {
        store_deletions(transaction, &deletions).await?;
    }
    Ok(touched)
}

/// Works out anew what is shown of these DVMs; those that are none are passed over.
pub(super) async fn refresh(transaction: &mut Transaction, pubkeys: &[Pubkey]) -> Result<()> {
    if pubkeys.is_empty() {
        return Ok(());
    }
    for sql in [
        include_str!("../sql/refresh_dvms.sql"),
        include_str!("../sql/refresh_support.sql"),
    ] {
        sqlx::query(sql)
            .bind(column(pubkeys.iter()))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

async fn store_announcements(
    transaction: &mut Transaction,
    versions: &[&Announcement],
) -> Result<()> {
    let mut kinds: Vec<i32> = versions
        .iter()
        .flat_map(|version| &version.kinds)
        .map(|kind| i32::from(*kind))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    sqlx::query("insert into kinds (kind) select unnest($1::int[]) on conflict do nothing")
        .bind(kinds)
        .execute(&mut **transaction)
        .await?;
    let kinds_literal = |version: &Announcement| {
        let kinds: Vec<String> = version.kinds.iter().map(u16::to_string).collect();
        format!("{{{}}}", kinds.join(","))
    };
    sqlx::query(include_str!("../sql/insert_announcements.sql"))
        .bind(column(versions.iter().map(|version| &version.id)))
        .bind(column(versions.iter().map(|version| &version.pubkey)))
        .bind(
            versions
                .iter()
                .map(|version| version.d.as_bytes())
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| version.created_at)
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| kinds_literal(version))
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| text(version.card.name.as_ref()))
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| text(version.card.about.as_ref()))
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| text(version.card.picture.as_ref()))
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| version.card.malformed)
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn store_profiles(transaction: &mut Transaction, versions: &[&Profile]) -> Result<()> {
    sqlx::query(include_str!("../sql/insert_profiles.sql"))
        .bind(column(versions.iter().map(|version| &version.id)))
        .bind(column(versions.iter().map(|version| &version.pubkey)))
        .bind(
            versions
                .iter()
                .map(|version| version.created_at)
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| text(version.card.name.as_ref()))
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| text(version.card.about.as_ref()))
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| text(version.card.picture.as_ref()))
                .collect::<Vec<_>>(),
        )
        .bind(
            versions
                .iter()
                .map(|version| version.card.malformed)
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn store_deletions(transaction: &mut Transaction, deletions: &[&Deletion]) -> Result<()> {
    let events: Vec<_> = deletions
        .iter()
        .flat_map(|one| one.events.iter().map(move |event| (event, *one)))
        .collect();
    sqlx::query(include_str!("../sql/insert_deletions.sql"))
        .bind(column(events.iter().map(|(event, _)| *event)))
        .bind(column(events.iter().map(|(_, deletion)| &deletion.id)))
        .bind(column(events.iter().map(|(_, deletion)| &deletion.author)))
        .bind(
            events
                .iter()
                .map(|(_, deletion)| deletion.created_at)
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    let addresses: Vec<_> = deletions
        .iter()
        .flat_map(|one| one.announcements.iter().map(move |d| (d, *one)))
        .collect();
    sqlx::query(include_str!("../sql/insert_address_deletions.sql"))
        .bind(column(
            addresses.iter().map(|(_, deletion)| &deletion.author),
        ))
        .bind(
            addresses
                .iter()
                .map(|(d, _)| d.as_bytes())
                .collect::<Vec<_>>(),
        )
        .bind(column(addresses.iter().map(|(_, deletion)| &deletion.id)))
        .bind(
            addresses
                .iter()
                .map(|(_, deletion)| deletion.created_at)
                .collect::<Vec<_>>(),
        )
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
