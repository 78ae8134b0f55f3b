//! Principal component analysis by the covariance matrix and its eigenvectors.

mod axes;
mod fit;
mod rows;
mod sums;

use crate::Error;
use crate::exact_sum::scale_by_power;
use crate::scaling::{Nulls, Scale, Scaled, Transform};
use crate::simd::vectorize;
use axes::Axes;
use fit::Fitted;
pub use rows::{MAX_SIDE, PcaRows};
pub use sums::PcaSums;

/// How many components to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Components {
    /// That many.
    Count(usize),
    /// As few as explain at least this share of the variance.
    Share(f64),
}

/// How to fit a [`Pca`].
#[derive(Clone, Debug)]
pub struct PcaOptions {
    /// How features are scaled; the same for the rows.
    pub scale: Scale,
    /// What happens to missing values; the same for the rows.
    pub nulls: Nulls,
    /// How many components to keep.
    pub n: Components,
    /// Threads that a fit may use; they do not change its result.
    pub n_threads: usize,
}

/// Principal components of scaled rows about their mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    /// How raw values become scaled ones.
    pub transform: Transform,
    /// `(n_components, n_features)`, unit vectors in scaled space by descending variance; the
    /// loading of largest magnitude is positive (the first of equals).
    pub components: Vec<Vec<f64>>,
    /// Variance of the scores of each component, divided by rows - 1.
    pub explained_variance: Vec<f64>,
    /// Its share of the total variance; 0 where there is none.
    pub explained_variance_ratio: Vec<f64>,
    /// Usable rows.
    pub rows: u64,
    /// Rows left out for a missing value.
    pub skipped: u64,
}

/// Products of the rows that are fewer than features, and of components, that take two or three
/// seconds.
const MAX_PRODUCTS: u64 = 1 << 32;

impl Pca {
    /// Fits the components. One row, or constant features alone, give variances of 0 and the first
    /// unit vectors. `None` without a usable row.
    ///
    /// # Errors
    /// Those of the scaling: [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`].
    pub fn fit(rows: PcaRows, options: &PcaOptions) -> Result<Option<Self>, Error> {
        let n_features = rows.n_features;
        match options.n {
            Components::Count(n) => assert!((1..=n_features).contains(&n), "a count of components"),
            Components::Share(share) => {
                assert!(share > 0.0 && share <= 1.0, "a share of the variance")
            }
        }
        let fitted = Fitted::of(rows, options)?;
        fitted.map(|fitted| Self::of_fitted(fitted, options)).transpose()
    }

    /// Whether all its numbers are such as rows can have.
    pub fn is_finite(&self) -> bool {
        let Transform { center, spread, mean, stddev, .. } = &self.transform;
        let figures = [center, spread, mean, stddev, &self.explained_variance];
        let mut numbers = self.components.iter().chain(figures).flatten();
        numbers.all(|x| x.is_finite())
    }

    fn of_fitted(fitted: Fitted, options: &PcaOptions) -> Result<Self, Error> {
        let Axes { axes, variances, ratios, exponent } =
            fitted.axes(&options.n, options.n_threads)?;
        let n = axes.len();
        Ok(Self {
            components: axes,
            explained_variance: variances
                .iter()
                .take(n)
                .map(|&x| scale_by_power(x, exponent))
                .collect(),
            explained_variance_ratio: ratios.into_iter().take(n).collect(),
            rows: fitted.rows,
            skipped: fitted.skipped,
            transform: fitted.transform,
        })
    }

    /// Scores of the rows on the first `n` components, row-major `(rows, n)`; NaN of an unusable
    /// row.
    pub fn transform(&self, scaled: &Scaled, n: usize, scores: &mut Vec<f64>) {
        assert!((1..=self.components.len()).contains(&n), "components there are");
        let rows = scaled.usable.len();
        scores.clear();
        scores.resize(rows * n, 0.0);
        let mut own = vec![0.0; rows];
        for (i, component) in self.components.iter().take(n).enumerate() {
            own.fill(0.0);
            vectorize(
                #[inline(always)]
                || {
                    for (feature, (column, loading)) in
                        scaled.columns.iter().zip(component).enumerate()
                    {
                        let mean = self.transform.scaled_mean(feature);
                        own.iter_mut()
                            .zip(column)
                            .for_each(|(score, x)| *score += (x - mean) * loading);
                    }
                },
            );
            scores.iter_mut().skip(i).step_by(n).zip(&own).for_each(|(score, x)| *score = *x);
        }
    }

    /// The row with these scores on the first components, in original units.
    pub fn inverse(&self, scores: &[f64]) -> Vec<f64> {
        assert!(scores.len() <= self.components.len(), "components there are");
        let feature = |feature| {
            let terms = scores
                .iter()
                .zip(&self.components)
                .map(|(score, component)| score * component[feature]);
            self.transform.invert(feature, self.transform.scaled_mean(feature) + terms.sum::<f64>())
        };
        (0..self.transform.n_features()).map(feature).collect()
    }
}

#[cfg(test)]
mod tests;
