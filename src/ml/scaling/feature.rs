//! Centre and spread of one feature from its exact moments.

use super::quartiles::HeldRows;
use super::{Extent, Scale, scaled};
use crate::exact_sum::ExactSum;
use crate::moments::{Moments, TotalMoments};
use crate::{Error, MAX_MAGNITUDE};

/// Moments of a feature over rows with weights.
#[derive(Clone)]
pub(crate) struct WeightedMoments {
    moments: TotalMoments,
    /// Rows without a weight.
    rows: u64,
    /// Of the others.
    weight: ExactSum,
}

pub(super) struct FeatureTransform {
    pub(super) center: f64,
    pub(super) spread: f64,
    pub(super) mean: f64,
    pub(super) stddev: f64,
    pub(super) extent: Extent,
}

impl WeightedMoments {
    pub(super) fn new() -> Self {
        Self::of(TotalMoments::new(), 0)
    }

    /// Of rows without weights.
    pub(crate) fn of(moments: TotalMoments, rows: u64) -> Self {
        Self { moments, rows, weight: ExactSum::new() }
    }

    /// Of rows whose weights have this sum.
    pub(crate) fn of_weight(moments: TotalMoments, weight: ExactSum) -> Self {
        Self { moments, rows: 0, weight }
    }

    pub(super) fn add(&mut self, moments: &Moments, values: &[f64]) {
        self.moments.add(moments, values);
        self.rows += values.len() as u64;
    }

    pub(super) fn add_weighted(&mut self, values: &[f64], weights: &[f64]) {
        for (&x, &weight) in values.iter().zip(weights) {
            self.moments.min = self.moments.min.min(x);
            self.moments.max = self.moments.max.max(x);
            self.moments.sum.add_product(x, weight);
            self.moments.squares.add_product_times(x, x, weight);
            self.weight.add(weight);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.rows += other.rows;
        self.weight.merge(&other.weight);
    }

    /// Weighted mean and population standard deviation, of what is rounding too.
    fn mean_and_stddev(&self) -> (f64, f64) {
        let TotalMoments { min, max, ref sum, ref squares } = self.moments;
        if min == max {
            return (min, 0.0);
        }
        let mut total = self.weight.clone();
        total.add(self.rows as f64);
        let weight = total.round();
        let mean = sum.quotient(weight).clamp(min, max);
        // The square of the weight times the variance, without any rounding.
        let mut scatter = squares.product(&total);
        scatter.subtract(&sum.square());
        (mean, scatter.root_quotient(weight))
    }

    /// Center and spread.
    pub(super) fn fit(
        &self,
        feature: usize,
        log: bool,
        scale: Scale,
        rows: &HeldRows,
    ) -> Result<FeatureTransform, Error> {
        let TotalMoments { min, max, .. } = self.moments;
        // Of the two extremes, the one of larger magnitude is at fault; the upper one where they
        // agree.
        let check = |scaled_min: f64, scaled_max: f64| {
            let is_max = scaled_max.abs() >= scaled_min.abs();
            let (worst, value) = if is_max { (scaled_max, max) } else { (scaled_min, min) };
            let value = if log { value.exp_m1() } else { value };
            if worst.abs() > MAX_MAGNITUDE {
                Err(Error::TooLarge { feature, value })
            } else {
                Ok(())
            }
        };
        check(min, max)?;
        let (mean, mut stddev) = self.mean_and_stddev();
        if stddev == 0.0 && max > min {
            // Below the least double: the range is not.
            stddev = max - min;
        }
        let is_constant = is_rounding(min, max);
        let (center, spread) = match scale {
            Scale::Standard if is_constant => (mean, spread_of_constant(min, max)),
            Scale::Standard => (mean, stddev),
            Scale::MinMax => (min, spread_or_one(min, max)),
            Scale::Robust => {
                let [lower, median, upper] = rows.quartiles(feature);
                (median, spread_or_one(lower, upper))
            }
            Scale::None => (0.0, 1.0),
        };
        let [min, max, scaled_mean] = [min, max, mean].map(|x| scaled(x, center, spread));
        check(min, max)?;
        let extent = Extent { min, max, mean: scaled_mean, variance: (stddev / spread).powi(2) };
        let stddev = if is_constant { 0.0 } else { stddev };
        Ok(FeatureTransform { center, spread, mean, stddev, extent })
    }
}

/// The distance of two order statistics, or 1 where it is rounding at most.
fn spread_or_one(low: f64, high: f64) -> f64 {
    if is_rounding(low, high) { spread_of_constant(low, high) } else { high - low }
}

/// 1, or the magnitude of a constant whose rounding is not small in units of 1.
fn spread_of_constant(low: f64, high: f64) -> f64 {
    const SMALL: f64 = 1e-6;
    if high - low <= SMALL { 1.0 } else { high.abs().max(low.abs()) }
}

/// Whether the distance of two values is what rounding leaves of a constant: at most 2^-40 of their
/// magnitude. The means of equal values over groups of a thousand rows differ by 10^-14 of it, over
/// a million rows by 10^-13. Whole numbers that a double holds exactly, such as times in
/// microseconds, are never rounding.
///
/// Every figure that asks whether a feature is constant asks here. Neither the number of rows nor
/// their weights count: rows that are repeated, or weighed in other units, are as constant as
/// before.
pub(crate) fn is_rounding(low: f64, high: f64) -> bool {
    const SHARE: f64 = f64::EPSILON * 4096.0;
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let magnitude = high.abs().max(low.abs());
    let are_whole = magnitude < EXACT && low.fract() == 0.0 && high.fract() == 0.0;
    high == low || !are_whole && high - low <= SHARE * magnitude
}
