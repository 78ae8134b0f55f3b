//! How raw values become scaled ones: missing values, logarithm, centre and spread.

use super::exact_sum::{ExactSum, scale_by_power};
use super::observations::{Block, Observations};
use super::simd::vectorize;
use super::threads::{map_parts, worth};
use super::{Error, MAX_MAGNITUDE};
use std::sync::Arc;

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

/// How raw values become scaled ones: `fill` (raw units, where missing), ln(1 + x) where `log`, then
/// (x - center) / spread. All lists have one entry for each feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// What center and spread are.
    pub scale: Scale,
    /// What happens to missing values.
    pub nulls: Nulls,
    /// Whether the feature is taken as ln(1 + x).
    pub log: Vec<bool>,
    /// What a missing value becomes, in raw units; empty under [`Nulls::Skip`] and [`Nulls::Error`].
    pub fill: Vec<f64>,
    /// What is subtracted, after the logarithm.
    pub center: Vec<f64>,
    /// What is divided by; 1 where the feature is constant.
    pub spread: Vec<f64>,
    /// Weighted mean after fill and logarithm.
    pub mean: Vec<f64>,
    /// Weighted population standard deviation after fill and logarithm; 0 where the feature is constant.
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
    /// [`Error::Missing`] under [`Nulls::Error`], [`Error::NegativeLog`], [`Error::TooLarge`]; a row left out
    /// under [`Nulls::Skip`] causes none.
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
                let prepared = if self.log[feature] { x.ln_1p() } else { x };
                let scaled = scaled(prepared, self.center[feature], self.spread[feature]);
                if prepared.abs() > MAX_MAGNITUDE || scaled.abs() > MAX_MAGNITUDE {
                    return Err(Error::TooLarge { feature, value: x });
                }
                Ok(scaled)
            };
            let (min, max) = vectorize(
                #[inline(always)]
                || extremes(column),
            );
            // Nothing is missing and nothing too large: no value needs a look of its own.
            let (center, spread) = (self.center[feature], self.spread[feature]);
            let is_plain = [min, max, scaled(min, center, spread), scaled(max, center, spread)]
                .iter()
                .all(|x| x.abs() <= MAX_MAGNITUDE);
            if is_plain && !self.log[feature] && all_usable && all_finite(column) {
                let mut scaled_column = vec![0.0; rows];
                vectorize(
                    #[inline(always)]
                    || {
                        scaled_column
                            .iter_mut()
                            .zip(*column)
                            .for_each(|(y, &x)| *y = scaled(x, center, spread))
                    },
                );
                return Ok(scaled_column);
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

    /// The mean of the rows that were fitted, in scaled space.
    pub(super) fn scaled_mean(&self, feature: usize) -> f64 {
        scaled(self.mean[feature], self.center[feature], self.spread[feature])
    }

    /// The population variance of the rows that were fitted, in scaled space.
    pub(super) fn scaled_variance(&self, feature: usize) -> f64 {
        (self.stddev[feature] / self.spread[feature]).powi(2)
    }
}

/// The one formula of scaling; adding 0.0 makes 0.0 of -0.0, so that equal rows have equal bits.
#[inline]
fn scaled(x: f64, center: f64, spread: f64) -> f64 {
    (x - center) / spread + 0.0
}

/// The scaled rows of a fit `(n_samples, n_features)`. A row's weight contains its count.
#[derive(Debug)]
pub(super) struct Points {
    pub(super) n_features: usize,
    pub(super) blocks: Vec<Block>,
    /// Where the values of each feature lie.
    pub(super) extents: Vec<Extent>,
}

/// Where the scaled values of a feature lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}

impl Points {
    /// Entries of all blocks.
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(Block::rows).sum()
    }

    /// Rows that the entries stand for.
    pub(super) fn n_samples(&self) -> u64 {
        self.blocks.iter().flat_map(|block| (0..block.rows()).map(|row| block.count(row))).sum()
    }
}

/// What one column of all rows becomes.
struct Column<'a> {
    feature: usize,
    log: bool,
    slices: Vec<&'a mut [f64]>,
}

/// Weights and counts of a block's rows (empty = all 1).
type Multiplicity = (Vec<f64>, Vec<u64>);

/// The transform that fits `observations`, and their rows scaled by it.
///
/// # Errors
/// [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`], [`Error::WeightTooLarge`].
pub(super) fn fit_transform(
    observations: Observations,
    scale: Scale,
    nulls: Nulls,
    log: &[bool],
    n_threads: usize,
) -> Result<(Transform, Points), Error> {
    let n_features = observations.n_features();
    assert_eq!(log.len(), n_features, "one log flag for each feature");
    assert_eq!(nulls != Nulls::Skip, observations.keep_missing(), "missing values are kept unless skipped");
    if observations.max_weight() > MAX_MAGNITUDE {
        return Err(Error::WeightTooLarge { value: observations.max_weight() });
    }
    if let (Nulls::Error, Some(feature)) = (nulls, observations.first_missing()) {
        return Err(Error::Missing { feature });
    }

    // Scaling reads each value a few times.
    let n_threads = worth(8 * observations.held() * n_features, n_threads);
    let mut shared: Vec<Option<Arc<Block>>> = observations.into_blocks().into_iter().map(Some).collect();
    // Blocks that another state still shares are copied.
    let own = |shared: &mut [Option<Arc<Block>>]| -> Vec<Block> {
        shared.iter_mut().filter_map(Option::take).map(Arc::unwrap_or_clone).collect()
    };
    let mut blocks: Vec<Block> = map_parts(&mut shared, n_threads, own).into_iter().flatten().collect();
    for block in blocks.iter_mut().filter(|block| !block.counts.is_empty()) {
        block.weights = (0..block.rows()).map(|row| block.weight(row) * block.count(row) as f64).collect();
    }
    let multiplicities: Vec<Multiplicity> =
        blocks.iter().map(|block| (block.weights.clone(), block.counts.clone())).collect();

    let mut columns: Vec<Column> =
        log.iter().enumerate().map(|(feature, &log)| Column { feature, log, slices: Vec::new() }).collect();
    for block in &mut blocks {
        columns.iter_mut().zip(block.columns_mut()).for_each(|(column, slice)| column.slices.push(slice));
    }
    let parts = map_parts(&mut columns, n_threads, |columns| {
        columns.iter_mut().map(|column| column.fit(&multiplicities, scale, nulls)).collect::<Vec<_>>()
    });
    let features = parts.into_iter().flatten().collect::<Result<Vec<FeatureTransform>, _>>()?;

    let of = |value: fn(&FeatureTransform) -> f64| features.iter().map(value).collect::<Vec<f64>>();
    let filled = matches!(nulls, Nulls::Mean | Nulls::Zero);
    let transform = Transform {
        scale,
        nulls,
        log: log.to_vec(),
        fill: if filled { of(|feature| feature.fill) } else { Vec::new() },
        center: of(|feature| feature.center),
        spread: of(|feature| feature.spread),
        mean: of(|feature| feature.mean),
        stddev: of(|feature| feature.stddev),
    };
    let extents = features.iter().map(|feature| feature.extent).collect();
    Ok((transform, Points { n_features, blocks, extents }))
}

struct FeatureTransform {
    fill: f64,
    center: f64,
    spread: f64,
    mean: f64,
    stddev: f64,
    extent: Extent,
}

impl Column<'_> {
    /// Fits center and spread, and scales the column in place.
    fn fit(
        &mut self,
        multiplicities: &[Multiplicity],
        scale: Scale,
        nulls: Nulls,
    ) -> Result<FeatureTransform, Error> {
        let feature = self.feature;
        let fill = if nulls == Nulls::Mean { self.mean_of_present(multiplicities) } else { 0.0 };
        if nulls != Nulls::Skip {
            self.replace(|x| if x.is_nan() { fill } else { x });
        }
        let (raw_min, raw_max) = self.extremes();
        if self.log {
            if raw_min < 0.0 {
                return Err(Error::NegativeLog { feature, value: raw_min });
            }
            self.replace(f64::ln_1p);
        }
        // Of the two extremes, the one of larger magnitude is at fault; the upper one where they agree.
        let check = |min: f64, max: f64| {
            let (worst, value) = if max.abs() >= min.abs() { (max, raw_max) } else { (min, raw_min) };
            if worst.abs() > MAX_MAGNITUDE { Err(Error::TooLarge { feature, value }) } else { Ok(()) }
        };
        let (min, max) = if self.log { self.extremes() } else { (raw_min, raw_max) };
        check(min, max)?;

        let (mean, stddev, constant) = self.moments(multiplicities, min, max);
        let (center, spread) = match scale {
            Scale::Standard => (mean, if constant { 1.0 } else { stddev }),
            Scale::MinMax => (min, spread_or_one(min, max)),
            Scale::Robust => {
                let [lower, median, upper] = self.quartiles(multiplicities);
                (median, spread_or_one(lower, upper))
            }
            Scale::None => (0.0, 1.0),
        };
        let [min, max, scaled_mean] = [min, max, mean].map(|x| scaled(x, center, spread));
        check(min, max)?;
        if scale != Scale::None {
            self.replace(|x| scaled(x, center, spread));
        }
        let extent = Extent { min, max, mean: scaled_mean };
        Ok(FeatureTransform { fill, center, spread, mean, stddev, extent })
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.slices.iter().flat_map(|slice| slice.iter().copied())
    }

    fn replace(&mut self, f: impl Fn(f64) -> f64) {
        for slice in &mut self.slices {
            vectorize(
                #[inline(always)]
                || slice.iter_mut().for_each(|x| *x = f(*x) + 0.0),
            );
        }
    }

    fn extremes(&self) -> (f64, f64) {
        self.slices
            .iter()
            .map(|slice| {
                vectorize(
                    #[inline(always)]
                    || extremes(slice),
                )
            })
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), (other_min, other_max)| {
                (min.min(other_min), max.max(other_max))
            })
    }

    /// The weighted mean of the values that are there; 0 where there is none.
    fn mean_of_present(&self, multiplicities: &[Multiplicity]) -> f64 {
        let mut total = Total::default();
        for (slice, (weights, _)) in self.slices.iter().zip(multiplicities) {
            for (row, &x) in slice.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                total.add(x, weights.get(row).copied());
            }
        }
        if total.total_weight() == 0.0 { 0.0 } else { total.mean() }
    }

    /// The weighted sum of `f` of all values.
    fn total(&self, multiplicities: &[Multiplicity], f: impl Fn(f64) -> f64) -> Total {
        let mut total = Total::default();
        let mut terms = Vec::new();
        for (slice, (weights, _)) in self.slices.iter().zip(multiplicities) {
            terms.clear();
            vectorize(
                #[inline(always)]
                || terms.extend(slice.iter().map(|&x| f(x))),
            );
            if weights.is_empty() {
                total.sum.add_all(&terms);
                total.unweighted += terms.len() as u64;
            } else {
                terms.iter().zip(weights).for_each(|(&x, &weight)| total.add(x, Some(weight)));
            }
        }
        total
    }

    /// Weighted mean and population standard deviation, and whether the feature is constant up to rounding.
    fn moments(&self, multiplicities: &[Multiplicity], min: f64, max: f64) -> (f64, f64, bool) {
        if min == max {
            return (min, 0.0, true);
        }
        let total = self.total(multiplicities, |x| x);
        let mean = total.mean().clamp(min, max);
        // Squares of deviations from -1 to 1 keep their digits, however small or large the unit.
        let exponent = exponent_of((max - mean).max(mean - min));
        let unit = scale_by_power(1.0, -exponent);
        let variance = self.total(multiplicities, |x| ((x - mean) * unit).powi(2)).mean();
        let stddev = scale_by_power(variance.sqrt(), exponent);

        (mean, stddev, is_rounding(total.total_weight(), mean, stddev))
    }

    /// The quartiles, linear between order statistics as in numpy's `percentile`; weights do not count, the
    /// counts of equal rows do.
    fn quartiles(&self, multiplicities: &[Multiplicity]) -> [f64; 3] {
        let counts = multiplicities.iter().zip(&self.slices).flat_map(|((_, counts), slice)| {
            (0..slice.len()).map(|row| counts.get(row).copied().unwrap_or(1))
        });
        let mut values: Vec<(f64, u64)> = self.values().zip(counts).collect();
        values.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
        let n: u64 = values.iter().map(|(_, count)| count).sum();
        let ends: Vec<u64> = values
            .iter()
            .scan(0, |end, (_, count)| {
                *end += count;
                Some(*end)
            })
            .collect();
        let at = |rank: u64| values[ends.partition_point(|&end| end <= rank)].0;
        [1, 2, 3].map(|quarter| {
            let position = (n - 1) as f64 * f64::from(quarter) / 4.0;
            let rank = position as u64;
            let (low, high, share) = (at(rank), at((rank + 1).min(n - 1)), position.fract());
            if share < 0.5 { low + (high - low) * share } else { high - (high - low) * (1.0 - share) }
        })
    }
}

/// Whether no value is missing.
fn all_finite(values: &[f64]) -> bool {
    vectorize(
        #[inline(always)]
        || values.iter().fold(true, |all, x| all & x.is_finite()),
    )
}

/// The least and the greatest of some values, NaN apart; infinite where there is none.
#[inline(always)]
fn extremes(values: &[f64]) -> (f64, f64) {
    const LANES: usize = 8;
    let (lanes, rest) = values.as_chunks::<LANES>();
    let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    for x in lanes {
        for lane in 0..LANES {
            min[lane] = if x[lane] < min[lane] { x[lane] } else { min[lane] };
            max[lane] = if x[lane] > max[lane] { x[lane] } else { max[lane] };
        }
    }
    let least = min.iter().chain(rest).copied().fold(f64::INFINITY, f64::min);
    let greatest = max.iter().chain(rest).copied().fold(f64::NEG_INFINITY, f64::max);
    (least, greatest)
}

/// The weighted sum of values and the sum of their weights.
#[derive(Default)]
struct Total {
    sum: ExactSum,
    weight: ExactSum,
    /// Values without a weight.
    unweighted: u64,
}

impl Total {
    #[inline]
    fn add(&mut self, x: f64, weight: Option<f64>) {
        match weight {
            Some(weight) => {
                self.sum.add_product(x, weight);
                self.weight.add(weight);
            }
            None => {
                self.sum.add(x);
                self.unweighted += 1;
            }
        }
    }

    fn total_weight(&self) -> f64 {
        let mut weight = self.weight.clone();
        weight.add(self.unweighted as f64);
        weight.round()
    }

    fn mean(&self) -> f64 {
        self.sum.quotient(self.total_weight())
    }
}

/// The distance of two order statistics, or 1 where it is rounding at most.
fn spread_or_one(low: f64, high: f64) -> f64 {
    let is_constant = high - low <= 10.0 * f64::EPSILON * high.abs().max(low.abs());
    if is_constant { 1.0 } else { high - low }
}

/// The power of two next to `x`, which is positive.
fn exponent_of(x: f64) -> i32 {
    x.log2().floor().clamp(-1000.0, 1000.0) as i32
}

/// Whether a deviation is what rounding leaves of a constant: scikit-learn's `_is_constant_feature`, which is
/// variance <= n eps variance + (n mean eps)^2, in standard deviations, because squares may underflow.
fn is_rounding(n: f64, mean: f64, stddev: f64) -> bool {
    stddev * (1.0 - n * f64::EPSILON).max(0.0).sqrt() <= n * mean.abs() * f64::EPSILON
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{MEMORY, append, columns, observe, observe_all};
    use super::*;

    const NAN: f64 = f64::NAN;

    fn column(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|&x| vec![x]).collect()
    }

    fn fit(values: &[f64], scale: Scale, nulls: Nulls, log: bool) -> Result<Transform, Error> {
        let rows = column(values);
        let observations = if nulls == Nulls::Skip { observe(&rows) } else { observe_all(&rows) };
        fit_transform(observations, scale, nulls, &[log], 1).map(|(transform, _)| transform)
    }

    fn fit_scale(values: &[f64], scale: Scale) -> (f64, f64) {
        let transform = fit(values, scale, Nulls::Skip, false).expect("values to scale");
        (transform.center[0], transform.spread[0])
    }

    #[test]
    fn names_lead_back_to_what_they_name() {
        for name in Scale::NAMES {
            assert_eq!(Scale::from_name(name).map(Scale::name), Some(*name));
        }
        for name in Nulls::NAMES {
            assert_eq!(Nulls::from_name(name).map(Nulls::name), Some(*name));
        }
        assert_eq!((Scale::from_name("MinMax"), Nulls::from_name("")), (None, None));
    }

    #[test]
    fn scales_agree_with_hand_work() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(fit_scale(&values, Scale::Standard), (5.0, 2.0));
        assert_eq!(fit_scale(&values, Scale::MinMax), (2.0, 7.0));
        // numpy.percentile of these gives 4, 4.5 and 5.5.
        assert_eq!(fit_scale(&values, Scale::Robust), (4.5, 1.5));
        assert_eq!(fit_scale(&values, Scale::None), (0.0, 1.0));
        let transform = fit(&values, Scale::None, Nulls::Skip, false).expect("values to scale");
        assert_eq!((transform.mean[0], transform.stddev[0]), (5.0, 2.0));
    }

    #[test]
    fn a_constant_has_a_spread_of_one() {
        for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
            assert_eq!(fit_scale(&[0.1; 7], scale), (0.1, 1.0));
            assert_eq!(fit_scale(&[0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2], scale).1, 1.0);
        }
    }

    #[test]
    fn units_do_not_matter_however_small_or_large() {
        for unit in [1e-300, 1e-160, 1.0, 1e90] {
            let (center, spread) = fit_scale(&[unit, -unit], Scale::Standard);
            assert_eq!((center, spread), (0.0, unit));
        }
    }

    #[test]
    fn a_spread_survives_a_large_offset() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].map(|x| x + 1e12);
        assert_eq!(fit_scale(&values, Scale::Standard), (1e12 + 5.0, 2.0));
    }

    #[test]
    fn missing_values_become_the_mean_or_zero_or_an_error() {
        let values = [1.0, NAN, 3.0, f64::NEG_INFINITY];
        let of = |nulls| fit(&values, Scale::None, nulls, false);
        assert_eq!(of(Nulls::Mean).map(|t| (t.fill, t.mean)), Ok((vec![2.0], vec![2.0])));
        assert_eq!(of(Nulls::Zero).map(|t| (t.fill, t.mean)), Ok((vec![0.0], vec![1.0])));
        assert_eq!(of(Nulls::Skip).map(|t| (t.fill, t.mean)), Ok((vec![], vec![2.0])));
        assert_eq!(of(Nulls::Error), Err(Error::Missing { feature: 0 }));
        assert_eq!(fit(&[NAN; 3], Scale::Standard, Nulls::Mean, false).map(|t| t.fill), Ok(vec![0.0]));
    }

    #[test]
    fn a_logarithm_is_taken_of_the_raw_value_and_inverted() {
        let e = std::f64::consts::E;
        let transform =
            fit(&[0.0, e * e - 1.0], Scale::Standard, Nulls::Skip, true).expect("values to scale");
        assert!((transform.center[0] - 1.0).abs() < 1e-15 && (transform.spread[0] - 1.0).abs() < 1e-15);
        assert!((transform.invert(0, 1.0) - (e * e - 1.0)).abs() < 1e-14);
        assert_eq!(
            fit(&[1.0, -0.5, -2.0], Scale::Standard, Nulls::Skip, true),
            Err(Error::NegativeLog { feature: 0, value: -2.0 })
        );
    }

    #[test]
    fn a_value_too_large_is_an_error() {
        let too_large = |value| Err(Error::TooLarge { feature: 0, value });
        assert_eq!(fit(&[0.0, 1e99, -2e100], Scale::Standard, Nulls::Skip, false), too_large(-2e100));
        // Within bounds as it stands, but not in units of a spread of 1e-10.
        let values = [0.0, 1e-10, 2e-10, 3e-10, 1e95];
        assert_eq!(fit(&values, Scale::Robust, Nulls::Skip, false), too_large(1e95));
        assert!(fit(&[0.0, 1e300], Scale::Standard, Nulls::Skip, true).is_ok());
    }

    #[test]
    fn a_weight_too_large_is_an_error() {
        let mut observations = Observations::new(1, true, false, MEMORY, 42);
        append(&mut observations, &column(&[1.0, 2.0]), Some(&[1.0, 1e200]), 2);
        let error = fit_transform(observations, Scale::None, Nulls::Skip, &[false], 1).map(|_| ());
        assert_eq!(error, Err(Error::WeightTooLarge { value: 1e200 }));
    }

    #[test]
    fn apply_gives_what_the_fit_computed() {
        let rows = [vec![1.0, 10.0], vec![2.0, NAN], vec![4.0, 70.0], vec![9.0, 40.0]];
        let observations = observe(&rows);
        for scale in Scale::ALL {
            let (transform, points) =
                fit_transform(observations.clone(), scale, Nulls::Skip, &[true, false], 2)
                    .expect("values to scale");
            let columns = columns(&rows);
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let scaled = transform.apply(&columns).expect("values to scale");
            assert_eq!(scaled.usable, [true, false, true, true]);
            for (feature, column) in scaled.columns.iter().enumerate() {
                assert!(column[1].is_nan());
                assert_eq!([column[0], column[2], column[3]], points.blocks[0].column(feature));
                let back = transform.invert(feature, column[2]);
                assert!((back - rows[2][feature]).abs() < 1e-12, "{back}");
            }
        }
    }

    #[test]
    fn apply_reports_what_it_cannot_scale() {
        let transform = fit(&[1.0, 2.0], Scale::Standard, Nulls::Error, true).expect("values to scale");
        let apply = |x: f64| transform.apply(&[&[1.0, x]]).map(|_| ());
        assert_eq!(apply(NAN), Err(Error::Missing { feature: 0 }));
        assert_eq!(apply(-0.5), Err(Error::NegativeLog { feature: 0, value: -0.5 }));
        let transform = Transform { log: vec![false], nulls: Nulls::Skip, ..transform };
        let apply = |x: f64| transform.apply(&[&[1.0, x]]).map(|scaled| scaled.usable);
        assert_eq!(apply(1e101), Err(Error::TooLarge { feature: 0, value: 1e101 }));
        assert_eq!(apply(NAN), Ok(vec![true, false]));
    }

    #[test]
    fn weights_count_as_rows() {
        for scale in [Scale::Standard, Scale::MinMax, Scale::None] {
            let mut weighted = Observations::new(1, true, false, MEMORY, 42);
            append(&mut weighted, &column(&[0.1, 0.7]), Some(&[3.0, 1.0]), 2);
            let (weighted, _) = fit_transform(weighted, scale, Nulls::Skip, &[false], 1).expect("values");
            assert_eq!(Ok(weighted), fit(&[0.1, 0.1, 0.7, 0.1], scale, Nulls::Skip, false));
        }
    }
}
