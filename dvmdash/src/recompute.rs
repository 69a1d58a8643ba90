//! `dvmdash recompute` and `dvmdash sweep`: the numbers from the archive.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use dvmdash_processor::recompute::Options;
use dvmdash_processor::{Parts, recompute, sweep};
use dvmdash_runtime::archive::MongoArchive;
use dvmdash_runtime::lock::EtcdLock;
use dvmdash_runtime::postgres;
use dvmdash_runtime::queue::{InProcess, Queue, RabbitMq};
use dvmdash_runtime::settings::{
    BatchArgs, EtcdArgs, KindsArgs, LockArgs, MongoDbArgs, PostgresArgs, RabbitMqArgs,
    RetentionArgs,
};

/// From where to where, and what to do with it.
#[derive(clap::Args)]
pub struct Args {
    /// Compute everything and throw it away
    #[arg(long)]
    dry_run: bool,
    /// Print which rows differ from those in use; with --dry-run, exit code 1 where there are any
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    kinds: KindsArgs,
    #[command(flatten)]
    etcd: EtcdArgs,
    #[command(flatten)]
    mongodb: MongoDbArgs,
    #[command(flatten)]
    postgres: PostgresArgs,
}

/// Recomputes all tables and prints one JSON line.
pub async fn run(args: Args) -> Result<()> {
    let pool = postgres::pool(args.postgres.options()?, 4);
    postgres::migrate(&pool).await?;
    let parts = Parts {
        // Nothing is taken off a queue.
        queue: Arc::new(InProcess::new()),
        archive: Arc::new(MongoArchive::connect(&args.mongodb).await?),
        lock: Arc::new(EtcdLock::new(&args.etcd, &args.lock)?),
        pool,
        rules: args.kinds.rules()?,
        batch: args.batch,
        lease: Duration::from_secs(args.lock.lock_lease_seconds.into()),
        // Nor does a bucket end here.
        retention: RetentionArgs {
            minute_bucket_days: 36_500,
            hour_bucket_days: 36_500,
        },
        busy: Arc::default(),
    };
    let options = Options {
        dry_run: args.dry_run,
        diff: args.diff,
    };
    let report = recompute::run(&parts, options).await?;
    println!("{}", serde_json::to_string(&report)?);
    if args.dry_run && !report.differences.is_empty() {
        bail!("the tables in use differ from what the archive says");
    }
    Ok(())
}

/// Where to look.
#[derive(clap::Args)]
pub struct SweepArgs {
    /// Look at events dated so many days ago or later
    #[arg(long, value_name = "DAYS", default_value_t = 2)]
    days: u32,
    #[command(flatten)]
    rabbitmq: RabbitMqArgs,
    #[command(flatten)]
    mongodb: MongoDbArgs,
    #[command(flatten)]
    postgres: PostgresArgs,
}

/// Puts archived events that were not counted back on the queue and prints one JSON line.
pub async fn sweep(args: SweepArgs) -> Result<()> {
    let pool = postgres::pool(args.postgres.options()?, 1);
    let archive = MongoArchive::connect(&args.mongodb).await?;
    let queue: Arc<dyn Queue> = Arc::new(RabbitMq::new(&args.rabbitmq)?);
    let put_back = sweep::sweep(&archive, &pool, &queue, args.days, 0).await?;
    println!("{}", serde_json::json!({ "put_back": put_back }));
    Ok(())
}
