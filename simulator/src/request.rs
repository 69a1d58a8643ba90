//! Job requests (NIP-90, kinds 5000-5999).

use crate::people::Role;
use crate::sign::{Event, Tags, sign};
use crate::texts::{ODD_TEXTS, RELAYS, cipher, relays, text};
use crate::{Simulator, kinds};

/// What later events need to know of a job.
pub(crate) struct Job {
    pub(crate) request: Event,
    /// Index of the user who asked.
    pub(crate) customer: usize,
    pub(crate) encrypted: bool,
    /// The `i` tags' values, which answers repeat.
    pub(crate) inputs: Vec<String>,
    /// Indexes of the DVMs that answered in any way.
    pub(crate) responders: Vec<usize>,
    /// Index of the DVM, and id, of each result.
    pub(crate) results: Vec<(usize, String)>,
}

impl Simulator {
    /// A job is asked for at `now`, and all that follows from it is put in line.
    pub(crate) fn ask(&mut self, now: i64) {
        let backdated = if self.rng.chance(0.002) {
            self.rng.seconds(3600, 10 * 86_400)
        } else {
            0
        };
        let (mut job, dvms) = self.job(now - backdated);

        // One in a hundred is never seen by itself, only inside of its results; one comes after its answers.
        if !self.rng.chance(0.01) {
            let late = if self.rng.chance(0.01) {
                self.rng.seconds(5, 60)
            } else {
                0
            };
            self.deliver(job.request.clone(), now + late);
        }
        for dvm in dvms {
            self.respond(&mut job, dvm, now);
        }
        self.remember(job);
    }

    /// A request dated where nobody could have made it: before Nostr, or far ahead (not in live traffic).
    pub(crate) fn ask_out_of_time(&mut self, now: i64) {
        self.turns.time += 1;
        let at = if self.turns.time % 2 == 1 || self.horizon == i64::MAX {
            self.rng.seconds(0, 1_604_707_199)
        } else {
            self.horizon + self.rng.seconds(3600, 75 * 86_400)
        };
        let (mut job, dvms) = self.job(at);
        self.deliver_as_it_is(job.request.clone(), now);
        // An honest answer to it: the job is known by its id alone.
        if let Some(dvm) = dvms.first()
            && at < now
        {
            let result = self.result(&mut job, *dvm, now);
            self.deliver(result, now);
        }
    }

    /// A signed request and the DVMs that will answer it.
    fn job(&mut self, at: i64) -> (Job, Vec<usize>) {
        let kind = kinds::pick(&mut self.rng);
        let customer = self.rng.zipf_two_thirds(self.config.users);
        let user = self.people.get(Role::User, customer);
        let (named, answering) = self.choose_dvms(kind);
        let mut tags = Tags::new();
        for dvm in named {
            let dvm = self.people.get(Role::Dvm, dvm);
            tags.add(&["p", &dvm.pubkey]);
        }
        let mut job = Job {
            request: Event {
                id: String::new(),
                created_at: at,
                kind,
                json: String::new(),
            },
            customer,
            encrypted: kind != kinds::DISCOVERY
                && kind != kinds::REPUTATION
                && self.rng.chance(0.15),
            inputs: Vec::new(),
            responders: Vec::new(),
            results: Vec::new(),
        };
        let content = match kind {
            kinds::DISCOVERY => self.discovery_tags(&mut tags, at),
            kinds::REPUTATION => self.reputation_tags(&mut tags),
            _ if job.encrypted => {
                tags.add(&["encrypted"]);
                let blocks = 4 + self.rng.below(12);
                cipher(&mut self.rng, blocks)
            }
            _ => self.other_tags(&mut tags, &mut job, at),
        };
        self.tell_apart(&mut tags);
        job.request = sign(&user, at, kind, &tags, &content);
        (job, answering)
    }

    /// Somebody may ask, or take back, the same thing twice within a second: it shall not be the same event.
    pub(crate) fn tell_apart(&mut self, tags: &mut Tags) {
        tags.add(&["nonce", &format!("{:016x}", self.rng.next())]);
    }

    /// Indexes of the DVMs named by `p`, and of those that will answer.
    fn choose_dvms(&mut self, kind: u16) -> (Vec<usize>, Vec<usize>) {
        let discovery = kind == kinds::DISCOVERY;
        let names = match self.rng.below(100) {
            _ if kind == kinds::REPUTATION => 0,
            0..96 if discovery => 1,
            0..60 if !discovery => 0,
            60..90 if !discovery => 1,
            _ => 2 + self.rng.below(4),
        };
        let mut named = Vec::new();
        for _ in 0..names {
            push_new(
                &mut named,
                kinds::pick_dvm(&mut self.rng, kind, self.config.dvms),
            );
        }
        let mut answering: Vec<usize> = named
            .iter()
            .copied()
            .filter(|_| self.rng.chance(0.78))
            .collect();
        let others = match self.rng.below(100) {
            0..5 if discovery => 1,
            _ if discovery => 0,
            0..30 => 0,
            30..75 => 1,
            75..90 => 2,
            _ => 4,
        };
        for _ in 0..others {
            push_new(
                &mut answering,
                kinds::pick_dvm(&mut self.rng, kind, self.config.dvms),
            );
        }
        (named, answering)
    }

    fn discovery_tags(&mut self, tags: &mut Tags, at: i64) -> String {
        tags.add(&["alt", "NIP90 Content Discovery Request"]);
        let count = 3 + self.rng.below(4) as usize;
        tags.add(&relays(&mut self.rng, count));
        if self.rng.chance(0.12) {
            let user = self.rng.hex32();
            tags.add(&["param", "max_results", "200"])
                .add(&["param", "user", &user]);
        }
        if self.rng.chance(0.003) {
            self.expires(tags, at);
        }
        String::new()
    }

    fn reputation_tags(&mut self, tags: &mut Tags) -> String {
        let target = self.rng.hex32();
        let limit = self.rng.pick(&["5", "6", "7", "50"]);
        tags.add(&["param", "target", &target])
            .add(&["param", "limit", limit]);
        String::new()
    }

    fn other_tags(&mut self, tags: &mut Tags, job: &mut Job, at: i64) -> String {
        let chained = if self.rng.chance(0.15) {
            self.earlier_job()
        } else {
            None
        };
        if let Some(id) = chained {
            let how = self.rng.pick(&["job", "event"]);
            tags.add(&["i", &id, how]);
            job.inputs.push(id);
        } else if self.rng.chance(0.85) {
            let input = text(&mut self.rng);
            tags.add(&["i", input, "text"]);
            job.inputs.push(input.to_owned());
        }
        if self.rng.chance(0.5) {
            tags.add(&[
                "output",
                self.rng
                    .pick(&["text/plain", "application/json", "image/png;format=url"]),
            ]);
        }
        if self.rng.chance(0.4) {
            tags.add(&["param", "language", "en"])
                .add(&["param", "model", "small", "q8"]);
        }
        if self.rng.chance(0.2) {
            tags.add(&["bid", self.rng.pick(&["1000", "50000", "10000000", "max"])]);
        }
        if self.rng.chance(0.05) {
            self.expires(tags, at);
        }
        if self.rng.chance(0.05) {
            // A tag whose name is a relay's address: a client's mistake that is really out there.
            tags.add(&[RELAYS[0], "read"]);
        }
        tags.add(&relays(&mut self.rng, 3));
        match self.rng.below(10) {
            0 => {
                self.turns.text += 1;
                ODD_TEXTS[self.turns.text % ODD_TEXTS.len()].to_owned()
            }
            1..4 => text(&mut self.rng).to_owned(),
            _ => String::new(),
        }
    }

    fn expires(&mut self, tags: &mut Tags, at: i64) {
        let when = (at + self.rng.seconds(60, 7200)).to_string();
        tags.add(&["expiration", &when]);
    }

    fn earlier_job(&mut self) -> Option<String> {
        let which = self.rng.below(self.jobs.len() as u64) as usize;
        self.jobs.get(which).map(|job| job.request.id.clone())
    }
}

fn push_new(to: &mut Vec<usize>, item: usize) {
    if !to.contains(&item) {
        to.push(item);
    }
}
