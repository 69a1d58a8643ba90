//! What the integration tests and the load bench stand on.
// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used)]

pub mod harness;
pub mod naive;
