//! Logs and metrics of a process.

use std::io::IsTerminal as _;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::settings::LogArgs;

/// Starts logging to standard error, JSON lines unless that is a terminal.
///
/// # Errors
/// When logging has been started before.
pub fn log(args: &LogArgs) -> Result<()> {
    let filter = EnvFilter::try_new(&args.log).context("read DVMDASH_LOG")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().try_init()
    };
    started.map_err(|error| anyhow::anyhow!("start logging: {error}"))
}

/// Starts collecting metrics; the handle renders them.
///
/// # Errors
/// When that has been started before.
pub fn metrics() -> Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .install_recorder()
        .context("start collecting metrics")
}
