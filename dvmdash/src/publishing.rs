//! Lines of JSON onto a queue, many messages on their way at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use dvmdash_core::{Event, Refusal, Rules};
use dvmdash_runtime::queue::{Message, Queue, Sighting, Source};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Messages on their way to the broker at once.
const IN_FLIGHT: usize = 32;

/// How a line is read: [`verified`] or [`trusted`].
pub type Read = fn(&str, &Rules) -> Result<Event, Refusal>;

/// What became of the lines.
#[derive(Debug, Default, serde::Serialize)]
pub struct Imported {
    /// Lines that are not empty.
    pub read: u64,
    /// Events that the broker has confirmed.
    pub published: u64,
    /// Lines that are no event that counts, by reason.
    pub refused: BTreeMap<String, u64>,
}

impl Imported {
    fn add(&mut self, other: Self) {
        self.read += other.read;
        self.published += other.published;
        for (reason, lines) in other.refused {
            *self.refused.entry(reason).or_default() += lines;
        }
    }
}

/// Reads a line of which nobody knows where it comes from.
pub fn verified(line: &str, rules: &Rules) -> Result<Event, Refusal> {
    let event = dvmdash_core::parse(line)?;
    dvmdash_core::verify(&event, rules)?;
    Ok(event)
}

/// Reads a line that this process has signed itself.
pub fn trusted(line: &str, _rules: &Rules) -> Result<Event, Refusal> {
    dvmdash_core::parse(line)
}

/// Publishes each chunk of lines as a message until no more come. Ends when every message is confirmed.
///
/// # Errors
/// When a publish fails for good.
pub async fn publish_all(
    mut chunks: mpsc::Receiver<Vec<String>>,
    read: Read,
    rules: &Rules,
    queue: Arc<dyn Queue>,
) -> Result<Imported> {
    let mut done = Imported::default();
    let mut publishing = JoinSet::new();
    while let Some(lines) = chunks.recv().await {
        if publishing.len() >= IN_FLIGHT
            && let Some(confirmed) = publishing.join_next().await
        {
            done.add(confirmed.context("publish events")??);
        }
        publishing.spawn(publish(lines, read, rules.clone(), queue.clone()));
    }
    while let Some(confirmed) = publishing.join_next().await {
        done.add(confirmed.context("publish events")??);
    }
    Ok(done)
}

async fn publish(
    lines: Vec<String>,
    read: Read,
    rules: Rules,
    queue: Arc<dyn Queue>,
) -> Result<Imported> {
    let message = tokio::task::spawn_blocking(move || message(&lines, read, &rules));
    let message = message.await.context("read events")?;
    queue.publish(&message).await.context("publish events")?;
    let published = message.sightings.len() as u64;
    Ok(Imported {
        read: published + message.refused.values().sum::<u64>(),
        published,
        refused: message.refused,
    })
}

fn message(lines: &[String], read: Read, rules: &Rules) -> Message {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let first_seen = since.unwrap_or(Duration::ZERO).as_millis();
    let first_seen = i64::try_from(first_seen).unwrap_or(i64::MAX);
    let mut message = Message {
        verified: true,
        ..Message::default()
    };
    for line in lines {
        match read(line, rules) {
            Ok(event) => message.sightings.push(Sighting {
                event,
                first_seen,
                relay: None,
                source: Source::Import,
            }),
            Err(refusal) => {
                let reason = refusal.as_str().to_owned();
                *message.refused.entry(reason).or_default() += 1;
            }
        }
    }
    message
}
