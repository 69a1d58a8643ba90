//! The only way to touch the world: queue, archive, lock, cursors, PostgreSQL pool, telemetry, health server, shutdown.

pub mod archive;
pub mod cursors;
pub mod lock;
pub mod postgres;
pub mod queue;
pub mod settings;
