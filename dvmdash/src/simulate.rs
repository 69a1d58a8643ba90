//! `dvmdash simulate`: traffic in the shape of the real network, properly signed, and the same for the same seed.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use dvmdash_core::Rules;
use dvmdash_runtime::queue::RabbitMq;
use dvmdash_runtime::settings::{PublishArgs, RabbitMqArgs};
use dvmdash_simulator::{Config, Simulator};
use futures_util::StreamExt as _;
use nostr_sdk::{Client, Event, JsonUtil as _};
use tokio::sync::mpsc;

use crate::publishing;

/// How much of what, and where to.
#[derive(clap::Args)]
pub struct Args {
    /// Where events go: a file, `-` for the standard output, a relay's ws:// or wss:// url, or `queue`
    #[arg(long, value_name = "FILE|-|URL|queue", value_parser = target)]
    to: Target,
    /// How many events
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// The same seed makes the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events a second; 0 is as many as it can
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Date every event at the moment when it is sent
    #[arg(long, conflicts_with_all = ["start", "span_seconds", "out_of_time"])]
    live: bool,
    /// Where history begins, in unix seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Config::default().start)]
    start: i64,
    /// Over how many seconds history is spread
    #[arg(long, value_name = "SECONDS", default_value_t = Config::default().span_seconds, value_parser = clap::value_parser!(i64).range(1..))]
    span_seconds: i64,
    /// How many DVMs there are
    #[arg(long, default_value_t = Config::default().dvms)]
    dvms: usize,
    /// How many customers there are
    #[arg(long, default_value_t = Config::default().users)]
    users: usize,
    /// Share of events that repeat an earlier one, 0 to 0.9
    #[arg(long, value_name = "SHARE", default_value_t = Config::default().duplicates)]
    duplicates: f64,
    /// Share of jobs dated before Nostr or long after the end
    #[arg(long, value_name = "SHARE", default_value_t = Config::default().out_of_time)]
    out_of_time: f64,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    rabbitmq: RabbitMqArgs,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    File(PathBuf),
    Output,
    Relay(String),
    Queue,
}

fn target(text: &str) -> Result<Target, String> {
    Ok(match text {
        "" => return Err("write a file's name, -, a relay's url, or queue".to_owned()),
        "-" => Target::Output,
        "queue" => Target::Queue,
        url if url.contains("://") => Target::Relay(dvmdash_collector::normalise(url)?),
        file => Target::File(file.into()),
    })
}

/// Events that are sent to a relay before it has answered for the first of them.
const UNANSWERED: usize = 64;

/// Simulates and prints one JSON line of what became of it; on standard error where the events are on standard output.
pub async fn run(args: Args) -> Result<()> {
    let queue = match args.to {
        Target::Queue => Some(Arc::new(RabbitMq::new(&args.rabbitmq)?)),
        _ => None,
    };
    let (to, size) = (args.to.clone(), args.publish.publish_max_events);
    let (chunks, waiting) = mpsc::channel(4);
    let made = tokio::task::spawn_blocking(move || make(&args, size, &chunks));
    let summary = match (to, queue) {
        (Target::File(path), _) => {
            let file = std::fs::File::create(&path);
            let file = file.with_context(|| format!("create {}", path.display()))?;
            write(waiting, file).await?
        }
        (Target::Output, _) => {
            let summary = write(waiting, std::io::stdout()).await?;
            eprintln!("{summary}");
            return Ok(());
        }
        (Target::Relay(url), _) => send(waiting, &url).await?,
        (Target::Queue, None) => bail!("there is no queue to publish to"),
        (Target::Queue, Some(queue)) => {
            // Signed a moment ago by this very process.
            let read = publishing::trusted;
            let done = publishing::publish_all(waiting, read, &Rules::default(), queue).await?;
            serde_json::to_string(&done)?
        }
    };
    made.await.context("simulate")?;
    println!("{summary}");
    Ok(())
}

/// Makes events at their rate until there are enough or nobody takes them any more.
fn make(args: &Args, size: u32, chunks: &mpsc::Sender<Vec<String>>) {
    let mut simulator = Simulator::new(Config {
        seed: args.seed,
        events: args.events,
        start: args.start,
        span_seconds: args.span_seconds,
        dvms: args.dvms,
        users: args.users,
        duplicates: args.duplicates,
        out_of_time: args.out_of_time,
    });
    // Twenty steps a second look like a stream to whoever receives it.
    let size = match args.rate {
        0 => u64::from(size),
        rate => u64::from((rate / 20).clamp(1, size)),
    };
    let began = Instant::now();
    let mut made = 0;
    while made < args.events {
        if args.rate > 0 {
            let due = Duration::from_secs_f64(made as f64 / f64::from(args.rate));
            #[expect(
                clippy::disallowed_methods,
                reason = "this thread may block: it does nothing else"
            )]
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let wanted = size.min(args.events - made);
        let next = |_| match args.live {
            true => Some(simulator.next_at(now()).json),
            false => simulator.next().map(|event| event.json),
        };
        let chunk: Vec<String> = (0..wanted).filter_map(next).collect();
        made += wanted;
        if chunks.blocking_send(chunk).is_err() {
            return;
        }
    }
}

async fn write(mut chunks: mpsc::Receiver<Vec<String>>, output: impl Write) -> Result<String> {
    let mut output = BufWriter::new(output);
    let mut written = 0;
    while let Some(lines) = chunks.recv().await {
        for line in &lines {
            writeln!(output, "{line}").context("write events")?;
        }
        written += lines.len();
        output.flush().context("write events")?;
    }
    Ok(serde_json::json!({ "written": written }).to_string())
}

/// Sends events to a relay, and counts what it says to them.
async fn send(mut chunks: mpsc::Receiver<Vec<String>>, url: &str) -> Result<String> {
    let client = Client::default();
    client.add_relay(url).await.context("add the relay")?;
    let connected = client.try_connect_relay(url, Duration::from_secs(10)).await;
    connected.with_context(|| format!("connect to {url}"))?;
    let (mut sent, mut refused) = (0_u64, BTreeMap::<String, u64>::new());
    while let Some(lines) = chunks.recv().await {
        let answers = futures_util::stream::iter(&lines).map(|line| send_one(&client, line));
        let mut answers = answers.buffer_unordered(UNANSWERED);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(()) => sent += 1,
                Err(reason) => *refused.entry(reason).or_default() += 1,
            }
        }
    }
    client.shutdown().await;
    Ok(serde_json::json!({ "sent": sent, "refused": refused }).to_string())
}

/// The reason of a refusal is what stands before the colon (NIP-01), or all of it.
async fn send_one(client: &Client, line: &str) -> Result<(), String> {
    let event = Event::from_json(line).map_err(|error| error.to_string())?;
    let output = client.send_event(&event).await;
    let output = output.map_err(|error| error.to_string())?;
    match output.failed.into_values().next() {
        None => Ok(()),
        Some(said) => Err(said.split(':').next().unwrap_or_default().to_owned()),
    }
}

/// Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_told_from_another_by_its_form() {
        assert_eq!(target("-"), Ok(Target::Output));
        assert_eq!(target("queue"), Ok(Target::Queue));
        assert_eq!(target("a/b.jsonl"), Ok(Target::File("a/b.jsonl".into())));
        assert_eq!(
            target("WSS://relay.example.com/"),
            Ok(Target::Relay("wss://relay.example.com".to_owned()))
        );
        assert!(target("http://relay.example.com").is_err());
        assert!(target("").is_err());
    }
}
