//! Pool and migrations of PostgreSQL.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::ConnectOptions as _;
pub use sqlx::PgPool;
use sqlx::migrate::MigrateError;
pub use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;

/// A pool of at most `connections`, which connects when it is first used.
pub fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options)
}

/// A pool like `pool` whose statements find the tables of `schema` and no others: for tables that are built beside those in use. A commit
/// does not wait for the disk there; the first one elsewhere that does makes it safe as well.
pub fn beside(pool: &PgPool, schema: &str, connections: u32) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    let options = options.options([("search_path", schema), ("synchronous_commit", "off")]);
    self::pool(options, connections)
}

/// Brings the schema up to date. Safe to run twice at once: the second waits for the first.
///
/// # Errors
/// When the server is gone or a migration fails.
pub async fn migrate(pool: &PgPool) -> Result<()> {
    // A connection of its own, which logs neither the whole schema as a slow statement nor that tables are there already.
    let options = pool.connect_options().as_ref().clone();
    let options = options
        .disable_statement_logging()
        .options([("client_min_messages", "warning")]);
    let connection = options.connect().await;
    let mut connection = connection
        .map_err(MigrateError::Execute)
        .context("connect to PostgreSQL")?;
    let migrated = sqlx::migrate!("../migrations").run(&mut connection).await;
    migrated.context("migrate PostgreSQL")
}

/// Whether a migration itself has failed, which trying again does not mend, as against a server that cannot be reached.
pub fn is_broken(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<MigrateError>() {
        None | Some(MigrateError::Execute(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)) => false,
        // 57: the server is starting up or shutting down.
        Some(MigrateError::Execute(sqlx::Error::Database(error))) => {
            !error.code().is_some_and(|code| code.starts_with("57"))
        }
        Some(_) => true,
    }
}

/// Fails when PostgreSQL cannot be reached or has no schema.
///
/// # Errors
/// Says which.
pub async fn ping(pool: &PgPool) -> Result<()> {
    sqlx::query("select from progress")
        .execute(pool)
        .await
        .context("ask PostgreSQL")?;
    Ok(())
}
