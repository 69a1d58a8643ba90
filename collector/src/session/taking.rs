//! What becomes of an event that a relay sends.

use anyhow::{Context, Result};
use dvmdash_core::kinds::{DELETION, PROFILE, RECEIPT};
use dvmdash_core::{Event, Pubkey, Refusal, verify};
use dvmdash_runtime::queue::{Sighting, Source};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{EOSE_PATIENCE, Session};
use crate::follower::now_ms;
use crate::limits::Verdict;

impl Session<'_> {
    /// Hands an event on: asked for, verified, unless it is known to be; counted by its reason where it is refused.
    pub(super) async fn take(
        &mut self,
        subscription: &str,
        event: Result<Event, Refusal>,
    ) -> Result<()> {
        let shared = self.follower.shared.clone();
        let first_seen = now_ms();
        self.note(|report| {
            report.events += 1;
            report.last_event_ms = Some(first_seen);
        });
        let event = match event {
            Ok(event) => event,
            Err(reason) => {
                // A page that is full of these is no short one.
                if let Some(open) = self.page_of(subscription) {
                    open.page.events += 1;
                }
                return self.refuse(reason);
            }
        };
        if !self.is_asked(subscription, &event) {
            self.note(|report| *report.rejected.entry("unasked".to_owned()).or_default() += 1);
            return self.follower.conduct.judge(Verdict::Unasked);
        }
        let created_at = event.created_at;
        if let Some(open) = self.page_of(subscription) {
            open.page.note(&event);
        }
        let known = shared.intake.is_known(&self.follower.url, event.id);
        self.note(|report| report.duplicates += u64::from(known));
        if !known {
            if let Err(reason) = verify(&event, &shared.rules) {
                return self.refuse(reason);
            }
            shared.people.learn(&event, &shared.rules);
            let room = self.room().await?;
            if shared.intake.accept(&self.follower.url, &event) {
                room.send(Sighting {
                    event,
                    first_seen,
                    relay: Some(self.follower.url.to_string()),
                    source: Source::Relay,
                });
            }
        }
        self.follower.conduct.judge(Verdict::Good)?;
        if let Some(open) = self.page_of(subscription) {
            open.deadline = Instant::now() + EOSE_PATIENCE;
        }
        // After it was taken in: from here on it holds the cursor back by itself.
        if subscription.starts_with("live-") {
            self.live.events += 1;
            self.live.oldest = self.live.oldest.min(created_at);
            let to = created_at.min(first_seen / 1000);
            self.follower.progress(|progress| progress.read(to));
        }
        Ok(())
    }

    /// Counts an event that does not count.
    fn refuse(&mut self, reason: Refusal) -> Result<()> {
        self.follower.shared.intake.refuse(reason);
        self.note(|report| {
            *report
                .rejected
                .entry(reason.as_str().to_owned())
                .or_default() += 1
        });
        self.follower.conduct.judge(Verdict::Refused(reason))
    }

    /// Whether this connection has asked for the event by this subscription. Of live subscriptions it is enough that any of them asks for it:
    /// what becomes wider or narrower keeps its id.
    fn is_asked(&self, subscription: &str, event: &Event) -> bool {
        if let Some(open) = &self.page
            && open.subscription == subscription
        {
            return open.query.matches(event);
        }
        if let Some((_, query)) = self.ended.iter().find(|(id, _)| id == subscription) {
            return query.matches(event);
        }
        if !self.live_ids.contains(subscription) {
            return false;
        }
        let shared = &self.follower.shared;
        let (is_dvm, is_customer) = (
            |pubkey: &Pubkey| shared.people.is_dvm(pubkey),
            |pubkey: &Pubkey| shared.people.is_customer(pubkey),
        );
        match event.kind {
            PROFILE => is_dvm(&event.pubkey),
            DELETION => is_dvm(&event.pubkey) || is_customer(&event.pubkey),
            RECEIPT => event
                .values("p")
                .filter_map(Pubkey::parse)
                .any(|named| is_dvm(&named)),
            kind => shared.kinds.binary_search(&kind).is_ok(),
        }
    }

    /// Waits for the publisher. The relay is not to blame for that time.
    async fn room(&mut self) -> Result<mpsc::OwnedPermit<Sighting>> {
        let events = self.follower.events.clone();
        let since = Instant::now();
        let room = events
            .reserve_owned()
            .await
            .context("publishing has ended")?;
        let waited = since.elapsed();
        self.connection.excuse(waited);
        self.opening_deadline += waited;
        if let Some(open) = &mut self.page {
            open.deadline += waited;
        }
        Ok(room)
    }
}
