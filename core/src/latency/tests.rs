use super::*;

#[test]
fn slots_follow_one_another_without_gap_or_overlap() {
    let mut next = 0_u64;
    for number in 0..=LAST_SLOT {
        let (low, high) = slot_bounds(number);
        assert_eq!(low, next, "slot {number}");
        assert_eq!((slot(low), slot(high)), (number, number));
        next = high.wrapping_add(1);
    }
    assert_eq!(next, 0, "the last slot ends at the greatest number");
    assert_eq!(slot(u64::MAX), LAST_SLOT);
}

#[test]
fn the_value_of_a_slot_is_within_two_percent_of_its_edges() {
    for number in 0..=LAST_SLOT {
        let (low, high) = slot_bounds(number);
        let value = slot_value(number);
        for edge in [low as f64, high as f64] {
            assert!((value - edge).abs() <= 0.02 * edge, "slot {number}");
        }
    }
    assert_eq!(slot_value(0), 0.0);
}

#[test]
fn a_number_that_is_no_slot_is_taken_as_the_nearest_one() {
    assert_eq!(slot_bounds(-1), (0, 0));
    assert_eq!(slot_bounds(i32::MAX), slot_bounds(LAST_SLOT));
}

fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
    values.into_iter().map(|value| (slot(value), 1)).collect()
}

#[test]
fn percentiles_are_the_nearest_rank() {
    let histogram = of(1..=20);
    for (q, expected) in [
        (0.0, 1.0),
        (0.05, 1.0),
        (0.5, 10.0),
        (0.9, 18.0),
        (0.95, 19.0),
        (0.99, 20.0),
        (1.0, 20.0),
    ] {
        assert_eq!(histogram.percentile(q), Some(expected), "q {q}");
    }
    // Floating point makes 0.07 * 100 a little more than 7.
    let histogram: Histogram = (0..100).map(|value| (value.min(63), 1)).collect();
    assert_eq!(histogram.percentile(0.07), Some(6.0));
}

#[test]
fn percentiles_need_twenty_samples() {
    assert_eq!(of(1..=19).percentile(0.5), None);
    assert!(of(1..=20).percentile(0.5).is_some());
    assert_eq!(Histogram::default().percentile(0.5), None);
}

#[test]
fn what_is_taken_out_leaves_no_trace() {
    let mut histogram = of([1, 5, 5, 90_000]);
    let before = histogram.clone();
    let other = of([5, 7, 90_001, 1 << 40]);
    histogram.merge(&other);
    assert_eq!(histogram.count(), 8);
    for (slot, count) in other.slots() {
        histogram.add(slot, -count);
    }
    assert_eq!(histogram, before);
}

proptest::proptest! {
    #[test]
    fn percentiles_are_within_two_percent_of_the_exact_ones(
        mut values in proptest::collection::vec(0_u64..200_000, 20..300),
        q in proptest::sample::select(vec![0.5, 0.9, 0.95, 0.99]),
    ) {
        let estimate = of(values.iter().copied()).percentile(q).expect("enough samples");
        values.sort_unstable();
        let rank = values
            .iter()
            .enumerate()
            .position(|(index, _)| (index + 1) * 100 >= (q * 100.0) as usize * values.len())
            .expect("q is at most 1");
        let exact = values[rank] as f64;
        proptest::prop_assert!((estimate - exact).abs() <= 0.02 * exact, "{estimate} for {exact}");
    }
}
