//! Which relays are this collector's, and people whom all collectors know.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use dvmdash_core::Pubkey;
use dvmdash_runtime::members::{Members, View};
use tokio::time::{Instant, timeout};

use crate::assign::assign;
use crate::people::{People, Sort};

/// How long etcd may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A relay that is another's now is read on until that one reads it, but no longer than this.
const HANDOVER: Duration = Duration::from_secs(60);
/// How often people are shared.
const PEOPLE_EVERY: Duration = Duration::from_secs(5);
/// People who are shared at once, at most.
const PEOPLE_AT_ONCE: usize = 200;

/// This collector's part of the work.
pub struct Sharing {
    /// `None`: there is no other.
    members: Option<Arc<Members>>,
    redundancy: usize,
    capacity: usize,
    /// Since when a relay that is still read has been another's.
    lost: BTreeMap<String, Instant>,
    unread: usize,
    people_shared: [usize; Sort::ALL.len()],
    people_next: Instant,
}

impl Sharing {
    /// Of a collector that reads at most `capacity` relays, each of which `redundancy` collectors read.
    pub fn new(members: Option<Arc<Members>>, redundancy: u16, capacity: u16) -> Self {
        Self {
            members,
            redundancy: redundancy.into(),
            capacity: capacity.into(),
            lost: BTreeMap::new(),
            unread: 0,
            people_shared: [0; Sort::ALL.len()],
            people_next: Instant::now(),
        }
    }

    /// This collector's name; `local` where there is no other.
    pub fn name(&self) -> &str {
        self.members
            .as_ref()
            .map_or("local", |members| members.name())
    }

    /// The relays to read now, of `urls` in the order of their importance. `following` are read now, and `reading` is what comes of them.
    ///
    /// # Errors
    /// When etcd does not answer: then everything stays as it is.
    pub async fn relays(
        &mut self,
        urls: &[String],
        following: &HashSet<String>,
        reading: &BTreeSet<String>,
    ) -> Result<Vec<String>> {
        let Some(members) = &self.members else {
            let alone = View {
                members: vec![String::new()],
                ..View::default()
            };
            return Ok(self.own("", &alone, urls, following));
        };
        let members = members.clone();
        let view = timeout(PATIENCE, members.beat(reading)).await;
        let view = view.context("no answer in time").flatten()?;
        Ok(self.own(members.name(), &view, urls, following))
    }

    fn own(
        &mut self,
        name: &str,
        view: &View,
        urls: &[String],
        following: &HashSet<String>,
    ) -> Vec<String> {
        let assigned = assign(&view.members, urls, self.redundancy, self.capacity);
        let read: HashSet<&str> = assigned.values().flatten().copied().collect();
        let unread = urls.len() - read.len();
        if unread != self.unread {
            self.unread = unread;
            tracing::warn!(
                unread,
                relays = urls.len(),
                "relays that nobody reads: there are more than collectors have room for"
            );
        }
        let mut own: Vec<String> = assigned
            .get(name)
            .into_iter()
            .flatten()
            .map(|url| (*url).to_owned())
            .collect();
        self.lost.retain(|url, _| !own.contains(url));
        let wanted = self.redundancy.min(view.members.len());
        for url in urls.iter().filter(|url| following.contains(*url)) {
            if own.contains(url) {
                continue;
            }
            let readers = view.readers.get(url);
            let others = readers.map_or(0, |readers| {
                readers.iter().filter(|reader| *reader != name).count()
            });
            let since = self.lost.entry(url.clone()).or_insert_with(Instant::now);
            if others < wanted && since.elapsed() < HANDOVER {
                own.push(url.clone());
            }
        }
        own
    }

    /// Tells the others of people seen here, and learns of those seen there.
    ///
    /// # Errors
    /// When etcd does not answer; it is tried again.
    pub async fn people(&mut self, people: &People) -> Result<()> {
        let Some(members) = &self.members else {
            return Ok(());
        };
        if Instant::now() < self.people_next {
            return Ok(());
        }
        self.people_next = Instant::now() + PEOPLE_EVERY;
        for (sort, shared) in Sort::ALL.into_iter().zip(&mut self.people_shared) {
            let seen = people.all(sort);
            let more: Vec<String> = seen[*shared..]
                .iter()
                .take(PEOPLE_AT_ONCE)
                .map(Pubkey::to_string)
                .collect();
            let all = timeout(PATIENCE, members.know(sort.as_str(), &more)).await;
            let all = all.context("no answer in time").flatten()?;
            *shared += more.len();
            for pubkey in all.iter().filter_map(|text| Pubkey::parse(text)) {
                people.add(sort, pubkey);
            }
        }
        Ok(())
    }

    /// Says that this collector is gone.
    pub async fn leave(&self) {
        if let Some(members) = &self.members {
            let left = timeout(PATIENCE, members.leave()).await;
            if let Err(error) = left.context("no answer in time").flatten() {
                tracing::warn!("the others wait until the lease has run out: {error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_relay_is_left_when_its_new_readers_read_it() {
        let urls: Vec<String> = (0..20).map(|n| format!("wss://relay-{n}")).collect();
        let mut sharing = Sharing::new(None, 1, 50);
        let mut view = View {
            members: strings(&["a"]),
            ..View::default()
        };
        let all = sharing.own("a", &view, &urls, &HashSet::new());
        assert_eq!(all, urls);

        // A second one comes: nothing is left before it reads.
        let following: HashSet<String> = urls.iter().cloned().collect();
        view.members = strings(&["a", "b"]);
        let still = sharing.own("a", &view, &urls, &following);
        assert_eq!(still.iter().collect::<BTreeSet<_>>(), urls.iter().collect());
        let assigned = assign(&view.members, &urls, 1, 50);
        let theirs = assigned["b"].clone();
        assert!(!theirs.is_empty() && theirs.len() < urls.len());
        view.readers
            .insert(theirs[0].to_owned(), BTreeSet::from(["b".to_owned()]));
        let own = sharing.own("a", &view, &urls, &following);
        assert!(!own.contains(&theirs[0].to_owned()));
        assert_eq!(own.len(), urls.len() - 1);
    }

    #[test]
    fn alone_it_reads_the_first_relays_that_it_has_room_for() {
        let urls = strings(&["wss://one", "wss://two", "wss://three"]);
        let mut sharing = Sharing::new(None, 2, 2);
        let view = View {
            members: strings(&[""]),
            ..View::default()
        };
        assert_eq!(sharing.own("", &view, &urls, &HashSet::new()), urls[..2]);
    }
}
