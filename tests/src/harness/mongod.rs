//! A real MongoDB.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mongodb::bson::doc;
use mongodb::options::ClientOptions;
use rustix::process::Signal;

use super::folder::{folder, free_port, remove};
use super::{LOOK, Process, READY};

/// A mongod of its own, a replica set of one member, so that majority writes mean something.
pub struct Mongod {
    dir: PathBuf,
    port: u16,
    process: Process,
}

impl Mongod {
    /// Starts one and waits until it takes writes.
    pub async fn start() -> Self {
        let dir = folder("mongod");
        let port = free_port();
        std::fs::create_dir(dir.join("data")).expect("create mongod's data folder");
        let process = spawn(&dir, port);
        let mut server = Self { dir, port, process };
        server.wait_ready().await;
        server
    }

    /// Its URI, without a database.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port)
    }

    /// `host:port`, to put a proxy before it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it (SIGKILL).
    pub async fn kill_hard(&mut self) {
        self.process.kill_hard();
    }

    /// Stops it where it is.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// Starts it again (killed first, if it runs) with the same port and data, and waits until it takes writes.
    pub async fn restart(&mut self) {
        self.process.kill_hard();
        self.process = spawn(&self.dir, self.port);
        self.wait_ready().await;
    }

    async fn wait_ready(&mut self) {
        let mut options = ClientOptions::parse(self.uri())
            .await
            .expect("parse mongod's uri");
        options.server_selection_timeout = Some(Duration::from_secs(1));
        let admin = mongodb::Client::with_options(options)
            .expect("make a MongoDB client")
            .database("admin");
        let member = doc! { "_id": "tests", "members": [{ "_id": 0, "host": self.address() }] };
        let deadline = Instant::now() + READY;
        loop {
            let hello = admin.run_command(doc! { "hello": 1 }).await;
            match &hello {
                Ok(hello) if hello.get_bool("isWritablePrimary").unwrap_or(false) => return,
                // It belongs to no set yet, or is being made to; an error tells the latter.
                Ok(hello) if !hello.contains_key("setName") => {
                    let _ = admin
                        .run_command(doc! { "replSetInitiate": member.clone() })
                        .await;
                }
                _ => {}
            }
            let ended = self.process.try_wait().is_some();
            assert!(
                !ended && Instant::now() < deadline,
                "mongod does not start: {hello:?}\n{}",
                self.process.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.process.kill_hard();
        remove(&self.dir);
    }
}

fn spawn(dir: &Path, port: u16) -> Process {
    let mut mongod = Command::new(program());
    mongod
        .arg("--dbpath")
        .arg(dir.join("data"))
        .arg("--port")
        .arg(port.to_string());
    mongod.args([
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
        "--replSet",
        "tests",
        "--oplogSize",
        "200",
    ]);
    mongod.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
    mongod.current_dir(dir);
    Process::spawn("mongod", mongod, dir, Signal::KILL)
}

/// `mongod` of the `PATH`, or the one that `hack/deps.sh` has put into the cache.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path)
        .map(|folder| folder.join("mongod"))
        .find(|file| file.is_file())
    {
        return found;
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .expect("HOME is set");
    let cached = cache.join("dvmdash/mongod");
    assert!(
        cached.is_file(),
        "there is no mongod in the PATH nor in {} (make deps)",
        cached.display()
    );
    cached
}
