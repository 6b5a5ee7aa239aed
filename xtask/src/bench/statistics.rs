//! The arithmetic of samples.

/// The middle one, or the mean of the two in the middle; `None` of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let sorted = sorted(values);
    let (upper, lower) = (sorted.len() / 2, sorted.len().checked_sub(1)? / 2);
    Some(f64::midpoint(*sorted.get(lower)?, *sorted.get(upper)?))
}

/// The smallest value that this part of all values does not exceed, such as 0.99.
pub fn quantile(values: impl IntoIterator<Item = f64>, part: f64) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (part * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).or(sorted.last()).copied()
}

/// `None` instead of a division by nothing.
pub fn ratio(value: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| value / of)
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<_> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 8.0]), Some(3.0));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let hundred = || (1..=100).map(f64::from);
        assert_eq!(quantile(hundred(), 0.5), Some(50.0));
        assert_eq!(quantile(hundred(), 0.99), Some(99.0));
        assert_eq!(quantile(hundred(), 1.0), Some(100.0));
        assert_eq!(quantile([7.0], 0.99), Some(7.0));
        assert_eq!(quantile([], 0.99), None);
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        assert_eq!(ratio(3.0, 2.0), Some(1.5));
        assert_eq!(ratio(3.0, 0.0), None);
    }
}
