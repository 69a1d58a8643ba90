//! The one executable: every role is a subcommand.

mod cli;
mod dead_letters;
mod import;
mod local;
mod migrate;
mod roles;

fn main() -> std::process::ExitCode {
    dvmdash_runtime::tls::install();
    cli::run()
}
