//! Simulated events, packed as a collector packs them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use dvmdash_runtime::queue::{Message, Sighting, Source};
use dvmdash_simulator::{Config, Simulator};
use tokio::sync::mpsc;

/// Events in a message: the default of the roles that publish.
pub const PACK: usize = 500;
/// Threads that make events, each with a network of its own.
const MAKERS: u64 = 2;

/// Unix milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
}

/// Makes `events` events, spread over the `span` seconds that end now, and sends them in messages. Both threads go through the same span
/// side by side, so that the queue holds history in its order.
pub fn make(events: u64, span: i64) -> mpsc::Receiver<Vec<String>> {
    let (sender, receiver) = mpsc::channel(8);
    let start = now_ms() / 1000 - span;
    for maker in 0..MAKERS {
        let sender = sender.clone();
        let simulator = Simulator::new(Config {
            seed: maker + 1,
            events: events / MAKERS,
            start,
            span_seconds: span,
            // Every event shall count.
            out_of_time: 0.0,
            ..Config::default()
        });
        std::thread::spawn(move || {
            let mut simulator = simulator.peekable();
            while simulator.peek().is_some() {
                let pack = simulator.by_ref().take(PACK).map(|event| event.json);
                if sender.blocking_send(pack.collect()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// A message as a collector publishes it once it has verified its events.
pub fn message(lines: &[String]) -> Result<Message> {
    let first_seen = now_ms();
    let read = |line: &String| {
        let event = dvmdash_core::parse(line).map_err(|refusal| anyhow::anyhow!("{refusal:?}"));
        Ok(Sighting {
            event: event.context("read a simulated event")?,
            first_seen,
            relay: None,
            source: Source::Import,
        })
    };
    Ok(Message {
        sightings: lines.iter().map(read).collect::<Result<_>>()?,
        verified: true,
        ..Message::default()
    })
}
