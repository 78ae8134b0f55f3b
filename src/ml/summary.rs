//! Count, mean, spread and extremes of each feature, over the values that are there.

use super::exact_sum::ExactSum;
use super::scaling::is_rounding;
use std::ops::Range;

/// Figures of one feature over its present (finite) values; all but the count are NaN where there
/// is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureSummary {
    /// Present values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their population standard deviation; 0 where they are one value up to rounding, as in a fit.
    pub stddev: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Summaries of all features, streaming and mergeable. The sums are exact, so neither order nor an
/// offset that dwarfs the spread costs a digit.
#[derive(Clone, Debug)]
pub struct Summary {
    features: Vec<FeatureMoments>,
}

/// Sums of the present values of a feature.
#[derive(Clone, Debug)]
pub struct FeatureMoments {
    /// Present values.
    pub count: u64,
    /// Their sum.
    pub sum: ExactSum,
    /// The sum of their squares.
    pub squares: ExactSum,
    /// The least; infinite where there is none.
    pub min: f64,
    /// The greatest; minus infinity where there is none.
    pub max: f64,
}

impl FeatureMoments {
    const EMPTY: Self = Self {
        count: 0,
        sum: ExactSum::new(),
        squares: ExactSum::new(),
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn summary(&self) -> FeatureSummary {
        let count = self.count;
        if count == 0 {
            return FeatureSummary {
                count,
                mean: f64::NAN,
                stddev: f64::NAN,
                min: f64::NAN,
                max: f64::NAN,
            };
        }
        // n^2 times the variance, as an integer without any rounding.
        let mut scatter = self.squares.times(count);
        scatter.subtract(&self.sum.square());
        FeatureSummary {
            count,
            mean: self.sum.quotient(count as f64).clamp(self.min, self.max),
            stddev: if is_rounding(self.min, self.max) {
                0.0
            } else {
                scatter.root_quotient(count as f64)
            },
            min: self.min,
            max: self.max,
        }
    }
}

impl Summary {
    /// Of no rows yet.
    pub fn new(n_features: usize) -> Self {
        Self { features: vec![FeatureMoments::EMPTY; n_features] }
    }

    /// Adds the rows `rows` of `columns`, one slice for each feature; missing values (NaN,
    /// infinite) are passed over one by one.
    pub fn append(&mut self, columns: &[&[f64]], rows: Range<usize>) {
        assert_eq!(columns.len(), self.features.len(), "one column for each feature");
        for (moments, column) in self.features.iter_mut().zip(columns) {
            for x in column[rows.clone()].iter().copied().filter(|x| x.is_finite()) {
                moments.count += 1;
                moments.sum.add(x);
                moments.squares.add_product(x, x);
                moments.min = moments.min.min(x + 0.0);
                moments.max = moments.max.max(x + 0.0);
            }
        }
    }

    /// Adds `other`'s rows.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.features.len(), other.features.len(), "summaries of the same features");
        for (moments, other) in self.features.iter_mut().zip(&other.features) {
            moments.count += other.count;
            moments.sum.merge(&other.sum);
            moments.squares.merge(&other.squares);
            moments.min = moments.min.min(other.min);
            moments.max = moments.max.max(other.max);
        }
    }

    /// Of sums that were taken before.
    pub fn of_moments(features: Vec<FeatureMoments>) -> Self {
        Self { features }
    }

    /// The sums of each feature.
    pub fn moments(&self) -> &[FeatureMoments] {
        &self.features
    }

    /// The figures of each feature.
    pub fn features(&self) -> Vec<FeatureSummary> {
        self.features.iter().map(FeatureMoments::summary).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{Random, blobs, columns};
    use super::*;

    fn summarize(column: &[f64]) -> FeatureSummary {
        let mut summary = Summary::new(1);
        summary.append(&[column], 0..column.len());
        summary.features()[0]
    }

    #[test]
    fn figures_agree_with_hand_work() {
        let summary = summarize(&[2.0, f64::NAN, 4.0, 4.0, 4.0, 5.0, 5.0, f64::INFINITY, 7.0, 9.0]);
        assert_eq!(
            summary,
            FeatureSummary { count: 8, mean: 5.0, stddev: 2.0, min: 2.0, max: 9.0 }
        );
    }

    #[test]
    fn no_value_has_no_figures() {
        let summary = summarize(&[f64::NAN]);
        assert_eq!(summary.count, 0);
        assert!(
            [summary.mean, summary.stddev, summary.min, summary.max].iter().all(|x| x.is_nan())
        );
    }

    #[test]
    fn figures_depend_neither_on_order_nor_on_merging() {
        let mut rows = blobs(1, 3000, 2, 3);
        let summarize = |rows: &[Vec<f64>]| {
            let columns = columns(rows);
            let mut summary = Summary::new(2);
            summary.append(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>(), 0..rows.len());
            summary
        };
        let expected = summarize(&rows).features();
        Random::new(2).shuffle(&mut rows);
        let mut merged = summarize(&rows[..1]);
        merged.merge(&summarize(&rows[1..2000]));
        merged.merge(&summarize(&rows[2000..]));
        assert_eq!(merged.features(), expected);

        let column: Vec<f64> = rows.iter().map(|row| row[0]).collect();
        let mean = column.iter().sum::<f64>() / 3000.0;
        let stddev = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3000.0).sqrt();
        assert!(
            (expected[0].mean - mean).abs() < 1e-12 && (expected[0].stddev - stddev).abs() < 1e-12
        );
    }

    #[test]
    fn an_offset_costs_no_digit() {
        let summary = summarize(&[
            1e15 + 2.0,
            1e15 + 4.0,
            1e15 + 4.0,
            1e15 + 4.0,
            1e15 + 5.0,
            1e15 + 5.0,
            1e15 + 7.0,
            1e15 + 9.0,
        ]);
        assert_eq!((summary.mean, summary.stddev), (1e15 + 5.0, 2.0));
        assert_eq!(summarize(&[0.1; 7]).stddev, 0.0);
        assert_eq!(summarize(&[0.1; 7]).mean, 0.1);
    }

    #[test]
    fn what_rounding_leaves_of_a_constant_has_no_spread() {
        let summary = summarize(&[14.62, 14.620000000000001, 14.62]);
        assert_eq!((summary.stddev, summary.min, summary.max), (0.0, 14.62, 14.620000000000001));
        assert!(summarize(&[14.62, 14.620001]).stddev > 0.0);
    }

    #[test]
    fn the_largest_and_the_smallest_doubles_have_a_spread() {
        assert_eq!(summarize(&[f64::MAX, f64::MIN]).stddev, f64::MAX);
        assert_eq!(summarize(&[1e-300, -1e-300]).stddev, 1e-300);
    }
}
