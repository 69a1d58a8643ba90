//! How often each request kind is asked for, and which DVMs serve it.

use crate::rng::Rng;

/// By far the most: content discovery (feeds).
pub(crate) const DISCOVERY: u16 = 5300;
/// Relatedness and reputation of profiles: no `p`, only `param`s.
pub(crate) const REPUTATION: u16 = 5312;
const PROFILE_SEARCH: u16 = 5314;

/// What is left beside the three above, with rough weights. Both edges of the range belong.
const TAIL: [(u16, u64); 64] = [
    (5302, 260),
    (5100, 150),
    (5303, 100),
    (5002, 45),
    (5050, 30),
    (5910, 23),
    (5301, 22),
    (5000, 20),
    (5153, 20),
    (5250, 11),
    (5001, 11),
    (5905, 10),
    (5600, 9),
    (5013, 8),
    (5204, 7),
    (5006, 6),
    (5200, 6),
    (5107, 6),
    (5500, 5),
    (5205, 4),
    (5315, 4),
    (5900, 4),
    (5805, 3),
    (5202, 3),
    (5102, 3),
    (5927, 2),
    (5016, 2),
    (5393, 1),
    (5391, 1),
    (5101, 1),
    (5503, 1),
    (5183, 1),
    (5068, 1),
    (5392, 1),
    (5015, 1),
    (5906, 1),
    (5394, 1),
    (5304, 1),
    (5124, 1),
    (5902, 1),
    (5305, 1),
    (5007, 1),
    (5206, 1),
    (5313, 1),
    (5400, 1),
    (5999, 1),
    (5950, 1),
    (5275, 1),
    (5276, 1),
    (5277, 1),
    (5988, 1),
    (5703, 1),
    (5132, 1),
    (5151, 1),
    (5389, 1),
    (5546, 1),
    (5555, 1),
    (5663, 1),
    (5203, 1),
    (5309, 1),
    (5321, 1),
    (5512, 1),
    (5718, 1),
    (5770, 1),
];

/// 95 %, 3 %, 1 %, and 1 % for all others.
pub(crate) fn pick(rng: &mut Rng) -> u16 {
    match rng.below(100) {
        0..95 => DISCOVERY,
        95..98 => REPUTATION,
        98 => PROFILE_SEARCH,
        _ => tail(rng),
    }
}

fn tail(rng: &mut Rng) -> u16 {
    let mut left = rng.below(TAIL.iter().map(|(_, weight)| weight).sum());
    for (kind, weight) in TAIL {
        if left < weight {
            return kind;
        }
        left -= weight;
    }
    DISCOVERY
}

/// Everybody answers for discovery; any other kind has a few of its own.
pub(crate) fn pick_dvm(rng: &mut Rng, kind: u16, dvms: usize) -> usize {
    if kind == DISCOVERY {
        return rng.zipf_half(dvms);
    }
    (first_dvm(kind, dvms) + rng.zipf_half(GROUP)) % dvms
}

/// The request kinds a DVM announces: those it is picked for.
pub(crate) fn served_by(dvm: usize, dvms: usize) -> Vec<u16> {
    [REPUTATION, PROFILE_SEARCH]
        .into_iter()
        .chain(TAIL.iter().map(|(kind, _)| *kind))
        .filter(|kind| (dvm + dvms - first_dvm(*kind, dvms)) % dvms < GROUP)
        .chain([DISCOVERY])
        .collect()
}

const GROUP: usize = 4;

fn first_dvm(kind: u16, dvms: usize) -> usize {
    usize::from(kind) * 31 % dvms
}
