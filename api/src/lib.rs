//! Tables to JSON: the public HTTP API, and a start page that reads nothing else.

mod cached;
mod cover;
mod cursor;
mod deleted;
mod dvm;
mod dvms;
mod events;
mod global;
mod keys;
mod kind;
mod kinds;
mod moment;
mod numbers;
mod order;
mod page;
mod pair;
mod parameters;
mod problem;
mod relays;
mod rollups;
mod routes;
mod series;
mod snapshot;
mod status;
mod table;
mod users;
mod window;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use anyhow::{Context, Result};
use dvmdash_runtime::archive::Archive;
use dvmdash_runtime::queue::Queue;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cached::Answers;

/// Where the API listens.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Address and port of the API and the page; port 0 picks a free one
    #[arg(
        long,
        env = "DVMDASH_LISTEN",
        value_name = "DVMDASH_LISTEN",
        default_value = "0.0.0.0:8080"
    )]
    pub listen: SocketAddr,
}

/// What answers are made from.
#[derive(Clone)]
pub struct State {
    pool: PgPool,
    archive: Arc<dyn Archive>,
    queue: Arc<dyn Queue>,
    busy: Arc<AtomicUsize>,
    answers: Arc<Answers>,
}

impl State {
    /// `busy` counts imports and batches that this process has in hand: zero for ever where it only serves.
    pub fn new(
        pool: PgPool,
        archive: Arc<dyn Archive>,
        queue: Arc<dyn Queue>,
        busy: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            pool,
            archive,
            queue,
            busy,
            answers: Arc::new(Answers::new()),
        }
    }
}

/// Answers until `shutdown`, then lets the questions in hand be answered.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, state: State, shutdown: CancellationToken) -> Result<()> {
    axum::serve(listener, routes::router(state))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("serve the API")
}
