//! The three roles on the four servers. Each has probes and metrics on its admin port; the death of any part ends the process.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_runtime::admin::{self, Check};
use dvmdash_runtime::archive::{Archive, MongoArchive};
use dvmdash_runtime::cursors::{Cursors, EtcdCursors};
use dvmdash_runtime::lock::{EtcdLock, Lock};
use dvmdash_runtime::members::Members;
use dvmdash_runtime::postgres::{self, PgPool};
use dvmdash_runtime::queue::RabbitMq;
use dvmdash_runtime::settings::{
    AdminArgs, BatchArgs, EtcdArgs, KindsArgs, LockArgs, MongoDbArgs, PostgresArgs, PublishArgs,
    RabbitMqArgs, RetentionArgs,
};
use dvmdash_runtime::{shutdown, telemetry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::migrate;

/// `dvmdash collect`
#[derive(clap::Args)]
pub struct CollectArgs {
    #[command(flatten)]
    collector: dvmdash_collector::Args,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    kinds: KindsArgs,
    #[command(flatten)]
    rabbitmq: RabbitMqArgs,
    #[command(flatten)]
    etcd: EtcdArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// `dvmdash process`
#[derive(clap::Args)]
pub struct ProcessArgs {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    retention: RetentionArgs,
    #[command(flatten)]
    kinds: KindsArgs,
    #[command(flatten)]
    rabbitmq: RabbitMqArgs,
    #[command(flatten)]
    etcd: EtcdArgs,
    #[command(flatten)]
    mongodb: MongoDbArgs,
    #[command(flatten)]
    postgres: PostgresArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// `dvmdash serve`
#[derive(clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    api: dvmdash_api::Args,
    #[command(flatten)]
    rabbitmq: RabbitMqArgs,
    #[command(flatten)]
    mongodb: MongoDbArgs,
    #[command(flatten)]
    postgres: PostgresArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Reads relays until SIGTERM or Ctrl-C.
pub async fn collect(args: CollectArgs) -> Result<()> {
    let rules = args.kinds.rules()?;
    let queue = Arc::new(RabbitMq::new(&args.rabbitmq)?);
    let cursors = Arc::new(EtcdCursors::new(&args.etcd)?);
    let checks = vec![rabbitmq_check(&queue), {
        let cursors = cursors.clone();
        Check::new("etcd", move || {
            let cursors = cursors.clone();
            async move { cursors.ping().await }
        })
    }];
    let members = Arc::new(Members::new(&args.etcd, &own_name()?)?);
    let shutdown = shutdown::on_signal()?;
    let role = dvmdash_collector::run(
        args.collector,
        args.publish,
        rules,
        queue,
        cursors,
        Some(members),
        shutdown.clone(),
    );
    with_admin(&args.admin, checks, shutdown, role, None).await
}

/// A name that no other collector has at the same time: in a pod, where every process is the first, that of the pod.
fn own_name() -> Result<String> {
    let host =
        std::fs::read_to_string("/proc/sys/kernel/hostname").context("read the host's name")?;
    Ok(format!("{}-{}", host.trim(), std::process::id()))
}

/// Archives and counts until SIGTERM or Ctrl-C.
pub async fn process(args: ProcessArgs) -> Result<()> {
    let rules = args.kinds.rules()?;
    let queue = Arc::new(RabbitMq::new(&args.rabbitmq)?);
    let lock = Arc::new(EtcdLock::new(&args.etcd, &args.lock)?);
    let pool = postgres::pool(args.postgres.options()?, 4);
    let archive = Arc::new(MongoArchive::connect(&args.mongodb).await?);
    let checks = vec![
        rabbitmq_check(&queue),
        postgres_check(&pool),
        archive_check(&archive),
        {
            let lock = lock.clone();
            Check::new("etcd", move || {
                let lock = lock.clone();
                async move { lock.ping().await }
            })
        },
    ];
    let shutdown = shutdown::on_signal()?;
    let parts = dvmdash_processor::Parts {
        queue: queue.clone(),
        archive: archive.clone(),
        lock,
        pool: pool.clone(),
        rules,
        batch: args.batch,
        lease: Duration::from_secs(args.lock.lock_lease_seconds.into()),
        retention: args.retention,
        busy: Arc::default(),
    };
    let role = {
        let shutdown = shutdown.clone();
        async move {
            // Whoever gives only the servers' URIs has nothing to run first.
            tokio::select! {
                prepared = migrate::prepare(&pool, &*archive, &*queue) => prepared?,
                () = shutdown.cancelled() => return Ok(()),
            }
            dvmdash_processor::run(parts, shutdown).await
        }
    };
    with_admin(&args.admin, checks, shutdown, role, None).await
}

/// Answers the API until SIGTERM or Ctrl-C.
pub async fn serve(args: ServeArgs) -> Result<()> {
    let queue = Arc::new(RabbitMq::new(&args.rabbitmq)?);
    let pool = postgres::pool(args.postgres.options()?, 8);
    let archive = Arc::new(MongoArchive::connect(&args.mongodb).await?);
    let checks = vec![
        rabbitmq_check(&queue),
        postgres_check(&pool),
        archive_check(&archive),
    ];
    let shutdown = shutdown::on_signal()?;
    let listener = listen(args.api.listen).await?;
    let address = listener.local_addr()?;
    let state = dvmdash_api::State::new(pool, archive, queue, Arc::default());
    let role = dvmdash_api::serve(listener, state, shutdown.clone());
    with_admin(&args.admin, checks, shutdown, role, Some(address)).await
}

fn rabbitmq_check(queue: &Arc<RabbitMq>) -> Check {
    let queue = queue.clone();
    Check::new("rabbitmq", move || {
        let queue = queue.clone();
        async move { queue.ping().await }
    })
}

fn archive_check(archive: &Arc<MongoArchive>) -> Check {
    let archive = archive.clone();
    Check::new("mongodb", move || {
        let archive = archive.clone();
        async move { archive.ping().await }
    })
}

fn postgres_check(pool: &PgPool) -> Check {
    let pool = pool.clone();
    Check::new("postgresql", move || {
        let pool = pool.clone();
        async move { postgres::ping(&pool).await }
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))
}

/// Runs a role beside its admin server, and says where it answers: at `address`, or there. When either ends, the other is asked to end too; a
/// failure of one is the process's.
async fn with_admin(
    args: &AdminArgs,
    checks: Vec<Check>,
    shutdown: CancellationToken,
    role: impl Future<Output = Result<()>>,
    address: Option<SocketAddr>,
) -> Result<()> {
    let metrics = telemetry::metrics()?;
    let listener = listen(args.admin_listen).await?;
    let address = address.map_or_else(|| listener.local_addr(), Ok)?;
    println!("listening on http://{address}");
    let admin = admin::serve(listener, checks, metrics, shutdown.clone());
    let role = async {
        let ended = role.await;
        shutdown.cancel();
        ended
    };
    let admin = async {
        let ended = admin.await;
        shutdown.cancel();
        ended
    };
    let (role, admin) = tokio::join!(role, admin);
    role.and(admin)
}
