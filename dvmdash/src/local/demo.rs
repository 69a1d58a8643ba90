//! `--demo`: simulated traffic of the last days, and then live through an embedded relay.

use std::time::{Duration, SystemTime};
use std::sync::Arc;

use anyhow::{Context, Result};
use dvmdash_core::{Rules, parse, verify};
use dvmdash_runtime::queue::{InProcess, Message, Queue, Sighting, Source};
use dvmdash_simulator::{Config, Simulator};
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use nostr_sdk::{Client, Event, JsonUtil as _};
use tokio_util::sync::CancellationToken;

/// Events of the days before the start.
const HISTORY: u64 = 4000;
/// Their days.
const DAYS: i64 = 7;
/// Between two live events.
const PAUSE: Duration = Duration::from_millis(250);

/// Starts the relay; returns its URL and the task that feeds it.
pub async fn start(queue: Arc<InProcess>, shutdown: CancellationToken) -> Result<(String, impl Future<Output = Result<()>> + Send)> {
    let relay = LocalRelay::new(RelayBuilder::default());
    relay.run().await.context("start the embedded relay")?;
    let url = relay.url().await.to_string();
    let client = Client::default();
    client.add_relay(&url).await.context("add the embedded relay")?;
    client.connect().await;
    let feeding = async move {
        tokio::select! {
            fed = feed(&client, queue) => fed?,
            () = shutdown.cancelled() => {}
        }
        client.shutdown().await;
        relay.shutdown();
        Ok(())
    };
    Ok((url, feeding))
}

async fn feed(client: &Client, queue: Arc<InProcess>) -> Result<()> {
    let started = now();
    let live = live(client, started);
    let (history, live) = tokio::join!(history(started, queue), live);
    history.and(live)
}

async fn live(client: &Client, started: i64) -> Result<()> {
    let mut traffic = Simulator::new(Config { seed: started.unsigned_abs(), ..Config::default() });
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
async fn history(now: i64, queue: Arc<InProcess>) -> Result<()> {
    let span = DAYS * 86_400;
    let config = Config { seed: 1, events: HISTORY, start: now - span, span_seconds: span - 60, ..Config::default() };
    let messages = tokio::task::spawn_blocking(move || {
        let rules = Rules::default();
        let events = Simulator::new(config).filter_map(|event| parse(&event.json).ok());
        let events: Vec<_> = events.filter(|event| verify(event, &rules).is_ok()).collect();
        let sighting = |event: &dvmdash_core::Event| Sighting { event: event.clone(), first_seen: now * 1000, relay: None, source: Source::Import };
        let message = |events: &[dvmdash_core::Event]| Message { sightings: events.iter().map(sighting).collect(), verified: true, ..Message::default() };
        events.chunks(500).map(message).collect::<Vec<_>>()
    });
    for message in messages.await.context("simulate the history")? {
        queue.publish(&message).await?;
    }
    Ok(())
}

/// Unix seconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
