//! Cursors in a file, for local mode.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use async_trait::async_trait;

use super::Cursors;

/// Cursors as a JSON object in one file, replaced as a whole.
pub struct FileCursors {
    file: Arc<PathBuf>,
    cursors: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl FileCursors {
    /// The cursors in `file`, which need not exist yet.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(file: impl Into<PathBuf>) -> Result<Self> {
        let file = file.into();
        let cursors = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("read the cursors in {}", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("read the cursors in {}", file.display()));
            }
        };
        Ok(Self {
            file: Arc::new(file),
            cursors: Arc::new(Mutex::new(cursors)),
        })
    }
}

/// Writes beside the file and moves it there, so that a crash leaves the old or the new one.
fn replace(file: &Path, cursors: &BTreeMap<String, i64>) -> Result<()> {
    let new = file.with_extension("new");
    let mut out = std::fs::File::create(&new)?;
    out.write_all(&serde_json::to_vec_pretty(cursors)?)?;
    out.sync_all()?;
    std::fs::rename(&new, file)?;
    Ok(())
}

#[async_trait]
impl Cursors for FileCursors {
    async fn load(&self) -> Result<BTreeMap<String, i64>> {
        Ok(self.cursors.lock().expect("no holder panics").clone())
    }

    async fn advance(&self, name: &str, to: i64) -> Result<()> {
        let (file, cursors, name) = (self.file.clone(), self.cursors.clone(), name.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let mut cursors = cursors.lock().expect("no holder panics");
            if cursors.get(&name).is_some_and(|at| *at >= to) {
                return Ok(());
            }
            let mut moved = cursors.clone();
            moved.insert(name, to);
            replace(&file, &moved)
                .with_context(|| format!("write the cursors to {}", file.display()))?;
            *cursors = moved;
            Ok(())
        });
        written.await.context("write the cursors")?
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}
