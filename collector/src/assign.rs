//! Which collector reads which relay.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// Assigns every relay to `k` members, or to all where there are fewer, and no member more than `cap` relays.
///
/// A rendezvous hash: each pair of member and relay has a weight, and a relay belongs to the members of the greatest weights that have room
/// (Thaler and Ravishankar, "A name-based mapping scheme for rendezvous", 1996). So all members come to the same answer without a word, and
/// one that comes or goes moves only what becomes or was its own, as long as there is room. `relays` are in the order of their importance:
/// where room is short, the last go without.
///
/// Returns the relays of each member, in the order given.
pub fn assign<'a>(
    members: &'a [String],
    relays: &'a [String],
    k: usize,
    cap: usize,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut assigned: BTreeMap<&str, Vec<&str>> = members
        .iter()
        .map(|member| (member.as_str(), Vec::new()))
        .collect();
    for relay in relays {
        let mut ranked: Vec<&str> = assigned.keys().copied().collect();
        ranked.sort_by_cached_key(|member| Reverse(weight(member, relay)));
        let mut wanted = k;
        for member in ranked {
            let own = assigned.entry(member).or_default();
            if wanted > 0 && own.len() < cap {
                own.push(relay);
                wanted -= 1;
            }
        }
    }
    assigned
}

fn weight(member: &str, relay: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(member)
        .chain_update([0])
        .chain_update(relay)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn names(what: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{what}-{n}")).collect()
    }

    /// (relay, member) pairs.
    fn pairs(assigned: &BTreeMap<&str, Vec<&str>>) -> BTreeSet<(String, String)> {
        let pair = |member: &str, relay: &&str| ((*relay).to_owned(), member.to_owned());
        assigned
            .iter()
            .flat_map(|(member, relays)| relays.iter().map(move |relay| pair(member, relay)))
            .collect()
    }

    #[test]
    fn work_is_balanced() {
        let (members, relays) = (names("pod", 5), names("wss://relay", 500));
        for own in assign(&members, &relays, 2, 500).values() {
            assert!((140..260).contains(&own.len()), "{} of 200", own.len());
        }
    }

    #[test]
    fn the_last_relays_go_without_where_room_is_short() {
        let (members, relays) = (names("pod", 2), names("wss://relay", 10));
        let assigned = assign(&members, &relays, 1, 3);
        let read: BTreeSet<&str> = assigned.values().flatten().copied().collect();
        let first: BTreeSet<&str> = relays[..6].iter().map(String::as_str).collect();
        assert_eq!(read, first);
        assert!(assign(&[], &relays, 1, 3).is_empty());
    }

    proptest! {
        #[test]
        fn every_relay_has_its_readers_and_nobody_is_over_capacity(
            members in 1usize..8, relays in 0usize..60, k in 1usize..4, cap in 1usize..40,
        ) {
            let (names_of_members, all) = (names("pod", members), names("wss://relay", relays));
            let assigned = assign(&names_of_members, &all, k, cap);
            prop_assert!(assigned.values().all(|own| own.len() <= cap));
            let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
            for relay in assigned.values().flatten() {
                *readers.entry(relay).or_default() += 1;
            }
            let wanted = k.min(members);
            prop_assert!(readers.values().all(|&readers| readers <= wanted));
            if relays * wanted <= cap {
                prop_assert!(all.iter().all(|relay| readers.get(relay.as_str()) == Some(&wanted)));
            }
            // Whoever has room left has all that the less important ones could have had.
            for (member, own) in &assigned {
                if own.len() < cap {
                    for relay in &all {
                        prop_assert!(own.contains(&relay.as_str()) || readers.get(relay.as_str()) == Some(&wanted), "{member} could read {relay}");
                    }
                }
            }
        }

        #[test]
        fn a_member_that_comes_takes_and_one_that_goes_leaves_only_its_own(
            members in 2usize..9, relays in 1usize..80, k in 1usize..4, leaver in any::<prop::sample::Index>(),
        ) {
            let (all, relays) = (names("pod", members), names("wss://relay", relays));
            let gone = leaver.index(members);
            let mut left = all.clone();
            let gone = left.remove(gone);
            let (before, after) = (pairs(&assign(&all, &relays, k, 1000)), pairs(&assign(&left, &relays, k, 1000)));
            for (relay, member) in before.difference(&after) {
                prop_assert_eq!(member, &gone, "{} moved", relay);
            }
            let own = before.iter().filter(|(_, member)| *member == gone).count();
            prop_assert!(after.difference(&before).count() <= own);
        }

        #[test]
        fn the_order_of_members_does_not_matter(members in 1usize..8, relays in 0usize..40, k in 1usize..4) {
            let (mut members, relays) = (names("pod", members), names("wss://relay", relays));
            let one = pairs(&assign(&members, &relays, k, 7));
            members.reverse();
            prop_assert_eq!(one, pairs(&assign(&members, &relays, k, 7)));
        }
    }
}
