//! A real RabbitMQ.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lapin::{Connection, ConnectionProperties};
use rustix::process::Signal;

use super::folder::{folder, free_port, remove};
use super::{LOOK, Process, READY};

/// A RabbitMQ of its own, with an `epmd` of its own.
pub struct RabbitMq {
    dir: PathBuf,
    ports: Ports,
    process: Process,
    _epmd: Process,
}

#[derive(Clone, Copy)]
struct Ports {
    amqp: u16,
    dist: u16,
    epmd: u16,
}

impl RabbitMq {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let dir = folder("rabbitmq");
        let ports = Ports {
            amqp: free_port(),
            dist: free_port(),
            epmd: free_port(),
        };
        let config = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nlog.file = false\nlog.console = true\nraft.wal_max_size_bytes = 67108864\n",
            ports.amqp
        );
        std::fs::write(dir.join("rabbitmq.conf"), config).expect("write rabbitmq.conf");
        std::fs::write(dir.join("rabbitmq-env.conf"), "").expect("write rabbitmq-env.conf");
        std::fs::write(dir.join("enabled_plugins"), "[].\n").expect("write enabled_plugins");

        // Started here and in the foreground: the one that Erlang would start by itself outlives it.
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &ports.epmd.to_string()])
            .current_dir(&dir);
        let epmd = Process::spawn("epmd", epmd, &dir, Signal::KILL);
        let deadline = Instant::now() + READY;
        while tokio::net::TcpStream::connect(("127.0.0.1", ports.epmd))
            .await
            .is_err()
        {
            assert!(
                Instant::now() < deadline,
                "epmd does not start:\n{}",
                epmd.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }

        let process = spawn(&dir, ports);
        let mut server = Self {
            dir,
            ports,
            process,
            _epmd: epmd,
        };
        server.wait_ready().await;
        server
    }

    /// Its URI, for the vhost `/`.
    pub fn uri(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// `host:port`, to put a proxy before it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.amqp)
    }

    /// Kills it (SIGKILL), two seconds from now: RabbitMQ writes the place of a new quorum queue
    /// down only half a second after it was declared, and a kill before that leaves a queue that
    /// never answers again. What it confirmed in these two seconds is as good a test as ever.
    pub async fn kill_hard(&mut self) {
        tokio::time::sleep(Duration::from_secs(2)).await;
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
        if self.process.try_wait().is_none() {
            self.kill_hard().await;
        }
        self.process = spawn(&self.dir, self.ports);
        self.wait_ready().await;
    }

    async fn wait_ready(&mut self) {
        let deadline = Instant::now() + READY;
        loop {
            // A broker that is starting may take a connection and never answer on it.
            match tokio::time::timeout(Duration::from_secs(10), answers(&self.uri())).await {
                Ok(Ok(())) => return,
                Err(_) => assert!(Instant::now() < deadline, "RabbitMQ does not answer"),
                Ok(Err(error)) => {
                    let ended = self.process.try_wait().is_some();
                    assert!(
                        !ended && Instant::now() < deadline,
                        "RabbitMQ does not start: {error}\n{}",
                        self.process.log_tail()
                    );
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.process.kill_hard();
        remove(&self.dir);
    }
}

fn spawn(dir: &Path, ports: Ports) -> Process {
    // Not `/usr/sbin/rabbitmq-server`, which becomes the user `rabbitmq`.
    let mut server = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    server.current_dir(dir).env("HOME", dir);
    server
        .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
        .env("RABBITMQ_LOG_BASE", dir.join("log"));
    server
        .env("RABBITMQ_PID_FILE", dir.join("pid"))
        .env("RABBITMQ_CONF_ENV_FILE", dir.join("rabbitmq-env.conf"));
    server
        .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"));
    server
        .env(
            "RABBITMQ_NODENAME",
            format!("tests{}@localhost", ports.amqp),
        )
        .env("RABBITMQ_DIST_PORT", ports.dist.to_string());
    server
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", ports.epmd.to_string());
    // The shell script then becomes the Erlang VM instead of watching over it: one process, the one that a signal is meant for.
    server.env("RABBITMQ_ALLOW_INPUT", "1");
    // No busy waiting on a machine with few cores.
    let erl = "-noinput -start_epmd false +sbwt none +sbwtdcpu none +sbwtdio none";
    server.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erl);
    Process::spawn("rabbitmq", server, dir, Signal::KILL)
}

/// Connects, and says goodbye again.
async fn answers(uri: &str) -> lapin::Result<()> {
    let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
    connection.close(200, "ready".into()).await
}
