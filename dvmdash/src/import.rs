//! `dvmdash import`: events of a JSONL file onto a queue.

use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use dvmdash_core::Rules;
use dvmdash_runtime::queue::{Queue, RabbitMq};
use dvmdash_runtime::settings::{KindsArgs, PublishArgs, RabbitMqArgs};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use crate::publishing::{self, Imported};

/// Which file, and where to.
#[derive(clap::Args)]
pub struct Args {
    /// One event a line; `-` is the standard input
    file: PathBuf,
    /// Into this local data folder instead of RabbitMQ
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    #[command(flatten)]
    rabbitmq: RabbitMqArgs,
    #[command(flatten)]
    kinds: KindsArgs,
    #[command(flatten)]
    publish: PublishArgs,
}

/// Longest line that is looked at, in bytes; a longer one cannot be an event within any size limit.
const LONGEST_LINE: u64 = 64 << 20;
/// Stands for a line that no JSON text can be.
const NOT_UTF8: &str = "\u{fffd}";
/// A chunk of lines is closed when it is about this long, in bytes.
const CHUNK_BYTES: usize = 4 << 20;

/// Imports and prints one JSON line.
pub async fn run(args: Args) -> Result<()> {
    let rules = args.kinds.rules()?;
    let size = args.publish.publish_max_events as usize;
    let imported = match args.local {
        Some(data) => crate::local::import_into(data, &args.file, rules, size).await?,
        None => {
            let queue = Arc::new(RabbitMq::new(&args.rabbitmq)?);
            import(&args.file, rules, size, queue).await?
        }
    };
    println!("{}", serde_json::to_string(&imported)?);
    Ok(())
}

/// Verifies every line of `file` and publishes what counts, up to `size` events a message. Ends when every message is confirmed.
///
/// # Errors
/// When the file cannot be read or a publish fails for good.
pub async fn import(
    file: &Path,
    rules: Rules,
    size: usize,
    queue: Arc<dyn Queue>,
) -> Result<Imported> {
    let (input, length) = open(file)?;
    let bar = progress_bar(length);
    let (chunks, waiting) = mpsc::channel(4);
    let reader = tokio::task::spawn_blocking({
        let bar = bar.clone();
        move || read_chunks(input, size, &bar, &chunks)
    });
    let imported = publishing::publish_all(waiting, publishing::verified, &rules, queue).await?;
    let read = reader.await.context("read the file")?;
    read.with_context(|| format!("read {}", file.display()))?;
    bar.finish_and_clear();
    Ok(imported)
}

fn open(file: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
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
            let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            let style = ProgressStyle::with_template(style).expect("the template is well-formed");
            ProgressBar::new(length).with_style(style)
        }
        _ => ProgressBar::hidden(),
    }
}

/// Lines in chunks of `size`, or of fewer where they are long; empty ones are left out.
fn read_chunks(
    input: Box<dyn Read + Send>,
    size: usize,
    bar: &ProgressBar,
    chunks: &mpsc::Sender<Vec<String>>,
) -> Result<()> {
    let mut input = BufReader::new(input);
    let mut chunk = Vec::with_capacity(size);
    let mut bytes = 0;
    loop {
        let mut line = Vec::new();
        let read = input
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        bar.inc(read as u64);
        let line =
            String::from_utf8(line.trim_ascii().to_vec()).unwrap_or_else(|_| NOT_UTF8.into());
        if !line.is_empty() {
            bytes += line.len();
            chunk.push(line);
        }
        let full = chunk.len() >= size || bytes >= CHUNK_BYTES;
        if full || read == 0 && !chunk.is_empty() {
            bytes = 0;
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(size));
            if chunks.blocking_send(full).is_err() {
                // Nobody publishes any more, and says why.
                return Ok(());
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}
