//! Quantiles of a sample.

/// A sample, sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution(Vec<f64>);

impl Distribution {
    /// Of these values; those that are no number are left out.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().filter(|value| !value.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value that `percent` of them do not exceed (nearest rank); with fewer than 100
    /// values the 99th percentile is the largest. Nothing of nothing.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<f64> {
        let rank = (self.0.len() * usize::from(percent.min(100))).div_ceil(100);
        self.0.get(rank.max(1) - 1).copied()
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sample_itself() {
        let hundred = Distribution::of((1..=100).rev().map(f64::from));
        assert_eq!(hundred.percentile(50), Some(50.0));
        assert_eq!(hundred.percentile(99), Some(99.0));
        assert_eq!(hundred.percentile(100), Some(100.0));
        assert_eq!(hundred.percentile(0), Some(1.0));
        let thirty = Distribution::of((1..=30).map(f64::from));
        assert_eq!(thirty.percentile(99), thirty.max(), "30 repetitions: the worst of them");
        assert_eq!(Distribution::of([f64::NAN]).percentile(99), None);
    }
}
