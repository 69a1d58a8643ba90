//! What a relay is asked for.

use dvmdash_core::kinds::{DELETION, PROFILE, RECEIPT};
use dvmdash_core::{Event, Pubkey, Rules};

/// Kinds a filter may name before some relay refuses it.
pub const NARROW_KINDS: usize = 20;
/// Authors a filter may name before some relay refuses it.
pub const AUTHORS: usize = 200;

/// A part of all events: the conditions of a NIP-01 filter that are not times. An empty list is no condition, but kinds are always named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Of one of these kinds.
    pub kinds: Vec<u16>,
    /// By one of these authors.
    pub authors: Vec<Pubkey>,
    /// With a `p` tag of one of these.
    pub named: Vec<Pubkey>,
}

impl Selection {
    /// Everything of these kinds.
    pub fn kinds(kinds: &[u16]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            authors: Vec::new(),
            named: Vec::new(),
        }
    }

    /// These kinds by these authors.
    pub fn by(authors: &[Pubkey], kinds: &[u16]) -> Self {
        Self {
            authors: authors.to_vec(),
            ..Self::kinds(kinds)
        }
    }

    /// These kinds naming these pubkeys.
    pub fn naming(named: &[Pubkey], kinds: &[u16]) -> Self {
        Self {
            named: named.to_vec(),
            ..Self::kinds(kinds)
        }
    }

    /// Whether it does not ask for certain people's.
    pub fn is_of_everybody(&self) -> bool {
        self.authors.is_empty() && self.named.is_empty()
    }

    /// Whether a relay may refuse it for its many kinds.
    pub fn is_wide(&self) -> bool {
        self.kinds.len() > NARROW_KINDS
    }

    /// The same, cut into parts that no relay refuses for their many kinds.
    pub fn narrow(&self) -> Vec<Self> {
        self.kinds
            .chunks(NARROW_KINDS)
            .map(|kinds| Self {
                kinds: kinds.to_vec(),
                ..self.clone()
            })
            .collect()
    }

    /// Two halves that are the whole together; `None` for what cannot be cut.
    pub fn halves(&self) -> Option<(Self, Self)> {
        let (mut left, mut right) = (self.clone(), self.clone());
        let (l, r) = if self.kinds.len() > 1 {
            (&mut left.kinds, &mut right.kinds)
        } else {
            return self.halves_of_people(left, right);
        };
        *r = l.split_off(l.len() / 2);
        Some((left, right))
    }

    fn halves_of_people(&self, mut left: Self, mut right: Self) -> Option<(Self, Self)> {
        let (l, r) = if self.authors.len() > 1 {
            (&mut left.authors, &mut right.authors)
        } else if self.named.len() > 1 {
            (&mut left.named, &mut right.named)
        } else {
            return None;
        };
        *r = l.split_off(l.len() / 2);
        Some((left, right))
    }

    /// Whether the event belongs to it, as a relay that keeps to NIP-01 decides.
    pub fn matches(&self, event: &Event) -> bool {
        self.kinds.contains(&event.kind)
            && (self.authors.is_empty() || self.authors.contains(&event.pubkey))
            && (self.named.is_empty()
                || event
                    .values("p")
                    .filter_map(Pubkey::parse)
                    .any(|named| self.named.contains(&named)))
    }
}

/// A filter: a selection and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which events.
    pub selection: Selection,
    /// `created_at` at least, unix seconds.
    pub since: i64,
    /// `created_at` at most, unix seconds.
    pub until: Option<i64>,
    /// The newest so many.
    pub limit: usize,
}

impl Query {
    /// Whether the event belongs to it.
    pub fn matches(&self, event: &Event) -> bool {
        event.created_at >= self.since
            && self.until.is_none_or(|until| event.created_at <= until)
            && self.selection.matches(event)
    }
}

/// The kinds that are read of whoever wrote them. Profiles, deletions and receipts of the whole network are a flood: those are asked for
/// by their people.
pub fn open_kinds(rules: &Rules) -> Vec<u16> {
    let mut kinds = rules.kinds();
    kinds.retain(|kind| ![PROFILE, DELETION, RECEIPT].contains(kind));
    kinds
}

/// A relay's name among the cursors: its url and the kinds that were read, since a cursor says nothing about other kinds.
pub fn cursor_name(url: &str, kinds: &[u16]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for &kind in kinds {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(kind) => *last = kind,
            _ => ranges.push((kind, kind)),
        }
    }
    let ranges: Vec<String> = ranges
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    format!("{url} {}", ranges.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvmdash_core::Hex32;

    #[test]
    fn the_kinds_read_openly_leave_out_profiles_deletions_and_receipts() {
        let rules = Rules::new("5000-5002", "5001", 1).unwrap();
        assert_eq!(open_kinds(&rules), [5000, 5002, 6000, 6002, 7000, 31990]);
        assert_eq!(open_kinds(&Rules::default()).len(), 1996);
    }

    #[test]
    fn a_cursors_name_holds_the_url_and_the_kinds_as_ranges() {
        let kinds = [5000, 5001, 5002, 5004, 7000, 65535];
        assert_eq!(
            cursor_name("wss://relay.example", &kinds),
            "wss://relay.example 5000-5002,5004,7000,65535"
        );
    }

    #[test]
    fn halves_are_the_whole_together_down_to_single_kinds_and_people() {
        let people: Vec<Pubkey> = (0..5).map(|n| Hex32([n; 32])).collect();
        let mut open = vec![Selection::by(&people, &[0, 5, 9735])];
        let mut single = Vec::new();
        while let Some(selection) = open.pop() {
            match selection.halves() {
                Some((left, right)) => open.extend([left, right]),
                None => single.push((selection.kinds[0], selection.authors[0])),
            }
        }
        single.sort();
        let mut expected: Vec<_> = [0, 5, 9735]
            .iter()
            .flat_map(|&kind| people.iter().map(move |&author| (kind, author)))
            .collect();
        expected.sort();
        assert_eq!(single, expected);
    }
}
