//! What the machine itself needs for each step, alone and one after the other, in microseconds an event.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use dvmdash_core::{Event, Rules};
use dvmdash_runtime::archive::{Archive, MongoArchive};
use dvmdash_runtime::queue::{Message, Queue, Sighting};
use dvmdash_runtime::settings::MongoDbArgs;
use dvmdash_tests::harness::{Dvmdash, World};
use sqlx::PgPool;

use crate::traffic::{self, PACK};

/// Events in a batch.
const BATCH: usize = 5000;

/// Steps and their microseconds an event.
pub type Floor = Vec<(&'static str, f64)>;

/// Measures all of it with these events.
pub async fn measure(world: &World, lines: &[String]) -> Result<Floor> {
    let message = traffic::message(lines)?;
    let mut floor = core(lines, &message);
    floor.push(publish(world, message.clone()).await?);
    floor.extend(archive(world, &message.sightings).await?);
    Dvmdash::run(world, &["migrate"], &[]).await.success();
    floor.extend(tables(&world.postgres().await, &message.sightings).await?);
    Ok(floor)
}

fn per_event(began: Instant, events: usize) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / events as f64
}

fn core(lines: &[String], message: &Message) -> Floor {
    let (rules, few) = (Rules::default(), 5000.min(lines.len()));
    let began = Instant::now();
    for sighting in &message.sightings[..few] {
        let _ = black_box(dvmdash_core::verify(&sighting.event, &rules));
    }
    let verify = per_event(began, few);
    let began = Instant::now();
    for line in lines {
        let _ =
            black_box(dvmdash_core::parse(line).map(|event: Event| dvmdash_core::event_id(&event)));
    }
    vec![
        ("verify (id and signature)", verify),
        ("parse and hash", per_event(began, lines.len())),
    ]
}

/// Packed, confirmed, sixteen messages on their way at once.
async fn publish(world: &World, message: Message) -> Result<(&'static str, f64)> {
    let queue = crate::pipeline::queue(world)?;
    queue.declare().await.context("declare a queue")?;
    let events = message.sightings.len();
    let packs: Vec<Message> = message
        .sightings
        .chunks(PACK)
        .map(|pack| Message {
            sightings: pack.to_vec(),
            verified: true,
            ..Message::default()
        })
        .collect();
    // The first one connects.
    queue.publish(&packs[0]).await?;
    let began = Instant::now();
    for some in packs.chunks(16) {
        let sent = some.iter().map(|pack| queue.publish(pack));
        futures_util::future::try_join_all(sent).await?;
    }
    Ok(("publish, packed and confirmed", per_event(began, events)))
}

async fn archive(world: &World, sightings: &[Sighting]) -> Result<Floor> {
    let args = MongoDbArgs {
        mongodb_uri: Some(world.mongodb_uri.clone()),
        mongodb_uri_file: None,
        mongodb_database: world.mongodb_database.clone(),
        mongodb_ca_file: None,
        mongodb_cert_file: None,
        mongodb_key_file: None,
    };
    let archive = MongoArchive::connect(&args).await?;
    archive.prepare().await.context("prepare an archive")?;
    let events: Vec<_> = sightings.iter().map(|one| (one, None)).collect();
    let mut floor = Floor::new();
    for step in ["archive, new", "archive, already there"] {
        let began = Instant::now();
        for batch in events.chunks(BATCH) {
            archive.insert_new(batch).await?;
        }
        floor.push((step, per_event(began, events.len())));
    }
    Ok(floor)
}

/// Statements of a batch each, committed one by one.
async fn tables(pool: &PgPool, sightings: &[Sighting]) -> Result<Floor> {
    let ids: Vec<&[u8]> = sightings.iter().map(|one| &one.event.id.0[..]).collect();
    let times: Vec<i64> = sightings.iter().map(|one| one.event.created_at).collect();
    let mut floor = Floor::new();
    for step in ["ledger, new", "ledger, already there"] {
        let began = Instant::now();
        for (ids, times) in ids.chunks(BATCH).zip(times.chunks(BATCH)) {
            sqlx::query("insert into ledger (id, created_at) select * from unnest($1::bytea[], $2::bigint[]) on conflict do nothing")
                .bind(ids)
                .bind(times)
                .execute(pool)
                .await?;
        }
        floor.push((step, per_event(began, ids.len())));
    }
    let upsert = "insert into rollup (step, start, kind, dvm_id, requests)
        select 60, 60 * (i / 100), 5000 + i % 100, 1, 1 from generate_series(1, 5000) as i
        on conflict (step, start, kind, dvm_id) do update set requests = rollup.requests + excluded.requests";
    sqlx::query(upsert).execute(pool).await?;
    let began = Instant::now();
    for _ in 0..4 {
        sqlx::query(upsert).execute(pool).await?;
    }
    floor.push((
        "upsert of a rollup row that exists",
        per_event(began, 4 * BATCH),
    ));
    Ok(floor)
}
