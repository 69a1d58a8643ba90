//! Lines that no reader may count: each way of being malformed, wrong ids, wrong signatures, too large, of other kinds.

mod malformed;

use sha2::{Digest, Sha256};

use malformed::malformed;

use crate::people::{People, Person, Role};
use crate::rng::Rng;
use crate::sign::{Tags, quoted, serialization, sign, signature};

/// The largest array that may be hashed, in bytes.
const MAX_EVENT_BYTES: usize = 131_072;

/// `n` lines, each to be refused, none with a line break inside. Every way comes before any comes again (there are
/// about 160). Some hold bytes that no JSON string may hold (NUL among them).
pub fn invalid(seed: u64, n: usize) -> Vec<String> {
    refused(seed, n).into_iter().map(|(_, line)| line).collect()
}

/// With the reason why: `malformed`, `too_large`, `bad_id`, `bad_signature`, `kind`.
pub(crate) fn refused(seed: u64, n: usize) -> Vec<(&'static str, String)> {
    let mut rng = Rng::new(seed);
    let mut people = People::new(seed);
    let mut all = Vec::with_capacity(n);
    while all.len() < n {
        let mut lines = Vec::new();
        let author = people.get(Role::User, rng.below(50) as usize);
        let other = people.get(Role::Stranger, 0);
        let fields = Fields::valid(&mut rng, &author);
        lines.extend(
            malformed(&fields)
                .into_iter()
                .map(|line| ("malformed", line)),
        );
        lines.extend(wrong_ids(&fields).into_iter().map(|line| ("bad_id", line)));
        lines.extend(
            wrong_signatures(&fields, &author, &other)
                .into_iter()
                .map(|line| ("bad_signature", line)),
        );
        lines.extend(
            other_kinds(&fields, &author)
                .into_iter()
                .map(|line| ("kind", line)),
        );
        lines.push(("too_large", too_large(&fields, &author)));
        // Well mixed, so that a few of them are of several sorts.
        for end in (1..lines.len()).rev() {
            lines.swap(end, rng.below(end as u64 + 1) as usize);
        }
        all.append(&mut lines);
    }
    all.truncate(n);
    all
}

/// The seven fields of a valid request, each as the JSON that is written for it.
#[derive(Clone)]
struct Fields {
    id: String,
    pubkey: String,
    created_at: String,
    kind: String,
    tags: String,
    content: String,
    sig: String,
}

impl Fields {
    fn valid(rng: &mut Rng, author: &Person) -> Self {
        let created_at = 1_735_689_600 + rng.below(86_400) as i64;
        let (p, job) = (rng.hex32(), rng.hex32());
        let mut tags = Tags::new();
        tags.add(&["p", &p]).add(&["i", &job, "job"]);
        let tags = tags.json();
        let content = quoted("please");
        let hash: [u8; 32] = Sha256::digest(serialization(
            &author.pubkey,
            created_at,
            5300,
            &tags,
            &content,
        ))
        .into();
        Fields {
            id: quoted(&hex::encode(hash)),
            pubkey: quoted(&author.pubkey),
            created_at: created_at.to_string(),
            kind: "5300".to_owned(),
            tags,
            content,
            sig: quoted(&signature(author, hash)),
        }
    }

    fn line(&self) -> String {
        object(self.named())
    }

    fn named(&self) -> [(&'static str, &str); 7] {
        [
            ("id", &self.id),
            ("pubkey", &self.pubkey),
            ("created_at", &self.created_at),
            ("kind", &self.kind),
            ("tags", &self.tags),
            ("content", &self.content),
            ("sig", &self.sig),
        ]
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut fields = self.clone();
        change(&mut fields);
        fields.line()
    }

    fn created_at(&self) -> i64 {
        self.created_at.parse().expect("made from an integer")
    }
}

/// A JSON object of fields already written as JSON.
fn object<'a>(fields: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn wrong_ids(valid: &Fields) -> Vec<String> {
    vec![
        valid.with(|fields| fields.id = format!("\"{}\"", "0".repeat(64))),
        valid.with(|fields| flip(&mut fields.id)),
        valid.with(|fields| fields.content = quoted("please!")),
        valid.with(|fields| fields.content = quoted("\0")),
        valid.with(|fields| fields.created_at = (valid.created_at() + 1).to_string()),
        valid.with(|fields| fields.kind = "5301".to_owned()),
        valid.with(|fields| fields.tags = "[]".to_owned()),
        valid.with(|fields| fields.tags = fields.tags.replacen("\"p\"", "\"P\"", 1)),
        valid.with(|fields| flip(&mut fields.pubkey)),
    ]
}

/// Ids are right throughout.
fn wrong_signatures(valid: &Fields, author: &Person, other: &Person) -> Vec<String> {
    let id_under = |pubkey: &str| -> [u8; 32] {
        Sha256::digest(serialization(
            pubkey,
            valid.created_at(),
            5300,
            &valid.tags,
            &valid.content,
        ))
        .into()
    };
    // On no curve; another person's.
    let nowhere = "f".repeat(64);
    let mut lines = vec![
        valid.with(|fields| flip(&mut fields.sig)),
        valid.with(|fields| fields.sig = format!("\"{}\"", "0".repeat(128))),
        valid.with(|fields| fields.sig = format!("\"{}\"", "f".repeat(128))),
        valid.with(|fields| fields.sig = quoted(&signature(other, id_under(&author.pubkey)))),
        valid.with(|fields| fields.sig = quoted(&signature(author, id_under(&other.pubkey)))),
    ];
    for pubkey in [&nowhere, &other.pubkey] {
        lines.push(valid.with(|fields| {
            fields.pubkey = quoted(pubkey);
            fields.id = quoted(&hex::encode(id_under(pubkey)));
        }));
    }
    lines
}

/// Rightly signed, and none of our business.
fn other_kinds(valid: &Fields, author: &Person) -> Vec<String> {
    let kinds = [
        1, 3, 4, 6, 4999, 5128, 5666, 5969, 6128, 6666, 6969, 7001, 8000, 9734, 9736, 10_002,
        30_023, 31_989, 31_991, 65_535,
    ];
    let mut tags = Tags::new();
    tags.add(&["e", valid.id.trim_matches('"')]);
    kinds
        .map(|kind| sign(author, valid.created_at(), kind, &tags, "hello").json)
        .to_vec()
}

/// One byte over, and right in everything else.
fn too_large(valid: &Fields, author: &Person) -> String {
    let tags = Tags::new();
    let bare = serialization(
        &author.pubkey,
        valid.created_at(),
        5300,
        &tags.json(),
        "\"\"",
    )
    .len();
    sign(
        author,
        valid.created_at(),
        5300,
        &tags,
        &"x".repeat(MAX_EVENT_BYTES + 1 - bare),
    )
    .json
}

/// Another last digit, of a quoted hex string.
fn flip(quoted_hex: &mut String) {
    let last = if quoted_hex.ends_with("0\"") {
        "1\""
    } else {
        "0\""
    };
    quoted_hex.truncate(quoted_hex.len() - 2);
    quoted_hex.push_str(last);
}
