//! Real data beside the project; tests that need it say so and pass where it is absent.

use std::path::PathBuf;

/// The path of a file or folder of the data, or `None` with a notice.
pub fn path(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
}

/// The text of a file of the data, or `None` with a notice.
pub fn text(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(path(name)?).expect("the data is readable text"))
}
