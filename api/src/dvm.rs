//! `/api/v1/dvms/{pubkey}`

use std::collections::{BTreeSet, HashMap};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use dvmdash_core::{Event, Hex32, Pubkey, kinds};
use dvmdash_runtime::archive::Find;
use serde::Serialize;
use sqlx::FromRow;

use crate::cached::Rendered;
use crate::cover::{DAY, HOUR};
use crate::dvms::{self, DvmRow};
use crate::keys;
use crate::kinds::label;
use crate::moment::{self, rfc3339};
use crate::numbers::{Counts, sums};
use crate::pair::{self, Pair};
use crate::parameters::{Named, Parameters};
use crate::problem::Problem;
use crate::rollups::{self, Of};
use crate::snapshot::Snapshot;
use crate::window::Window;
use crate::{State as Shared, deleted};

#[derive(Serialize)]
struct Dvm {
    from: String,
    to: String,
    #[serde(flatten)]
    row: DvmRow,
    status: &'static str,
    announcements: Vec<Announcement>,
    by_kind: Vec<ByKind>,
    last_errors: Vec<LastError>,
}

#[derive(Serialize)]
struct ByKind {
    kind: i32,
    label: Option<&'static str>,
    #[serde(flatten)]
    pair: Pair,
}

#[derive(Serialize)]
struct Announcement {
    id: Hex32,
    d: String,
    created_at: String,
    kinds: Vec<i32>,
    name: Option<String>,
    about: Option<String>,
    picture: Option<String>,
    malformed: bool,
}

#[derive(FromRow)]
struct AnnouncementRow {
    id: [u8; 32],
    d: String,
    created_at: i64,
    kinds: Vec<i32>,
    name: Option<String>,
    about: Option<String>,
    picture: Option<String>,
    malformed: bool,
}

/// A feedback of status `error`.
#[derive(Serialize)]
struct LastError {
    id: Hex32,
    created_at: String,
    job: Option<Hex32>,
    /// What the status tag says after `error`, else the content.
    message: String,
}

/// At most so many errors are shown, out of so many of the last feedbacks.
const ERRORS: usize = 10;
const LOOKED_THROUGH: usize = 100;
/// Characters of an error's message.
const MESSAGE: usize = 500;

pub(crate) async fn get(
    State(state): State<Shared>,
    asked: HeaderMap,
    Named(name): Named,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let pubkey = keys::pubkey("pubkey", &name)?;
    let now = moment::now();
    let snapshot = Snapshot::take(&state.pool).await?;
    let window = Window::read(&parameters, None, &snapshot.progress, now)?;
    // Whether it is up depends on the time of asking.
    let question = format!("dvm {pubkey} {} {} {}", window.from, window.to, now / 60);
    let revision = snapshot.progress.revision;
    let render = render(&state, snapshot, window, pubkey, now);
    state
        .answers
        .answer(&asked, revision, question, render)
        .await
}

async fn render(
    state: &Shared,
    mut snapshot: Snapshot,
    window: Window,
    pubkey: Pubkey,
    now: i64,
) -> Result<Rendered, Problem> {
    let pieces = window.pieces();
    let known = dvms::known(&mut snapshot, pubkey).await?;
    let id = known.dvm_id;
    let cells = rollups::cells(&mut snapshot, &pieces, Of::Dvm(id)).await?;
    let histograms = rollups::dvm_latency(&mut snapshot, &pieces, id).await?;
    let users = rollups::dvm_users(&mut snapshot, &pieces, id).await?;
    let support = pair::support(&mut snapshot, include_str!("sql/dvm_support.sql"), id).await?;
    let announcements = announcements(&mut snapshot, pubkey).await?;
    let last_errors = last_errors(state, &mut snapshot, pubkey).await?;

    let counts: HashMap<i32, Counts> = sums(&cells, |cell| Some(cell.kind));
    let nothing = Counts::default();
    let mut kinds: BTreeSet<i32> = support.keys().copied().collect();
    kinds.extend(
        counts
            .iter()
            .filter(|(kind, counts)| **kind >= 0 && counts.any())
            .map(|(kind, _)| *kind),
    );
    let by_kind = kinds.into_iter().map(|kind| ByKind {
        kind,
        label: label(kind),
        pair: Pair::new(
            counts.get(&kind).unwrap_or(&nothing),
            histograms.get(&kind),
            users.get(&kind).copied().unwrap_or_default(),
            support.get(&kind),
        ),
    });
    let by_kind = by_kind.collect();

    let (mut total, mut histogram) = (
        Counts::default(),
        dvmdash_core::latency::Histogram::default(),
    );
    counts.values().for_each(|counts| total.add(counts));
    histograms.values().for_each(|one| histogram.merge(one));
    let all_users = users.get(&-1).copied().unwrap_or_default();
    let row = known.row(&total, Some(&histogram), all_users);
    Rendered::json(&Dvm {
        from: rfc3339(window.from),
        to: rfc3339(window.to),
        status: status(row.last, now),
        row,
        announcements,
        by_kind,
        last_errors,
    })
}

/// Up within 24 hours of its last result or feedback, stale within 30 days, else silent.
fn status(last_seen: Option<i64>, now: i64) -> &'static str {
    match last_seen.map(|last| now - last) {
        Some(ago) if ago <= 24 * HOUR => "up",
        Some(ago) if ago <= 30 * DAY => "stale",
        _ => "silent",
    }
}

async fn announcements(
    snapshot: &mut Snapshot,
    pubkey: Pubkey,
) -> Result<Vec<Announcement>, Problem> {
    let rows: Vec<AnnouncementRow> = sqlx::query_as(include_str!("sql/dvm_announcements.sql"))
        .bind(&pubkey.0[..])
        .fetch_all(snapshot.connection())
        .await?;
    let announcements = rows.into_iter().map(|row| Announcement {
        id: Hex32(row.id),
        d: row.d,
        created_at: rfc3339(row.created_at),
        kinds: row.kinds,
        name: row.name,
        about: row.about,
        picture: row.picture,
        malformed: row.malformed,
    });
    Ok(announcements.collect())
}

/// The newest errors among the DVM's last feedbacks.
async fn last_errors(
    state: &Shared,
    snapshot: &mut Snapshot,
    pubkey: Pubkey,
) -> Result<Vec<LastError>, Problem> {
    let find = Find {
        kinds: vec![kinds::FEEDBACK..=kinds::FEEDBACK],
        pubkey: Some(pubkey),
        limit: LOOKED_THROUGH,
        ..Find::default()
    };
    let mut events: Vec<Event> = state
        .archive
        .find(&find)
        .await?
        .into_iter()
        .filter(|archived| archived.quarantined.is_none())
        .map(|archived| archived.sighting.event)
        .filter(|event| event.tag("status") == Some("error"))
        .collect();
    let gone = deleted::among(snapshot, events.iter()).await?;
    events.retain(|event| !gone.contains_key(&event.id));
    Ok(events.iter().take(ERRORS).map(last_error).collect())
}

fn last_error(event: &Event) -> LastError {
    let status = event
        .tags
        .iter()
        .find(|tag| tag.len() >= 2 && tag[0] == "status");
    let said = status
        .and_then(|tag| tag.get(2))
        .filter(|said| !said.is_empty());
    let message = said.unwrap_or(&event.content);
    LastError {
        id: event.id,
        created_at: rfc3339(event.created_at),
        job: event.values("e").find_map(Hex32::parse),
        message: message.chars().take(MESSAGE).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_the_last_sign_of_life() {
        let now = 100 * DAY;
        for (last, expected) in [
            (Some(now), "up"),
            (Some(now - DAY), "up"),
            (Some(now - DAY - 1), "stale"),
            (Some(now - 30 * DAY), "stale"),
            (Some(now - 30 * DAY - 1), "silent"),
            (None, "silent"),
        ] {
            assert_eq!(status(last, now), expected);
        }
    }
}
