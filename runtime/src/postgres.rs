//! Pool and migrations of PostgreSQL.

use anyhow::{Context, Result};
use sqlx::PgPool;

/// Brings the schema up to date. Safe to run twice at once: the second waits for the first.
///
/// # Errors
/// When the server is gone or a migration fails.
pub async fn migrate(pool: &PgPool) -> Result<()> {
    sqlx::migrate!("../migrations")
        .run(pool)
        .await
        .context("migrate PostgreSQL")
}
