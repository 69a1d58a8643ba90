//! The fold: from facts (what counted events said) to rollup rows, by retraction.
//!
//! Every number hangs on a small entity: a job with its responses, an orphan response, a payment hash with its receipts. What an entity
//! contributes is a pure function of the facts it consists of. A batch loads the entities that its new facts touch ([`World`]), takes their
//! contribution out, adds the facts, and puts the new contribution in:
//!
//! ```text
//! deltas = contribution(world + facts) - contribution(world)
//! ```
//!
//! So no kind of lateness needs code of its own, and folding all events at once from an empty world is the recomputation.

mod deltas;
mod job;
mod payment;
mod world;

pub use deltas::{Cell, Counter, Counters, Deltas, NO_KIND};
pub use payment::{Payment, Tie};
pub use world::{Facts, World};

#[cfg(test)]
mod tests;
