//! `/api/v1/relays`: what each relay delivered to the processors, of all time, and how it is with the collectors that read it now.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use dvmdash_runtime::queue::RelayReport;
use serde::Serialize;
use sqlx::FromRow;

use crate::moment::{self, rfc3339, rfc3339_ms};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::table::{Format, List};
use crate::window::Window;

/// A collector that has said nothing for so long reads the relay no more, in milliseconds.
const SILENT_MS: i64 = 60_000;

#[derive(Default, Serialize)]
struct Relay {
    url: String,
    /// Whether some collector reads it now.
    connected: bool,
    /// Which do.
    collectors: Vec<String>,
    /// When its last event came.
    last_event: Option<String>,
    events: i64,
    /// Events that another delivery had brought before, or that are in no number.
    duplicates: i64,
    /// Events that its collectors did not take since they began to read it, by reason.
    rejected: BTreeMap<String, u64>,
    /// How far its events are with the broker: the furthest of its collectors.
    cursor: Option<String>,
    /// Stretches of its past that were read to the end since then.
    gap_repairs: u64,
    /// Whether it takes filters of all kinds at once.
    wide_filters: Option<bool>,
    /// The most events that it answered a filter with.
    largest_page: Option<u64>,
    last_closed: Option<String>,
    last_notice: Option<String>,
    /// Why a collector does not read it, where one does not.
    trouble: Option<String>,
}

#[derive(FromRow)]
struct Row {
    url: String,
    events: i64,
    first_deliveries: i64,
    last_seen_ms: Option<i64>,
    reports: String,
}

impl TryFrom<Row> for Relay {
    type Error = serde_json::Error;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let mut reports: Vec<RelayReport> = serde_json::from_str(&row.reports)?;
        reports.sort_by_key(|report| report.at_ms);
        let mut relay = Self {
            url: row.url,
            events: row.events,
            duplicates: row.events - row.first_deliveries,
            last_event: row.last_seen_ms.map(rfc3339_ms),
            cursor: reports
                .iter()
                .filter_map(|report| report.cursor)
                .max()
                .map(rfc3339),
            ..Self::default()
        };
        for report in reports {
            if report.connected {
                relay.connected = true;
                relay.collectors.push(report.collector);
                relay.wide_filters = Some(report.wide_filters);
            }
            for (reason, events) in report.rejected {
                *relay.rejected.entry(reason).or_default() += events;
            }
            relay.gap_repairs += report.gap_repairs;
            relay.largest_page = relay.largest_page.max(Some(report.largest_page));
            relay.last_closed = report.last_closed.or(relay.last_closed);
            relay.last_notice = report.last_notice.or(relay.last_notice);
            relay.trouble = report.trouble.or(relay.trouble);
        }
        relay.collectors.sort_unstable();
        Ok(relay)
    }
}

pub(crate) async fn get(
    State(state): State<crate::State>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let format = Format::read(&parameters)?;
    let mut snapshot = Snapshot::take(&state.pool).await?;
    let now = moment::now();
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/relays.sql"))
        .bind(now * 1000 - SILENT_MS)
        .fetch_all(snapshot.connection())
        .await?;
    let items: Vec<Relay> = rows
        .into_iter()
        .map(Relay::try_from)
        .collect::<Result<_, _>>()
        .map_err(anyhow::Error::from)?;
    let list = List {
        window: Window::all(&snapshot.progress, now),
        items: &items,
        next_cursor: None,
    };
    Ok(list.render(format, &Relay::default())?.uncached())
}
