//! Where a list goes on: opaque to clients, and without state on our side.

use crate::parameters::Parameters;
use crate::problem::Problem;

/// The window of the first page, and the place of the last item given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Unix seconds.
    pub(crate) from: i64,
    /// Unix seconds.
    pub(crate) to: i64,
    /// The name of the order.
    pub(crate) sort: String,
    /// The last item's value in that order; `None` among those without one.
    pub(crate) key: Option<i128>,
    /// What tells equals apart: a pubkey, a kind, an id.
    pub(crate) id: String,
}

impl Cursor {
    /// The parameter `cursor`, if given; it must be one of an order that this list has now.
    pub(crate) fn read(parameters: &Parameters, sort: &str) -> Result<Option<Self>, Problem> {
        let Some(text) = parameters.get("cursor")? else {
            return Ok(None);
        };
        let cursor = Self::decode(text).filter(|cursor| cursor.sort == sort);
        cursor.map(Some).ok_or_else(|| {
            Problem::parameter(
                "cursor",
                "repeat the question with the next_cursor of its last answer, or leave it out",
            )
        })
    }

    pub(crate) fn encode(&self) -> String {
        let key = self.key.map_or_else(String::new, |key| key.to_string());
        let Self {
            from, to, sort, id, ..
        } = self;
        hex::encode(format!("{from} {to} {sort} {key} {id}"))
    }

    fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(hex::decode(text).ok()?).ok()?;
        let mut parts = text.splitn(5, ' ');
        let from: i64 = parts.next()?.parse().ok()?;
        let to: i64 = parts.next()?.parse().ok()?;
        let sort = parts.next()?.to_owned();
        let key = match parts.next()? {
            "" => None,
            key => Some(key.parse().ok()?),
        };
        let id = parts.next()?.to_owned();
        let sane = 0 <= from && from < to && to <= crate::moment::LAST + crate::cover::DAY;
        sane.then_some(Self {
            from,
            to,
            sort,
            key,
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::tests::parameters;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        for key in [None, Some(0), Some(-5), Some(i128::MAX)] {
            let cursor = Cursor {
                from: 0,
                to: 60,
                sort: "paid".to_owned(),
                key,
                id: "ab".to_owned(),
            };
            let given = cursor.encode();
            let read = Cursor::read(&parameters(&[("cursor", &given)]), "paid").unwrap();
            assert_eq!(read, Some(cursor));
            assert!(Cursor::read(&parameters(&[("cursor", &given)]), "results").is_err());
        }
    }

    #[test]
    fn a_made_up_cursor_is_refused() {
        let backwards = hex::encode("60 0 paid 1 ab");
        for text in ["x", "00", "ffff", &backwards] {
            assert!(
                Cursor::read(&parameters(&[("cursor", text)]), "paid").is_err(),
                "{text}"
            );
        }
    }
}
