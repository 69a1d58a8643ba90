//! `dvmdash dead-letters`: messages that could not be read.

use anyhow::Result;
use dvmdash_runtime::queue::{Queue, RabbitMq};
use dvmdash_runtime::settings::RabbitMqArgs;

/// What to do with them.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print them, one JSON object a line; they stay
    List {
        #[command(flatten)]
        rabbitmq: RabbitMqArgs,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Put all of them back on the queue
    Replay {
        #[command(flatten)]
        rabbitmq: RabbitMqArgs,
    },
}

/// Lists or replays.
pub async fn run(args: Args) -> Result<()> {
    match args.action {
        Action::List { rabbitmq, limit } => {
            for letter in RabbitMq::new(&rabbitmq)?.dead_letters(limit).await? {
                println!("{}", serde_json::to_string(&letter)?);
            }
        }
        Action::Replay { rabbitmq } => {
            let replayed = RabbitMq::new(&rabbitmq)?.replay_dead_letters().await?;
            println!("{}", serde_json::json!({ "replayed": replayed }));
        }
    }
    Ok(())
}
