//! How raw values become scaled ones: missing values, logarithm, centre and spread.

mod feature;
mod fit;
mod points;
mod quartiles;
mod weights;

use crate::logarithm::ln_1p;
use crate::rows::all_finite;
use crate::simd::vectorize;
use crate::{Error, MAX_MAGNITUDE};
pub(crate) use feature::{WeightedMoments, is_rounding};
pub(crate) use fit::{Plan, fit_transform, transform_of};
pub(crate) use points::{Extent, Points};
pub(crate) use quartiles::HeldRows;

/// What a feature is centred on and divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Mean and population standard deviation.
    Standard,
    /// Minimum and range.
    MinMax,
    /// Median and interquartile range.
    Robust,
    /// 0 and 1: values stay as they are.
    None,
}

impl Scale {
    /// The names of all scales.
    pub const NAMES: &[&str] = &["standard", "minmax", "robust", "none"];
    const ALL: [Self; 4] = [Self::Standard, Self::MinMax, Self::Robust, Self::None];

    /// The scale of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scale| scale.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What happens to a row with a missing value (NULL, NaN or infinite).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// It is left out.
    Skip,
    /// The value becomes the mean of the feature's present values (0 where there is none).
    Mean,
    /// The value becomes 0.
    Zero,
    /// It is an error.
    Error,
}

impl Nulls {
    /// The names of all ways.
    pub const NAMES: &[&str] = &["skip", "mean", "zero", "error"];
    const ALL: [Self; 4] = [Self::Skip, Self::Mean, Self::Zero, Self::Error];

    /// The way of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|nulls| nulls.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// How raw values become scaled ones: `fill` (raw units, where missing), ln(1 + x) where `log`,
/// then (x - center) / spread. All lists have one entry for each feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// What center and spread are.
    pub scale: Scale,
    /// What happens to missing values.
    pub nulls: Nulls,
    /// Whether the feature is taken as ln(1 + x).
    pub log: Vec<bool>,
    /// What a missing value becomes, in raw units; empty under [`Nulls::Skip`] and
    /// [`Nulls::Error`].
    pub fill: Vec<f64>,
    /// What is subtracted, after the logarithm.
    pub center: Vec<f64>,
    /// What is divided by; 1 where the feature is constant.
    pub spread: Vec<f64>,
    /// Weighted mean after fill and logarithm.
    pub mean: Vec<f64>,
    /// Weighted population standard deviation after fill and logarithm; 0 where the feature is
    /// constant.
    pub stddev: Vec<f64>,
}

/// Scaled rows of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    /// One column for each feature; NaN in rows that are not usable.
    pub columns: Vec<Vec<f64>>,
    /// Which rows are usable.
    pub usable: Vec<bool>,
}

impl Transform {
    /// Features of a row.
    pub fn n_features(&self) -> usize {
        self.center.len()
    }

    /// Scales the rows of `columns`, one slice of raw values for each feature, all of one length.
    ///
    /// # Errors
    /// [`Error::Missing`] under [`Nulls::Error`], [`Error::NegativeLog`], [`Error::TooLarge`]; a
    /// row left out under [`Nulls::Skip`] causes none.
    pub fn apply(&self, columns: &[&[f64]]) -> Result<Scaled, Error> {
        assert_eq!(columns.len(), self.n_features(), "one column for each feature");
        let rows = columns.first().map_or(0, |column| column.len());
        let mut usable = vec![true; rows];
        if self.nulls == Nulls::Skip {
            for column in columns.iter().filter(|column| !all_finite(column)) {
                usable.iter_mut().zip(*column).for_each(|(usable, x)| *usable &= x.is_finite());
            }
        }
        let all_usable = !usable.contains(&false);
        let scale_column = |(feature, column): (usize, &&[f64])| {
            let fill = self.fill.get(feature).copied();
            let scale = |(&x, &usable): (&f64, &bool)| {
                if !usable {
                    return Ok(f64::NAN);
                }
                let x = if x.is_finite() { x } else { fill.ok_or(Error::Missing { feature })? };
                if self.log[feature] && x < 0.0 {
                    return Err(Error::NegativeLog { feature, value: x });
                }
                let prepared = if self.log[feature] { ln_1p(x) } else { x };
                let scaled = scaled(prepared, self.center[feature], self.spread[feature]);
                if prepared.abs() > MAX_MAGNITUDE || scaled.abs() > MAX_MAGNITUDE {
                    return Err(Error::TooLarge { feature, value: x });
                }
                Ok(scaled)
            };
            if all_usable && !self.log[feature] {
                // Nothing is missing and nothing too large, as a rule: no value needs a look of its
                // own.
                let mut plain = vec![0.0; rows];
                if scale_plain(column, &mut plain, self.center[feature], self.spread[feature]) {
                    return Ok(plain);
                }
            }
            column.iter().zip(&usable).map(scale).collect()
        };
        let columns = columns.iter().enumerate().map(scale_column).collect::<Result<_, _>>()?;
        Ok(Scaled { columns, usable })
    }

    /// A scaled value in original units; of a log feature exp(x) - 1.
    pub fn invert(&self, feature: usize, scaled: f64) -> f64 {
        let x = scaled * self.spread[feature] + self.center[feature];
        if self.log[feature] { x.exp_m1() } else { x }
    }

    /// A value after fill and logarithm, scaled.
    pub(crate) fn scaled(&self, feature: usize, x: f64) -> f64 {
        scaled(x, self.center[feature], self.spread[feature])
    }

    /// The mean of the rows that were fitted, in scaled space.
    pub fn scaled_mean(&self, feature: usize) -> f64 {
        scaled(self.mean[feature], self.center[feature], self.spread[feature])
    }
}

/// The one formula of scaling; adding 0.0 makes 0.0 of -0.0, so that equal rows have equal bits.
#[inline]
fn scaled(x: f64, center: f64, spread: f64) -> f64 {
    (x - center) / spread + 0.0
}

/// Scales values; whether none is missing, and none too large before or after.
fn scale_plain(values: &[f64], out: &mut [f64], center: f64, spread: f64) -> bool {
    vectorize(
        #[inline(always)]
        || {
            out.iter_mut().zip(values).fold(true, |plain, (y, &x)| {
                *y = scaled(x, center, spread);
                plain & (x.abs() <= MAX_MAGNITUDE) & (y.abs() <= MAX_MAGNITUDE)
            })
        },
    )
}

#[cfg(test)]
mod tests;
