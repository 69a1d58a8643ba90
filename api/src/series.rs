//! `/api/v1/stats/global/series`, `/api/v1/dvms/{pubkey}/series`, `/api/v1/kinds/{kind}/series`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use dvmdash_core::latency::Histogram;
use serde::Serialize;
use sqlx::FromRow;

use crate::State as Shared;
use crate::cached::Rendered;
use crate::cover::{DAY, HOUR, MINUTE, ceil, floor};
use crate::moment::{self, rfc3339};
use crate::numbers::Msat;
use crate::parameters::{Named, Parameters, request_kind};
use crate::problem::Problem;
use crate::rollups::Of;
use crate::snapshot::Snapshot;
use crate::window::Window;
use crate::{dvms, keys, kinds};

#[derive(Serialize)]
struct Series {
    from: String,
    to: String,
    step: &'static str,
    points: Vec<Point>,
}

/// A whole bucket.
#[derive(Serialize)]
struct Point {
    start: String,
    requests: i64,
    results: i64,
    feedback: i64,
    unique_users: i64,
    /// Says nothing of a single DVM.
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_dvms: Option<i64>,
    paid_msat: Msat,
    p50_s: Option<f64>,
    p95_s: Option<f64>,
}

#[derive(FromRow)]
struct Bucket {
    start: i64,
    requests: i64,
    results: i64,
    feedback: i64,
    unique_users: i64,
    unique_dvms: Option<i64>,
    #[sqlx(try_from = "String")]
    paid_msat: Msat,
    slots: Vec<i32>,
    samples: Vec<i64>,
}

impl From<Bucket> for Point {
    fn from(bucket: Bucket) -> Self {
        let histogram: Histogram = bucket.slots.into_iter().zip(bucket.samples).collect();
        Self {
            start: rfc3339(bucket.start),
            requests: bucket.requests,
            results: bucket.results,
            feedback: bucket.feedback,
            unique_users: bucket.unique_users,
            unique_dvms: bucket.unique_dvms,
            paid_msat: bucket.paid_msat,
            p50_s: histogram.percentile(0.5),
            p95_s: histogram.percentile(0.95),
        }
    }
}

const STEPS: [(&str, Option<i64>); 4] = [
    ("auto", None),
    ("minute", Some(MINUTE)),
    ("hour", Some(HOUR)),
    ("day", Some(DAY)),
];
/// `auto` takes the finest step that gives no more points than this.
const AUTO: i64 = 400;
/// No answer has more points.
const MOST: i64 = 20_000;

pub(crate) async fn global(
    State(state): State<Shared>,
    asked: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let snapshot = Snapshot::take(&state.pool).await?;
    answer(&state, &asked, &parameters, snapshot, Of::Network).await
}

pub(crate) async fn dvm(
    State(state): State<Shared>,
    asked: HeaderMap,
    Named(name): Named,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let pubkey = keys::pubkey("pubkey", &name)?;
    let mut snapshot = Snapshot::take(&state.pool).await?;
    let dvm = dvms::known(&mut snapshot, pubkey).await?;
    answer(&state, &asked, &parameters, snapshot, Of::Dvm(dvm.dvm_id)).await
}

pub(crate) async fn kind(
    State(state): State<Shared>,
    asked: HeaderMap,
    Named(name): Named,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let kind = request_kind(&name)?;
    let mut snapshot = Snapshot::take(&state.pool).await?;
    kinds::find(&mut snapshot, kind).await?;
    answer(&state, &asked, &parameters, snapshot, Of::Kind(kind)).await
}

async fn answer(
    state: &Shared,
    asked: &HeaderMap,
    parameters: &Parameters,
    snapshot: Snapshot,
    of: Of,
) -> Result<Response, Problem> {
    let (_, wanted) = parameters.choice("step", &STEPS)?;
    let window = Window::read(parameters, None, &snapshot.progress, moment::now())?;
    let step = wanted.unwrap_or_else(|| fitting(window));
    // A step that is not kept so far back gives way to the next; the answer says which it is.
    let step = snapshot.progress.kept().finest(window.from, step);
    let window = Window {
        from: floor(window.from, step),
        to: ceil(window.to, step),
    };
    if (window.to - window.from) / step > MOST {
        return Err(Problem::parameter(
            "step",
            format!("more than {MOST} points; take a longer step or a shorter window"),
        ));
    }
    let question = format!("series {of:?} {step} {} {}", window.from, window.to);
    let revision = snapshot.progress.revision;
    let render = render(snapshot, window, step, of);
    state
        .answers
        .answer(asked, revision, question, render)
        .await
}

/// The finest step that does not give too many points.
fn fitting(window: Window) -> i64 {
    let fits = |step: &i64| (window.to - window.from) / step <= AUTO;
    [MINUTE, HOUR].into_iter().find(fits).unwrap_or(DAY)
}

async fn render(
    mut snapshot: Snapshot,
    window: Window,
    step: i64,
    of: Of,
) -> Result<Rendered, Problem> {
    let sql = match of {
        Of::Network => include_str!("sql/series_of_network.sql"),
        Of::Kind(_) => include_str!("sql/series_of_kind.sql"),
        Of::Dvm(_) => include_str!("sql/series_of_dvm.sql"),
    };
    let query = sqlx::query_as(sql)
        .bind(step)
        .bind(window.from)
        .bind(window.to);
    let query = match of.parameter() {
        Some(parameter) => query.bind(parameter),
        None => query,
    };
    let buckets: Vec<Bucket> = query.fetch_all(snapshot.connection()).await?;
    Rendered::json(&Series {
        from: rfc3339(window.from),
        to: rfc3339(window.to),
        step: match step {
            MINUTE => "minute",
            HOUR => "hour",
            _ => "day",
        },
        points: buckets.into_iter().map(Point::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_the_finest_step_that_fits() {
        let step = |length| {
            fitting(Window {
                from: 0,
                to: length,
            })
        };
        assert_eq!(step(6 * HOUR), MINUTE);
        assert_eq!(step(7 * HOUR), HOUR);
        assert_eq!(step(14 * DAY), HOUR);
        assert_eq!(step(30 * DAY), DAY);
    }
}
