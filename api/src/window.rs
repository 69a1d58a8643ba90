//! The half-open window `[from, to)` of an answer.

use crate::cover::{self, Kept, Piece};
use crate::cursor::Cursor;
use crate::moment;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::snapshot::Progress;

const REMEDY: &str = "write unix seconds, an RFC 3339 time, now, or now-15m (s, m, h, d, w) in the years 1970 to 9999";
const DEFAULT_SPAN: i64 = 30 * cover::DAY;

/// A window whose edges lie between buckets that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Unix seconds, the first that belongs to it.
    pub(crate) from: i64,
    /// Unix seconds, the first that does not.
    pub(crate) to: i64,
}

impl Window {
    /// What `from`, `to`, `timeRange` ask for, or the window of the page before.
    pub(crate) fn read(
        parameters: &Parameters,
        cursor: Option<&Cursor>,
        progress: &Progress,
        now: i64,
    ) -> Result<Self, Problem> {
        if let Some(cursor) = cursor {
            return Ok(Self::outward(cursor.from, cursor.to, progress.kept()));
        }
        let (from, to) = edges(parameters, now)?;
        let from = match from {
            Edge::At(from) => from,
            Edge::First => first(progress, to),
        };
        if from >= to {
            return Err(Problem::parameter("from", "it has to be before `to`"));
        }
        Ok(Self::outward(from, to, progress.kept()))
    }

    /// From the first event to now.
    pub(crate) fn all(progress: &Progress, now: i64) -> Self {
        Self::outward(first(progress, now), now, progress.kept())
    }

    fn outward(from: i64, to: i64, kept: Kept) -> Self {
        let (from, to) = kept.outward(from, to);
        Self { from, to }
    }

    /// The runs of whole buckets it is made of.
    pub(crate) fn pieces(self) -> Pieces {
        Pieces::new(&cover::cover(self.from, self.to))
    }
}

/// The moment of the first event, or one just before `to` where there is none.
fn first(progress: &Progress, to: i64) -> i64 {
    progress.oldest.unwrap_or(i64::MAX).min(to - 1).max(0)
}

/// A lower edge as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Unix seconds.
    At(i64),
    /// `all`: the first event.
    First,
}

/// Reads `from` and `to` or their alias `timeRange`.
fn edges(parameters: &Parameters, now: i64) -> Result<(Edge, i64), Problem> {
    let (from, to) = (parameters.get("from")?, parameters.get("to")?);
    if let Some(range) = parameters.get("timeRange")? {
        if from.is_some() || to.is_some() {
            return Err(Problem::parameter(
                "timeRange",
                "give either this or `from` and `to`",
            ));
        }
        let span = ["1h", "24h", "7d", "30d"]
            .contains(&range)
            .then(|| moment::span(range));
        let span = span
            .flatten()
            .ok_or_else(|| Problem::parameter("timeRange", "write one of 1h, 24h, 7d, 30d"))?;
        return Ok((Edge::At(now - span), now));
    }
    let to = to.map_or(Ok(now), |text| moment(text, "to", now))?;
    let from = from.map_or(
        Ok(Edge::At((now - DEFAULT_SPAN).min(to - DEFAULT_SPAN).max(0))),
        |text| lower(text, "from", now),
    )?;
    Ok((from, to))
}

/// Reads a lower edge, `all` included.
pub(crate) fn lower(text: &str, name: &'static str, now: i64) -> Result<Edge, Problem> {
    if text == "all" {
        return Ok(Edge::First);
    }
    moment(text, name, now).map(Edge::At)
}

/// Reads a moment.
pub(crate) fn moment(text: &str, name: &'static str, now: i64) -> Result<i64, Problem> {
    moment::read(text, now).ok_or_else(|| Problem::parameter(name, REMEDY))
}

/// Pieces as the columns that a query unnests.
pub(crate) struct Pieces {
    pub(crate) steps: Vec<i32>,
    pub(crate) starts: Vec<i64>,
    pub(crate) ends: Vec<i64>,
}

impl Pieces {
    fn new(pieces: &[Piece]) -> Self {
        Self {
            steps: pieces.iter().map(|piece| piece.step as i32).collect(),
            starts: pieces.iter().map(|piece| piece.start).collect(),
            ends: pieces.iter().map(|piece| piece.end).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::tests::parameters;

    const NOW: i64 = 1_700_000_000;

    fn read(pairs: &[(&str, &str)]) -> Result<(i64, i64), Problem> {
        let progress = Progress {
            oldest: Some(1_600_000_030),
            ..Progress::default()
        };
        Window::read(&parameters(pairs), None, &progress, NOW)
            .map(|window| (window.from, window.to))
    }

    #[test]
    fn the_last_thirty_days_are_the_default() {
        let to = NOW + 40;
        assert_eq!(read(&[]).unwrap(), (NOW - 20 - 30 * 86_400, to));
        assert_eq!(read(&[("timeRange", "1h")]).unwrap(), (NOW - 20 - 3600, to));
    }

    #[test]
    fn all_begins_with_the_first_event() {
        assert_eq!(
            read(&[("from", "all")]).unwrap(),
            (1_600_000_020 - 20 + 20, NOW + 40)
        );
        let empty = Progress::default();
        let window = Window::all(&empty, NOW);
        assert_eq!((window.from, window.to), (NOW - 20, NOW + 40));
    }

    #[test]
    fn an_upper_edge_alone_ends_the_default_span() {
        let to = NOW - NOW % 60 - 400 * 86_400;
        assert_eq!(
            read(&[("to", &to.to_string())]).unwrap(),
            (to - 30 * 86_400, to)
        );
    }

    #[test]
    fn windows_that_are_none_are_refused_by_name() {
        for (pairs, name) in [
            (&[("from", "now")][..], "from"),
            (&[("from", "200"), ("to", "200")], "from"),
            (&[("from", "x")], "from"),
            (&[("to", "x")], "to"),
            (&[("to", "all")], "to"),
            (&[("timeRange", "2h")], "timeRange"),
            (&[("timeRange", "1h"), ("to", "now")], "timeRange"),
        ] {
            let problem = format!("{:?}", read(pairs).unwrap_err());
            assert!(
                problem.contains(&format!("parameter: Some(\"{name}\")")),
                "{problem}"
            );
        }
    }
}
