//! The one executable: every role is a subcommand.

mod backfill;
mod cli;
mod dead_letters;
mod import;
mod local;
mod migrate;
mod publishing;
mod recompute;
mod roles;
mod simulate;

fn main() -> std::process::ExitCode {
    dvmdash_runtime::tls::install();
    cli::run()
}
