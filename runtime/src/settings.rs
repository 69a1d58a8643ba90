//! Settings shared by the roles.

/// How batches are cut.
#[derive(Clone, Debug, clap::Args)]
pub struct BatchArgs {
    /// Events a batch, at most (about).
    #[arg(long, env = "DVMDASH_BATCH_MAX_EVENTS", default_value_t = 5000)]
    pub batch_max_events: u32,
    /// How long the first event of a batch waits, ms.
    #[arg(long, env = "DVMDASH_BATCH_MAX_WAIT_MS", default_value_t = 1000)]
    pub batch_max_wait_ms: u32,
    /// Unacknowledged messages, at most.
    #[arg(long, env = "DVMDASH_PREFETCH_MESSAGES", default_value_t = 40)]
    pub prefetch_messages: u16,
}

/// How long fine buckets are kept.
#[derive(Clone, Debug, clap::Args)]
pub struct RetentionArgs {
    /// Days.
    #[arg(long, env = "DVMDASH_MINUTE_BUCKET_DAYS", default_value_t = 7)]
    pub minute_bucket_days: u32,
    /// Days.
    #[arg(long, env = "DVMDASH_HOUR_BUCKET_DAYS", default_value_t = 400)]
    pub hour_bucket_days: u32,
}
