//! A child process in a process group of its own, ended by its own id.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::folder::running;
use super::{LOOK, READY};

/// A child process. Dropping it ends it and all that it started.
pub struct Process {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    stderr: PathBuf,
    end: Signal,
}

impl Process {
    /// Starts it with its output appended to `<name>.out` and `<name>.log` in `dir`. `end` is the signal that ends it when it is dropped.
    pub fn spawn(name: &str, mut command: Command, dir: &Path, end: Signal) -> Self {
        let append = |path: &Path| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .expect("open a log file")
        };
        let stderr = dir.join(format!("{name}.log"));
        let child = command
            .stdin(Stdio::null())
            .stdout(append(&dir.join(format!("{name}.out"))))
            .stderr(append(&stderr))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("start {name} ({:?}): {error}", command.get_program()));
        let signal = if end == Signal::QUIT { "QUIT" } else { "KILL" };
        std::fs::write(running().join(child.id().to_string()), signal)
            .expect("note a running process");
        Self {
            name: name.to_owned(),
            child,
            status: None,
            stderr,
            end,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("ask for a child's status");
            if self.status.is_some() {
                let _ = std::fs::remove_file(running().join(self.id().to_string()));
            }
        }
        self.status
    }

    /// Waits until it has ended by itself.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + READY;
        loop {
            if let Some(status) = self.try_wait() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not end:\n{}",
                self.name,
                self.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends a signal to the process itself.
    pub fn signal(&mut self, signal: Signal) {
        if self.try_wait().is_none() {
            send(self.id(), signal);
        }
    }

    /// Whether it stands still (SIGSTOP).
    pub fn is_stopped(&self) -> bool {
        parent_and_state(self.id()).is_some_and(|(_, state)| state == 'T')
    }

    /// Stops it and all that it started where they are (SIGSTOP).
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
        for id in descendants(self.id()) {
            send(id, Signal::STOP);
        }
    }

    /// Lets it and all that it started go on (SIGCONT).
    pub fn resume(&mut self) {
        for id in descendants(self.id()) {
            send(id, Signal::CONT);
        }
        self.signal(Signal::CONT);
    }

    /// Kills it and all that it started (SIGKILL), and returns when they are gone.
    pub fn kill_hard(&mut self) {
        if self.try_wait().is_some() {
            return;
        }
        // Stopped first, it can neither start another child nor react to the death of one.
        self.signal(Signal::STOP);
        let children = descendants(self.id());
        self.signal(Signal::KILL);
        for &id in &children {
            send(id, Signal::KILL);
        }
        let deadline = Instant::now() + READY;
        while self.try_wait().is_none()
            || children
                .iter()
                .any(|&id| parent_and_state(id).is_some_and(|(_, state)| state != 'Z'))
        {
            assert!(Instant::now() < deadline, "{} survives SIGKILL", self.name);
            nap();
        }
    }

    /// Ends it in its own way; by force where it takes longer than ten seconds.
    pub fn end(&mut self) {
        if self.end != Signal::KILL {
            let deadline = Instant::now() + Duration::from_secs(10);
            self.signal(self.end);
            self.resume();
            while self.try_wait().is_none() && Instant::now() < deadline {
                nap();
            }
        }
        self.kill_hard();
    }

    /// The end of its standard error.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(&self.stderr).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(6_000)..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits a moment, in places where nothing else can be awaited (destructors among them).
#[expect(
    clippy::disallowed_methods,
    reason = "a few milliseconds of a test's thread"
)]
fn nap() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Sends a signal; that the process is gone already is no error.
fn send(id: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Parent and state letter of a process, or `None` if it is gone.
fn parent_and_state(id: u32) -> Option<(u32, char)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// All processes below this one. A group would not do: PostgreSQL's children lead groups of their own.
fn descendants(id: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("read /proc").flatten();
    let parents: Vec<(u32, u32)> = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|child| Some((child, parent_and_state(child)?.0)))
        .collect();
    let mut found = vec![id];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(
            parents
                .iter()
                .filter(|(child, of)| *of == parent && !found.contains(child))
                .map(|(child, _)| *child)
                .collect::<Vec<_>>(),
        );
        next += 1;
    }
    found.split_off(1)
}
