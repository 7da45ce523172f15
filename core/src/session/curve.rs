//! Tables of calibrated points, read by straight lines between them and flat beyond their ends.

/// The value at `x` of the curve through `points`, which are sorted and not empty.
pub(crate) fn at(points: &[(f64, f64)], x: f64) -> f64 {
    let above = points.partition_point(|point| point.0 < x);
    match (above.checked_sub(1).map(|i| points[i]), points.get(above)) {
        (Some(low), Some(high)) => low.1 + (high.1 - low.1) * (x - low.0) / (high.0 - low.0),
        (Some(low), None) => low.1,
        (None, Some(high)) => high.1,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_straight_between_points_and_flat_beyond() {
        let points = [(1.0, 10.0), (3.0, 20.0)];
        for (x, y) in [(0.0, 10.0), (1.0, 10.0), (2.0, 15.0), (3.0, 20.0), (9.0, 20.0)] {
            assert_eq!(super::at(&points, x), y);
        }
    }
}
