//! What an event means for the network: a job request, a response, money, or words about a DVM.

use crate::{Event, EventId, Hex32, Pubkey};

/// The meaning of one admitted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A job request (5000..=5999).
    Request(Request),
    /// A result (6000..=6999) or feedback (7000), and the valid job request inside its `request` tag, if there is one.
    Response(Response, Option<Box<Event>>),
    /// A valid zap receipt (NIP-57).
    Receipt(Receipt),
    /// A handler announcement (NIP-89, kind 31990).
    Announcement(Announcement),
    /// A profile (kind 0).
    Profile(Profile),
    /// A deletion (NIP-09, kind 5).
    Deletion(Deletion),
    /// Counted and archived, but it says nothing that a number hangs on: an invalid receipt.
    Nothing,
}

/// A job request (NIP-90).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The job's id.
    pub id: EventId,
    /// The customer.
    pub customer: Pubkey,
    /// 5000..=5999.
    pub kind: u16,
    /// Unix seconds.
    pub created_at: i64,
    /// Distinct pubkeys of its `p` tags, ascending.
    pub named: Vec<Pubkey>,
    /// Unix seconds of its `expiration` tag (NIP-40).
    pub expiration: Option<i64>,
    /// Ids of its `["i", id, "job"]` tags.
    pub after_jobs: Vec<EventId>,
    /// Ids of its `["i", id, "event"]` tags: jobs only where they are known requests.
    pub after_events: Vec<EventId>,
    /// Unix ms when a relay delivered it live (within 60 s of `created_at`), else `None`.
    pub seen_live: Option<i64>,
}

/// A job result or feedback (NIP-90).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The event's id.
    pub id: EventId,
    /// The DVM.
    pub dvm: Pubkey,
    /// Unix seconds.
    pub created_at: i64,
    /// The job it names; `None` for an orphan.
    pub job: Option<EventId>,
    /// Result or feedback.
    pub answer: Answer,
    /// Its `amount` tag in millisats, where it is a result or a `payment-required` feedback and the amount is one.
    pub amount_msat: Option<i64>,
    /// Unix ms when a relay delivered it live (within 60 s of `created_at`), else `None`.
    pub seen_live: Option<i64>,
}

/// What a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A result for requests of this kind (its own kind less 1000).
    Result(u16),
    /// A feedback with this status.
    Feedback(Status),
}

/// The `status` of a feedback (METRICS.md section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// `payment-required`
    PaymentRequired = 0,
    /// `processing`
    Processing = 1,
    /// `error`
    Error = 2,
    /// `success`
    Success = 3,
    /// `partial`
    Partial = 4,
    /// Anything else, none included.
    Other = 5,
    /// No `status`, but a tag named `encrypted`.
    Encrypted = 6,
}

impl Status {
    /// All of them, by number.
    pub const ALL: [Self; 7] = [
        Self::PaymentRequired,
        Self::Processing,
        Self::Error,
        Self::Success,
        Self::Partial,
        Self::Other,
        Self::Encrypted,
    ];
}

/// A valid zap receipt (NIP-57), not yet compared with others of its payment hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The receipt's id.
    pub id: EventId,
    /// Unix seconds of the receipt.
    pub created_at: i64,
    /// The invoice's payment hash.
    pub payment_hash: Hex32,
    /// Who was paid.
    pub recipient: Pubkey,
    /// Who paid: the author of the zap request.
    pub sender: Pubkey,
    /// Millisats, 1..=10^12.
    pub amount_msat: i64,
    /// The event that was zapped: the zap request's first `e` of 64 hex digits.
    pub target: Option<EventId>,
}

/// Name, about and picture out of a profile's or an announcement's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// `name`, else `display_name`; never empty.
    pub name: Option<String>,
    /// `about`; never empty.
    pub about: Option<String>,
    /// `picture`, else `image`; never empty.
    pub picture: Option<String>,
    /// The content is not a JSON object.
    pub malformed: bool,
}

/// One version of a NIP-89 handler announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// This version's id.
    pub id: EventId,
    /// Its author.
    pub pubkey: Pubkey,
    /// The `d` tag's value, empty where there is none.
    pub d: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Distinct request kinds of its `k` tags, ascending.
    pub kinds: Vec<u16>,
    /// What its content shows.
    pub card: Card,
}

/// One version of a kind 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// This version's id.
    pub id: EventId,
    /// Its author.
    pub pubkey: Pubkey,
    /// Unix seconds.
    pub created_at: i64,
    /// What its content shows.
    pub card: Card,
}

/// A deletion request (NIP-09).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The kind-5 event's id.
    pub id: EventId,
    /// Who asks; only their own events are concerned.
    pub author: Pubkey,
    /// Unix seconds.
    pub created_at: i64,
    /// Distinct `e` values of 64 hex digits.
    pub events: Vec<EventId>,
    /// Distinct `d` values of the author's own `31990:<author>:<d>` addresses.
    pub announcements: Vec<String>,
}
