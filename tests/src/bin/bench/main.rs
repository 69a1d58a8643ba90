//! The load bench: events a second from the queue to committed numbers, what each process spends on them, and the machine's own floor.
//!
//! `BENCH_EVENTS` says how many events (240000), `BENCH_PROCESSORS` how many processes take them (3), `BENCH_SPANS` over which spans of
//! history they are spread, in seconds (an hour and sixty days). Nothing is asserted about time: it prints a report as markdown.

mod floor;
mod pipeline;
mod report;
mod traffic;
mod usage;

use anyhow::{Context, Result};
use dvmdash_tests::harness::{Dvmdash, Servers};

/// What an operator would set first; its own defaults are for a machine of twenty years ago.
const POSTGRESQL: [&str; 2] = ["shared_buffers=1GB", "max_wal_size=4GB"];

/// What the environment asks for.
struct Wanted {
    events: u64,
    processors: usize,
    spans: Vec<i64>,
}

fn wanted() -> Result<Wanted> {
    let text = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let spans = text("BENCH_SPANS", "3600,5184000");
    Ok(Wanted {
        events: text("BENCH_EVENTS", "240000")
            .parse()
            .context("read BENCH_EVENTS")?,
        processors: text("BENCH_PROCESSORS", "3")
            .parse()
            .context("read BENCH_PROCESSORS")?,
        spans: spans
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .context("read BENCH_SPANS")?,
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted = wanted()?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("install the TLS provider")?;
    // Compiled before anything is measured, and before the servers wait for it.
    Dvmdash::executable().await;
    let servers = Servers::start_with(&POSTGRESQL).await;
    report::head(&wanted)?;

    let mut sample = Vec::new();
    for &span in &wanted.spans {
        let world = servers.world("bench").await;
        sample = pipeline::fill(&world, wanted.events, span).await?;
        let run = pipeline::run(&world, wanted.processors, wanted.events).await?;
        report::run(span, &run);
    }
    let world = servers.world("floor").await;
    report::floor(&floor::measure(&world, &sample).await?);
    Ok(())
}
