//! The role: followers of the configured relays, one publisher, and the cursors.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::Rules;
use dvmdash_runtime::cursors::Cursors;
use dvmdash_runtime::members::Members;
use dvmdash_runtime::queue::{Message, Queue, Sighting};
use dvmdash_runtime::settings::PublishArgs;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::follower::{Follower, Shared, now, now_ms};
use crate::health::Health;
use crate::intake::Intake;
use crate::people::People;
use crate::publishing::Publisher;
use crate::relays::{Args, relays};
use crate::selection::{cursor_name, open_kinds};
use crate::sharing::Sharing;

/// Verified events that may wait to be packed.
pub const WAITING: usize = 500;
/// How often cursors are written and the file of relays is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often it is told how the relays are doing.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How long the last messages may wait for their confirm after a shutdown.
const GRACE: Duration = Duration::from_secs(20);
/// How long cursors may take to be read or written.
const CURSORS_PATIENCE: Duration = Duration::from_secs(5);

/// Collects until told to end, alone or with the other `members`; then reading stops, what was read is published and confirmed, and the cursors are written.
///
/// # Errors
/// When the settings are wrong or a task of it has panicked. Relays, a broker or a place of cursors that cannot be reached are waited for.
pub async fn run(
    args: Args,
    publish: PublishArgs,
    rules: Rules,
    queue: Arc<dyn Queue>,
    cursors: Arc<dyn Cursors>,
    members: Option<Arc<Members>>,
    shutdown: CancellationToken,
) -> Result<()> {
    let mut urls = relays(&args)?;
    let mut file = File::default();
    let intake = Arc::new(Intake::default());
    let (events, waiting) = mpsc::channel(WAITING);
    let publisher = Publisher {
        intake: intake.clone(),
        queue: queue.clone(),
        max_events: publish.publish_max_events as usize,
        max_wait: Duration::from_millis(publish.publish_max_wait_ms.into()),
    };
    let mut publishing = tokio::spawn(publisher.run(waiting));
    let mut collecting = Collecting {
        shared: Arc::new(Shared {
            kinds: open_kinds(&rules),
            rules,
            intake,
            people: People::default(),
            allow_private: args.allow_private_relays,
            health: Health::default(),
        }),
        events,
        cursors,
        sharing: Sharing::new(members, args.relay_redundancy, args.max_relays),
        next_report: Instant::now() + REPORT_EVERY,
        backfill_from: (now() - i64::from(args.backfill_seconds)).max(0),
        followers: HashMap::new(),
    };

    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            ended = &mut publishing => return ended.context("publish events")?,
            _ = tick.tick() => {}
        }
        file.look(&args, &mut urls);
        collecting.share(&urls).await?;
        collecting.report(&queue);
        write_cursors(&collecting.shared, &*collecting.cursors).await;
    }

    collecting.end(publishing).await
}

/// The file of relays, looked at again and again.
#[derive(Default)]
struct File {
    /// What was wrong with it when it was last looked at; said once.
    wrong: String,
}

impl File {
    fn look(&mut self, args: &Args, urls: &mut Vec<String>) {
        if args.relays_file.is_none() {
            return;
        }
        match relays(args) {
            Ok(changed) => {
                *urls = changed;
                self.wrong.clear();
            }
            Err(error) => {
                let wrong = format!("{error:#}");
                if wrong != self.wrong {
                    tracing::warn!("the relays stay as they are: {wrong}");
                    self.wrong = wrong;
                }
            }
        }
    }
}

struct Collecting {
    sharing: Sharing,
    next_report: Instant,
    shared: Arc<Shared>,
    events: mpsc::Sender<Sighting>,
    cursors: Arc<dyn Cursors>,
    backfill_from: i64,
    followers: HashMap<Arc<str>, Following>,
}

struct Following {
    task: JoinHandle<bool>,
    stop: CancellationToken,
}

impl Collecting {
    /// Follows those of the relays that are this collector's. Without an answer of etcd everything stays as it is.
    async fn share(&mut self, urls: &[String]) -> Result<()> {
        let following = self.followers.keys().map(ToString::to_string).collect();
        let reading = self.shared.health.reading();
        match self.sharing.relays(urls, &following, &reading).await {
            Ok(own) => self.follow(&own).await?,
            Err(error) => tracing::warn!("the relays cannot be shared out: {error:#}"),
        }
        if let Err(error) = self.sharing.people(&self.shared.people).await {
            tracing::warn!("people are not shared: {error:#}");
        }
        Ok(())
    }

    /// Says now and then how the relays are doing.
    fn report(&mut self, queue: &Arc<dyn Queue>) {
        if Instant::now() < self.next_report {
            return;
        }
        self.next_report = Instant::now() + REPORT_EVERY;
        let cursor = |url: &str| {
            self.shared
                .intake
                .progress(url, |progress| progress.cursor())
        };
        let reports = self
            .shared
            .health
            .reports(self.sharing.name(), now_ms(), cursor);
        if reports.is_empty() {
            return;
        }
        let message = Message {
            reports,
            verified: true,
            ..Message::default()
        };
        // Not waited for, and given up before the next one: it is only news.
        let queue = queue.clone();
        tokio::spawn(async move {
            let published = timeout(REPORT_EVERY / 2, queue.publish(&message)).await;
            if let Err(error) = published.context("no answer in time").flatten() {
                tracing::debug!("the relays' state is not told: {error:#}");
            }
        });
    }

    /// Begins to follow relays that are new, and stops for those that are gone.
    async fn follow(&mut self, urls: &[String]) -> Result<()> {
        let wanted = |url: &str| urls.iter().any(|wanted| wanted == url);
        let gone: Vec<Arc<str>> = self
            .followers
            .iter()
            .filter(|(url, following)| !wanted(url) || following.task.is_finished())
            .map(|(url, _)| url.clone())
            .collect();
        for url in gone {
            if let Some(following) = self.followers.remove(&url) {
                following.stop.cancel();
                following.task.await.context("read a relay")?;
                self.shared.intake.leave(&url);
                self.shared.health.leave(&url);
                tracing::info!(relay = &*url, "the relay is read no more");
            }
        }
        let new: Vec<Arc<str>> = urls
            .iter()
            .map(|url| Arc::from(url.as_str()))
            .filter(|url| !self.followers.contains_key(url))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        // Without its cursor a relay would be read from the wrong place: it waits for the next tick.
        match self.load_cursors().await {
            Ok(stored) => new.into_iter().for_each(|url| self.begin(url, &stored)),
            Err(error) => tracing::warn!("relays wait for their cursors: {error:#}"),
        }
        Ok(())
    }

    fn begin(&mut self, url: Arc<str>, stored: &BTreeMap<String, i64>) {
        let name = cursor_name(&url, &self.shared.kinds);
        let cursor = stored.get(&name).copied().unwrap_or(self.backfill_from);
        self.shared.intake.join(url.clone(), cursor);
        self.shared.health.join(&url);
        let follower = Follower::new(
            url.clone(),
            self.shared.clone(),
            self.events.clone(),
            self.backfill_from,
        );
        let stop = CancellationToken::new();
        let task = tokio::spawn(follower.run(stop.clone()));
        self.followers.insert(url, Following { task, stop });
    }

    async fn load_cursors(&self) -> Result<BTreeMap<String, i64>> {
        timeout(CURSORS_PATIENCE, self.cursors.load())
            .await
            .context("the cursors do not come")?
    }

    /// Stops reading, then waits for the confirms of what was read, then writes the cursors.
    async fn end(self, mut publishing: JoinHandle<Result<()>>) -> Result<()> {
        for following in self.followers.values() {
            following.stop.cancel();
        }
        for following in self.followers.into_values() {
            following.task.await.context("read a relay")?;
        }
        // The last sender: the publisher ends when it has published what waits.
        drop(self.events);
        let published = timeout(GRACE, &mut publishing).await;
        write_cursors(&self.shared, &*self.cursors).await;
        // Not before: whoever takes over begins at the cursors.
        self.sharing.leave().await;
        match published {
            Ok(published) => published.context("publish events")?,
            Err(_) => {
                publishing.abort();
                tracing::warn!(
                    "events are not confirmed in time; they are read again at the next start"
                );
                Ok(())
            }
        }
    }
}

/// Writes the cursors that may move. One that cannot be written stays for the next time.
async fn write_cursors(shared: &Shared, cursors: &dyn Cursors) {
    for (url, to) in shared.intake.targets() {
        let name = cursor_name(&url, &shared.kinds);
        let written = timeout(CURSORS_PATIENCE, cursors.advance(&name, to)).await;
        if let Err(error) = written.context("no answer in time").flatten() {
            tracing::warn!("a cursor is not written: {error:#}");
            break;
        }
        shared.intake.progress(&url, |progress| progress.stored(to));
    }
    metrics::counter!("dvmdash_collector_duplicates_total")
        .increment(shared.intake.take_duplicates());
}

#[cfg(test)]
mod tests;
