//! The newest events by any combination of conditions.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use anyhow::Result;
use mongodb::bson::{Bson, Document, doc};

use super::document::{binary, reference};
use super::{MongoArchive, detached};
use crate::archive::{Archived, Find};

/// Kinds in one query: MongoDB merges up to 200 scans of an index by time, and sorts in memory what more would yield.
const MERGED: usize = 100;

impl MongoArchive {
    /// See [`crate::archive::Archive::find`].
    pub(super) async fn newest_of_all(&self, find: &Find) -> Result<Vec<Archived>> {
        if find.limit == 0 {
            return Ok(Vec::new());
        }
        let selective = find.pubkey.is_some() || find.e.is_some() || find.p.is_some();
        let kinds = match selective {
            true => vec![kind_ranges(&find.kinds)],
            false => self.kinds(&find.kinds).await?,
        };
        let parts = kinds.into_iter().map(|kinds| self.newest(find, kinds));
        let mut found = futures_util::future::try_join_all(parts).await?.concat();
        found.sort_by_key(|archived| {
            let event = &archived.sighting.event;
            (Reverse(event.created_at), event.id)
        });
        found.truncate(find.limit);
        Ok(found)
    }

    /// The newest that fit everything but `find.kinds` and these conditions on kinds, unsorted.
    ///
    /// No index knows the order of ids within one second, so that a second which may be incomplete is read by itself.
    async fn newest(&self, find: &Find, mut filter: Vec<Document>) -> Result<Vec<Archived>> {
        filter.extend(conditions(find));
        let and = |condition: Document| {
            let all = [filter.as_slice(), &[condition]].concat();
            doc! { "$and": all }
        };
        let by_id = doc! { "_id": 1 };
        let (mut found, mut older) = (Vec::new(), doc! { "created_at": { "$gte": 0 } });
        if let Some((at, id)) = find.after {
            let rest = doc! { "created_at": at, "_id": { "$gt": binary(&id.0) } };
            found = self.query(and(rest), by_id.clone(), find.limit).await?;
            older = doc! { "created_at": { "$lt": at } };
        }
        // To MongoDB a limit of zero is none.
        let wanted = find.limit - found.len();
        if wanted == 0 {
            return Ok(found);
        }
        let by_time = doc! { "created_at": -1 };
        let mut newest = self.query(and(older), by_time, wanted).await?;
        if let Some(last) = newest.last()
            && newest.len() == wanted
        {
            let second = last.sighting.event.created_at;
            newest.retain(|archived| archived.sighting.event.created_at > second);
            let rest = and(doc! { "created_at": second });
            newest.extend(self.query(rest, by_id, wanted - newest.len()).await?);
        }
        found.extend(newest);
        Ok(found)
    }

    /// Conditions that select these kinds, in parts.
    ///
    /// One kind's events are in the order of time within the index, and a few kinds' are merged in that order; a range of kinds would be
    /// sorted as a whole. So the kinds that there are take the place of ranges, and of no condition as well.
    async fn kinds(&self, ranges: &[RangeInclusive<u16>]) -> Result<Vec<Vec<Document>>> {
        let few = ranges.iter().map(ExactSizeIterator::len).sum::<usize>() <= MERGED;
        let kinds: Vec<i32> = if few && !ranges.is_empty() {
            ranges.iter().cloned().flatten().map(i32::from).collect()
        } else {
            let wanted = |kind: &i32| {
                let within = |range: &RangeInclusive<u16>| {
                    u16::try_from(*kind).is_ok_and(|kind| range.contains(&kind))
                };
                ranges.is_empty() || ranges.iter().any(within)
            };
            self.kinds_there()
                .await?
                .into_iter()
                .filter(wanted)
                .collect()
        };
        Ok(kinds
            .chunks(MERGED)
            .map(|kinds| vec![doc! { "kind": { "$in": kinds } }])
            .collect())
    }

    /// The kinds that are archived, answered from the index alone.
    async fn kinds_there(&self) -> Result<Vec<i32>> {
        let events = self.events.clone();
        detached("list the archive's kinds", async move {
            let kinds = events.distinct("kind", doc! {}).await?;
            Ok(kinds.iter().filter_map(Bson::as_i32).collect())
        })
        .await
    }
}

/// Conditions that select any of these ranges.
fn kind_ranges(ranges: &[RangeInclusive<u16>]) -> Vec<Document> {
    let ranges: Vec<Document> = ranges
        .iter()
        .map(|range| {
            let (first, last) = (i32::from(*range.start()), i32::from(*range.end()));
            doc! { "kind": { "$gte": first, "$lte": last } }
        })
        .collect();
    match ranges.is_empty() {
        true => Vec::new(),
        false => vec![doc! { "$or": ranges }],
    }
}

/// The conditions of a [`Find`] but for `kinds` and `after`.
fn conditions(find: &Find) -> Vec<Document> {
    let mut all = Vec::new();
    if let Some(pubkey) = find.pubkey {
        all.push(doc! { "pubkey": binary(&pubkey.0) });
    }
    for (name, value) in [("e", find.e), ("p", find.p)] {
        if let Some(value) = value {
            all.push(doc! { "refs": binary(&reference(name, value)) });
        }
    }
    if let Some(since) = find.since {
        all.push(doc! { "created_at": { "$gte": since } });
    }
    if let Some(until) = find.until {
        all.push(doc! { "created_at": { "$lt": until } });
    }
    all
}
