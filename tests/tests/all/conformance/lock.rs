//! Locks: etcd's and the local one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dvmdash_runtime::lock::{EtcdLock, LocalLock, Lock, Turn};
use dvmdash_runtime::settings::LockArgs;
use dvmdash_tests::harness::{Etcd, Servers};
use etcd_client::GetOptions;
use tokio::sync::Mutex;

use super::{PATIENCE, etcd, until};

fn etcd_lock(endpoints: String, prefix: &str) -> Arc<dyn Lock> {
    let lease = LockArgs {
        lock_lease_seconds: 2,
        lock_renew_seconds: 1,
        lock_retry_seconds: 1,
    };
    Arc::new(EtcdLock::new(&etcd(endpoints, prefix), &lease).unwrap())
}

/// Workers that take turns: with etcd each has a lock of its own, as in a process of its own.
fn workers(count: usize, lock: impl Fn() -> Arc<dyn Lock>) -> Vec<Arc<dyn Lock>> {
    (0..count).map(|_| lock()).collect()
}

macro_rules! both {
    ($($fact:ident),* $(,)?) => {
        mod by_etcd {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let world = super::Servers::shared().await.world(stringify!($fact)).await;
                let lock = || super::etcd_lock(world.etcd_endpoints.clone(), &world.etcd_prefix);
                super::$fact(super::workers(4, lock)).await;
            })*
        }
        mod local {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let lock: super::Arc<dyn super::Lock> = super::Arc::new(super::LocalLock::new());
                super::$fact(super::workers(4, || lock.clone())).await;
            })*
        }
    };
}

both!(
    two_never_hold_it_at_once_and_tokens_grow,
    a_turn_of_before_frees_nothing,
);

async fn acquire(lock: &Arc<dyn Lock>) -> Turn {
    tokio::time::timeout(PATIENCE, lock.acquire())
        .await
        .expect("the turn comes")
        .unwrap()
}

async fn two_never_hold_it_at_once_and_tokens_grow(workers: Vec<Arc<dyn Lock>>) {
    let holders = Arc::new(AtomicUsize::new(0));
    let turns = Arc::new(Mutex::new(Vec::new()));
    let working = workers.into_iter().map(|lock| {
        let (holders, turns) = (holders.clone(), turns.clone());
        tokio::spawn(async move {
            for _ in 0..10 {
                let turn = acquire(&lock).await;
                assert_eq!(
                    holders.fetch_add(1, Ordering::SeqCst),
                    0,
                    "somebody else holds it"
                );
                turns.lock().await.push(turn.clone());
                tokio::time::sleep(Duration::from_millis(2)).await;
                holders.fetch_sub(1, Ordering::SeqCst);
                lock.release(turn).await.unwrap();
            }
            lock.ping().await.unwrap();
        })
    });
    futures_util::future::try_join_all(working).await.unwrap();
    let turns = turns.lock().await;
    assert_eq!(turns.len(), 40);
    assert!(
        turns.is_sorted_by(|one, next| one.token < next.token),
        "{turns:?}"
    );
    assert!(turns.iter().all(|turn| turn.cluster == turns[0].cluster));
}

async fn a_turn_of_before_frees_nothing(workers: Vec<Arc<dyn Lock>>) {
    let before = acquire(&workers[0]).await;
    workers[0].release(before.clone()).await.unwrap();
    workers[0].release(before.clone()).await.unwrap();
    let now = acquire(&workers[1]).await;
    workers[0].release(before).await.unwrap();

    let lock = workers[2].clone();
    let mut waiting = tokio::spawn(async move { acquire(&lock).await });
    tokio::time::timeout(Duration::from_millis(500), &mut waiting)
        .await
        .expect_err("the turn is somebody else's");
    workers[1].release(now.clone()).await.unwrap();
    let next = waiting.await.unwrap();
    assert!(next.token > now.token);
    workers[2].release(next).await.unwrap();
}

/// Asks for the turn one after the other, and gives it from one to the next. `asked` waits until so many have asked.
async fn serve_in_order(workers: Vec<Arc<dyn Lock>>, asked: impl AsyncFn(usize)) {
    let served = Arc::new(Mutex::new(Vec::new()));
    let first = acquire(&workers[0]).await;
    let mut waiting = Vec::new();
    for (number, lock) in workers.iter().enumerate().skip(1) {
        let (lock, served) = (lock.clone(), served.clone());
        waiting.push(tokio::spawn(async move {
            let turn = acquire(&lock).await;
            served.lock().await.push(number);
            lock.release(turn).await.unwrap();
        }));
        asked(number + 1).await;
    }
    workers[0].release(first).await.unwrap();
    futures_util::future::try_join_all(waiting).await.unwrap();
    assert_eq!(*served.lock().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_serves_in_the_order_of_asking() {
    let world = Servers::shared().await.world("order").await;
    let lock = || etcd_lock(world.etcd_endpoints.clone(), &world.etcd_prefix);
    let client = world.etcd().await;
    serve_in_order(workers(4, lock), async |number| {
        until("the key of who asks is there", async || {
            let prefix = GetOptions::new().with_prefix();
            let keys = client
                .clone()
                .get(world.etcd_prefix.as_str(), Some(prefix))
                .await;
            keys.unwrap().count() == i64::try_from(number).unwrap()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_local_lock_serves_in_the_order_of_asking() {
    let lock: Arc<dyn Lock> = Arc::new(LocalLock::new());
    // On one thread a yield lets every other task come as far as it can.
    serve_in_order(workers(4, || lock.clone()), async |_| {
        tokio::task::yield_now().await
    })
    .await;
}

#[tokio::test]
async fn the_tokens_of_another_process_are_another_clusters() {
    let (one, other) = (LocalLock::new(), LocalLock::new());
    assert_ne!(
        one.acquire().await.unwrap().cluster,
        other.acquire().await.unwrap().cluster
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_is_gone_frees_the_turn_with_its_lease() {
    let world = Servers::shared().await.world("gone").await;
    let lock = || etcd_lock(world.etcd_endpoints.clone(), &world.etcd_prefix);
    let (holder, successor) = (lock(), lock());
    let held = acquire(&holder).await;
    // What renews its lease goes with it.
    drop(holder);
    assert!(acquire(&successor).await.token > held.token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_lives_keeps_its_turn_beyond_the_lease() {
    let world = Servers::shared().await.world("lives").await;
    let lock = || etcd_lock(world.etcd_endpoints.clone(), &world.etcd_prefix);
    let (holder, other) = (lock(), lock());
    let held = acquire(&holder).await;
    let mut waiting = tokio::spawn(async move { acquire(&other).await });
    tokio::time::timeout(Duration::from_secs(6), &mut waiting)
        .await
        .expect_err("the lease of two seconds is renewed");
    holder.release(held).await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_go_on_after_etcd_was_gone_and_another_etcd_says_so() {
    let mut server = Etcd::start().await;
    let lock = etcd_lock(server.endpoints(), "/again");
    let before = acquire(&lock).await;
    server.kill_hard().await;
    lock.release(before.clone()).await.unwrap();
    lock.ping().await.unwrap_err();
    lock.acquire().await.unwrap_err();
    server.restart().await;

    let again = async || {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            match lock.acquire().await {
                Ok(turn) => return turn,
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error:#}"),
            }
        }
    };
    let after = again().await;
    assert_eq!(after.cluster, before.cluster);
    assert!(after.token > before.token);
    lock.release(after.clone()).await.unwrap();

    server.rebuild().await;
    let rebuilt = again().await;
    assert_ne!(rebuilt.cluster, after.cluster);
}
