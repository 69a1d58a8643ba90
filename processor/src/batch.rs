//! The straight line. The order of its statements is the guarantee.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result};
use dvmdash_core::fold::Facts;
use dvmdash_core::{Activity, EventId, Quarantine};
use dvmdash_runtime::lock::Turn;
use dvmdash_runtime::queue::{Delivery, RelayReport, Sighting, Source};

use crate::failpoint::reach;
use crate::{Parts, apply, load, quarantine, turn};

/// A sighting that may count, and what it says.
#[derive(Clone)]
pub(crate) struct Claimable {
    pub(crate) sighting: Sighting,
    pub(crate) activity: Activity,
}

/// What relays delivered in a batch.
#[derive(Clone, Copy, Default)]
pub(crate) struct RelayCount {
    pub(crate) events: i64,
    pub(crate) last_seen_ms: i64,
}

/// Decoded deliveries.
#[derive(Default)]
pub(crate) struct Batch {
    /// To be acknowledged at the end.
    pub(crate) deliveries: Vec<Delivery>,
    /// Messages that could not be decoded, and why.
    pub(crate) poison: Vec<(Delivery, String)>,
    /// Events that may count, each id once.
    pub(crate) events: Vec<Claimable>,
    /// Events that are kept and not counted.
    pub(crate) quarantined: Vec<(Sighting, Quarantine)>,
    /// Events refused, here or before the queue.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Deliveries by relay.
    pub(crate) relays: HashMap<String, RelayCount>,
    /// What collectors say of relays.
    pub(crate) reports: Vec<RelayReport>,
}

impl Batch {
    pub(crate) fn note_relay(&mut self, sighting: &Sighting) {
        if let (Source::Relay, Some(relay)) = (sighting.source, &sighting.relay) {
            let count = self.relays.entry(relay.clone()).or_default();
            count.events += 1;
            count.last_seen_ms = count.last_seen_ms.max(sighting.first_seen);
        }
    }
}

/// Brings a batch from the queue into archive and rollups, and acknowledges it.
///
/// ```text
/// receive -> decode -> archive.insert_new -> begin -> fence -> claim -> fold -> apply -> commit -> reject poison -> ack
/// ```
///
/// | crash after | state | on redelivery |
/// |---|---|---|
/// | receive, decode | nothing | the same batch again |
/// | archive | raw events are kept, durably | the insert is a no-op, then they are counted: counted is a subset of archived |
/// | fence, claim, fold, apply | rolled back | counted once |
/// | commit | counted, not acknowledged | `claim` returns nothing, the fold of nothing is nothing, acknowledged |
/// | reject | counted, poison safe among the dead letters | as above; the poison may lie there twice |
///
/// An error leaves the batch unacknowledged and may be followed by another try with the same batch.
pub(crate) async fn run(parts: &Parts, batch: &mut Batch) -> Result<()> {
    reach("decoded");
    let events = batch.events.iter().map(|event| (&event.sighting, None));
    let quarantined = batch
        .quarantined
        .iter()
        .map(|(sighting, why)| (sighting, Some(why.as_str())));
    let all: Vec<_> = events.chain(quarantined).collect();
    parts
        .archive
        .insert_new(&all)
        .await
        .context("archive a batch")?;
    drop(all);
    reach("archived");

    let poor = count(parts, batch).await?;
    if !poor.is_empty() {
        parts
            .archive
            .mark(&poor, Quarantine::Unprocessable.as_str())
            .await
            .context("mark events that cannot be processed")?;
    }
    reach("committed");

    for (delivery, reason) in batch.poison.drain(..) {
        parts
            .queue
            .dead_letter(delivery, &reason)
            .await
            .context("move a message to the dead letters")?;
    }
    reach("rejected");
    for delivery in batch.deliveries.drain(..) {
        parts
            .queue
            .ack(delivery)
            .await
            .context("acknowledge a message")?;
    }
    reach("acknowledged");
    Ok(())
}

/// Counts what the archive holds, in one turn. Returns the events that cannot be processed.
pub(crate) async fn count(parts: &Parts, batch: &Batch) -> Result<Vec<EventId>> {
    let turn = parts.lock.acquire().await.context("wait for the turn")?;
    let counted = count_in_parts(parts, &turn, batch).await;
    // Given back also after a failure, else the others wait until the lease runs out.
    let released = parts.lock.release(turn).await.context("give the turn back");
    let poor = counted?;
    released?;
    Ok(poor)
}

/// Counts the batch, in one transaction unless it is heavy. Where one of its events makes every transaction fail, halves until that event is
/// alone. What is beside the events goes with the first of them, and by itself once a transaction has failed, so that neither hurts the other.
async fn count_in_parts(parts: &Parts, turn: &Turn, batch: &Batch) -> Result<Vec<EventId>> {
    let mut poor = Vec::new();
    let aside = Aside {
        quarantined: &batch.quarantined,
        refused: &batch.refused,
        relays: &batch.relays,
        reports: &batch.reports,
    };
    let mut todo: Vec<_> = by_weight(&batch.events)
        .map(|events| (events, None))
        .collect();
    match todo.first_mut() {
        Some(first) => first.1 = Some(aside),
        None => todo.push((&[], Some(aside))),
    }
    todo.reverse();
    while let Some((events, aside)) = todo.pop() {
        let Err(error) = transact(parts, turn, events, aside.as_ref()).await else {
            continue;
        };
        if !is_of_the_data(&error) {
            return Err(error);
        }
        match (events, aside) {
            ([], _) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "what was not counted cannot be noted"
                );
            }
            (_, Some(aside)) => todo.extend([(&[][..], Some(aside)), (events, None)]),
            ([event], None) => {
                set_aside(parts, turn, event, &error).await?;
                poor.push(event.sighting.event.id);
            }
            (_, None) => {
                let (left, right) = events.split_at(events.len() / 2);
                todo.extend([(right, None), (left, None)]);
            }
        }
    }
    Ok(poor)
}

/// Rows that one transaction may come to, about, counted in events and the keys that they name: a request of many `p` tags makes rows for
/// each of them.
const WEIGHT: usize = 20_000;

/// Cuts the events so that no part is heavier than [`WEIGHT`], but for a single event.
fn by_weight(events: &[Claimable]) -> impl Iterator<Item = &[Claimable]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = rest.iter().take_while(|event| {
            sum += match &event.activity {
                Activity::Request(request) => 1 + request.named.len(),
                _ => 1,
            };
            sum <= WEIGHT
        });
        let (part, after) = rest.split_at(fits.count().max(1).min(rest.len()));
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// Quarantines an event that no transaction takes.
async fn set_aside(
    parts: &Parts,
    turn: &Turn,
    event: &Claimable,
    error: &anyhow::Error,
) -> Result<()> {
    let id = event.sighting.event.id;
    tracing::error!(error = format!("{error:#}"), %id, "an event cannot be processed");
    let poor = [(event.sighting.clone(), Quarantine::Unprocessable)];
    let alone = Aside {
        quarantined: &poor,
        ..Aside::default()
    };
    transact(parts, turn, &[], Some(&alone)).await
}

/// What is written beside the counted events.
#[derive(Clone, Copy)]
pub(crate) struct Aside<'a> {
    pub(crate) quarantined: &'a [(Sighting, Quarantine)],
    pub(crate) refused: &'a BTreeMap<String, u64>,
    pub(crate) relays: &'a HashMap<String, RelayCount>,
    pub(crate) reports: &'a [RelayReport],
}

impl Default for Aside<'_> {
    fn default() -> Self {
        static NONE: BTreeMap<String, u64> = BTreeMap::new();
        static NO_RELAY: std::sync::LazyLock<HashMap<String, RelayCount>> =
            std::sync::LazyLock::new(HashMap::new);
        Self {
            quarantined: &[],
            refused: &NONE,
            relays: &NO_RELAY,
            reports: &[],
        }
    }
}

/// begin -> fence -> claim -> fold -> apply -> commit.
async fn transact(
    parts: &Parts,
    turn: &Turn,
    events: &[Claimable],
    aside: Option<&Aside<'_>>,
) -> Result<()> {
    let (mut transaction, kept) = turn::begin(parts, turn).await?;
    reach("fenced");
    let claimed = claim(&mut transaction, events)
        .await
        .context("claim events")?;
    reach("claimed");

    let new: Vec<&Claimable> = events
        .iter()
        .filter(|event| claimed.contains(&event.sighting.event.id))
        .collect();
    let mut facts = Facts::default();
    for event in &new {
        facts.add(&event.activity);
    }
    let world = load::world(&mut transaction, &facts)
        .await
        .context("load what the events touch")?;
    let deltas = world.fold(&facts);
    reach("folded");

    apply::run(&mut transaction, &new, &facts, &deltas, kept)
        .await
        .context("apply a batch")?;
    apply::aside::run(&mut transaction, &aside.copied().unwrap_or_default(), &new)
        .await
        .context("note what was not counted")?;
    let released = quarantine::end(&mut transaction, &claimed)
        .await
        .context("end quarantines")?;
    reach("applied");
    transaction.commit().await.context("commit a batch")?;
    metrics::counter!("dvmdash_events_counted_total").increment(new.len() as u64);

    if !released.is_empty() {
        parts
            .archive
            .release(&released)
            .await
            .context("take the quarantine's mark off")?;
    }
    Ok(())
}

/// Writes the ids into the ledger; returns those that were not there.
async fn claim(
    transaction: &mut turn::Transaction,
    events: &[Claimable],
) -> Result<HashSet<EventId>> {
    let ids: Vec<&[u8]> = events
        .iter()
        .map(|event| &event.sighting.event.id.0[..])
        .collect();
    let times: Vec<i64> = events
        .iter()
        .map(|event| event.sighting.event.created_at)
        .collect();
    let claimed: Vec<[u8; 32]> = sqlx::query_scalar(
        "insert into ledger (id, created_at) select * from unnest($1::bytea[], $2::bigint[]) on conflict do nothing returning id",
    )
        .bind(ids)
        .bind(times)
        .fetch_all(&mut **transaction)
        .await?;
    Ok(claimed.into_iter().map(dvmdash_core::Hex32).collect())
}

/// Whether the data itself makes the transaction fail, as against a server or connection that may be well again later.
fn is_of_the_data(error: &anyhow::Error) -> bool {
    let Some(sqlx::Error::Database(error)) = error.downcast_ref::<sqlx::Error>() else {
        return false;
    };
    // 21 cardinality, 22 data exception, 23 integrity constraint, P0 raised by a function or trigger, 54 program limit.
    error.code().is_some_and(|code| {
        ["21", "22", "23", "P0", "54"]
            .iter()
            .any(|class| code.starts_with(class))
    })
}
