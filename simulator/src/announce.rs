//! DVMs present themselves (NIP-89 announcements, kind 0 profiles), and people take things back (NIP-09).

use crate::people::{Role, name};
use crate::sign::{Event, Tags, quoted, sign};
use crate::{Simulator, kinds};

/// An announcement that was delivered or will be.
#[derive(Clone)]
pub(crate) struct Announced {
    dvm: usize,
    identifier: String,
    id: String,
}

const REMEMBERED: usize = 64;

/// Content that is no JSON object.
const BROKEN_CONTENT: [&str; 5] = ["just an image generator", "[]", "{\"name\":", "null", ""];

impl Simulator {
    /// The next DVM shows up: an announcement, mostly a profile too.
    pub(crate) fn introduce(&mut self, now: i64) {
        let dvm = self.introduced;
        self.introduced += 1;
        if self.rng.chance(0.85) {
            let identifier = self.rng.hex32()[..16].to_owned();
            self.announce(dvm, identifier, now, 1);
        }
        if self.rng.chance(0.9) {
            self.profile_of(Role::Dvm, dvm, now);
        }
    }

    fn announce(&mut self, dvm: usize, identifier: String, now: i64, version: u64) {
        let mut tags = Tags::new();
        tags.add(&["d", &identifier]);
        for kind in kinds::served_by(dvm, self.config.dvms) {
            tags.add(&["k", &kind.to_string()]);
        }
        tags.add(&["t", "dvm"]);
        let content = if self.rng.chance(0.06) {
            self.turns.text += 1;
            BROKEN_CONTENT[self.turns.text % BROKEN_CONTENT.len()].to_owned()
        } else {
            let (name_key, picture_key) = self.rng.pick(&[
                ("name", "picture"),
                ("display_name", "image"),
                ("name", "image"),
            ]);
            format!(
                "{{{}:{},\"about\":{},{}:\"https://example.com/{dvm}.png\",\"encryptionSupported\":true}}",
                quoted(name_key),
                quoted(&name(dvm)),
                quoted(&format!("I answer what you ask. Version {version}.")),
                quoted(picture_key),
            )
        };
        let event = sign(
            &self.people.get(Role::Dvm, dvm),
            now,
            31990,
            &tags,
            &content,
        );
        self.announced.push_back(Announced {
            dvm,
            identifier,
            id: event.id.clone(),
        });
        if self.announced.len() > REMEMBERED {
            self.announced.pop_front();
        }
        self.deliver(event, now);
    }

    /// A new version of an announcement, or a second one by the same DVM.
    pub(crate) fn announce_again(&mut self, now: i64) {
        let Some(earlier) = self.some_announcement() else {
            return self.introduce(now);
        };
        let version = 2 + self.rng.below(1_000_000);
        let identifier = if self.rng.chance(0.8) {
            earlier.identifier
        } else {
            "second".to_owned()
        };
        self.announce(earlier.dvm, identifier, now, version);
    }

    /// An application that is no DVM: of kinds that no job has.
    pub(crate) fn announce_application(&mut self, now: i64) {
        let stranger = self.rng.below(5) as usize;
        let mut tags = Tags::new();
        tags.add(&["d", &self.rng.hex32()[..12]])
            .add(&["k", "1"])
            .add(&["k", "30023"]);
        tags.add(&["web", "https://example.com/a/<bech32>", "naddr"]);
        let event = sign(
            &self.people.get(Role::Stranger, stranger),
            now,
            31990,
            &tags,
            "{\"name\":\"Reader\"}",
        );
        self.deliver(event, now);
    }

    /// Somebody has a new profile: a DVM or a user.
    pub(crate) fn profile(&mut self, now: i64) {
        if self.rng.chance(0.6) {
            let dvm = self.rng.zipf_half(self.config.dvms);
            self.profile_of(Role::Dvm, dvm, now);
        } else {
            let user = self.rng.zipf_two_thirds(self.config.users);
            self.profile_of(Role::User, user, now);
        }
    }

    fn profile_of(&mut self, role: Role, index: usize, now: i64) {
        let content = if self.rng.chance(0.03) {
            self.turns.text += 1;
            BROKEN_CONTENT[self.turns.text % BROKEN_CONTENT.len()].to_owned()
        } else {
            format!(
                "{{\"name\":{},\"about\":\"ⓘ seen {} times\",\"picture\":\"https://example.com/p/{index}.webp\",\"lud16\":\"pay@example.com\"}}",
                quoted(&name(index).to_lowercase()),
                self.rng.next(),
            )
        };
        let event = sign(
            &self.people.get(role, index),
            now,
            0,
            &Tags::new(),
            &content,
        );
        self.deliver(event, now);
    }

    fn some_announcement(&mut self) -> Option<Announced> {
        let which = self.rng.below(self.announced.len() as u64) as usize;
        self.announced.get(which).cloned()
    }

    /// Somebody deletes what is theirs, or tries to delete what is not.
    pub(crate) fn delete(&mut self, now: i64) {
        self.turns.deletion += 1;
        let event = match self.turns.deletion % 8 {
            0 => self.deletion_of_announcement(now, "a", false),
            1 => self.deletion_of_announcement(now, "a", true),
            2 => self.deletion_of_announcement(now, "e", false),
            3 => self.deletion_of_result(now, false),
            4 => self.deletion_of_result(now, true),
            5 => self.deletion_of_request(now, true),
            _ => self.deletion_of_request(now, false),
        };
        if let Some(event) = event {
            self.deliver(event, now);
        }
    }

    fn deletion_of_announcement(
        &mut self,
        now: i64,
        tag: &str,
        by_stranger: bool,
    ) -> Option<Event> {
        let target = self.some_announcement()?;
        let owner = self.people.get(Role::Dvm, target.dvm);
        let address = format!("31990:{}:{}", owner.pubkey, target.identifier);
        let value = if tag == "a" { &address } else { &target.id };
        let mut tags = Tags::new();
        tags.add(&[tag, value]).add(&["k", "31990"]);
        self.tell_apart(&mut tags);
        let author = if by_stranger {
            self.people.get(Role::Stranger, 0)
        } else {
            owner
        };
        Some(sign(&author, now, 5, &tags, "no longer offered"))
    }

    fn deletion_of_result(&mut self, now: i64, by_stranger: bool) -> Option<Event> {
        let job = self
            .jobs
            .iter()
            .rev()
            .skip(8)
            .find(|job| !job.results.is_empty())?;
        let (dvm, id) = job.results.first()?;
        let (role, index) = if by_stranger {
            (Role::Stranger, 1)
        } else {
            (Role::Dvm, *dvm)
        };
        let mut tags = Tags::new();
        tags.add(&["e", id]);
        self.tell_apart(&mut tags);
        Some(sign(&self.people.get(role, index), now, 5, &tags, ""))
    }

    /// Half of the time of a request nobody has answered, so that its job is cancelled.
    fn deletion_of_request(&mut self, now: i64, by_stranger: bool) -> Option<Event> {
        let unanswered = self.rng.chance(0.5);
        let job = self
            .jobs
            .iter()
            .rev()
            .skip(8)
            .find(|job| !unanswered || job.responders.is_empty())?;
        let (role, index) = if by_stranger {
            (Role::Stranger, 2)
        } else {
            (Role::User, job.customer)
        };
        let mut tags = Tags::new();
        tags.add(&["e", &job.request.id])
            .add(&["k", &job.request.kind.to_string()]);
        self.tell_apart(&mut tags);
        Some(sign(
            &self.people.get(role, index),
            now,
            5,
            &tags,
            "deleted by its author",
        ))
    }
}
