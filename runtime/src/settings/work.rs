//! How the roles work: kinds, batches, turns, retention, logs, probes.

use clap::Args;
use dvmdash_core::Rules;

use super::Misconfigured;

/// Which events count.
#[derive(Args, Clone, Debug)]
pub struct KindsArgs {
    /// Request kinds and ranges of them, within 5000-5999
    #[arg(
        long,
        env = "DVMDASH_REQUEST_KINDS",
        value_name = "DVMDASH_REQUEST_KINDS",
        default_value = "5000-5999"
    )]
    pub request_kinds: String,
    /// Request kinds that are none
    #[arg(
        long,
        env = "DVMDASH_EXCLUDED_KINDS",
        value_name = "DVMDASH_EXCLUDED_KINDS",
        default_value = "5128,5666,5969"
    )]
    pub excluded_kinds: String,
    /// Largest event, in bytes of its NIP-01 serialization
    #[arg(long, env = "DVMDASH_MAX_EVENT_BYTES", value_name = "DVMDASH_MAX_EVENT_BYTES", default_value_t = 131_072, value_parser = clap::value_parser!(u32).range(1024..=8_388_608))]
    pub max_event_bytes: u32,
}

impl KindsArgs {
    /// The rules they make.
    ///
    /// # Errors
    /// Names the variable and the part that is no kind.
    pub fn rules(&self) -> Result<Rules, Misconfigured> {
        Rules::new(
            &self.request_kinds,
            &self.excluded_kinds,
            self.max_event_bytes as usize,
        )
        .map_err(|problem| {
            Misconfigured::new("DVMDASH_REQUEST_KINDS and DVMDASH_EXCLUDED_KINDS", problem)
        })
    }
}

/// Probes and metrics.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// Where /livez, /readyz and /metrics answer; port 0 picks a free one
    #[arg(
        long,
        env = "DVMDASH_ADMIN_LISTEN",
        value_name = "DVMDASH_ADMIN_LISTEN",
        default_value = "0.0.0.0:9090"
    )]
    pub admin_listen: std::net::SocketAddr,
}

/// Logs.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Like `info` or `info,dvmdash_collector=debug`; JSON lines unless on a terminal
    #[arg(long, env = "DVMDASH_LOG", value_name = "DVMDASH_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
}

fn filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// How batches are cut.
#[derive(Args, Clone, Debug)]
pub struct BatchArgs {
    /// Events in a batch, about
    #[arg(long, env = "DVMDASH_BATCH_MAX_EVENTS", value_name = "DVMDASH_BATCH_MAX_EVENTS", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_max_events: u32,
    /// How long the first event of a batch waits for more, in milliseconds
    #[arg(long, env = "DVMDASH_BATCH_MAX_WAIT_MS", value_name = "DVMDASH_BATCH_MAX_WAIT_MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub batch_max_wait_ms: u32,
    /// Messages in hand and unacknowledged, at most
    #[arg(long, env = "DVMDASH_PREFETCH_MESSAGES", value_name = "DVMDASH_PREFETCH_MESSAGES", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub prefetch_messages: u16,
}

/// How messages are packed.
#[derive(Args, Clone, Debug)]
pub struct PublishArgs {
    /// Events in a message, at most
    #[arg(long, env = "DVMDASH_PUBLISH_MAX_EVENTS", value_name = "DVMDASH_PUBLISH_MAX_EVENTS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub publish_max_events: u32,
    /// How long an event waits for others of its message, in milliseconds
    #[arg(long, env = "DVMDASH_PUBLISH_MAX_WAIT_MS", value_name = "DVMDASH_PUBLISH_MAX_WAIT_MS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub publish_max_wait_ms: u32,
}

/// Turns.
#[derive(Args, Clone, Debug)]
pub struct LockArgs {
    /// How long a turn outlives a holder that is gone
    #[arg(long, env = "DVMDASH_LOCK_LEASE_SECONDS", value_name = "DVMDASH_LOCK_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(2..=600))]
    pub lock_lease_seconds: u32,
    /// How often a holder renews its lease
    #[arg(long, env = "DVMDASH_LOCK_RENEW_SECONDS", value_name = "DVMDASH_LOCK_RENEW_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub lock_renew_seconds: u32,
    /// How long to wait after the lock server was gone
    #[arg(long, env = "DVMDASH_LOCK_RETRY_SECONDS", value_name = "DVMDASH_LOCK_RETRY_SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub lock_retry_seconds: u32,
}

impl LockArgs {
    /// Checks them against each other.
    ///
    /// # Errors
    /// When a lease would run out before it is renewed.
    pub fn check(&self) -> Result<(), Misconfigured> {
        if self.lock_renew_seconds < self.lock_lease_seconds {
            return Ok(());
        }
        let problem = "must be less than DVMDASH_LOCK_LEASE_SECONDS, or the lease runs out before it is renewed";
        Err(Misconfigured::new("DVMDASH_LOCK_RENEW_SECONDS", problem))
    }
}

/// How long fine buckets are kept; days and months are kept for ever.
#[derive(Args, Clone, Debug)]
pub struct RetentionArgs {
    /// Days for which minutes are kept
    #[arg(long, env = "DVMDASH_MINUTE_BUCKET_DAYS", value_name = "DVMDASH_MINUTE_BUCKET_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub minute_bucket_days: u32,
    /// Days for which hours are kept
    #[arg(long, env = "DVMDASH_HOUR_BUCKET_DAYS", value_name = "DVMDASH_HOUR_BUCKET_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub hour_bucket_days: u32,
}
