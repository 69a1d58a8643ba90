//! Where local mode keeps its data, and who may reach it.

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A data folder that this process alone has open.
pub struct Folder {
    path: PathBuf,
    owner: Option<Owner>,
    /// Removes the folder at the end where nothing is to be kept.
    _temporary: Option<TempDir>,
    _lock: File,
}

/// The unprivileged user that runs the database where we are root, which PostgreSQL refuses to be.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// Name.
    pub name: &'static str,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Folder {
    /// Opens the folder, making it where it is missing.
    pub fn open(data: Option<PathBuf>, ephemeral: bool) -> Result<Self> {
        let owner = owner()?;
        let temporary = ephemeral.then(temporary).transpose()?;
        let path = match (data, &temporary) {
            (Some(data), _) => data,
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) if owner.is_some() => PathBuf::from("/var/lib/dvmdash"),
            (None, None) => PathBuf::from("dvmdash-data"),
        };
        let made = DirBuilder::new().recursive(true).mode(0o711).create(&path);
        made.with_context(|| format!("make the data folder {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("find the data folder {}", path.display()))?;
        if owner.is_some() {
            reachable(&path)?;
        }
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("write to {}", path.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "the data folder {} is open in another process; give another one with --data",
                path.display()
            );
        }
        let folder = Self {
            path,
            owner,
            _temporary: temporary,
            _lock: lock,
        };
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
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.with_context(|| format!("make {}", folder.display()))?;
        if let Some(owner) = self.owner {
            let given = std::os::unix::fs::chown(&folder, Some(owner.uid), Some(owner.gid));
            given.with_context(|| format!("give {} to the database's user", folder.display()))?;
        }
        Ok(())
    }
}

/// Others may pass through it, as the database's user has to.
fn temporary() -> Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    folder
        .prefix("dvmdash-")
        .permissions(Permissions::from_mode(0o711));
    folder.tempdir().context("make a temporary folder")
}

/// Nobody where we are not root; else `postgres`, or `nobody` where there is none.
fn owner() -> Result<Option<Owner>> {
    // /proc/self belongs to the effective user.
    if std::fs::metadata("/proc/self")
        .context("look at /proc/self")?
        .uid()
        != 0
    {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let find = |name: &'static str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Owner {
            name,
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    };
    let owner = find("postgres").or_else(|| find("nobody"));
    owner.map(Some).context(
        "the database must not run as root, and there is neither a user postgres nor nobody",
    )
}

/// Every folder on the way must let others through.
fn reachable(path: &Path) -> Result<()> {
    for folder in path.ancestors() {
        let mode = std::fs::metadata(folder)
            .with_context(|| format!("look at {}", folder.display()))?
            .mode();
        if mode & 0o001 == 0 {
            bail!(
                "as root, the database runs as an unprivileged user, who cannot reach {} through {}; name another folder",
                path.display(),
                folder.display()
            );
        }
    }
    Ok(())
}
