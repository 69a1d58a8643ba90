//! `/api/v1/events`, `/api/v1/events/{id}`: what the archive holds, as signed.

use std::ops::RangeInclusive;

use axum::extract::State;
use axum::response::Response;
use dvmdash_core::{Event, EventId, Hex32, Pubkey, Signature};
use dvmdash_runtime::archive::{Archived, Find};
use dvmdash_runtime::queue::{Sighting, Source};
use serde::Serialize;

use crate::State as Shared;
use crate::cached::Rendered;
use crate::cursor::Cursor;
use crate::moment::{self, rfc3339, rfc3339_ms};
use crate::parameters::{Named, Parameters};
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::table::{Format, List};
use crate::window::{self, Edge, Window};
use crate::{deleted, keys};

/// An event that is shown.
#[derive(Serialize)]
struct Shown {
    event: Event,
    first_seen: String,
    relays: Vec<String>,
    source: Source,
    quarantined: Option<String>,
}

impl From<Archived> for Shown {
    fn from(archived: Archived) -> Self {
        Self {
            first_seen: rfc3339_ms(archived.sighting.first_seen),
            event: archived.sighting.event,
            relays: archived.relays,
            source: archived.sighting.source,
            quarantined: archived.quarantined,
        }
    }
}

/// What is left to show of a deleted event.
#[derive(Serialize)]
struct Deleted {
    event: Option<Event>,
    id: EventId,
    kind: u16,
    pubkey: Pubkey,
    created_at: String,
    deleted_by: EventId,
}

pub(crate) async fn one(
    State(state): State<Shared>,
    Named(name): Named,
) -> Result<Response, Problem> {
    let id = keys::event_id("id", &name)?;
    let Some(mut archived) = state.archive.get(id).await? else {
        return Err(Problem::not_found("the archive holds no event of this id"));
    };
    let mut snapshot = Snapshot::take(&state.pool).await?;
    // The table knows better than the archive's mark, which a crash may leave on an event that counts.
    archived.quarantined = sqlx::query_scalar("select reason from quarantine where id = $1")
        .bind(&id.0[..])
        .fetch_optional(snapshot.connection())
        .await?;
    let event = &archived.sighting.event;
    let gone = deleted::among(&mut snapshot, std::iter::once(event)).await?;
    let rendered = match gone.get(&id) {
        Some(&deleted_by) => Rendered::json(&Deleted {
            event: None,
            id,
            kind: event.kind,
            pubkey: event.pubkey,
            created_at: rfc3339(event.created_at),
            deleted_by,
        }),
        None => Rendered::json(&Shown::from(archived)),
    };
    Ok(rendered?.uncached())
}

/// The name of the one order there is.
const SORT: &str = "newest";

pub(crate) async fn list(
    State(state): State<Shared>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let (format, limit) = (Format::read(&parameters)?, parameters.limit()?);
    let cursor = Cursor::read(&parameters, SORT)?;
    let mut snapshot = Snapshot::take(&state.pool).await?;
    let (window, mut find) = conditions(&parameters, moment::now())?;
    let mut window = window;
    if let Some(cursor) = &cursor {
        window = Window {
            from: cursor.from,
            to: cursor.to,
        };
        find.since = Some(window.from);
        find.until = Some(window.to);
        find.after = Some((place(cursor)?, keys::event_id("cursor", &cursor.id)?));
    }
    let (items, rest) = newest(&state, &mut snapshot, find, limit).await?;
    let next = rest.map(|(created_at, id)| Cursor {
        from: window.from,
        to: window.to,
        sort: SORT.to_owned(),
        key: Some(created_at.into()),
        id: id.to_string(),
    });
    let list = List {
        window,
        items: &items,
        next_cursor: next.map(|cursor| cursor.encode()),
    };
    Ok(list.render(format, &sample())?.uncached())
}

fn place(cursor: &Cursor) -> Result<i64, Problem> {
    let at = cursor.key.and_then(|key| key.try_into().ok());
    at.ok_or_else(|| Problem::parameter("cursor", "write the next_cursor of an answer"))
}

/// How often an answer looks for events that are not deleted, before it says where to go on: an author may have deleted any number.
const ROUNDS: usize = 20;
/// Events of a round, at least.
const FEW: usize = 100;

/// Up to `limit` of the newest events that are not deleted, and after which place (created_at, id) there may be more.
async fn newest(
    state: &Shared,
    snapshot: &mut Snapshot,
    mut find: Find,
    limit: usize,
) -> Result<(Vec<Shown>, Option<(i64, EventId)>), Problem> {
    let mut shown: Vec<Shown> = Vec::new();
    for _ in 0..ROUNDS {
        find.limit = (limit + 1 - shown.len()).max(FEW);
        let found = state.archive.find(&find).await?;
        let exhausted = found.len() < find.limit;
        if let Some(last) = found.last() {
            find.after = Some((last.sighting.event.created_at, last.sighting.event.id));
        }
        let events = found.iter().map(|archived| &archived.sighting.event);
        let gone = deleted::among(snapshot, events).await?;
        shown.extend(
            found
                .into_iter()
                .filter(|archived| !gone.contains_key(&archived.sighting.event.id))
                .map(Shown::from),
        );
        if shown.len() > limit {
            shown.truncate(limit);
            let last = shown.last().map(|shown| &shown.event);
            let place = last.map(|event| (event.created_at, event.id));
            return Ok((shown, place));
        }
        if exhausted {
            return Ok((shown, None));
        }
    }
    Ok((shown, find.after))
}

/// Reads the conditions. `since` and `until` are `from` and `to` by other names; without them every event is looked at.
fn conditions(parameters: &Parameters, now: i64) -> Result<(Window, Find), Problem> {
    let since = either(parameters, "since", "from")?
        .map(|(name, text)| window::lower(text, name, now))
        .transpose()?;
    let until = either(parameters, "until", "to")?
        .map(|(name, text)| window::moment(text, name, now))
        .transpose()?;
    // An event may be dated a little ahead and count.
    let until = until.unwrap_or(now + dvmdash_core::admission::FUTURE_TOLERANCE_SECONDS);
    let since = match since {
        Some(Edge::At(since)) => Some(since),
        _ => None,
    };
    // Not from the first event that counts: quarantined ones may be older, and every page looks at the same window.
    let from = since.unwrap_or(0);
    if from >= until {
        return Err(Problem::parameter("since", "it has to be before `until`"));
    }
    let find = Find {
        kinds: kinds(parameters)?,
        pubkey: key(parameters, "pubkey", keys::pubkey)?,
        e: key(parameters, "e", keys::event_id)?,
        p: key(parameters, "p", keys::pubkey)?,
        since,
        until: Some(until),
        after: None,
        limit: 0,
    };
    Ok((Window { from, to: until }, find))
}

fn either<'a>(
    parameters: &'a Parameters,
    name: &'static str,
    other: &'static str,
) -> Result<Option<(&'static str, &'a str)>, Problem> {
    match (parameters.get(name)?, parameters.get(other)?) {
        (Some(_), Some(_)) => Err(Problem::parameter(
            name,
            format!("give either this or `{other}`"),
        )),
        (Some(text), None) => Ok(Some((name, text))),
        (None, Some(text)) => Ok(Some((other, text))),
        (None, None) => Ok(None),
    }
}

fn key(
    parameters: &Parameters,
    name: &'static str,
    read: fn(&'static str, &str) -> Result<Hex32, Problem>,
) -> Result<Option<Hex32>, Problem> {
    parameters
        .get(name)?
        .map(|text| read(name, text))
        .transpose()
}

/// Kinds and ranges of kinds; the parameter may repeat.
fn kinds(parameters: &Parameters) -> Result<Vec<RangeInclusive<u16>>, Problem> {
    let ranges = parameters.all("kind").map(|text| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
            _ => Err(Problem::parameter(
                "kind",
                "write a kind from 0 to 65535, or a range such as 5000-5999",
            )),
        }
    });
    ranges.collect()
}

/// Any event, for the heads of a table.
fn sample() -> Shown {
    let event = Event {
        id: Hex32::default(),
        pubkey: Hex32::default(),
        created_at: 0,
        kind: 0,
        tags: Vec::new(),
        content: String::new(),
        sig: Signature([0; 64]),
    };
    let sighting = Sighting {
        event,
        first_seen: 0,
        relay: None,
        source: Source::Relay,
    };
    Shown::from(Archived {
        sighting,
        relays: Vec::new(),
        quarantined: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::tests::parameters;

    #[test]
    fn kinds_may_repeat_and_be_ranges() {
        let read = kinds(&parameters(&[("kind", "5050"), ("kind", "6000-6999")])).unwrap();
        assert_eq!(read, [5050..=5050, 6000..=6999]);
        for text in ["x", "70000", "6-5", "5050-", "-5050"] {
            assert!(kinds(&parameters(&[("kind", text)])).is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_window_every_event_is_looked_at() {
        let (window, find) = conditions(&parameters(&[]), 2000).unwrap();
        assert_eq!((window.from, window.to), (0, 2900));
        assert_eq!((find.since, find.until), (None, Some(2900)));
        let asked = parameters(&[("since", "200"), ("until", "300")]);
        let (window, find) = conditions(&asked, 2000).unwrap();
        assert_eq!((window.from, window.to), (200, 300));
        assert_eq!((find.since, find.until), (Some(200), Some(300)));
    }
}
