//! The grammar of events against published vectors, real events, and hostile input.

mod admission;
mod bip340;
mod bolt11;
mod corpora;
mod data;
mod json;
mod properties;
mod reading;
mod receipts;
mod signing;
