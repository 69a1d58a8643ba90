//! Cursors: in etcd and in a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use dvmdash_runtime::cursors::{Cursors, EtcdCursors, FileCursors};
use dvmdash_tests::harness::{Etcd, Servers, folder};

use super::etcd;

/// Opens the same cursors once more.
type Open = Arc<dyn Fn() -> Arc<dyn Cursors>>;

macro_rules! both {
    ($($fact:ident),* $(,)?) => {
        mod in_etcd {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let world = super::Servers::shared().await.world(stringify!($fact)).await;
                let args = super::etcd(world.etcd_endpoints.clone(), &world.etcd_prefix);
                super::$fact(super::Arc::new(move || super::Arc::new(super::EtcdCursors::new(&args).unwrap()))).await;
            })*
        }
        mod in_a_file {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let file = super::folder(stringify!($fact)).join("cursors.json");
                super::$fact(super::Arc::new(move || super::Arc::new(super::FileCursors::open(&file).unwrap()))).await;
            })*
        }
    };
}

both!(
    cursors_never_go_back,
    cursors_are_there_when_opened_again,
    the_furthest_of_many_at_once_stays,
);

async fn cursors_never_go_back(open: Open) {
    let cursors = open();
    assert!(cursors.load().await.unwrap().is_empty());
    for (to, at) in [
        (10, 10),
        (7, 10),
        (10, 10),
        (11, 11),
        (-1, 11),
        (i64::MAX, i64::MAX),
    ] {
        cursors.advance("wss://relay.example", to).await.unwrap();
        assert_eq!(cursors.load().await.unwrap()["wss://relay.example"], at);
    }
    cursors.ping().await.unwrap();
}

async fn cursors_are_there_when_opened_again(open: Open) {
    let names = [
        "wss://relay.example/",
        "wss://relay.example/ kinds",
        "\"quoted\" ünï",
        "/",
        "a//b",
    ];
    let wanted: BTreeMap<String, i64> = names.map(str::to_owned).into_iter().zip(100..).collect();
    let cursors = open();
    for (name, at) in &wanted {
        cursors.advance(name, *at).await.unwrap();
    }
    assert_eq!(cursors.load().await.unwrap(), wanted);
    assert_eq!(open().load().await.unwrap(), wanted);
}

async fn the_furthest_of_many_at_once_stays(open: Open) {
    let cursors = open();
    let moves = (0..100).map(|number| {
        let cursors = cursors.clone();
        // Up and down, all at once.
        tokio::spawn(async move { cursors.advance("one", number * 37 % 100).await.unwrap() })
    });
    futures_util::future::try_join_all(moves).await.unwrap();
    assert_eq!(open().load().await.unwrap()["one"], 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_an_error_and_stays_as_it_is() {
    let file = folder("broken").join("cursors.json");
    std::fs::write(&file, "{\"wss://relay.example\": 7").unwrap();
    assert!(FileCursors::open(&file).is_err());
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "{\"wss://relay.example\": 7"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_in_etcd_work_again_when_etcd_does() {
    let mut server = Etcd::start().await;
    let cursors = EtcdCursors::new(&etcd(server.endpoints(), "/cursors-again")).unwrap();
    cursors.advance("one", 7).await.unwrap();
    server.kill_hard().await;
    cursors.ping().await.unwrap_err();
    cursors.advance("one", 8).await.unwrap_err();
    server.restart().await;
    super::until("etcd is reached again", async || {
        cursors.advance("one", 9).await.is_ok()
    })
    .await;
    assert_eq!(cursors.load().await.unwrap()["one"], 9);
}
