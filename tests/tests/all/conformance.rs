//! One suite for each trait, run against both of its implementations.

mod archive;
mod cursors;
mod events;
mod lock;
mod queue;

use std::time::{Duration, Instant};

use dvmdash_runtime::settings::EtcdArgs;

/// How long something may take that has to happen: machines are slow and shared.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until something holds.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn etcd(endpoints: String, prefix: &str) -> EtcdArgs {
    EtcdArgs {
        etcd_endpoints: vec![endpoints],
        etcd_prefix: prefix.to_owned(),
        etcd_username: None,
        etcd_password: None,
        etcd_password_file: None,
        etcd_ca_file: None,
        etcd_cert_file: None,
        etcd_key_file: None,
    }
}
