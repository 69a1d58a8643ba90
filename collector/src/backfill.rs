//! A stretch of the past, on purpose: every configured relay from `until` down to `since`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::Rules;
use dvmdash_runtime::members::Members;
use dvmdash_runtime::queue::Queue;
use dvmdash_runtime::settings::PublishArgs;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::collecting::WAITING;
use crate::follower::{Follower, Shared};
use crate::health::Health;
use crate::intake::Intake;
use crate::people::People;
use crate::publishing::Publisher;
use crate::relays::{Args, relays};
use crate::selection::open_kinds;
use crate::sharing::Sharing;

/// How often it is said how far it is.
const TELL: Duration = Duration::from_secs(5);

/// What is read.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// `created_at` at least, unix seconds.
    pub since: i64,
    /// `created_at` at most; `None`: up to now.
    pub until: Option<i64>,
}

/// How it went.
#[derive(Debug, Default, Serialize)]
pub struct Backfilled {
    /// New events that the broker has confirmed.
    pub published: u64,
    /// Relays that have been read to the end.
    pub done: Vec<String>,
    /// The others, and the second (unix) down to which each has been read and confirmed.
    pub left: BTreeMap<String, Option<i64>>,
}

impl Backfilled {
    /// What is left to read, if anything is.
    pub fn rest(&self, asked: Stretch) -> Option<Stretch> {
        if self.left.is_empty() {
            return None;
        }
        // Down to the highest of these everything has been read of all of them.
        let reached: Option<Vec<i64>> = self.left.values().copied().collect();
        Some(Stretch {
            until: reached
                .and_then(|reached| reached.into_iter().max())
                .or(asked.until),
            ..asked
        })
    }
}

/// What is asked for.
pub struct Backfill {
    /// Of which relays.
    pub relays: Args,
    /// Which stretch.
    pub stretch: Stretch,
    /// Which events count.
    pub rules: Rules,
    /// How messages are cut.
    pub publish: PublishArgs,
}

/// Reads the relays and publishes what they hold; `tell` is told now and then how far it is. Cursors stay where they are.
///
/// # Errors
/// When the settings are wrong or a task has panicked. Relays and a broker that cannot be reached are waited for, until `shutdown`.
pub async fn backfill(
    asked: Backfill,
    queue: Arc<dyn Queue>,
    members: Arc<Members>,
    shutdown: CancellationToken,
    tell: impl Fn(&Backfilled),
) -> Result<Backfilled> {
    let Backfill {
        relays: args,
        stretch,
        rules,
        publish,
    } = asked;
    let urls = relays(&args)?;
    let mut sharing = Sharing::new(Some(members), 1, 1);
    let intake = Arc::new(Intake::default());
    let (events, waiting) = mpsc::channel(WAITING);
    let publisher = Publisher {
        intake: intake.clone(),
        queue,
        max_events: publish.publish_max_events as usize,
        max_wait: Duration::from_millis(publish.publish_max_wait_ms.into()),
    };
    let mut publishing = tokio::spawn(publisher.run(waiting));
    let shared = Arc::new(Shared {
        kinds: open_kinds(&rules),
        rules,
        intake,
        people: People::default(),
        allow_private: args.allow_private_relays,
        health: Health::default(),
    });

    let mut done = Vec::new();
    let mut reading = JoinSet::new();
    for url in &urls {
        let url: Arc<str> = url.as_str().into();
        shared.intake.join(url.clone(), stretch.since);
        shared.health.join(&url);
        let follower = Follower::of_the_past(
            url.clone(),
            shared.clone(),
            events.clone(),
            stretch.since,
            stretch.until,
        );
        let shutdown = shutdown.clone();
        reading.spawn(async move { (url, follower.run(shutdown).await) });
    }
    drop(events);
    let state = |done: &[String]| Backfilled {
        published: shared.intake.published(),
        done: done.to_vec(),
        left: urls
            .iter()
            .filter(|url| !done.contains(url))
            .map(|url| {
                let walked = shared.intake.progress(url, |progress| progress.walked());
                (url.clone(), walked.flatten().or(stretch.until))
            })
            .collect(),
    };

    let mut tick = tokio::time::interval(TELL);
    loop {
        tokio::select! {
            read = reading.join_next() => match read {
                Some(read) => {
                    let (url, finished) = read.context("read a relay")?;
                    done.extend(finished.then(|| url.to_string()));
                }
                None => break,
            },
            _ = tick.tick() => {
                tell(&state(&done));
                share(&mut sharing, &shared.people).await;
            }
        }
    }
    share(&mut sharing, &shared.people).await;
    tokio::select! {
        published = &mut publishing => published.context("publish events")??,
        () = shutdown.cancelled() => {
            let published = tokio::time::timeout(Duration::from_secs(20), &mut publishing).await;
            match published {
                Ok(published) => published.context("publish events")??,
                Err(_) => anyhow::bail!("the broker does not confirm the last events: run it again"),
            }
        }
    }
    Ok(state(&done))
}

/// Collectors go on with the people who were seen: what is written by and to them from now on, and before, if this run does not come to it.
async fn share(sharing: &mut Sharing, people: &People) {
    if let Err(error) = sharing.people(people).await {
        tracing::warn!("people are not shared: {error:#}");
    }
}
