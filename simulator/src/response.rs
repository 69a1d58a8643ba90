//! What DVMs answer: results (6000-6999) and feedback (7000), NIP-90.

use crate::people::Role;
use crate::request::Job;
use crate::sign::{Event, Tags, quoted, sign};
use crate::texts::{ODD_TEXTS, RELAYS, cipher, relays, text};
use crate::{Simulator, kinds};

/// Statuses nobody has defined.
const UNKNOWN_STATUSES: [&str; 4] = ["queued", "started", "Processing", ""];

/// How a response says which job it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// The whole request in `request`, and its id in `e`.
    Both,
    EventTag,
    /// The `request` tag names this job, the `e` tag another one.
    Contradicting,
    /// The first `e` is no id, the second one is.
    SecondEventTag,
    /// `request` is a bare id: no event, so that nothing names the job.
    BareId,
    /// `request` is a dictionary as Python prints it, and the `e` tag's digits are upper case.
    PythonDict,
    Nothing,
}

impl Simulator {
    /// One DVM's share of a job, asked at `now`: feedback, result, payment, in any mix.
    pub(crate) fn respond(&mut self, job: &mut Job, dvm: usize, now: i64) {
        job.responders.push(dvm);
        let asked = job.request.created_at;
        let delay = self.response_seconds();
        let fails = self.rng.chance(0.05);
        if self.rng.chance(0.21) {
            let at = asked + self.rng.seconds(0, delay.clamp(0, 2));
            self.give_feedback(job, dvm, at, now, "processing");
        }
        if self.rng.chance(if job.request.kind == kinds::DISCOVERY {
            0.02
        } else {
            0.3
        }) {
            self.ask_for_payment(job, dvm, now);
        }
        if self.rng.chance(0.03) {
            self.turns.status += 1;
            let status = match self.turns.status % 3 {
                0 => "partial",
                1 => UNKNOWN_STATUSES[self.turns.status / 3 % UNKNOWN_STATUSES.len()],
                _ => "encrypted",
            };
            self.give_feedback(job, dvm, asked + delay.max(0), now, status);
        }
        if fails {
            self.give_feedback(job, dvm, asked + delay.max(1), now, "error");
        }
        if self.rng.chance(if fails { 0.1 } else { 0.92 }) {
            self.give_result(job, dvm, asked + delay, now);
            if self.rng.chance(0.07) {
                self.give_feedback(job, dvm, asked + delay, now, "success");
            }
            if self.rng.chance(0.008) {
                // A second answer, which may be dated before the first.
                let again = self.response_seconds();
                if again != delay {
                    self.give_result(job, dvm, asked + again, now);
                }
            }
        }
    }

    /// Nearly all answer within three seconds; a few take hours or days, or have a clock that is behind.
    fn response_seconds(&mut self) -> i64 {
        match self.rng.below(1000) {
            0..180 => 0,
            180..620 => 1,
            620..850 => 2,
            850..920 => 3,
            920..975 => self.rng.seconds(4, 60),
            975..990 => self.rng.seconds(61, 3600),
            990..994 => self.rng.seconds(3601, 86_400),
            994..996 => self.rng.seconds(86_401, 3 * 86_400),
            _ => self.rng.seconds(-5, -1),
        }
    }

    /// When an event dated `at` reaches us, where its job began at `now` (which a back-dated one did not).
    fn arrival(&mut self, job: &Job, at: i64, now: i64) -> i64 {
        let late = if self.rng.chance(0.01) {
            self.rng.seconds(10, 600)
        } else {
            0
        };
        now + (at - job.request.created_at).max(0) + late
    }

    fn give_result(&mut self, job: &mut Job, dvm: usize, at: i64, now: i64) {
        let result = self.result(job, dvm, at);
        if self.rng.chance(0.002) {
            let msat = 1000 * (1 + self.rng.below(500));
            self.pay(at + 5, dvm, job.customer, Some(&result.id), msat);
        }
        let arrival = self.arrival(job, at, now);
        self.deliver(result, arrival);
    }

    /// A signed result, noted in the job.
    pub(crate) fn result(&mut self, job: &mut Job, dvm: usize, at: i64) -> Event {
        let discovery = job.request.kind == kinds::DISCOVERY;
        let reference = self.reference(if discovery { 0.012 } else { 0.15 });
        let mut tags = Tags::new();
        if discovery || self.rng.chance(0.3) {
            tags.add(&["status", "success"]);
        }
        self.refer(&mut tags, job, reference);
        let user = self.people.get(Role::User, job.customer);
        tags.add(&["p", &user.pubkey]);
        for input in &job.inputs {
            tags.add(&["i", input, "text"]);
        }
        if self.rng.chance(0.4) {
            tags.add(&["alt", "This is the result of a NIP90 DVM task"]);
            tags.add(&relays(&mut self.rng, 3));
        }
        if self.rng.chance(0.02) {
            let amount = self.amount();
            tags.add(&["amount", &amount]);
        }
        let content = self.result_content(job);
        // Very rarely somebody answers with a result of another kind.
        let kind = if self.rng.chance(0.002) {
            6999
        } else {
            job.request.kind + 1000
        };
        let result = sign(&self.people.get(Role::Dvm, dvm), at, kind, &tags, &content);
        job.results.push((dvm, result.id.clone()));
        result
    }

    fn result_content(&mut self, job: &Job) -> String {
        if job.encrypted {
            let blocks = 4 + self.rng.below(20);
            return cipher(&mut self.rng, blocks);
        }
        match job.request.kind {
            kinds::DISCOVERY => {
                let notes = 4 + self.rng.below(20);
                let notes: Vec<String> = (0..notes)
                    .map(|_| format!("[\"e\",\"{}\"]", self.rng.hex32()))
                    .collect();
                format!("[{}]", notes.join(","))
            }
            kinds::REPUTATION => {
                let ranks = (1..6).map(|rank| {
                    format!("{{\"pubkey\":\"{}\",\"rank\":0.0{rank}}}", self.rng.hex32())
                });
                format!("[{}]", ranks.collect::<Vec<_>>().join(","))
            }
            _ if self.rng.chance(0.03) => {
                self.turns.text += 1;
                ODD_TEXTS[self.turns.text % ODD_TEXTS.len()].to_owned()
            }
            _ => [text(&mut self.rng), text(&mut self.rng)].join("\n\n"),
        }
    }

    fn reference(&mut self, event_tag_only: f64) -> Reference {
        if self.rng.chance(event_tag_only) {
            return Reference::EventTag;
        }
        if !self.rng.chance(0.008) {
            return Reference::Both;
        }
        self.turns.oddity += 1;
        match self.turns.oddity % 5 {
            0 => Reference::Contradicting,
            1 => Reference::SecondEventTag,
            2 => Reference::BareId,
            3 => Reference::PythonDict,
            _ => Reference::Nothing,
        }
    }

    fn refer(&mut self, tags: &mut Tags, job: &Job, reference: Reference) {
        let request = &job.request;
        match reference {
            Reference::Both | Reference::Contradicting => tags.add(&["request", &request.json]),
            Reference::BareId => tags.add(&["request", &request.id]),
            Reference::PythonDict => tags.add(&[
                "request",
                &format!("{{'id': {}, 'tags': None}}", quoted(&request.id)),
            ]),
            Reference::SecondEventTag => tags.add(&["e", "of your last request"]),
            Reference::EventTag | Reference::Nothing => tags,
        };
        match reference {
            Reference::Both | Reference::EventTag => tags.add(&["e", &request.id, RELAYS[0]]),
            Reference::SecondEventTag => tags.add(&["e", &request.id]),
            Reference::Contradicting => {
                let other = self
                    .jobs
                    .back()
                    .map_or_else(|| self.rng.hex32(), |job| job.request.id.clone());
                tags.add(&["e", &other])
            }
            Reference::PythonDict => tags.add(&["e", &request.id.to_uppercase()]),
            Reference::BareId | Reference::Nothing => tags,
        };
    }

    fn ask_for_payment(&mut self, job: &Job, dvm: usize, now: i64) {
        let at = job.request.created_at + self.rng.seconds(0, 2);
        let amount = self.amount();
        let feedback = self.feedback(job, dvm, at, "payment-required", Some(&amount));
        let arrival = self.arrival(job, at, now);
        self.deliver(feedback, arrival);
        // About half pay, and only what can be read.
        if let Ok(msat) = amount.replace(['_', ',', ' '], "").parse::<u64>()
            && (1..1_000_000_000).contains(&msat)
            && self.rng.chance(0.6)
        {
            let paid = arrival + self.rng.seconds(3, 120);
            self.pay(paid, dvm, job.customer, Some(&job.request.id), msat);
        }
    }

    fn give_feedback(&mut self, job: &Job, dvm: usize, at: i64, now: i64, status: &str) {
        let feedback = self.feedback(job, dvm, at, status, None);
        let arrival = self.arrival(job, at, now);
        self.deliver(feedback, arrival);
    }

    fn feedback(
        &mut self,
        job: &Job,
        dvm: usize,
        at: i64,
        status: &str,
        amount: Option<&str>,
    ) -> Event {
        let mut tags = Tags::new();
        let mut content = String::new();
        match status {
            // Everything that matters is inside of the cipher text.
            "encrypted" => {
                tags.add(&["encrypted"]);
                content = cipher(&mut self.rng, 3);
            }
            "error" => {
                let why = self.rng.pick(&[
                    "model overloaded",
                    "Input too long",
                    "timeout",
                    "no results <b>found</b>",
                ]);
                tags.add(&["status", "error", why]);
                content = why.to_owned();
            }
            _ => {
                tags.add(&["status", status]);
            }
        }
        if self.rng.chance(0.003) {
            self.refer(&mut tags, job, Reference::Nothing);
        } else if self.rng.chance(0.05) {
            self.refer(&mut tags, job, Reference::Both);
        } else {
            self.refer(&mut tags, job, Reference::EventTag);
        }
        let user = self.people.get(Role::User, job.customer);
        tags.add(&["p", &user.pubkey]);
        if let Some(amount) = amount {
            tags.add(&["amount", amount]);
        }
        tags.add(&[
            "alt",
            "NIP-90 feedback: the machine is at it, please hold the line",
        ]);
        if self.rng.chance(0.6) {
            tags.add(&relays(&mut self.rng, 3));
        }
        sign(&self.people.get(Role::Dvm, dvm), at, 7000, &tags, &content)
    }
}
