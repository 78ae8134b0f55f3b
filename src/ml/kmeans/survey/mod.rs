//! What a fit has to know of all rows before it can draw from them, as a state that can be stored,
//! sent and merged; the sample that is drawn then; and the model that both give.
//!
//! Each is a function of the multiset of rows, whatever the parts in which they came.

mod draw;
mod rows;
mod sketch;
mod start;

use crate::moments::{Moments, TotalMoments};
use crate::scaling::{Nulls, Scale};
use crate::{Error, ExactSum, TILE_ROWS};
pub use draw::{Drawing, Drawn, DrawnRow};
use rows::Preparation;
pub use sketch::Sketch;
use std::ops::Range;

/// How the rows of a survey are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyOptions {
    /// How features are scaled.
    pub scale: Scale,
    /// What happens to missing values; the mean is not known before all rows are.
    pub nulls: Nulls,
    /// Which features are taken as ln(1 + x).
    pub log: Vec<bool>,
    /// Which features are not scaled.
    pub unscaled: Vec<bool>,
    /// Whether rows have weights.
    pub weighted: bool,
    /// What draws are made from.
    pub seed: i64,
}

/// Figures of all rows, after fill and logarithm.
#[derive(Clone, Debug)]
pub struct Survey {
    /// How the rows are taken.
    pub options: SurveyOptions,
    /// Usable rows.
    pub rows: u64,
    /// Rows left out for a missing value.
    pub skipped: u64,
    /// The weight of the usable rows; their number where they have none.
    pub weight: ExactSum,
    /// One for each feature.
    pub features: Vec<FeatureSurvey>,
    /// Which rows there are.
    pub sketch: Sketch,
    error: Option<Error>,
}

/// A feature in all rows.
#[derive(Clone, Debug)]
pub struct FeatureSurvey {
    /// Rows that were left out and lack it.
    pub missing: u64,
    /// The least value; infinite without a row.
    pub min: f64,
    /// The greatest value; minus infinity without a row.
    pub max: f64,
    /// Their weighted sum.
    pub sum: ExactSum,
    /// The weighted sum of their squares.
    pub squares: ExactSum,
}

impl Survey {
    /// Of no rows yet.
    pub fn new(options: SurveyOptions) -> Self {
        let feature = FeatureSurvey {
            missing: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: ExactSum::new(),
            squares: ExactSum::new(),
        };
        Self {
            features: vec![feature; options.log.len()],
            options,
            rows: 0,
            skipped: 0,
            weight: ExactSum::new(),
            sketch: Sketch::new(),
            error: None,
        }
    }

    /// Adds the rows `rows` of `columns` (one slice for each feature, all of one length). `weights`
    /// are finite and at least 0; a weight of 0 leaves the row out without counting it.
    pub fn append(
        &mut self,
        columns: &[impl AsRef<[f64]>],
        weights: Option<&[f64]>,
        rows: Range<usize>,
    ) {
        assert_eq!(weights.is_some(), self.options.weighted, "weights if and only if weighted");
        for start in rows.clone().step_by(TILE_ROWS) {
            let tile = start..rows.end.min(start + TILE_ROWS);
            let mut own = Preparation::of(&self.options).take(columns, weights, tile);
            for (i, feature) in self.features.iter_mut().enumerate() {
                feature.missing += own.absent.values(i);
            }
            self.skipped += own.skipped;
            if let Some(error) = own.error.take() {
                self.fail(error);
            }
            self.add(&own);
        }
    }

    fn add(&mut self, own: &rows::Prepared) {
        let n_rows = own.n_rows();
        if n_rows == 0 {
            return;
        }
        self.rows += n_rows as u64;
        self.sketch.add(&own.hashes(self.options.seed));
        if let Some(weights) = &own.weights {
            weights.iter().for_each(|&weight| self.weight.add(weight));
        } else {
            self.weight.add(n_rows as f64);
        }
        for (feature, column) in self.features.iter_mut().zip(&own.columns) {
            let mut moments = TotalMoments::new();
            if let Some(weights) = &own.weights {
                for (&x, &weight) in column.iter().zip(weights) {
                    moments.min = moments.min.min(x);
                    moments.max = moments.max.max(x);
                    moments.sum.add_product(x, weight);
                    moments.squares.add_product_times(x, x, weight);
                }
            } else {
                moments.add(&Moments::of(column), column);
            }
            feature.merge(&FeatureSurvey {
                missing: 0,
                min: moments.min,
                max: moments.max,
                sum: moments.sum,
                squares: moments.squares,
            });
        }
    }

    /// Adds the rows of another survey with the same options.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.options, other.options, "only surveys of the same kind can be merged");
        self.rows += other.rows;
        self.skipped += other.skipped;
        self.weight.merge(&other.weight);
        self.features.iter_mut().zip(&other.features).for_each(|(own, other)| own.merge(other));
        self.sketch.merge(&other.sketch);
        if let Some(error) = &other.error {
            self.fail(error.clone());
        }
    }

    /// Of two errors the same one is kept, whichever came first.
    fn fail(&mut self, error: Error) {
        let text = error.to_string();
        if self.error.as_ref().is_none_or(|known| text < known.to_string()) {
            self.error = Some(error);
        }
    }

    /// An error where a row cannot be taken.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`], [`Error::WeightTooLarge`].
    pub fn check(&self) -> Result<(), Error> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// An error where rows came and none is usable.
    ///
    /// # Errors
    /// [`Error::NoUsableRow`].
    pub fn check_usable(&self) -> Result<(), Error> {
        let missing = self.features.iter().map(|feature| feature.missing).enumerate();
        match missing.max_by_key(|&(i, missing)| (missing, std::cmp::Reverse(i))) {
            Some((feature, missing)) if self.rows == 0 && self.skipped > 0 => {
                Err(Error::NoUsableRow { feature, missing, rows: self.skipped })
            }
            _ => Ok(()),
        }
    }
}

impl FeatureSurvey {
    fn merge(&mut self, other: &Self) {
        self.missing += other.missing;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }
}

#[cfg(test)]
mod tests;
