use proptest::prelude::*;

use super::*;

fn piece(step: i64, start: i64, end: i64) -> Piece {
    Piece { step, start, end }
}

#[test]
fn days_lie_in_the_middle_and_finer_buckets_at_the_edges() {
    let (from, to) = (DAY - HOUR - MINUTE, 3 * DAY + 2 * HOUR + 5 * MINUTE);
    assert_eq!(
        cover(from, to),
        [
            piece(MINUTE, from, DAY - HOUR),
            piece(HOUR, DAY - HOUR, DAY),
            piece(DAY, DAY, 3 * DAY),
            piece(HOUR, 3 * DAY, 3 * DAY + 2 * HOUR),
            piece(MINUTE, 3 * DAY + 2 * HOUR, to),
        ]
    );
}

#[test]
fn months_of_32_days_lie_in_the_middle_of_long_windows() {
    let (from, to) = (MONTH - 2 * DAY, 4 * MONTH + DAY);
    assert_eq!(
        cover(from, to),
        [
            piece(DAY, from, MONTH),
            piece(MONTH, MONTH, 4 * MONTH),
            piece(DAY, 4 * MONTH, to),
        ]
    );
}

#[test]
fn a_short_window_is_made_of_minutes_alone() {
    assert_eq!(cover(60, 180), [piece(MINUTE, 60, 180)]);
    assert_eq!(
        cover(HOUR - 60, HOUR + 60),
        [piece(MINUTE, HOUR - 60, HOUR + 60)]
    );
    assert_eq!(cover(60, 60), []);
}

#[test]
fn hours_may_cross_midnight() {
    assert_eq!(
        cover(DAY - 2 * HOUR, DAY + 2 * HOUR),
        [piece(HOUR, DAY - 2 * HOUR, DAY + 2 * HOUR)]
    );
}

#[test]
fn edges_move_outward_to_what_is_kept() {
    let kept = Kept::new(10 * DAY + HOUR, 5 * DAY);
    // Inside a minute that is kept.
    assert_eq!(
        kept.outward(10 * DAY + HOUR + 61, 11 * DAY + 1),
        (10 * DAY + HOUR + 60, 11 * DAY + 60)
    );
    // Inside an hour whose minutes are gone.
    assert_eq!(
        kept.outward(10 * DAY + 61, 10 * DAY + 62),
        (10 * DAY, 10 * DAY + HOUR)
    );
    // Inside a day whose hours are gone.
    assert_eq!(
        kept.outward(4 * DAY + HOUR, 4 * DAY + 2 * HOUR),
        (4 * DAY, 5 * DAY)
    );
    // On the edge itself nothing has to move.
    assert_eq!(
        kept.outward(5 * DAY, 10 * DAY + HOUR),
        (5 * DAY, 10 * DAY + HOUR)
    );
}

#[test]
fn a_series_takes_the_finest_step_that_is_kept() {
    let kept = Kept::new(10 * DAY, 5 * DAY);
    assert_eq!(kept.finest(10 * DAY, MINUTE), MINUTE);
    assert_eq!(kept.finest(10 * DAY - 1, MINUTE), HOUR);
    assert_eq!(kept.finest(5 * DAY - 1, MINUTE), DAY);
    assert_eq!(kept.finest(10 * DAY, DAY), DAY);
}

proptest! {
    #[test]
    fn pieces_tile_the_window_with_buckets_that_are_kept(
        from in 1_700_000_000_i64..1_702_000_000,
        length in 1_i64..20_000_000,
        minute_from in 1_699_000_000_i64..1_704_000_000,
        hour_from in 1_699_000_000_i64..1_704_000_000,
    ) {
        let kept = Kept::new(minute_from.max(hour_from), hour_from);
        let (start, end) = kept.outward(from, from + length);
        prop_assert!(start <= from && from + length <= end);
        let pieces = cover(start, end);
        prop_assert!(!pieces.is_empty() && pieces.len() <= 7);
        prop_assert_eq!(pieces[0].start, start);
        prop_assert_eq!(pieces[pieces.len() - 1].end, end);
        for pair in pieces.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        for piece in &pieces {
            prop_assert_eq!(piece.start % piece.step, 0);
            prop_assert_eq!(piece.end % piece.step, 0);
            prop_assert!(piece.step != MINUTE || piece.start >= minute_from);
            prop_assert!(piece.step >= DAY || piece.start >= hour_from);
        }
        // What moved did not move further than it had to.
        prop_assert_eq!(kept.outward(start, end), (start, end));
        prop_assert!(from - start < DAY && end - from - length < DAY);
    }
}
