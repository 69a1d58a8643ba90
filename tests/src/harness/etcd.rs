//! A real etcd.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use super::folder::{folder, free_port, remove};
use super::{LOOK, Process, READY};

/// An etcd of its own, a cluster of one member.
pub struct Etcd {
    dir: PathBuf,
    port: u16,
    peer_port: u16,
    process: Process,
}

impl Etcd {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let dir = folder("etcd");
        let (port, peer_port) = (free_port(), free_port());
        let process = spawn(&dir, port, peer_port);
        let mut server = Self {
            dir,
            port,
            peer_port,
            process,
        };
        server.wait_ready().await;
        server
    }

    /// Its one endpoint.
    pub fn endpoints(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
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

    /// Starts it again (killed first, if it runs) with the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.process.kill_hard();
        self.process = spawn(&self.dir, self.port, self.peer_port);
        self.wait_ready().await;
    }

    /// Kills it and starts it again on the same port without its data: another cluster whose revisions begin anew.
    pub async fn rebuild(&mut self) {
        self.process.kill_hard();
        remove(&self.dir.join("data"));
        self.restart().await;
    }

    async fn wait_ready(&mut self) {
        let deadline = Instant::now() + READY;
        // A read that goes through the consensus: an answer means that there is a leader.
        while let Err(error) = read(&self.endpoints()).await {
            let ended = self.process.try_wait().is_some();
            assert!(
                !ended && Instant::now() < deadline,
                "etcd does not start: {error}\n{}",
                self.process.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.process.kill_hard();
        remove(&self.dir);
    }
}

async fn read(endpoints: &str) -> Result<(), etcd_client::Error> {
    let options =
        etcd_client::ConnectOptions::new().with_timeout(std::time::Duration::from_secs(5));
    etcd_client::Client::connect([endpoints], Some(options))
        .await?
        .get("ready", None)
        .await?;
    Ok(())
}

fn spawn(dir: &Path, port: u16, peer_port: u16) -> Process {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    let mut etcd = Command::new("etcd");
    etcd.arg("--data-dir")
        .arg(dir.join("data"))
        .args(["--name", "tests", "--logger", "zap"]);
    etcd.args([
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
    ]);
    etcd.args([
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
    ]);
    etcd.args([
        "--initial-cluster",
        &format!("tests={peer}"),
        "--initial-cluster-token",
        &format!("{port}-{:?}", Instant::now()),
    ]);
    etcd.current_dir(dir);
    Process::spawn("etcd", etcd, dir, Signal::KILL)
}
