//! From relays to the queue: every event that any configured relay holds or sends, verified, each once, and no relay's cursor moves before
//! the broker has confirmed everything up to it.

mod assign;
mod backfill;
mod collecting;
mod follower;
mod health;
mod intake;
mod limits;
mod people;
mod progress;
mod publishing;
mod relay;
mod relays;
mod selection;
mod session;
mod sharing;
mod socket;
mod walk;

pub use backfill::{Backfill, Backfilled, Stretch, backfill};
pub use collecting::run;
pub use relay::normalise;
pub use relays::Args;
