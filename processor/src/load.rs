//! Loads the part of the facts that new facts touch, closed in itself as [`World`] asks.

use std::collections::HashSet;

use anyhow::Result;
use dvmdash_core::fold::{Facts, World};
use dvmdash_core::{Answer, EventId, Hex32, Pubkey, Receipt, Request, Response, Status};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::turn::Transaction;

/// What is counted already of the entities that `facts` touch. All loads of a batch are a handful of queries, whatever its size.
pub(crate) async fn world(transaction: &mut Transaction, facts: &Facts) -> Result<World> {
    let mut loaded = Loaded::default();
    let jobs = facts
        .requests
        .iter()
        .map(|request| request.id)
        .chain(facts.responses.iter().filter_map(|response| response.job));
    loaded.jobs(transaction, jobs.collect()).await?;

    let newly_known = unknown(transaction, &facts.known).await?;
    let hashes = touched_hashes(transaction, facts, &loaded, &newly_known).await?;
    if !hashes.is_empty() {
        loaded.receipts(transaction, &hashes).await?;
        loaded.targets(transaction, facts).await?;
    }
    let mut world = World::default();
    world.add(&loaded.facts);
    Ok(world)
}

#[derive(Default)]
struct Loaded {
    facts: Facts,
    jobs: HashSet<EventId>,
    orphans: HashSet<EventId>,
}

impl Loaded {
    /// Jobs with their request and all responses.
    async fn jobs(
        &mut self,
        transaction: &mut Transaction,
        mut jobs: HashSet<EventId>,
    ) -> Result<()> {
        jobs.retain(|job| self.jobs.insert(*job));
        if jobs.is_empty() {
            return Ok(());
        }
        let ids = bytes(&jobs);
        let rows = sqlx::query(include_str!("sql/requests_by_id.sql"))
            .bind(&ids)
            .fetch_all(&mut **transaction)
            .await?;
        for row in rows {
            self.facts.requests.push(request(&row)?);
        }
        let rows = sqlx::query(include_str!("sql/responses_by_job.sql"))
            .bind(&ids)
            .fetch_all(&mut **transaction)
            .await?;
        for row in rows {
            self.facts.responses.push(response(&row)?);
        }
        Ok(())
    }

    /// All receipts of these payment hashes.
    async fn receipts(
        &mut self,
        transaction: &mut Transaction,
        hashes: &HashSet<Hex32>,
    ) -> Result<()> {
        let rows = sqlx::query(include_str!("sql/receipts_by_hash.sql"))
            .bind(bytes(hashes))
            .fetch_all(&mut **transaction)
            .await?;
        for row in rows {
            self.facts.receipts.push(receipt(&row)?);
        }
        Ok(())
    }

    /// What the receipts point to, and which of their recipients are known.
    async fn targets(&mut self, transaction: &mut Transaction, facts: &Facts) -> Result<()> {
        let receipts = || self.facts.receipts.iter().chain(&facts.receipts);
        let targets: HashSet<EventId> = receipts().filter_map(|receipt| receipt.target).collect();
        let recipients: HashSet<Pubkey> = receipts().map(|receipt| receipt.recipient).collect();
        let mut jobs = targets.clone();
        let rows = sqlx::query(include_str!("sql/responses_by_id.sql"))
            .bind(bytes(&targets))
            .fetch_all(&mut **transaction)
            .await?;
        for row in rows {
            let response = response(&row)?;
            match response.job {
                Some(job) => {
                    jobs.insert(job);
                }
                None if self.orphans.insert(response.id) => self.facts.responses.push(response),
                None => {}
            }
        }
        self.jobs(transaction, jobs).await?;
        let known: Vec<[u8; 32]> =
            sqlx::query_scalar("select pubkey from dvms where known and pubkey = any($1)")
                .bind(bytes(&recipients))
                .fetch_all(&mut **transaction)
                .await?;
        self.facts.known.extend(known.into_iter().map(Hex32));
        Ok(())
    }
}

/// Those of `dvms` that are not known yet.
async fn unknown(transaction: &mut Transaction, dvms: &HashSet<Pubkey>) -> Result<HashSet<Pubkey>> {
    let known: Vec<[u8; 32]> =
        sqlx::query_scalar("select pubkey from dvms where known and pubkey = any($1)")
            .bind(bytes(dvms))
            .fetch_all(&mut **transaction)
            .await?;
    let known: HashSet<Pubkey> = known.into_iter().map(Hex32).collect();
    Ok(dvms.difference(&known).copied().collect())
}

/// Payment hashes whose meaning the facts may change: of new receipts, of receipts that point to a touched job or one of its responses, and
/// of receipts to a DVM that becomes known.
async fn touched_hashes(
    transaction: &mut Transaction,
    facts: &Facts,
    loaded: &Loaded,
    newly_known: &HashSet<Pubkey>,
) -> Result<HashSet<Hex32>> {
    let responses = facts
        .responses
        .iter()
        .chain(&loaded.facts.responses)
        .map(|response| response.id);
    let targets: HashSet<EventId> = responses.chain(loaded.jobs.iter().copied()).collect();
    let hashes: Vec<[u8; 32]> = sqlx::query_scalar(include_str!("sql/touched_hashes.sql"))
        .bind(bytes(&targets))
        .bind(bytes(newly_known))
        .fetch_all(&mut **transaction)
        .await?;
    Ok(hashes
        .into_iter()
        .map(Hex32)
        .chain(facts.receipts.iter().map(|receipt| receipt.payment_hash))
        .collect())
}

fn bytes(ids: &HashSet<Hex32>) -> Vec<Vec<u8>> {
    ids.iter().map(|id| id.0.to_vec()).collect()
}

fn hex(row: &PgRow, column: &str) -> Result<Hex32> {
    Ok(Hex32(row.try_get(column)?))
}

fn optional_hex(row: &PgRow, column: &str) -> Result<Option<Hex32>> {
    Ok(row.try_get::<Option<[u8; 32]>, _>(column)?.map(Hex32))
}

fn request(row: &PgRow) -> Result<Request> {
    let named: Vec<Vec<u8>> = row.try_get("named")?;
    Ok(Request {
        id: hex(row, "id")?,
        customer: hex(row, "customer")?,
        kind: u16::try_from(row.try_get::<i32, _>("kind")?)?,
        created_at: row.try_get("created_at")?,
        named: named
            .into_iter()
            .filter_map(|key| Some(Hex32(key.try_into().ok()?)))
            .collect(),
        // Nothing that is folded hangs on these.
        expiration: None,
        after_jobs: Vec::new(),
        after_events: Vec::new(),
        seen_live: row.try_get("seen_live")?,
    })
}

fn response(row: &PgRow) -> Result<Response> {
    let answer = match (
        row.try_get::<Option<i32>, _>("result_kind")?,
        row.try_get::<Option<i16>, _>("status")?,
    ) {
        (Some(kind), _) => Answer::Result(u16::try_from(kind)?),
        (None, status) => {
            let status = status.and_then(|status| Status::ALL.get(usize::try_from(status).ok()?));
            Answer::Feedback(
                *status
                    .ok_or_else(|| anyhow::anyhow!("a response is neither result nor feedback"))?,
            )
        }
    };
    Ok(Response {
        id: hex(row, "id")?,
        dvm: hex(row, "dvm")?,
        created_at: row.try_get("created_at")?,
        job: optional_hex(row, "job")?,
        answer,
        amount_msat: row.try_get("amount_msat")?,
        seen_live: row.try_get("seen_live")?,
    })
}

fn receipt(row: &PgRow) -> Result<Receipt> {
    Ok(Receipt {
        id: hex(row, "id")?,
        created_at: row.try_get("created_at")?,
        payment_hash: hex(row, "payment_hash")?,
        recipient: hex(row, "recipient")?,
        sender: hex(row, "sender")?,
        amount_msat: row.try_get("amount_msat")?,
        target: optional_hex(row, "target")?,
    })
}
