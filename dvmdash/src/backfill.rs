//! `dvmdash backfill`: a stretch of the relays' past onto the queue.

use std::sync::Arc;

use anyhow::Result;
use dvmdash_collector::{Backfill, Backfilled, Stretch, backfill};
use dvmdash_runtime::members::Members;
use dvmdash_runtime::queue::{Queue, RabbitMq};
use dvmdash_runtime::settings::{EtcdArgs, KindsArgs, PublishArgs, RabbitMqArgs};
use dvmdash_runtime::shutdown;
use jiff::Timestamp;

/// Which stretch, and of which relays.
#[derive(clap::Args)]
pub struct BackfillArgs {
    /// Events dated from then on: unix seconds or RFC 3339
    #[arg(long, value_parser = moment)]
    since: i64,
    /// Events dated up to then [default: all newer ones]
    #[arg(long, value_parser = moment)]
    until: Option<i64>,
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
}

/// Reads the relays; prints one JSON line when it has, or has been told to end.
pub async fn run(args: BackfillArgs) -> Result<()> {
    let rules = args.kinds.rules()?;
    let queue = Arc::new(RabbitMq::new(&args.rabbitmq)?);
    let members = Arc::new(Members::new(&args.etcd, "backfill")?);
    let stretch = Stretch {
        since: args.since,
        until: args.until,
    };
    let shutdown = shutdown::on_signal()?;
    queue.declare().await?;
    let tell = |state: &Backfilled| eprintln!("{}", described(state, stretch));
    let asked = Backfill {
        relays: args.collector,
        stretch,
        rules,
        publish: args.publish,
    };
    let state = backfill(asked, queue, members, shutdown, tell).await?;
    eprintln!("{}", described(&state, stretch));
    println!("{}", serde_json::to_string(&state)?);
    Ok(())
}

/// How far it is, and the command that goes on from there.
fn described(state: &Backfilled, asked: Stretch) -> String {
    let mut text = format!(
        "{} new events published; {} relays read, {} left",
        state.published,
        state.done.len(),
        state.left.len()
    );
    for (url, reached) in &state.left {
        let reached = reached.and_then(|reached| Timestamp::from_second(reached).ok());
        let reached = reached.map_or_else(|| "not begun".to_owned(), |at| format!("down to {at}"));
        text.push_str(&format!("\n  {url}: {reached}"));
    }
    if let Some(rest) = state.rest(asked) {
        text.push_str(&format!(
            "\ngo on with: dvmdash backfill --since {}",
            rest.since
        ));
        if let Some(until) = rest.until {
            text.push_str(&format!(" --until {until}"));
        }
        for url in state.left.keys() {
            text.push_str(&format!(" --relay {url}"));
        }
    }
    text
}

fn moment(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let parsed: Result<Timestamp, _> = text.parse();
    parsed
        .map(Timestamp::as_second)
        .map_err(|_| "write unix seconds or a time like 2026-01-31T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_command_that_goes_on_begins_where_every_relay_has_been_read_to() {
        let asked = Stretch {
            since: 100,
            until: Some(900),
        };
        let mut state = Backfilled {
            left: BTreeMap::from([
                ("wss://a".to_owned(), Some(500)),
                ("wss://b".to_owned(), Some(700)),
            ]),
            done: vec!["wss://c".to_owned()],
            published: 5,
        };
        let text = described(&state, asked);
        assert!(
            text.ends_with(
                "dvmdash backfill --since 100 --until 700 --relay wss://a --relay wss://b"
            ),
            "{text}"
        );
        state.left.insert("wss://a".to_owned(), None);
        assert!(described(&state, asked).contains("--until 900"));
        state.left.clear();
        assert!(!described(&state, asked).contains("go on"));
    }

    #[test]
    fn moments_are_seconds_or_times() {
        assert_eq!(moment("1700000000"), Ok(1_700_000_000));
        assert_eq!(moment("2023-11-14T22:13:20Z"), Ok(1_700_000_000));
        assert!(moment("yesterday").is_err());
    }
}
