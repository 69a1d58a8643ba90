//! The harness itself: every server starts, answers, and comes back after a kill with what it had.

use dvmdash_tests::harness::{
    Dvmdash, Etcd, Mongod, Postgres, Proxy, RabbitMq, Servers, get, real_events, shared_data,
};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use mongodb::bson::doc;
use sqlx::{Connection as _, Executor, PgConnection};

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_what_it_committed_when_killed() {
    let mut server = Postgres::start().await;
    let uri = server.create_database("kept").await;
    let mut connection = PgConnection::connect(&uri).await.unwrap();
    connection
        .execute("create table kept (number int)")
        .await
        .unwrap();
    connection
        .execute("insert into kept values (7)")
        .await
        .unwrap();

    server.kill_hard().await;
    assert!(connection.execute("select 1").await.is_err());
    server.restart().await;

    let mut connection = PgConnection::connect(&uri).await.unwrap();
    let number: i32 = sqlx::query_scalar("select number from kept")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(number, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_keeps_what_its_majority_wrote_when_killed() {
    let mut server = Mongod::start().await;
    let uri = format!(
        "{}&w=majority&journal=true&serverSelectionTimeoutMS=60000",
        server.uri()
    );
    let kept = mongodb::Client::with_uri_str(&uri)
        .await
        .unwrap()
        .database("kept")
        .collection("kept");
    kept.insert_one(doc! { "number": 7 }).await.unwrap();

    server.kill_hard().await;
    server.restart().await;

    assert_eq!(kept.count_documents(doc! { "number": 7 }).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_keeps_what_it_accepted_when_killed_and_is_another_cluster_when_rebuilt() {
    let mut server = Etcd::start().await;
    let connect = async |server: &Etcd| {
        etcd_client::Client::connect([server.endpoints()], None)
            .await
            .unwrap()
    };
    let put = connect(&server).await.put("kept", "7", None).await.unwrap();
    let cluster = put.header().unwrap().cluster_id();

    server.kill_hard().await;
    server.restart().await;
    let kept = connect(&server).await.get("kept", None).await.unwrap();
    assert_eq!(kept.kvs()[0].value(), b"7");
    assert_eq!(kept.header().unwrap().cluster_id(), cluster);

    server.rebuild().await;
    let kept = connect(&server).await.get("kept", None).await.unwrap();
    assert!(kept.kvs().is_empty());
    assert_ne!(kept.header().unwrap().cluster_id(), cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_keeps_what_it_confirmed_when_killed() {
    let mut server = RabbitMq::start().await;
    let connect = async |server: &RabbitMq| {
        Connection::connect(&server.uri(), ConnectionProperties::default())
            .await
            .unwrap()
    };
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        lapin::types::AMQPValue::LongString("quorum".into()),
    );
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };

    let channel = connect(&server).await.create_channel().await.unwrap();
    channel
        .queue_declare("kept".into(), durable, arguments)
        .await
        .unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let properties = BasicProperties::default().with_delivery_mode(2);
    let publish = channel.basic_publish(
        "".into(),
        "kept".into(),
        BasicPublishOptions::default(),
        b"seven",
        properties,
    );
    assert!(publish.await.unwrap().await.unwrap().is_ack());

    server.kill_hard().await;
    server.restart().await;

    let channel = connect(&server).await.create_channel().await.unwrap();
    // The queue may still be choosing its leader.
    let message = loop {
        if let Some(message) = channel
            .basic_get("kept".into(), BasicGetOptions::default())
            .await
            .unwrap()
        {
            break message;
        }
    };
    assert_eq!(message.delivery.data, b"seven");
}

#[tokio::test(flavor = "multi_thread")]
async fn worlds_on_the_shared_servers_do_not_see_each_other() {
    let servers = Servers::shared().await;
    let (one, other) = tokio::join!(servers.world("same name"), servers.world("same name"));
    let create = "create table mine (number int)";
    one.postgres().await.execute(create).await.unwrap();
    other.postgres().await.execute(create).await.unwrap();
    one.mongodb()
        .await
        .collection("mine")
        .insert_one(doc! { "number": 7 })
        .await
        .unwrap();
    assert!(
        other
            .mongodb()
            .await
            .list_collection_names()
            .await
            .unwrap()
            .is_empty()
    );
    assert_ne!(one.queue, other.queue);
    assert_ne!(one.etcd_prefix, other.etcd_prefix);
    assert_ne!(one.dir, other.dir);
    one.rabbitmq().await.create_channel().await.unwrap();
    one.etcd()
        .await
        .get(one.etcd_prefix.clone(), None)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_gone_and_a_refused_one_never_comes() {
    let world = Servers::shared().await.world("proxy").await;
    let upstream = Servers::shared().await.postgres.address();
    let proxy = Proxy::start(&upstream).await;
    let uri = proxy.uri(&world.postgres_uri, &upstream);

    let mut connection = PgConnection::connect(&uri).await.unwrap();
    connection.execute("select 1").await.unwrap();
    proxy.cut();
    assert!(connection.execute("select 1").await.is_err());
    PgConnection::connect(&uri).await.unwrap();

    proxy.refuse();
    assert!(PgConnection::connect(&uri).await.is_err());
    proxy.accept();
    PgConnection::connect(&uri).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_executable_is_the_one_of_this_checkout() {
    let world = Servers::shared().await.world("executable").await;
    let version = Dvmdash::run(&world, &["--version"], &[]).await.success();
    assert!(
        version.stdout.contains(env!("CARGO_PKG_VERSION")),
        "{version:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_carries_status_headers_and_json() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let response = "HTTP/1.1 418 teapot\r\nx-colour: brown\r\ncontent-length: 9\r\nconnection: close\r\n\r\n{\"tea\":1}";
        stream.write_all(response.as_bytes()).await.unwrap();
    });
    let got = get(&url).await;
    answer.await.unwrap();
    assert_eq!(got.status, 418);
    assert_eq!(got.headers["x-colour"], "brown");
    assert_eq!(got.json["tea"], 1);
}

#[test]
fn every_real_event_is_one_json_object() {
    if shared_data().is_none() {
        return;
    }
    let events = real_events();
    assert!(!events.is_empty());
    for event in events {
        assert!(
            serde_json::from_str::<serde_json::Value>(&event)
                .unwrap()
                .is_object(),
            "{event}"
        );
    }
}
