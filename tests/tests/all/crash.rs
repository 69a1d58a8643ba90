//! Servers and processors die while events flow.

use std::time::Duration;

use dvmdash_tests::harness::{Etcd, Mongod, Postgres, Proxy, RabbitMq, Servers, World};

use crate::running::{hold, import, lines, migrate, process};

async fn world(name: &str) -> World {
    Servers::shared().await.world(name).await
}

/// A little time in which some batches, and not all, are counted.
async fn moment() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_killed_while_events_flow_loses_nothing() {
    let world = world("kill_processor").await;
    migrate(&world).await;
    let lines = lines(21, 3000);
    let mut one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    let importing = import(&world, &lines);
    let killing = async {
        moment().await;
        one.kill_hard();
    };
    tokio::join!(importing, killing);
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongod_killed_while_events_flow_loses_nothing() {
    let mut mongod = Mongod::start().await;
    let world = world("kill_mongod").await.with_mongod(&mongod);
    migrate(&world).await;
    let lines = lines(22, 2000);
    import(&world, &lines).await;
    let _one = process(&world, &[]).await;
    for _ in 0..2 {
        moment().await;
        mongod.kill_hard().await;
        mongod.restart().await;
    }
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_killed_while_events_flow_loses_nothing() {
    let mut postgres = Postgres::start().await;
    let world = world("kill_postgres").await.with_postgres(&postgres).await;
    migrate(&world).await;
    let lines = lines(23, 2000);
    import(&world, &lines).await;
    let _one = process(&world, &[]).await;
    for _ in 0..2 {
        moment().await;
        postgres.kill_hard().await;
        postgres.restart().await;
    }
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_killed_while_events_flow_loses_nothing() {
    let mut rabbitmq = RabbitMq::start().await;
    let world = world("kill_rabbitmq").await.with_rabbitmq(&rabbitmq);
    migrate(&world).await;
    let lines = lines(24, 2000);
    let _one = process(&world, &[]).await;
    import(&world, &lines).await;
    rabbitmq.kill_hard().await;
    rabbitmq.restart().await;
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_killed_and_rebuilt_while_events_flow_loses_nothing() {
    let mut etcd = Etcd::start().await;
    let world = world("kill_etcd").await.with_etcd(&etcd);
    migrate(&world).await;
    let lines = lines(25, 2000);
    import(&world, &lines).await;
    let _one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    moment().await;
    etcd.kill_hard().await;
    etcd.restart().await;
    moment().await;
    // Another cluster: its revisions start again, below the fence's token.
    etcd.rebuild().await;
    hold(&world, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_in_the_middle_of_transactions_loses_nothing() {
    let shared = Servers::shared().await;
    let mut world = world("cut").await;
    migrate(&world).await;
    let direct = world.postgres_uri.clone();
    let proxy = Proxy::start(&shared.postgres.address()).await;
    world.postgres_uri = proxy.uri(&direct, &shared.postgres.address());
    let lines = lines(26, 2000);
    import(&world, &lines).await;
    let one = process(&world, &[]).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(90)).await;
        proxy.cut();
    }
    world.postgres_uri = direct;
    hold(&world, &lines).await;
    drop(one);
}
