//! The embedded PostgreSQL of local mode, held by a small child process of the same executable.
//!
//! The child ends the database when its standard input closes, which happens whenever its parent ends, however that comes about.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dvmdash_runtime::postgres::PgConnectOptions;
use dvmdash_runtime::shutdown;
use postgresql_embedded::{PostgreSQL, Settings};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::folder::Folder;

/// The hidden subcommand that the child runs.
#[derive(clap::Args)]
pub struct Args {
    /// The database's folder
    folder: PathBuf,
}

/// A running database.
pub struct Database {
    child: Child,
    /// Open for as long as the database is wanted. Not in `child`, whose `wait` would close it.
    wanted: ChildStdin,
    uri: String,
}

impl Database {
    /// Starts the child and waits until the database answers.
    pub async fn start(folder: &Folder) -> Result<Self> {
        // The link, not the path behind it: an executable in a home that the database's user cannot enter runs all the same.
        let mut command = std::process::Command::new("/proc/self/exe");
        command
            .arg("local-database")
            .arg(folder.database())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(owner) = folder.owner() {
            command
                .uid(owner.uid)
                .gid(owner.gid)
                .env("HOME", folder.database());
        }
        // A Ctrl-C on the terminal is for us; the child ends after us.
        command.process_group(0);
        let mut child = Command::from(command)
            .kill_on_drop(false)
            .spawn()
            .context("start the database's process")?;
        let wanted = child
            .stdin
            .take()
            .context("the database's process has no input")?;
        let output = child
            .stdout
            .take()
            .context("the database's process has no output")?;
        let mut lines = BufReader::new(output).lines();
        let Some(uri) = lines
            .next_line()
            .await
            .context("read from the database's process")?
        else {
            let ended = child
                .wait()
                .await
                .context("wait for the database's process")?;
            bail!("the database does not start ({ended}); its messages are above");
        };
        Ok(Self { child, wanted, uri })
    }

    /// How to connect.
    pub fn options(&self) -> Result<PgConnectOptions> {
        let options =
            PgConnectOptions::from_str(&self.uri).context("read the database's address")?;
        // Else every start logs that the tables are there already.
        Ok(options.options([("client_min_messages", "warning")]))
    }

    /// Resolves when the database has ended by itself, which is an error.
    pub async fn ended(&mut self) -> Result<()> {
        let ended = self
            .child
            .wait()
            .await
            .context("wait for the database's process")?;
        bail!("the database has ended: {ended}")
    }

    /// Ends the database cleanly.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.wanted);
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        let ended = ended
            .context("the database does not end")?
            .context("wait for the database's process")?;
        if !ended.success() {
            bail!("the database ended badly: {ended}");
        }
        Ok(())
    }
}

/// The child: starts the database, prints its address, and ends it when the standard input closes.
pub async fn run(args: Args) -> Result<()> {
    // Whoever ends our parent means the parent: we end after it, when nobody uses the database any more.
    let _ignored = shutdown::on_signal()?;
    // The child of a parent that was killed may still be ending the database.
    let lock = File::create(args.folder.join("lock")).context("open the database's lock")?;
    lock.lock().context("wait for the end of the database")?;
    let mut database = PostgreSQL::new(settings(&args.folder)?);
    end_left_over(&database).await?;
    database.setup().await.context("set up the database")?;
    database.start().await.context("start the database")?;
    let ready = async {
        if !database
            .database_exists("dvmdash")
            .await
            .context("look for the database")?
        {
            database
                .create_database("dvmdash")
                .await
                .context("create the database")?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let ready = ready.await;
    if ready.is_ok() {
        println!("{}", database.settings().url("dvmdash"));
        let mut nothing = Vec::new();
        let _ = tokio::io::stdin().read_to_end(&mut nothing).await;
    }
    database.stop().await.context("stop the database")?;
    ready
}

/// Ends a database whose child was killed too: what it was writing is safe in its log.
async fn end_left_over(database: &PostgreSQL) -> Result<()> {
    let data = &database.settings().data_dir;
    let file = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&file) else {
        return Ok(());
    };
    // The number may long be that of another process.
    let id = text.lines().next().unwrap_or_default();
    if std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder == *data) {
        return database.stop().await.context("end the database left over");
    }
    std::fs::remove_file(file).context("remove what a database left over")
}

fn settings(folder: &Path) -> Result<Settings> {
    let mut settings = Settings::new();
    settings.installation_dir = installation()?;
    settings.trust_installation_dir = true;
    settings.data_dir = folder.join("data");
    settings.password_file = folder.join("password");
    settings.password = password(&settings.password_file, &settings.password)?;
    settings.host = "127.0.0.1".to_owned();
    settings.port = 0;
    settings.temporary = false;
    settings.timeout = Some(Duration::from_secs(120));
    settings.configuration = HashMap::from([
        ("listen_addresses".to_owned(), "127.0.0.1".to_owned()),
        ("unix_socket_directories".to_owned(), String::new()),
        // The library starts PostgreSQL without it; this is where events are kept.
        ("fsync".to_owned(), "on".to_owned()),
    ]);
    Ok(settings)
}

/// The newest PostgreSQL on this machine.
fn installation() -> Result<PathBuf> {
    let missing = "PostgreSQL is not installed: run `apt-get install postgresql` (or `make deps`)";
    let installed = std::fs::read_dir("/usr/lib/postgresql").context(missing)?;
    let versions = installed.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        path.join("bin/initdb").is_file().then_some((version, path))
    });
    Ok(versions.max().context(missing)?.1)
}

/// The password of an earlier start, or a new one, in a file that only its owner reads.
fn password(file: &Path, new: &str) -> Result<String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Ok(password) = std::fs::read_to_string(file)
        && !password.is_empty()
    {
        return Ok(password);
    }
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(file);
    opened
        .and_then(|mut opened| opened.write_all(new.as_bytes()))
        .context("write the database's password")?;
    Ok(new.to_owned())
}
