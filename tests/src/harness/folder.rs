//! The temporary folder of this test process, the script that removes it, and free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Folder {
    path: PathBuf,
    // Holds the pipe whose end tells the script that this process is gone.
    _keeper: Child,
}

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    // Statics are never dropped, and a killed process drops nothing, so the folder is removed by the script and not by a `TempDir`.
    let path = tempfile::Builder::new()
        .prefix("dvmdash-tests-")
        .tempdir()
        .expect("create the temporary folder")
        .keep();
    // PostgreSQL runs as another user and has to get through.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .expect("open the temporary folder to other users");
    std::fs::create_dir(path.join("running")).expect("create the folder of running processes");
    let keeper = Command::new("sh")
        .args(["-c", include_str!("keeper.sh"), "keeper"])
        .arg(&path)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("start the script that removes the temporary folder");
    Folder {
        path,
        _keeper: keeper,
    }
});

/// Where processes are noted that have to be ended with this one.
pub(crate) fn running() -> PathBuf {
    FOLDER.path.join("running")
}

/// A new folder of this name with a number behind it; it lives as long as this process.
pub fn folder(name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let path = FOLDER
        .path
        .join(format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir(&path).unwrap_or_else(|error| panic!("create {}: {error}", path.display()));
    path
}

/// Removes a folder; one that is gone already is no error.
pub(crate) fn remove(path: &Path) {
    let _ = std::fs::remove_dir_all(path);
}

/// A loopback port that nobody listens on. It lies below the ports that the kernel gives to outgoing connections, so that it is still
/// free when a killed server is started again.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_240;
    const COUNT: u32 = 22_000;
    static NEXT: LazyLock<AtomicU32> =
        LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(997)));
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = u16::try_from(port).expect("a port below 32,240");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
