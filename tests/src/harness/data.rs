//! Real events, where they lie beside the checkout.

use std::path::PathBuf;

/// The folder of real data beside the checkout. It is not part of the project, since its licences differ; a test that needs it ends with the
/// notice that is printed here where it is absent.
pub fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no real data in {}", folder.display());
    None
}

/// All real events that verify, one JSON object each; empty where there is no real data.
pub fn real_events() -> Vec<String> {
    let Some(folder) = shared_data() else {
        return Vec::new();
    };
    let files = ["dvm", "handlers", "profiles", "deletions", "zap_receipts"]
        .map(|name| folder.join(format!("events/{name}.jsonl")));
    let read = |file: PathBuf| {
        std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("read {}: {error}", file.display()))
    };
    files
        .map(read)
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}
