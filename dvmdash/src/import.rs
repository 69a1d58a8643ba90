//! `dvmdash import`: events of a JSONL file onto a queue.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use dvmdash_core::{Refusal, Rules, parse, verify};
use dvmdash_runtime::queue::{Message, Queue, RabbitMq, Sighting, Source};
use dvmdash_runtime::settings::{KindsArgs, Misconfigured, PublishArgs, RabbitMqArgs};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Which file, and where to.
#[derive(clap::Args)]
pub struct Args {
    /// One event a line; `-` is the standard input
    file: PathBuf,
    /// Into this local data folder instead of RabbitMQ
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    #[command(flatten)]
    rabbitmq: Option<RabbitMqArgs>,
    #[command(flatten)]
    kinds: KindsArgs,
    #[command(flatten)]
    publish: PublishArgs,
}

/// Messages on their way to the broker at once.
const IN_FLIGHT: usize = 32;
/// Longest line that is looked at, in bytes; a longer one cannot be an event within any size limit.
const LONGEST_LINE: u64 = 64 << 20;

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

/// Imports and prints one JSON line.
pub async fn run(args: Args) -> Result<()> {
    let rules = args.kinds.rules()?;
    let size = args.publish.publish_max_events as usize;
    let imported = match (args.local, args.rabbitmq) {
        (Some(data), _) => crate::local::import_into(data, &args.file, rules, size).await?,
        (None, Some(rabbitmq)) => import(&args.file, rules, size, Arc::new(RabbitMq::new(&rabbitmq)?)).await?,
        (None, None) => {
            let remedy = "not set; give the broker's URI, or a local data folder with --local";
            return Err(Misconfigured::new("DVMDASH_RABBITMQ_URI", remedy).into());
        }
    };
    println!("{}", serde_json::to_string(&imported)?);
    Ok(())
}

/// Verifies every line of `file` and publishes what counts, up to `size` events a message. Ends when every message is confirmed.
pub async fn import(file: &PathBuf, rules: Rules, size: usize, queue: Arc<dyn Queue>) -> Result<Imported> {
    let (input, length) = open(file)?;
    let bar = progress_bar(length);
    let (chunks, mut waiting) = mpsc::channel::<Vec<String>>(4);
    let reader = tokio::task::spawn_blocking({
        let bar = bar.clone();
        move || read_chunks(input, size, &bar, &chunks)
    });

    let mut done = Imported::default();
    let mut publishing = JoinSet::new();
    while let Some(lines) = waiting.recv().await {
        if publishing.len() >= IN_FLIGHT
            && let Some(confirmed) = publishing.join_next().await
        {
            done.add(confirmed.context("publish")??);
        }
        let (rules, queue) = (rules.clone(), queue.clone());
        publishing.spawn(async move {
            let read = lines.len() as u64;
            let message = tokio::task::spawn_blocking(move || judge(&lines, &rules)).await.context("verify events")?;
            queue.publish(&message).await.context("publish events")?;
            Ok::<_, anyhow::Error>(Imported { read, published: message.sightings.len() as u64, refused: message.refused })
        });
    }
    while let Some(confirmed) = publishing.join_next().await {
        done.add(confirmed.context("publish")??);
    }
    reader.await.context("read the file")??;
    bar.finish_and_clear();
    Ok(done)
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

fn open(file: &PathBuf) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
    if file.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let opened = std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
    let length = opened.metadata().map(|metadata| metadata.len()).ok();
    Ok((Box::new(opened), length))
}

/// On a terminal, how far the file has been read.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    match length {
        Some(length) if std::io::stderr().is_terminal() => {
            let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            ProgressBar::new(length).with_style(style.expect("the template is well-formed"))
        }
        _ => ProgressBar::hidden(),
    }
}

/// Lines in chunks of `size`, empty ones left out. Bytes that are no UTF-8 make a line that is no event.
fn read_chunks(input: Box<dyn Read + Send>, size: usize, bar: &ProgressBar, chunks: &mpsc::Sender<Vec<String>>) -> Result<()> {
    let mut input = BufReader::new(input);
    let mut chunk = Vec::with_capacity(size);
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).context("read a line")?;
        bar.inc(read as u64);
        let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        if !line.is_empty() {
            chunk.push(line);
        }
        if chunk.len() >= size || read == 0 && !chunk.is_empty() {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(size));
            if chunks.blocking_send(full).is_err() {
                return Ok(());
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}

fn judge(lines: &[String], rules: &Rules) -> Message {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
    let first_seen = i64::try_from(now).unwrap_or(i64::MAX);
    let mut message = Message { verified: true, ..Message::default() };
    for line in lines {
        match parse(line).and_then(|event| verify(&event, rules).map(|()| event)) {
            Ok(event) => message.sightings.push(Sighting { event, first_seen, relay: None, source: Source::Import }),
            Err(refusal) => count(&mut message.refused, refusal),
        }
    }
    message
}

fn count(refused: &mut BTreeMap<String, u64>, refusal: Refusal) {
    *refused.entry(refusal.as_str().to_owned()).or_default() += 1;
}
