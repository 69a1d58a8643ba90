//! The command line: parse, call, and turn what comes back into an exit code.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use dvmdash_runtime::settings::{LogArgs, Misconfigured};
use dvmdash_runtime::telemetry;

use crate::{backfill, dead_letters, import, local, migrate, recompute, roles, simulate};

/// What Nostr's data vending machines (NIP-90) do, counted.
#[derive(Parser)]
#[command(name = "dvmdash", version, about)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in one process, without any server
    Local(local::Args),
    /// Hold the database of `local`
    #[command(hide = true)]
    LocalDatabase(local::DatabaseArgs),
    /// Read relays, verify every event and put it on the queue
    Collect(roles::CollectArgs),
    /// Read a stretch of the relays' past once more and put it on the queue
    Backfill(backfill::BackfillArgs),
    /// Take events off the queue, archive and count them, in turns with other processors
    Process(roles::ProcessArgs),
    /// Answer the HTTP API
    Serve(roles::ServeArgs),
    /// Create or upgrade schema, indexes and queues
    Migrate(migrate::Args),
    /// Put the events of a JSONL file on the queue
    Import(import::Args),
    /// Look at messages that could not be read, or put them back on the queue
    DeadLetters(dead_letters::Args),
    /// Compute all numbers anew from the archive, beside those in use, and put them in their place
    Recompute(recompute::Args),
    /// Put archived events that were not counted back on the queue
    Sweep(recompute::SweepArgs),
    /// Make up traffic in the shape of the real network, and send it to a relay, a file or the queue
    Simulate(simulate::Args),
}

/// Runs the command of this process. Exit codes: 0 done, 1 failed, 2 a setting cannot be used.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Misconfigured>() => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn start(mut cli: Cli) -> Result<()> {
    if let Command::Local(_) = cli.command {
        // The demo's relay calls it an error when somebody goes.
        cli.log.log.push_str(",nostr_relay_builder=off");
    }
    telemetry::log(&cli.log)?;
    match cli.command {
        Command::Local(args) => local::run(args).await,
        Command::LocalDatabase(args) => local::run_database(args).await,
        Command::Collect(args) => roles::collect(args).await,
        Command::Backfill(args) => backfill::run(args).await,
        Command::Process(args) => roles::process(args).await,
        Command::Serve(args) => roles::serve(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::DeadLetters(args) => dead_letters::run(args).await,
        Command::Recompute(args) => recompute::run(args).await,
        Command::Sweep(args) => recompute::sweep(args).await,
        Command::Simulate(args) => simulate::run(args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Cli::command().debug_assert();
    }
}
