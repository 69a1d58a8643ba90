//! Pages of lists that are put in order here.

use std::cmp::Ordering;

use serde::Serialize;

use crate::cached::Rendered;
use crate::cursor::Cursor;
use crate::problem::Problem;
use crate::table::{Format, List};
use crate::window::Window;

/// Where a row stands: greatest key first, those without one last; equals by what names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    key: Option<i128>,
    id: String,
}

impl Place {
    /// A row's place; names of equals are compared as text, so write numbers with as many digits.
    pub(crate) fn new(key: Option<i128>, id: String) -> Self {
        Self { key, id }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        // `None` is the least key, and the greatest come first.
        let by_key = other.key.cmp(&self.key);
        by_key.then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Rows of one page, and where it ended if there are more.
pub(crate) struct Ordered<T> {
    pub(crate) rows: Vec<T>,
    last: Option<Place>,
}

/// The page after `cursor` of at most `limit` rows.
pub(crate) fn page<T>(
    rows: Vec<T>,
    place: impl Fn(&T) -> Place,
    cursor: Option<Cursor>,
    limit: usize,
) -> Ordered<T> {
    let after = cursor.map(|cursor| Place::new(cursor.key, cursor.id));
    let mut placed: Vec<(Place, T)> = rows
        .into_iter()
        .map(|row| (place(&row), row))
        .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
        .collect();
    placed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let more = placed.len() > limit;
    placed.truncate(limit);
    let last = placed.last().map(|(place, _)| place.clone());
    Ordered {
        rows: placed.into_iter().map(|(_, row)| row).collect(),
        last: last.filter(|_| more),
    }
}

impl<T: Serialize> Ordered<T> {
    pub(crate) fn render(
        &self,
        window: Window,
        sort: &str,
        format: Format,
        sample: &T,
    ) -> Result<Rendered, Problem> {
        let next_cursor = self.last.as_ref().map(|place| {
            let cursor = Cursor {
                from: window.from,
                to: window.to,
                sort: sort.to_owned(),
                key: place.key,
                id: place.id.clone(),
            };
            cursor.encode()
        });
        let list = List {
            window,
            items: &self.rows,
            next_cursor,
        };
        list.render(format, sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(row: &(Option<i128>, &str)) -> Place {
        Place::new(row.0, row.1.to_owned())
    }

    #[test]
    fn pages_put_together_are_the_whole_list_in_order() {
        let rows = vec![
            (None, "b"),
            (Some(1), "d"),
            (Some(7), "z"),
            (None, "a"),
            (Some(1), "c"),
        ];
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..5 {
            let page = page(rows.clone(), place, cursor, 2);
            all.extend(page.rows);
            let Some(last) = page.last else { break };
            cursor = Some(Cursor {
                from: 0,
                to: 60,
                sort: String::new(),
                key: last.key,
                id: last.id,
            });
        }
        let expected = [
            (Some(7), "z"),
            (Some(1), "c"),
            (Some(1), "d"),
            (None, "a"),
            (None, "b"),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        let rows = vec![(Some(1), "a"), (Some(2), "b")];
        assert_eq!(page(rows, place, None, 2).last, None);
    }
}
