//! `dvmdash migrate`: schema, indexes and queues, as often as one likes.

use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_runtime::archive::{Archive, MongoArchive};
use dvmdash_runtime::postgres::{self, PgPool};
use dvmdash_runtime::queue::{Queue, RabbitMq};
use dvmdash_runtime::settings::{MongoDbArgs, PostgresArgs, RabbitMqArgs};

/// The servers that hold something.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    postgres: PostgresArgs,
    #[command(flatten)]
    mongodb: MongoDbArgs,
    #[command(flatten)]
    rabbitmq: RabbitMqArgs,
}

/// How often a server that does not answer yet is asked again; fresh ones need minutes.
const TRIES: u32 = 150;

/// Prepares all three, waiting for each.
pub async fn run(args: Args) -> Result<()> {
    let pool = postgres::pool(args.postgres.options()?, 1);
    let archive = MongoArchive::connect(&args.mongodb).await?;
    let queue = RabbitMq::new(&args.rabbitmq)?;
    prepare(&pool, &archive, &queue).await?;
    println!("schema, indexes and queues are up to date");
    Ok(())
}

/// Brings everything up to date; waits some minutes for servers that do not answer yet.
pub async fn prepare(pool: &PgPool, archive: &dyn Archive, queue: &dyn Queue) -> Result<()> {
    patiently("PostgreSQL", async || postgres::migrate(pool).await).await?;
    patiently("the archive", async || archive.prepare().await).await?;
    patiently("the queue", async || queue.declare().await).await
}

async fn patiently(name: &str, prepare: impl AsyncFn() -> Result<()>) -> Result<()> {
    for _ in 1..TRIES {
        match prepare().await {
            Ok(()) => return Ok(()),
            // A migration that fails fails again.
            Err(error) if postgres::is_broken(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "{name} is not ready; asked again in two seconds"
                );
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
    prepare().await.with_context(|| format!("prepare {name}"))
}
