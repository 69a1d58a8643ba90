//! The executable, run as a user runs it.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use rustix::process::Signal;
use tokio::sync::OnceCell;

use super::folder::free_port;
use super::{LOOK, Process, READY, World};

/// A running `dvmdash <role>`. Dropping it kills it.
pub struct Dvmdash {
    process: Process,
    out: PathBuf,
    listen: u16,
    admin: u16,
}

/// What a command that has ended said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Itself, or a panic with its output where it has failed.
    pub fn success(self) -> Self {
        assert_eq!(
            self.code,
            Some(0),
            "dvmdash fails:\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

impl Dvmdash {
    /// Starts `dvmdash <args>` with the world's environment and `env` on top, and waits for its `listening on http://…`.
    pub async fn start(world: &World, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut dvmdash = Self::spawn(world, args, env).await;
        dvmdash.ready().await;
        dvmdash
    }

    /// The same without waiting: for one that is meant to end before it is ready.
    pub async fn spawn(world: &World, args: &[&str], env: &[(&str, &str)]) -> Self {
        let (listen, admin) = (free_port(), free_port());
        let mut command = command(world, args).await;
        command
            .env("DVMDASH_LISTEN", format!("127.0.0.1:{listen}"))
            .env("DVMDASH_ADMIN_LISTEN", format!("127.0.0.1:{admin}"));
        command.envs(env.iter().copied());
        let name = format!("{}-{admin}", args.first().copied().unwrap_or("dvmdash"));
        let process = Process::spawn(&name, command, &world.dir, Signal::KILL);
        Self {
            process,
            out: world.dir.join(format!("{name}.out")),
            listen,
            admin,
        }
    }

    /// Runs `dvmdash <args>` until it ends.
    pub async fn run(world: &World, args: &[&str], env: &[(&str, &str)]) -> Finished {
        let mut command = command(world, args).await;
        command.envs(env.iter().copied());
        Self::finish(command).await
    }

    /// The same with the world's environment but for one variable.
    pub async fn run_without(world: &World, args: &[&str], variable: &str) -> Finished {
        let mut command = command(world, args).await;
        command.env_remove(variable);
        Self::finish(command).await
    }

    async fn finish(command: Command) -> Finished {
        let mut command = tokio::process::Command::from(command);
        command
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.expect("run dvmdash");
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The built executable. It is brought up to date once, so that a test never meets an older one, unless `DVMDASH_EXECUTABLE` names it.
    pub async fn executable() -> PathBuf {
        static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
        BUILT
            .get_or_init(async || {
                tokio::task::spawn_blocking(build)
                    .await
                    .expect("build dvmdash")
            })
            .await
            .clone()
    }

    /// Waits for its `listening on http://…`.
    pub async fn ready(&mut self) {
        let deadline = Instant::now() + READY;
        while !self.stdout().contains("listening on http://")
            && !self.process.log_tail().contains("listening on http://")
        {
            let ended = self.process.try_wait();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "dvmdash is not ready ({ended:?}):\n{}",
                self.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where `serve` and `local` answer, like `http://127.0.0.1:12345`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.listen)
    }

    /// Where every role has its probes and metrics.
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin)
    }

    /// All that it has printed.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        format!("{}\n{}", self.stdout(), self.process.log_tail())
    }

    /// How it ended, or `None` while it runs.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.process.try_wait()
    }

    /// Waits until it has ended by itself.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        self.process.wait_exit().await
    }

    /// Waits until it stands still (SIGSTOP), which a failpoint may do to it.
    pub async fn wait_stopped(&mut self) {
        let deadline = Instant::now() + READY;
        while !self.process.is_stopped() {
            let ended = self.process.try_wait();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "dvmdash does not stop ({ended:?}):\n{}",
                self.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills it (SIGKILL).
    pub fn kill_hard(&mut self) {
        self.process.kill_hard();
    }

    /// Asks it to end (SIGTERM) and waits; its exit code, `None` if a signal ended it.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.process.signal(Signal::TERM);
        self.process.wait_exit().await.code()
    }

    /// Stops it where it is (SIGSTOP).
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&mut self) {
        self.process.resume();
    }
}

impl Drop for Dvmdash {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of dvmdash {} ---\n{}", self.id(), self.log_tail());
        }
    }
}

async fn command(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new(Dvmdash::executable().await);
    // What stands in the environment of who runs the tests is none of the test's business.
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DVMDASH_"))
    {
        command.env_remove(name);
    }
    command.args(args).envs(world.env()).current_dir(&world.dir);
    command
}

fn build() -> PathBuf {
    if let Some(executable) = std::env::var_os("DVMDASH_EXECUTABLE") {
        return PathBuf::from(executable);
    }
    // target/<profile>/deps/all-<hash>, or target/<profile>/bench
    let test = std::env::current_exe().expect("find the path of the tests");
    let mut folder = test.parent().expect("the tests lie in a folder");
    if folder.ends_with("deps") {
        folder = folder.parent().expect("deps lies in a folder");
    }
    let profile = folder
        .file_name()
        .and_then(|name| name.to_str())
        .expect("the folder is named after the profile");
    let profile = if profile == "debug" { "dev" } else { profile };
    // All of the workspace takes part in choosing features, so that no dependency is compiled a second time.
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--workspace",
        "--bin",
        "dvmdash",
        "--profile",
        profile,
    ]);
    cargo.arg("--target-dir").arg(
        folder
            .parent()
            .expect("the profile's folder lies in a target folder"),
    );
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // What `cargo test` tells the tests about their package; some build scripts would take it for a
    // change and compile half of the dependencies again.
    for (name, _) in std::env::vars() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            cargo.env_remove(name);
        }
    }
    let output = cargo.output().expect("run cargo");
    assert!(
        output.status.success(),
        "dvmdash does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder.join("dvmdash")
}
