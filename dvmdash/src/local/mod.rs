//! `dvmdash local`: the whole pipeline in one process, no server to start. The parts are the roles' own; only what is between them is local:
//! the queue, the lock and the cursors, and one embedded PostgreSQL for archive and rollups.

mod database;
mod demo;
mod folder;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::Rules;
use dvmdash_runtime::archive::{Archive, PostgresArchive};
use dvmdash_runtime::cursors::FileCursors;
use dvmdash_runtime::lock::LocalLock;
use dvmdash_runtime::postgres::{self, PgPool};
use dvmdash_runtime::queue::{InProcess, Queue};
use dvmdash_runtime::settings::{BatchArgs, KindsArgs, PublishArgs, RetentionArgs};
use dvmdash_runtime::shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::import;
use crate::publishing::Imported;
use folder::Folder;

pub use database::{Args as DatabaseArgs, run as run_database};

/// What local mode reads and where it keeps it.
#[derive(clap::Args)]
pub struct Args {
    /// Folder for all data [default: ./dvmdash-data; as root /var/lib/dvmdash]
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    data: Option<PathBuf>,
    /// Keep nothing: a temporary folder that goes with the process
    #[arg(long)]
    ephemeral: bool,
    /// Where the API and the page answer; port 0 picks a free one
    #[arg(
        long,
        env = "DVMDASH_LISTEN",
        value_name = "DVMDASH_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    listen: SocketAddr,
    /// A relay to read; may be given several times
    #[arg(long, value_name = "URL", value_parser = dvmdash_collector::normalise)]
    relay: Vec<String>,
    /// A JSONL file to count; may be given several times
    #[arg(long, value_name = "FILE", value_parser = readable)]
    import: Vec<PathBuf>,
    /// Simulated traffic through an embedded relay, without any network
    #[arg(long)]
    demo: bool,
    /// Read relays at private, loopback and link-local addresses too
    #[arg(long)]
    allow_private_relays: bool,
    /// How far back a relay that is new here is read, in seconds
    #[arg(
        long,
        env = "DVMDASH_BACKFILL_SECONDS",
        value_name = "DVMDASH_BACKFILL_SECONDS",
        default_value_t = 1_728_000
    )]
    backfill_seconds: u32,
    #[command(flatten)]
    kinds: KindsArgs,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    retention: RetentionArgs,
}

fn readable(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if text == "-" {
        return Ok(path);
    }
    let opened = std::fs::File::open(&path);
    opened.map(|_| path).map_err(|error| error.to_string())
}

/// How long the parts may take to end, before they are ended where they are: what they had in hand is then read again at the next start.
const GRACE: Duration = Duration::from_secs(20);

/// A database, and a processor on an in-process queue before it.
struct Pipeline {
    folder: Folder,
    database: database::Database,
    pool: PgPool,
    archive: Arc<PostgresArchive>,
    queue: Arc<InProcess>,
    busy: Arc<AtomicUsize>,
    processor: tokio::task::JoinHandle<Result<()>>,
    processing: CancellationToken,
}

impl Pipeline {
    async fn start(
        folder: Folder,
        rules: Rules,
        batch: BatchArgs,
        retention: RetentionArgs,
    ) -> Result<Self> {
        let database = database::Database::start(&folder).await?;
        let pool = postgres::pool(database.options()?, 8);
        postgres::migrate(&pool).await?;
        // Connections of its own: a question that holds one for its numbers must never wait for one for its events.
        let archive = Arc::new(PostgresArchive::new(postgres::pool(database.options()?, 4)));
        archive.prepare().await?;
        let queue = Arc::new(InProcess::new());
        let busy: Arc<AtomicUsize> = Arc::default();
        let processing = CancellationToken::new();
        let parts = dvmdash_processor::Parts {
            queue: queue.clone(),
            archive: archive.clone(),
            lock: Arc::new(LocalLock::new()),
            pool: pool.clone(),
            rules,
            batch,
            lease: Duration::from_secs(15),
            retention,
            busy: busy.clone(),
        };
        let processor = tokio::spawn(dvmdash_processor::run(parts, processing.clone()));
        Ok(Self {
            folder,
            database,
            pool,
            archive,
            queue,
            busy,
            processor,
            processing,
        })
    }

    /// Ends the processor after its batch, then the database.
    async fn stop(self) -> Result<()> {
        self.processing.cancel();
        let processed = self.processor.await.context("join the processor");
        self.pool.close().await;
        self.database.stop().await?;
        drop(self.folder);
        processed?
    }
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(args: Args) -> Result<()> {
    let rules = args.kinds.rules()?;
    let mut relays = args.relay.clone();
    let shutdown = shutdown::on_signal()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listen on {}", args.listen))?;
    let folder = Folder::open(args.data.clone(), args.ephemeral)?;
    eprintln!("{}", described(&folder));
    let mut pipeline = Pipeline::start(
        folder,
        rules.clone(),
        args.batch.clone(),
        args.retention.clone(),
    )
    .await?;

    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    let state = dvmdash_api::State::new(
        pipeline.pool.clone(),
        pipeline.archive.clone(),
        pipeline.queue.clone(),
        pipeline.busy.clone(),
    );
    println!("listening on http://{}", listener.local_addr()?);
    tasks.spawn(dvmdash_api::serve(listener, state, shutdown.clone()));
    if args.demo {
        let fresh = pipeline.archive.count().await? == 0;
        let queue = pipeline.queue.clone();
        let (relay, feeding) = demo::start(queue, fresh, shutdown.clone()).await?;
        relays.push(relay);
        tasks.spawn(feeding);
    }
    if !relays.is_empty() {
        let cursors = match args.demo {
            // The demo's relay is a new one with every start.
            true => FileCursors::open(pipeline.folder.path().join("demo-cursors.json"))?,
            false => FileCursors::open(pipeline.folder.path().join("cursors.json"))?,
        };
        let collector = dvmdash_collector::Args {
            relays,
            relays_file: None,
            backfill_seconds: args.backfill_seconds,
            allow_private_relays: args.allow_private_relays || args.demo,
            max_relays: 50,
            relay_redundancy: 1,
        };
        let queue = pipeline.queue.clone();
        let run = dvmdash_collector::run(
            collector,
            args.publish.clone(),
            rules.clone(),
            queue,
            Arc::new(cursors),
            None,
            shutdown.clone(),
        );
        tasks.spawn(run);
    }
    if !args.import.is_empty() {
        let (queue, busy) = (pipeline.queue.clone(), pipeline.busy.clone());
        let size = args.publish.publish_max_events as usize;
        // Before the first look at the status: an import that has not begun yet is not settled.
        busy.fetch_add(1, Ordering::SeqCst);
        tasks.spawn(import_all(
            args.import,
            rules,
            size,
            queue,
            busy,
            shutdown.clone(),
        ));
    }

    let ended = watch(&mut tasks, &mut pipeline, &shutdown).await;
    shutdown.cancel();
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("not everything has ended in time");
        tasks.shutdown().await;
    }
    ended.and(pipeline.stop().await)
}

/// Where the data lies, in one line.
fn described(folder: &Folder) -> String {
    let path = folder.path().display();
    match folder.owner() {
        None => format!("data in {path}"),
        Some(owner) => format!(
            "data in {path}; the database runs as {}, since PostgreSQL refuses to run as root",
            owner.name
        ),
    }
}

/// Waits for the wish to end, or for a part that has failed.
async fn watch(
    tasks: &mut JoinSet<Result<()>>,
    pipeline: &mut Pipeline,
    shutdown: &CancellationToken,
) -> Result<()> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            Some(ended) = tasks.join_next() => ended.context("a part of local mode has died")??,
            ended = &mut pipeline.processor => {
                // Put back, so that stopping finds what became of it.
                let failed = ended.context("the processor has died")?;
                pipeline.processor = tokio::spawn(async { Ok(()) });
                return failed.and_then(|()| anyhow::bail!("the processor has ended"));
            }
            ended = pipeline.database.ended() => return ended,
        }
    }
}

async fn import_all(
    files: Vec<PathBuf>,
    rules: Rules,
    size: usize,
    queue: Arc<dyn Queue>,
    busy: Arc<AtomicUsize>,
    shutdown: CancellationToken,
) -> Result<()> {
    for file in files {
        let imported = tokio::select! {
            imported = import::import(&file, rules.clone(), size, queue.clone()) => imported,
            () = shutdown.cancelled() => break,
        };
        // A wrong file name must not take down what is counted already.
        match imported {
            Ok(imported) => eprintln!("{}: {}", file.display(), serde_json::to_string(&imported)?),
            Err(error) => eprintln!("{}: not imported: {error:#}", file.display()),
        }
    }
    busy.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

/// Imports a file into a data folder that no other process has open, and ends when all of it is counted.
pub async fn import_into(
    data: PathBuf,
    file: &Path,
    rules: Rules,
    size: usize,
) -> Result<Imported> {
    let folder = Folder::open(Some(data), false)?;
    let batch = BatchArgs {
        batch_max_events: 5000,
        batch_max_wait_ms: 200,
        prefetch_messages: 40,
    };
    let retention = RetentionArgs {
        minute_bucket_days: 7,
        hour_bucket_days: 400,
    };
    let mut pipeline = Pipeline::start(folder, rules.clone(), batch, retention).await?;
    let import = import::import(file, rules, size, pipeline.queue.clone());
    let (mut none, forever) = (JoinSet::new(), CancellationToken::new());
    let imported = tokio::select! {
        imported = import => imported,
        ended = watch(&mut none, &mut pipeline, &forever) => Err(ended.err().context("the pipeline has ended")?),
    };
    pipeline.stop().await?;
    imported
}
