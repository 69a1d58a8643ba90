//! Which buckets a window is summed from.

/// Seconds of a minute bucket.
pub(crate) const MINUTE: i64 = 60;
/// Seconds of an hour bucket.
pub(crate) const HOUR: i64 = 3600;
/// Seconds of a day bucket.
pub(crate) const DAY: i64 = 86_400;
/// Seconds of a month bucket: 32 days, so that days nest in it.
pub(crate) const MONTH: i64 = 32 * DAY;

/// From which moments on fine buckets are kept, unix seconds. Rounded up to the next hour and day, as the processor keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    minute_from: i64,
    hour_from: i64,
}

impl Kept {
    pub(crate) fn new(minute_from: i64, hour_from: i64) -> Self {
        Self {
            minute_from: ceil(minute_from, HOUR),
            hour_from: ceil(hour_from, DAY),
        }
    }

    /// Moves the edges of `[from, to)` outward until they lie between buckets that are kept.
    pub(crate) fn outward(self, from: i64, to: i64) -> (i64, i64) {
        let (mut from, mut to) = (floor(from, MINUTE), ceil(to, MINUTE));
        if from < self.minute_from {
            from = floor(from, HOUR);
        }
        if from < self.hour_from {
            from = floor(from, DAY);
        }
        if to <= self.minute_from {
            to = ceil(to, HOUR);
        }
        if to <= self.hour_from {
            to = ceil(to, DAY);
        }
        (from, to)
    }

    /// The finest step, not finer than `step`, of which every bucket in `[from, …)` is kept.
    pub(crate) fn finest(self, from: i64, step: i64) -> i64 {
        if step <= MINUTE && floor(from, MINUTE) >= self.minute_from {
            MINUTE
        } else if step <= HOUR && floor(from, HOUR) >= self.hour_from {
            HOUR
        } else {
            DAY
        }
    }
}

/// A run of whole buckets: those of `step` seconds that start in `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) step: i64,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The pieces that tile `[from, to)`: months in the middle, days, hours, then minutes at the edges; at most seven. Edges must come from
/// [`Kept::outward`].
pub(crate) fn cover(from: i64, to: i64) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(7);
    tile(from, to, &[MONTH, DAY, HOUR, MINUTE], &mut pieces);
    pieces.sort_by_key(|piece| piece.start);
    pieces
}

/// Takes the largest run of the first step, and leaves what is beside it to the finer ones.
fn tile(from: i64, to: i64, steps: &[i64], pieces: &mut Vec<Piece>) {
    let Some((&step, finer)) = steps.split_first() else {
        return;
    };
    let (start, end) = (ceil(from, step), floor(to, step));
    if start < end {
        pieces.push(Piece { step, start, end });
        tile(from, start, finer, pieces);
        tile(end, to, finer, pieces);
    } else {
        tile(from, to, finer, pieces);
    }
}

/// The last multiple of `step` up to `at`.
pub(crate) fn floor(at: i64, step: i64) -> i64 {
    at - at.rem_euclid(step)
}

/// The first multiple of `step` from `at` on.
pub(crate) fn ceil(at: i64, step: i64) -> i64 {
    floor(at + step - 1, step)
}

#[cfg(test)]
mod tests;
