//! `/api/v1/users`, `/api/v1/users/{pubkey}` (METRICS.md section 11): of all time.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use dvmdash_core::Hex32;
use serde::Serialize;
use sqlx::FromRow;

use crate::cached::Rendered;
use crate::cursor::Cursor;
use crate::keys;
use crate::moment::{self, rfc3339};
use crate::numbers::Msat;
use crate::parameters::{Named, Parameters};
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::table::{Format, List};
use crate::window::Window;

/// Somebody who has sent a job request.
#[derive(Clone, Debug, Default, Serialize)]
struct UserRow {
    pubkey: Hex32,
    first_seen: Option<String>,
    last_seen: Option<String>,
    requests: i64,
    spent_msat: Msat,
    #[serde(skip)]
    key: i128,
}

#[derive(FromRow)]
struct Row {
    pubkey: [u8; 32],
    first_seen: Option<i64>,
    last_seen: Option<i64>,
    requests: i64,
    #[sqlx(try_from = "String")]
    spent_msat: Msat,
}

impl UserRow {
    fn new(row: Row, key: fn(&Row) -> i128) -> Self {
        Self {
            key: key(&row),
            pubkey: Hex32(row.pubkey),
            first_seen: row.first_seen.map(rfc3339),
            last_seen: row.last_seen.map(rfc3339),
            requests: row.requests,
            spent_msat: row.spent_msat,
        }
    }
}

/// An order of the list: its query, and what it puts in order.
#[derive(Clone, Copy)]
struct Order {
    sql: &'static str,
    key: fn(&Row) -> i128,
}

/// Users by this column, greatest first, then by pubkey: those after ($1, $2) where there is such a place, at most $3. `$key` is $1 as a value
/// of the column.
macro_rules! by {
    ($column:literal, $key:literal) => {
        concat!(
            "select pubkey, first_seen, last_seen, requests, spent_msat::text as spent_msat from users where requests > 0 and ($1 is null or ",
            $column, " <= ", $key, " and (", $column, " < ", $key, " or pubkey > $2)) order by ",
            $column, " desc, pubkey limit $3"
        )
    };
}

/// As `by`, for a bigint: a cursor that somebody made up may hold a larger number.
macro_rules! bigint {
    ($column:literal) => {
        by!(
            $column,
            "greatest(least($1::text::numeric, 9223372036854775807), -9223372036854775808)::bigint"
        )
    };
}

const ORDERS: [(&str, Order); 4] = [
    (
        "requests",
        Order {
            sql: bigint!("requests"),
            key: |row| row.requests.into(),
        },
    ),
    (
        "spent",
        Order {
            sql: by!("spent_msat", "$1::text::numeric"),
            key: |row| row.spent_msat.0,
        },
    ),
    (
        "first_seen",
        Order {
            sql: bigint!("first_seen"),
            key: |row| row.first_seen.unwrap_or_default().into(),
        },
    ),
    (
        "last_seen",
        Order {
            sql: bigint!("last_seen"),
            key: |row| row.last_seen.unwrap_or_default().into(),
        },
    ),
];

pub(crate) async fn list(
    State(state): State<crate::State>,
    asked: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let (format, limit) = (Format::read(&parameters)?, parameters.limit()?);
    let (sort, order) = parameters.choice("sort", &ORDERS)?;
    let cursor = Cursor::read(&parameters, sort)?;
    let snapshot = Snapshot::take(&state.pool).await?;
    let window = Window::all(&snapshot.progress, moment::now());
    let question = format!(
        "users {} {} {}",
        window.from,
        window.to,
        parameters.key(&["sort", "limit", "cursor", "format"])
    );
    let revision = snapshot.progress.revision;
    let render = async {
        let (rows, next_cursor) = page(snapshot, window, sort, order, cursor, limit).await?;
        let list = List {
            window,
            items: &rows,
            next_cursor,
        };
        list.render(format, &UserRow::default())
    };
    state
        .answers
        .answer(&asked, revision, question, render)
        .await
}

async fn page(
    mut snapshot: Snapshot,
    window: Window,
    sort: &str,
    order: Order,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<(Vec<UserRow>, Option<String>), Problem> {
    let (key, pubkey) = match cursor {
        Some(cursor) => (
            cursor.key.map(|key| key.to_string()),
            keys::pubkey("cursor", &cursor.id)?.0.to_vec(),
        ),
        None => (None, Vec::new()),
    };
    // One more than asked for tells whether there is another page.
    let rows: Vec<Row> = sqlx::query_as(order.sql)
        .bind(key)
        .bind(pubkey)
        .bind(limit as i64 + 1)
        .fetch_all(snapshot.connection())
        .await?;
    let more = rows.len() > limit;
    let rows: Vec<UserRow> = rows
        .into_iter()
        .take(limit)
        .map(|row| UserRow::new(row, order.key))
        .collect();
    let next = rows.last().filter(|_| more).map(|last| {
        let cursor = Cursor {
            from: window.from,
            to: window.to,
            sort: sort.to_owned(),
            key: Some(last.key),
            id: last.pubkey.to_string(),
        };
        cursor.encode()
    });
    Ok((rows, next))
}

#[derive(Serialize)]
struct User {
    from: String,
    to: String,
    #[serde(flatten)]
    row: UserRow,
}

pub(crate) async fn one(
    State(state): State<crate::State>,
    asked: HeaderMap,
    Named(name): Named,
) -> Result<Response, Problem> {
    let pubkey = keys::pubkey("pubkey", &name)?;
    let mut snapshot = Snapshot::take(&state.pool).await?;
    let window = Window::all(&snapshot.progress, moment::now());
    let question = format!("user {pubkey} {} {}", window.from, window.to);
    let revision = snapshot.progress.revision;
    let render = async {
        let row: Option<Row> = sqlx::query_as(
            "select pubkey, first_seen, last_seen, requests, spent_msat::text as spent_msat from users where pubkey = $1 and requests > 0",
        )
        .bind(&pubkey.0[..])
        .fetch_optional(snapshot.connection())
        .await?;
        let row = row
            .ok_or_else(|| Problem::not_found("no job request of this pubkey has been counted"))?;
        Rendered::json(&User {
            from: rfc3339(window.from),
            to: rfc3339(window.to),
            row: UserRow::new(row, |_| 0),
        })
    };
    state
        .answers
        .answer(&asked, revision, question, render)
        .await
}
