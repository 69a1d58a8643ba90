//! `/api/v1/kinds`

mod labels;

use std::collections::{HashMap, HashSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use dvmdash_core::latency::Histogram;
use serde::Serialize;
use sqlx::FromRow;

use crate::cursor::Cursor;
use crate::moment;
use crate::numbers::{Counts, Msat, ResponseTime, sums};
use crate::order::{self, Place};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::rollups::{self, Of};
use crate::snapshot::Snapshot;
use crate::table::Format;
use crate::window::Window;

pub(crate) use labels::label;

/// A kind's row in lists, and the beginning of its own answer.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct KindRow {
    kind: i32,
    label: Option<&'static str>,
    requests: i64,
    results: i64,
    jobs_answered: i64,
    feedback: i64,
    unique_users: i64,
    dvms: usize,
    announced_dvms: i64,
    supporting_dvms: i64,
    error_rate: Option<f64>,
    asked_msat: Msat,
    paid_msat: Msat,
    response_time: ResponseTime,
}

/// A kind that has been seen, and how many DVMs announce and support it, of all time.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Known {
    pub(crate) kind: i32,
    announced_dvms: i64,
    supporting_dvms: i64,
}

impl Known {
    /// Its row, with the numbers of a window; `dvms` had a result.
    pub(crate) fn row(
        &self,
        counts: &Counts,
        histogram: Option<&Histogram>,
        unique_users: i64,
        dvms: usize,
    ) -> KindRow {
        KindRow {
            kind: self.kind,
            label: label(self.kind),
            requests: counts.requests,
            results: counts.results,
            jobs_answered: counts.jobs_answered,
            feedback: counts.feedback,
            unique_users,
            dvms,
            announced_dvms: self.announced_dvms,
            supporting_dvms: self.supporting_dvms,
            error_rate: counts.error_rate(),
            asked_msat: counts.asked_msat,
            paid_msat: counts.paid_msat,
            response_time: counts.response_time(histogram),
        }
    }
}

type Key = fn(&KindRow) -> Option<i128>;

/// Greatest first.
const ORDERS: [(&str, Key); 5] = [
    ("requests", |row| Some(row.requests.into())),
    ("results", |row| Some(row.results.into())),
    ("paid", |row| Some(row.paid_msat.0)),
    ("dvms", |row| Some(row.dvms as i128)),
    // Kinds ascending: all are equals.
    ("kind", |_| None),
];

pub(crate) async fn get(
    State(state): State<crate::State>,
    asked: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let (format, limit) = (Format::read(&parameters)?, parameters.limit()?);
    let (sort, key) = parameters.choice("sort", &ORDERS)?;
    let cursor = Cursor::read(&parameters, sort)?;
    let snapshot = Snapshot::take(&state.pool).await?;
    let window = Window::read(
        &parameters,
        cursor.as_ref(),
        &snapshot.progress,
        moment::now(),
    )?;
    let question = format!(
        "kinds {} {} {}",
        window.from,
        window.to,
        parameters.key(&["sort", "limit", "cursor", "format"])
    );
    let revision = snapshot.progress.revision;
    let render = async {
        let rows = rows(snapshot, window).await?;
        let place = |row: &KindRow| Place::new(key(row), format!("{:05}", row.kind));
        let page = order::page(rows, place, cursor, limit);
        page.render(window, sort, format, &KindRow::default())
    };
    state
        .answers
        .answer(&asked, revision, question, render)
        .await
}

async fn rows(mut snapshot: Snapshot, window: Window) -> Result<Vec<KindRow>, Problem> {
    let pieces = window.pieces();
    let cells = rollups::cells(&mut snapshot, &pieces, Of::Network).await?;
    let histograms = rollups::latency_by_kind(&mut snapshot, &pieces).await?;
    let users = rollups::users_by_kind(&mut snapshot, &pieces).await?;
    let known = known(&mut snapshot).await?;
    let counts = sums(&cells, |cell| (cell.dvm_id == 0).then_some(cell.kind));
    let mut dvms: HashMap<i32, HashSet<i32>> = HashMap::new();
    for cell in cells
        .iter()
        .filter(|cell| cell.dvm_id != 0 && cell.counts.results > 0)
    {
        dvms.entry(cell.kind).or_default().insert(cell.dvm_id);
    }
    let nothing = Counts::default();
    let rows = known.iter().map(|known| {
        known.row(
            counts.get(&known.kind).unwrap_or(&nothing),
            histograms.get(&known.kind),
            users.get(&known.kind).copied().unwrap_or_default(),
            dvms.get(&known.kind).map_or(0, HashSet::len),
        )
    });
    Ok(rows.collect())
}

/// Every kind that has been seen.
async fn known(snapshot: &mut Snapshot) -> Result<Vec<Known>, Problem> {
    let known = sqlx::query_as(include_str!("sql/known_kinds.sql"))
        .fetch_all(snapshot.connection())
        .await?;
    Ok(known)
}

/// One kind, if it has been seen.
pub(crate) async fn find(snapshot: &mut Snapshot, kind: i32) -> Result<Known, Problem> {
    let known = known(snapshot).await?;
    known
        .into_iter()
        .find(|known| known.kind == kind)
        .ok_or_else(|| {
            Problem::not_found(
                "this kind has not been seen in any request, result or live announcement",
            )
        })
}
