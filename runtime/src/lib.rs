//! The only way to touch the world: queue, archive, lock, cursors, PostgreSQL pool, telemetry, health server, shutdown.

pub mod admin;
pub mod archive;
pub mod cursors;
mod etcd;
pub mod lock;
pub mod members;
pub mod postgres;
pub mod queue;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
