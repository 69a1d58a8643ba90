//! Where local mode keeps its data, and who may reach it.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A data folder that this process alone has open.
pub struct Folder {
    path: PathBuf,
    owner: Option<Owner>,
    ephemeral: bool,
    _lock: File,
}

/// The unprivileged user that runs the database where we are root, which PostgreSQL refuses to be.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Folder {
    /// Opens the folder, making it where it is missing.
    pub fn open(data: Option<PathBuf>, ephemeral: bool) -> Result<Self> {
        let owner = owner()?;
        let path = match (data, ephemeral) {
            (Some(data), _) => data,
            (None, true) => std::env::temp_dir().join(format!("dvmdash-{}", std::process::id())),
            (None, false) if owner.is_some() => PathBuf::from("/var/lib/dvmdash"),
            (None, false) => PathBuf::from("dvmdash-data"),
        };
        let made = DirBuilder::new().recursive(true).mode(0o711).create(&path);
        made.with_context(|| format!("make the data folder {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("find the data folder {}", path.display()))?;
        if owner.is_some() {
            reachable(&path)?;
        }
        let lock = File::create(path.join("lock")).with_context(|| format!("write to {}", path.display()))?;
        if lock.try_lock().is_err() {
            bail!("the data folder {} is open in another process; give another one with --data", path.display());
        }
        let folder = Self { path, owner, ephemeral, _lock: lock };
        folder.make_database_folder()?;
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database's part of it.
    pub fn database(&self) -> PathBuf {
        self.path.join("postgresql")
    }

    /// Who runs the database, where that is not ourselves.
    pub fn owner(&self) -> Option<Owner> {
        self.owner
    }

    fn make_database_folder(&self) -> Result<()> {
        let folder = self.database();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.with_context(|| format!("make {}", folder.display()))?;
        if let Some(owner) = self.owner {
            let given = std::os::unix::fs::chown(&folder, Some(owner.uid), Some(owner.gid));
            given.with_context(|| format!("give {} to the database's user", folder.display()))?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ephemeral
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "the temporary folder {} stays", self.path.display());
        }
    }
}

/// Nobody where we are not root; else `postgres`, or `nobody` where there is none.
fn owner() -> Result<Option<Owner>> {
    // /proc/self belongs to the effective user.
    if std::fs::metadata("/proc/self").context("look at /proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Owner { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    let owner = find("postgres").or_else(|| find("nobody"));
    owner.map(Some).context("the database must not run as root, and there is neither a user postgres nor nobody")
}

/// Every folder on the way must let others through.
fn reachable(path: &Path) -> Result<()> {
    for folder in path.ancestors() {
        let mode = std::fs::metadata(folder).with_context(|| format!("look at {}", folder.display()))?.mode();
        if mode & 0o001 == 0 {
            bail!(
                "as root, the database runs as an unprivileged user, who cannot reach {} through {}; give another folder with --data",
                path.display(),
                folder.display()
            );
        }
    }
    Ok(())
}
