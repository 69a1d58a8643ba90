//! All integration tests in one binary: it links once, and the tests share one set of servers.
// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used)]

mod collector;
mod fold;
mod house;
mod in_process;
mod servers;
mod snapshot;
mod contract;
mod crash;
mod numbers;
mod pipeline;
mod running;

/// Signed events in the shape of the real network, over the twenty days before now.
fn simulated(seed: u64, events: u64) -> Vec<String> {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let span_seconds = 20 * 86_400;
    let config = dvmdash_simulator::Config {
        seed,
        events,
        start: i64::try_from(now).unwrap() - span_seconds - 3600,
        span_seconds,
        out_of_time: 0.01,
        ..dvmdash_simulator::Config::default()
    };
    dvmdash_simulator::Simulator::new(config).map(|event| event.json).collect()
}

/// Lines that must be refused.
fn invalid(seed: u64, lines: usize) -> Vec<String> {
    dvmdash_simulator::invalid(seed, lines)
}
