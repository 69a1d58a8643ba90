//! Real servers and real processes for the tests.
//!
//! Everything listens on a free loopback port and keeps its data in one temporary folder, which goes with the test process, however that ends.
//! Functions here panic, with the end of the log, where a test could not go on.
//!
//! A test that only needs names of its own shares one set of servers; one that kills a server starts its own:
//!
//! ```no_run
//! # use dvmdash_tests::harness::{Dvmdash, Mongod, Servers};
//! # async fn example() {
//! let mut mongod = Mongod::start().await;
//! let world = Servers::shared().await.world("counted_once").await.with_mongod(&mongod);
//! Dvmdash::run(&world, &["migrate"], &[]).await.success();
//! let mut process = Dvmdash::start(&world, &["process"], &[("DVMDASH_FAILPOINT", "after_commit")]).await;
//! process.wait_exit().await;
//! mongod.kill_hard().await;
//! mongod.restart().await;
//! # }
//! ```

mod data;
mod dvmdash;
mod etcd;
mod folder;
mod http;
mod mongod;
mod postgres;
mod process;
mod proxy;
mod rabbitmq;
mod world;

pub use data::{real_events, shared_data};
pub use dvmdash::{Dvmdash, Finished};
pub use etcd::Etcd;
pub use folder::{folder, free_port};
pub use http::{Answer, get, get_with, wait_settled};
pub use mongod::Mongod;
pub use postgres::Postgres;
pub use process::Process;
pub use proxy::Proxy;
pub use rabbitmq::RabbitMq;
pub use world::{Servers, World};

use std::time::Duration;

/// How long a server or process may take to get ready: machines are slow and shared.
pub(crate) const READY: Duration = Duration::from_secs(120);

/// How long to sleep between two looks at something.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
