//! Statistics of a list of numbers.

/// Returns the median: the middle number, or the mean of the two middle ones. An empty list
/// has none.
pub fn median(numbers: &mut [f64]) -> Option<f64> {
    let upper = numbers.len() / 2;
    if numbers.is_empty() {
        return None;
    }
    let is_odd = numbers.len() % 2 == 1;
    let (below, middle, _) = numbers.select_nth_unstable_by(upper, f64::total_cmp);
    let middle = *middle;
    if is_odd {
        return Some(middle);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(lower + (middle - lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_number_or_the_mean_of_two() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0]), Some(3.0));
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&mut [9.0, 1.0, 5.0, 6.0]), Some(5.5));
    }
}
