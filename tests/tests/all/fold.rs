//! Whatever the order, duplication and batching of a set of events: the same tables.

use crate::in_process::{count, messages};
use crate::snapshot::{differences, snapshot};
use dvmdash_tests::harness::Servers;

/// A repeatable shuffle (xorshift and Fisher-Yates).
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
    }
}

async fn tables(
    name: &str,
    lines: &[String],
    size: usize,
    batch: u32,
) -> std::collections::BTreeMap<&'static str, Vec<String>> {
    let world = Servers::shared().await.world(name).await;
    let pool = count(world.postgres().await, messages(lines, size), batch)
        .await
        .unwrap();
    let tables = snapshot(&pool).await.unwrap();
    pool.close().await;
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_duplication_and_batching_gives_the_same_tables() {
    let lines = crate::running::lines(71, 1500);
    let expected = tables("fold_in_order", &lines, 500, 5000).await;
    for seed in 1..=3 {
        let mut shuffled = lines.clone();
        shuffled.extend(
            lines
                .iter()
                .step_by(usize::try_from(seed).unwrap() + 1)
                .cloned(),
        );
        shuffle(&mut shuffled, seed);
        let actual = tables(
            "fold_shuffled",
            &shuffled,
            1 + 7 * usize::try_from(seed).unwrap(),
            20 * u32::try_from(seed).unwrap(),
        )
        .await;
        let differences = differences(&expected, &actual);
        assert!(differences.is_empty(), "seed {seed}: {differences:#?}");
    }
}
