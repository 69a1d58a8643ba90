//! The meaning of Nostr data vending machine traffic (NIP-90): events, kinds, money, and the fold into rollup deltas.
//!
//! Pure: no I/O, no clock, no knowledge of the products that store or carry anything.

mod activity;
pub mod admission;
pub mod amount;
mod card;
mod event;
pub mod fold;
mod invoice;
pub mod kinds;
pub mod latency;
mod reading;
mod receipt;

pub use activity::{
    Activity, Announcement, Answer, Card, Deletion, Profile, Receipt, Request, Response, Status,
};
pub use admission::{Quarantine, Refusal, admit_verified, event_id, parse, quarantine, verify};
pub use amount::amount_msat;
pub use card::card;
pub use event::{Event, EventId, Hex32, Pubkey, Signature};
pub use invoice::{Invoice, invoice};
pub use kinds::{Family, Rules};
pub use reading::{read, read_trusting};
pub use receipt::receipt;
