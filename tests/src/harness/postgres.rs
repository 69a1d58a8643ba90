//! A real PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::folder::{folder, free_port, remove};
use super::{LOOK, Process, READY};

/// A PostgreSQL server of its own; the newest that is installed, run as the user `postgres` where the tests run as root.
pub struct Postgres {
    dir: PathBuf,
    port: u16,
    settings: Vec<String>,
    process: Process,
}

impl Postgres {
    /// Starts one as durable as in production.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with more settings, each as `name=value`.
    pub async fn start_with(settings: &[&str]) -> Self {
        let dir = folder("postgresql");
        if rustix::process::geteuid().is_root() {
            let status = Command::new("chown")
                .arg("postgres:")
                .arg(&dir)
                .status()
                .expect("run chown");
            assert!(
                status.success(),
                "give {} to the user postgres",
                dir.display()
            );
        }
        let mut initdb = command("initdb", &dir);
        initdb.arg("-D").arg(dir.join("data"));
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        let mut initdb = Process::spawn("initdb", initdb, &dir, Signal::KILL);
        assert!(
            initdb.wait_exit().await.success(),
            "initdb fails:\n{}",
            initdb.log_tail()
        );

        let port = free_port();
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let process = spawn(&dir, port, &settings);
        let mut server = Self {
            dir,
            port,
            settings,
            process,
        };
        server.wait_ready().await;
        server
    }

    /// The URI of a database.
    pub fn uri(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// `host:port`, to put a proxy before it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Creates an empty database and returns its URI.
    pub async fn create_database(&self, name: &str) -> String {
        let mut connection = PgConnection::connect(&self.uri("postgres"))
            .await
            .expect("connect to PostgreSQL");
        let sql = format!("create database \"{name}\" template template0");
        connection
            .execute(AssertSqlSafe(sql))
            .await
            .expect("create a database");
        self.uri(name)
    }

    /// Kills postmaster and backends (SIGKILL).
    pub async fn kill_hard(&mut self) {
        self.process.kill_hard();
    }

    /// Stops all its processes where they are.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets them go on.
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// Starts it again (killed first, if it runs) with the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.process.kill_hard();
        self.process = spawn(&self.dir, self.port, &self.settings);
        self.wait_ready().await;
    }

    async fn wait_ready(&mut self) {
        let deadline = Instant::now() + READY;
        while let Err(error) = PgConnection::connect(&self.uri("postgres")).await {
            let ended = self.process.try_wait().is_some();
            assert!(
                !ended && Instant::now() < deadline,
                "PostgreSQL does not start: {error}\n{}",
                self.process.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.process.end();
        remove(&self.dir);
    }
}

fn spawn(dir: &Path, port: u16, settings: &[String]) -> Process {
    let mut postgres = command("postgres", dir);
    postgres
        .arg("-D")
        .arg(dir.join("data"))
        .arg("-p")
        .arg(port.to_string());
    postgres.args([
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "max_connections=300",
    ]);
    for setting in settings {
        postgres.arg("-c").arg(setting);
    }
    // SIGQUIT and not SIGKILL: its System V shared memory would stay.
    Process::spawn("postgres", postgres, dir, Signal::QUIT)
}

/// One of PostgreSQL's programs, as the user `postgres` when root, as whom it refuses to run.
fn command(program: &str, dir: &Path) -> Command {
    let program = bin().join(program);
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--clear-groups",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .current_dir(dir)
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", dir);
    command
}

/// The folder of the newest installed PostgreSQL's programs.
fn bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed (make deps)")
        .flatten();
    let newest = versions
        .filter(|entry| entry.path().join("bin/initdb").exists())
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .expect("PostgreSQL's server is installed (make deps)");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}
