//! Which kinds of event take part (METRICS.md section 2).

use std::collections::BTreeSet;

/// Kind of a profile (NIP-01).
pub const PROFILE: u16 = 0;
/// Kind of a deletion request (NIP-09).
pub const DELETION: u16 = 5;
/// Kind of a job feedback (NIP-90).
pub const FEEDBACK: u16 = 7000;
/// Kind of a zap request (NIP-57): found only inside receipts.
pub const ZAP_REQUEST: u16 = 9734;
/// Kind of a zap receipt (NIP-57).
pub const RECEIPT: u16 = 9735;
/// Kind of a handler announcement (NIP-89).
pub const ANNOUNCEMENT: u16 = 31990;
/// A result's kind is its request's kind and this.
pub const RESULT_OFFSET: u16 = 1000;

const FIRST_REQUEST: u16 = 5000;
const LAST_REQUEST: u16 = 5999;

/// What a kind is to this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A job request, 5000..=5999.
    Request,
    /// A job result, 6000..=6999.
    Result,
    /// 7000.
    Feedback,
    /// 9735.
    Receipt,
    /// 31990.
    Announcement,
    /// 0.
    Profile,
    /// 5.
    Deletion,
}

/// The configurable part of admission: which request kinds count, and how large an event may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Inclusive ranges of request kinds, each within 5000..=5999.
    pub request_ranges: Vec<(u16, u16)>,
    /// Request kinds that do not count; neither do their results.
    pub excluded: BTreeSet<u16>,
    /// The longest NIP-01 serialization admitted, in bytes.
    pub max_event_bytes: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            request_ranges: vec![(FIRST_REQUEST, LAST_REQUEST)],
            excluded: BTreeSet::from([5128, 5666, 5969]),
            max_event_bytes: 131_072,
        }
    }
}

impl Rules {
    /// Reads the configuration: kinds and inclusive ranges separated by commas, such as `5000-5999` or `5050,5100-5300`.
    /// Nothing may be excluded, but some kind must be requested.
    ///
    /// # Errors
    /// A message that names the part which is no kind or range within 5000..=5999.
    pub fn new(
        ranges_text: &str,
        excluded_text: &str,
        max_event_bytes: usize,
    ) -> Result<Self, String> {
        let request_ranges =
            read_ranges(ranges_text).map_err(|part| format!("request kinds: {part}"))?;
        if request_ranges.is_empty() {
            return Err("request kinds: none given".to_owned());
        }
        let excluded = if excluded_text.trim().is_empty() {
            BTreeSet::new()
        } else {
            read_ranges(excluded_text)
                .map_err(|part| format!("excluded kinds: {part}"))?
                .into_iter()
                .flat_map(|(first, last)| first..=last)
                .collect()
        };
        Ok(Self {
            request_ranges,
            excluded,
            max_event_bytes,
        })
    }

    /// Whether this is the kind of a job request that counts.
    pub fn is_request(&self, kind: u16) -> bool {
        (FIRST_REQUEST..=LAST_REQUEST).contains(&kind)
            && self
                .request_ranges
                .iter()
                .any(|&(first, last)| (first..=last).contains(&kind))
            && !self.excluded.contains(&kind)
    }

    /// Whether this is the kind of a job result whose request's kind counts.
    pub fn is_result(&self, kind: u16) -> bool {
        kind.checked_sub(RESULT_OFFSET)
            .is_some_and(|request| self.is_request(request))
    }

    /// The family of an admitted kind; `None` for a kind that is ignored.
    pub fn family(&self, kind: u16) -> Option<Family> {
        match kind {
            PROFILE => Some(Family::Profile),
            DELETION => Some(Family::Deletion),
            FEEDBACK => Some(Family::Feedback),
            RECEIPT => Some(Family::Receipt),
            ANNOUNCEMENT => Some(Family::Announcement),
            _ if self.is_request(kind) => Some(Family::Request),
            _ if self.is_result(kind) => Some(Family::Result),
            _ => None,
        }
    }

    /// Every admitted kind, ascending: what a relay is asked for.
    pub fn kinds(&self) -> Vec<u16> {
        (0..=u16::MAX)
            .filter(|&kind| self.family(kind).is_some())
            .collect()
    }
}

/// Inclusive ranges out of `5000-5999,5100`, or a message about the part that is none.
fn read_ranges(text: &str) -> Result<Vec<(u16, u16)>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(read_range).collect()
}

fn read_range(part: &str) -> Result<(u16, u16), String> {
    let part = part.trim();
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    match (read_kind(first), read_kind(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => Err(format!(
            "`{part}` is no kind or range of kinds within 5000-5999"
        )),
    }
}

fn read_kind(text: &str) -> Option<u16> {
    kind_of_digits(text.trim()).filter(|kind| (FIRST_REQUEST..=LAST_REQUEST).contains(kind))
}

/// A kind written in ASCII digits and nothing else.
pub(crate) fn kind_of_digits(text: &str) -> Option<u16> {
    // `parse` by itself would also take a plus sign.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_the_families_belong_to_them() {
        let rules = Rules::default();
        let expected = [
            (0, Some(Family::Profile)),
            (1, None),
            (5, Some(Family::Deletion)),
            (4999, None),
            (5000, Some(Family::Request)),
            (5999, Some(Family::Request)),
            (6000, Some(Family::Result)),
            (6999, Some(Family::Result)),
            (7000, Some(Family::Feedback)),
            (7001, None),
            (9734, None),
            (9735, Some(Family::Receipt)),
            (31989, None),
            (31990, Some(Family::Announcement)),
            (u16::MAX, None),
        ];
        for (kind, family) in expected {
            assert_eq!(rules.family(kind), family, "kind {kind}");
        }
    }

    #[test]
    fn an_excluded_request_kind_excludes_its_result_kind() {
        let rules = Rules::default();
        for kind in [5128, 5666, 5969, 6128, 6666, 6969] {
            assert_eq!(rules.family(kind), None, "kind {kind}");
        }
        assert_eq!(rules.kinds().len(), 2 * (1000 - 3) + 5);
    }

    #[test]
    fn the_default_is_what_the_documented_texts_say() {
        assert_eq!(
            Rules::new("5000-5999", "5128,5666,5969", 131_072),
            Ok(Rules::default())
        );
    }

    #[test]
    fn ranges_and_single_kinds_may_be_mixed_and_spaced() {
        let rules = Rules::new(" 5000 - 5002 , 5100 ", "5001", 1).unwrap();
        assert_eq!(
            rules.kinds(),
            [0, 5, 5000, 5002, 5100, 6000, 6002, 6100, 7000, 9735, 31990]
        );
        assert!(Rules::new("5100", "", 1).unwrap().excluded.is_empty());
    }

    #[test]
    fn a_wrong_part_is_named() {
        for bad in [
            "4999",
            "6000",
            "5000-6000",
            "5200-5100",
            "x",
            "5100-",
            "-5100",
            "+5100",
            "5100-5200-5300",
        ] {
            let error = Rules::new(&format!("5050,{bad}"), "", 1).unwrap_err();
            assert!(
                error.contains(&format!("request kinds: `{bad}`")),
                "{error}"
            );
            let error = Rules::new("5050", bad, 1).unwrap_err();
            assert!(
                error.contains(&format!("excluded kinds: `{bad}`")),
                "{error}"
            );
        }
        assert!(Rules::new("5050,,5100", "", 1).is_err());
        assert!(Rules::new("", "", 1).is_err());
    }
}
