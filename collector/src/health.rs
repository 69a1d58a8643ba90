//! How each relay is doing, for people to see.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dvmdash_runtime::queue::RelayReport;

/// Characters of what a relay says that are kept.
const SAID: usize = 200;

/// What is known of the relays that are read.
#[derive(Debug, Default)]
pub struct Health {
    reports: Mutex<HashMap<String, RelayReport>>,
}

impl Health {
    /// A relay is read from now on.
    pub fn join(&self, relay: &str) {
        self.lock().insert(relay.to_owned(), RelayReport::default());
    }

    /// A relay is read no more.
    pub fn leave(&self, relay: &str) {
        self.lock().remove(relay);
    }

    /// Notes something of a relay that is read.
    pub fn note(&self, relay: &str, change: impl FnOnce(&mut RelayReport)) {
        if let Some(report) = self.lock().get_mut(relay) {
            change(report);
        }
    }

    /// Relays whose live subscriptions are established.
    pub fn reading(&self) -> BTreeSet<String> {
        let reports = self.lock();
        let connected = reports.iter().filter(|(_, report)| report.connected);
        connected.map(|(relay, _)| relay.clone()).collect()
    }

    /// What `collector` says of all of them now (unix ms), in the order of their urls.
    pub fn reports(
        &self,
        collector: &str,
        now_ms: i64,
        cursor: impl Fn(&str) -> Option<i64>,
    ) -> Vec<RelayReport> {
        let reports = self.lock();
        let mut reports: Vec<RelayReport> = reports
            .iter()
            .map(|(relay, report)| RelayReport {
                url: relay.clone(),
                collector: collector.to_owned(),
                at_ms: now_ms,
                cursor: cursor(relay),
                ..report.clone()
            })
            .collect();
        reports.sort_by(|one, other| one.url.cmp(&other.url));
        reports
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, RelayReport>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of what a relay has said.
pub fn said(text: &str) -> Option<String> {
    Some(text.chars().take(SAID).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relays_that_are_read_are_reported() {
        let health = Health::default();
        health.note("wss://one", |report| report.events += 1);
        assert!(health.reports("me", 0, |_| None).is_empty());
        health.join("wss://two");
        health.join("wss://one");
        health.note("wss://one", |report| {
            report.connected = true;
            report.last_notice = said(&"long ".repeat(100));
        });
        let reports = health.reports("me", 7, |relay| (relay == "wss://two").then_some(3));
        let urls: Vec<&str> = reports.iter().map(|report| report.url.as_str()).collect();
        assert_eq!(urls, ["wss://one", "wss://two"]);
        assert_eq!(reports[0].last_notice.as_ref().unwrap().len(), SAID);
        assert_eq!((reports[1].cursor, reports[1].at_ms), (Some(3), 7));
        assert_eq!(health.reading(), BTreeSet::from(["wss://one".to_owned()]));
        health.leave("wss://one");
        assert!(health.reading().is_empty());
    }
}
