//! `/api/v1/dvms`

use std::collections::HashMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use dvmdash_core::Hex32;
use dvmdash_core::latency::Histogram;
use serde::Serialize;
use sqlx::FromRow;

use crate::cursor::Cursor;
use crate::keys::npub;
use crate::moment::{self, rfc3339};
use crate::numbers::{Counts, Msat, sums};
use crate::order::{self, Place};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::rollups::{self, Of};
use crate::snapshot::Snapshot;
use crate::table::Format;
use crate::window::{Pieces, Window};

/// A DVM's row in lists, and the beginning of its own answer.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DvmRow {
    pub(crate) pubkey: Hex32,
    npub: String,
    name: Option<String>,
    picture: Option<String>,
    about: Option<String>,
    kinds: Vec<i32>,
    requests: i64,
    results: i64,
    feedback: i64,
    jobs_answered: i64,
    error_rate: Option<f64>,
    avg_response_s: Option<f64>,
    p50_s: Option<f64>,
    p95_s: Option<f64>,
    paid_msat: Msat,
    asked_msat: Msat,
    unique_users: i64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    announced: bool,
    #[serde(skip)]
    pub(crate) last: Option<i64>,
    #[serde(skip)]
    dvm_id: i32,
}

/// What the tables say of a known DVM beside its numbers.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Known {
    pub(crate) dvm_id: i32,
    pub(crate) pubkey: [u8; 32],
    name: Option<String>,
    picture: Option<String>,
    about: Option<String>,
    first_seen: Option<i64>,
    last_seen: Option<i64>,
    announced: bool,
    kinds: Vec<i32>,
}

impl Known {
    /// Its row, with the numbers of a window.
    pub(crate) fn row(
        self,
        counts: &Counts,
        histogram: Option<&Histogram>,
        unique_users: i64,
    ) -> DvmRow {
        let times = counts.response_time(histogram);
        DvmRow {
            pubkey: Hex32(self.pubkey),
            npub: npub(Hex32(self.pubkey)),
            name: self.name,
            picture: self.picture,
            about: self.about,
            kinds: self.kinds,
            requests: counts.requests,
            results: counts.results,
            feedback: counts.feedback,
            jobs_answered: counts.jobs_answered,
            error_rate: counts.error_rate(),
            avg_response_s: counts.average_s(),
            p50_s: times.p50_s,
            p95_s: times.p95_s,
            paid_msat: counts.paid_msat,
            asked_msat: counts.asked_msat,
            unique_users,
            first_seen: self.first_seen.map(rfc3339),
            last_seen: self.last_seen.map(rfc3339),
            announced: self.announced,
            last: self.last_seen,
            dvm_id: self.dvm_id,
        }
    }
}

type Key = fn(&DvmRow) -> Option<i128>;

/// Greatest first, but the quickest for `p50`.
const ORDERS: [(&str, Key); 6] = [
    ("results", |row| Some(row.results.into())),
    ("requests", |row| Some(row.requests.into())),
    ("paid", |row| Some(row.paid_msat.0)),
    ("p50", |row| row.p50_s.map(|p50| -((p50 * 1000.0) as i128))),
    ("success", |row| {
        row.error_rate.map(|rate| ((1.0 - rate) * 1e12) as i128)
    }),
    ("last_seen", |row| row.last.map(i128::from)),
];

pub(crate) async fn get(
    State(state): State<crate::State>,
    asked: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let (format, limit) = (Format::read(&parameters)?, parameters.limit()?);
    let (sort, key) = parameters.choice("sort", &ORDERS)?;
    let (kind, q) = (
        parameters.kind()?,
        parameters.get("q")?.map(str::to_lowercase),
    );
    let cursor = Cursor::read(&parameters, sort)?;
    let snapshot = Snapshot::take(&state.pool).await?;
    let window = Window::read(
        &parameters,
        cursor.as_ref(),
        &snapshot.progress,
        moment::now(),
    )?;
    let question = format!(
        "dvms {} {} {}",
        window.from,
        window.to,
        parameters.key(&["sort", "kind", "q", "limit", "cursor", "format"])
    );
    let revision = snapshot.progress.revision;
    let render = async {
        let mut snapshot = snapshot;
        let pieces = window.pieces();
        let mut rows = rows(&mut snapshot, &pieces, kind).await?;
        if let Some(q) = &q {
            rows.retain(|row| found(row, q));
        }
        // Histograms and customers cost the most, so only the page's are read, unless its order hangs on them.
        let by_latency = sort == "p50";
        if by_latency {
            add_latency(&mut snapshot, &pieces, kind, &mut rows).await?;
        }
        let place = |row: &DvmRow| Place::new(key(row), row.pubkey.to_string());
        let mut page = order::page(rows, place, cursor, limit);
        if !by_latency {
            add_latency(&mut snapshot, &pieces, kind, &mut page.rows).await?;
        }
        add_users(&mut snapshot, &pieces, kind, &mut page.rows).await?;
        page.render(window, sort, format, &DvmRow::default())
    };
    state
        .answers
        .answer(&asked, revision, question, render)
        .await
}

/// Every known DVM with its counters; of one kind: those that support it or did something in it, with their counters in it.
async fn rows(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    kind: Option<i32>,
) -> Result<Vec<DvmRow>, Problem> {
    let of = kind.map_or(Of::Network, Of::Kind);
    let cells = rollups::cells(snapshot, pieces, of).await?;
    let counts: HashMap<i32, Counts> = sums(&cells, |cell| Some(cell.dvm_id));
    let known: Vec<Known> = sqlx::query_as(include_str!("sql/known_dvms.sql"))
        .fetch_all(snapshot.connection())
        .await?;
    let nothing = Counts::default();
    let rows = known.into_iter().filter_map(|dvm| {
        let counts = counts.get(&dvm.dvm_id).unwrap_or(&nothing);
        let belongs = kind.is_none_or(|kind| dvm.kinds.contains(&kind) || counts.any());
        belongs.then(|| dvm.row(counts, None, 0))
    });
    Ok(rows.collect())
}

async fn add_latency(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    kind: Option<i32>,
    rows: &mut [DvmRow],
) -> Result<(), Problem> {
    let histograms = match kind {
        None => rollups::latency_by_dvm(snapshot, pieces, &ids(rows)).await?,
        Some(kind) => rollups::kind_latency(snapshot, pieces, kind, &ids(rows)).await?,
    };
    for row in rows {
        if let Some(histogram) = histograms.get(&row.dvm_id) {
            row.p50_s = histogram.percentile(0.5);
            row.p95_s = histogram.percentile(0.95);
        }
    }
    Ok(())
}

async fn add_users(
    snapshot: &mut Snapshot,
    pieces: &Pieces,
    kind: Option<i32>,
    rows: &mut [DvmRow],
) -> Result<(), Problem> {
    let users = match kind {
        None => rollups::users_by_dvm(snapshot, pieces, &ids(rows)).await?,
        Some(kind) => rollups::kind_users(snapshot, pieces, kind, &ids(rows)).await?,
    };
    for row in rows {
        row.unique_users = users.get(&row.dvm_id).copied().unwrap_or_default();
    }
    Ok(())
}

fn ids(rows: &[DvmRow]) -> Vec<i32> {
    rows.iter().map(|row| row.dvm_id).collect()
}

/// Whether name, npub or pubkey holds this text of small letters.
fn found(row: &DvmRow, q: &str) -> bool {
    let name = row.name.as_deref().unwrap_or_default().to_lowercase();
    name.contains(q) || row.npub.contains(q) || row.pubkey.to_string().contains(q)
}

/// The known DVM of a pubkey.
pub(crate) async fn known(snapshot: &mut Snapshot, pubkey: Hex32) -> Result<Known, Problem> {
    let found = sqlx::query_as(include_str!("sql/known_dvm.sql"))
        .bind(&pubkey.0[..])
        .fetch_optional(snapshot.connection())
        .await?;
    found.ok_or_else(|| {
        Problem::not_found(
            "no DVM of this pubkey is known: it has sent no result, feedback or announcement",
        )
    })
}
