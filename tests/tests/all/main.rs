//! All integration tests in one binary: it links once, and the tests share one set of servers.
// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used)]

mod fold;
mod house;
mod in_process;
mod servers;
mod snapshot;
