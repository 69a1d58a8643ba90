//! From a file to the numbers, through all servers: the API equals the naive program field by field.

use dvmdash_tests::harness::{Servers, wait_settled};

use crate::numbers;
use crate::running::{import, lines, migrate, process, serve};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_gives_the_numbers_of_the_naive_program_in_every_window() {
    let world = Servers::shared().await.world("import").await;
    migrate(&world).await;
    let mut lines = lines(31, 2500);
    lines.extend(crate::invalid(31, 200));
    let _one = process(&world, &[]).await;
    let _two = process(&world, &[]).await;
    let imported = import(&world, &lines).await;
    let naive = numbers::naive(&lines);
    assert_eq!(imported["refused"], serde_json::json!(naive.rejected()));

    let api = serve(&world).await;
    let status = wait_settled(&api.url()).await;
    assert_eq!(status["quarantined"], serde_json::json!(naive.quarantined()), "{status}");
    assert_eq!(status["rejected"], serde_json::json!(naive.rejected()), "{status}");
    for (from, to) in numbers::windows(&numbers::times(&lines)) {
        let mut found = numbers::differences(&api.url(), &naive, &from, &to).await;
        found.extend(numbers::single_differences(&api.url(), &naive, &from, &to).await);
        assert!(found.is_empty(), "{from}..{to}: {} differences: {:#?}", found.len(), &found[..found.len().min(20)]);
    }
}
