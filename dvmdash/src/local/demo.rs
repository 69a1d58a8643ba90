//! `--demo`: simulated traffic of the last days, and then live through an embedded relay.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::Rules;
use dvmdash_runtime::queue::InProcess;
use dvmdash_simulator::{Config, Simulator};
use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use nostr_sdk::{Client, Event, JsonUtil as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::publishing;
use crate::simulate::now;

/// Events of the days before the start.
const HISTORY: u64 = 4000;
/// Their days.
const DAYS: i64 = 7;
/// Between two live events.
const PAUSE: Duration = Duration::from_millis(250);
/// By default the embedded relay takes one event a second.
const RATE_LIMIT: RateLimit = RateLimit {
    max_reqs: 500,
    notes_per_minute: 1_000_000,
};

/// Starts the relay; returns its URL and the task that feeds it. History goes to the queue where there is none yet (`fresh`).
pub async fn start(
    queue: Arc<InProcess>,
    fresh: bool,
    shutdown: CancellationToken,
) -> Result<(String, impl Future<Output = Result<()>> + Send)> {
    let relay = LocalRelay::new(RelayBuilder::default().rate_limit(RATE_LIMIT));
    relay.run().await.context("start the embedded relay")?;
    let url = relay.url().await.to_string();
    let client = Client::default();
    client
        .add_relay(&url)
        .await
        .context("add the embedded relay")?;
    client.connect().await;
    let feeding = async move {
        let history = async {
            match fresh {
                true => history(queue).await,
                false => Ok(()),
            }
        };
        let feed = async { tokio::try_join!(history, live(&client)) };
        tokio::select! {
            fed = feed => fed.map(|_| ())?,
            () = shutdown.cancelled() => {}
        }
        client.shutdown().await;
        relay.shutdown();
        Ok(())
    };
    Ok((url, feeding))
}

async fn live(client: &Client) -> Result<()> {
    let mut traffic = Simulator::new(Config::default());
    loop {
        let event = traffic.next_at(now());
        let event = Event::from_json(&event.json).context("read a simulated event")?;
        if let Err(error) = client.send_event(&event).await {
            tracing::warn!(%error, "the embedded relay did not take an event");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Straight onto the queue: nobody delivered it live.
async fn history(queue: Arc<InProcess>) -> Result<()> {
    let span_seconds = DAYS * 86_400;
    let simulator = Simulator::new(Config {
        events: HISTORY,
        start: now() - span_seconds,
        span_seconds: span_seconds - 60,
        ..Config::default()
    });
    let (chunks, waiting) = mpsc::channel(4);
    let made = tokio::task::spawn_blocking(move || {
        let mut lines = simulator.map(|event| event.json);
        loop {
            let chunk: Vec<String> = lines.by_ref().take(500).collect();
            if chunk.is_empty() || chunks.blocking_send(chunk).is_err() {
                return;
            }
        }
    });
    publishing::publish_all(waiting, publishing::trusted, &Rules::default(), queue).await?;
    made.await.context("simulate the history")
}
