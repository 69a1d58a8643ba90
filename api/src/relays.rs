//! `/api/v1/relays`: what each relay delivered to the processors, of all time.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use sqlx::FromRow;

use crate::moment::{self, rfc3339_ms};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::table::{Format, List};
use crate::window::Window;

#[derive(Default, Serialize)]
struct Relay {
    url: String,
    /// When its last event came.
    last_event: Option<String>,
    events: i64,
    /// Events that another delivery had brought before, or that are in no number.
    duplicates: i64,
}

#[derive(FromRow)]
struct Row {
    url: String,
    events: i64,
    first_deliveries: i64,
    last_seen_ms: Option<i64>,
}

pub(crate) async fn get(
    State(state): State<crate::State>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let format = Format::read(&parameters)?;
    let mut snapshot = Snapshot::take(&state.pool).await?;
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/relays.sql"))
        .fetch_all(snapshot.connection())
        .await?;
    let items: Vec<Relay> = rows
        .into_iter()
        .map(|row| Relay {
            url: row.url,
            last_event: row.last_seen_ms.map(rfc3339_ms),
            events: row.events,
            duplicates: row.events - row.first_deliveries,
        })
        .collect();
    let list = List {
        window: Window::all(&snapshot.progress, moment::now()),
        items: &items,
        next_cursor: None,
    };
    Ok(list.render(format, &Relay::default())?.uncached())
}
