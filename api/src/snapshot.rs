//! One look at the tables: everything in an answer is of the same commit.

use sqlx::{FromRow, PgPool, Postgres, Transaction};

use crate::cover::Kept;
use crate::problem::Problem;

/// How far the processors are.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Progress {
    /// Grows with every commit that changed a number.
    pub(crate) revision: i64,
    /// Counted events.
    pub(crate) counted: i64,
    /// Greatest `created_at` of a counted event.
    pub(crate) newest: Option<i64>,
    /// Least `created_at` of a counted event.
    pub(crate) oldest: Option<i64>,
    pub(crate) minute_from: i64,
    pub(crate) hour_from: i64,
}

impl Progress {
    /// From when on fine buckets are kept.
    pub(crate) fn kept(&self) -> Kept {
        Kept::new(self.minute_from, self.hour_from)
    }
}

/// A read-only transaction that sees one state of the tables.
pub(crate) struct Snapshot {
    transaction: Transaction<'static, Postgres>,
    pub(crate) progress: Progress,
}

impl Snapshot {
    pub(crate) async fn take(pool: &PgPool) -> Result<Self, Problem> {
        let mut transaction = pool
            .begin_with("begin isolation level repeatable read, read only")
            .await?;
        let progress = sqlx::query_as(
            "select revision, counted, newest, oldest, minute_from, hour_from from progress",
        )
        .fetch_one(&mut *transaction)
        .await?;
        Ok(Self {
            transaction,
            progress,
        })
    }

    /// What queries run on.
    pub(crate) fn connection(&mut self) -> &mut sqlx::PgConnection {
        &mut self.transaction
    }
}
