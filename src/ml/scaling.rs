//! How raw values become scaled ones: missing values, logarithm, centre and spread.

use super::exact_sum::{ExactSum, exponent_above, scale_by_power};
use super::logarithm::{ln_1p, ln_1p_all};
use super::moments::{Moments, TotalMoments};
use super::observations::{Block, Observations, Tile, all_finite};
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
                let prepared = if self.log[feature] { ln_1p(x) } else { x };
                let scaled = scaled(prepared, self.center[feature], self.spread[feature]);
                if prepared.abs() > MAX_MAGNITUDE || scaled.abs() > MAX_MAGNITUDE {
                    return Err(Error::TooLarge { feature, value: x });
                }
                Ok(scaled)
            };
            if all_usable && !self.log[feature] {
                // Nothing is missing and nothing too large, as a rule: no value needs a look of its own.
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
    pub(super) fn scaled(&self, feature: usize, x: f64) -> f64 {
        scaled(x, self.center[feature], self.spread[feature])
    }

    /// The mean of the rows that were fitted, in scaled space.
    pub(super) fn scaled_mean(&self, feature: usize) -> f64 {
        scaled(self.mean[feature], self.center[feature], self.spread[feature])
    }
}

/// The one formula of scaling; adding 0.0 makes 0.0 of -0.0, so that equal rows have equal bits.
#[inline]
fn scaled(x: f64, center: f64, spread: f64) -> f64 {
    (x - center) / spread + 0.0
}

/// The rows of a fit `(n_samples, n_features)`, and how they are scaled. A row's weight contains its count.
#[derive(Clone, Debug)]
pub(super) struct Points {
    pub(super) n_features: usize,
    /// After fill and logarithm.
    pub(super) blocks: Vec<Arc<Block>>,
    /// Where the scaled values of each feature lie.
    pub(super) extents: Vec<Extent>,
    /// Center and spread of each feature; empty where the rows are scaled.
    scaling: Vec<(f64, f64)>,
    /// What brings weights back to the unit in which they came: a power of two.
    pub(super) weight_unit: f64,
}

/// Where the scaled values of a feature lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Points {
    /// Entries of all blocks.
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.rows()).sum()
    }

    /// Rows that the entries stand for.
    pub(super) fn n_samples(&self) -> u64 {
        self.blocks.iter().map(|block| block.n_samples()).sum()
    }

    /// All rows by tiles, as they are held.
    pub(super) fn tiles(&self) -> Vec<Tile<'_>> {
        self.blocks.iter().flat_map(|block| block.tiles()).collect()
    }

    /// A tile of these points with scaled values, which `scratch` holds if they are not those of the tile itself.
    pub(super) fn scaled<'s>(&self, tile: Tile<'s>, scratch: &'s mut Block) -> Tile<'s> {
        if self.scaling.is_empty() {
            return tile;
        }
        scratch.resize(self.n_features, tile.rows());
        scratch.weights.clear();
        scratch.weights.extend_from_slice(tile.weights());
        scratch.counts.clear();
        scratch.counts.extend_from_slice(tile.counts());
        for ((feature, column), &(center, spread)) in scratch.columns_mut().enumerate().zip(&self.scaling) {
            scale_all(tile.column(feature), column, center, spread);
        }
        scratch.tiles().next().unwrap_or(tile)
    }

    /// The scaled features of a row of a tile of these points.
    pub(super) fn scaled_row<'s>(
        &'s self,
        tile: &Tile<'s>,
        row: usize,
    ) -> impl ExactSizeIterator<Item = f64> + Clone + use<'s> {
        let scaling = &self.scaling;
        tile.row(row).enumerate().map(move |(feature, x)| match scaling.get(feature) {
            Some(&(center, spread)) => scaled(x, center, spread),
            None => x,
        })
    }

    /// A scaled value of a feature.
    pub(super) fn scaled_value(&self, feature: usize, x: f64) -> f64 {
        self.scaling.get(feature).map_or(x, |&(center, spread)| scaled(x, center, spread))
    }

    /// Where the mean of each feature lies as it is held, and what brings distances from it to scaled units, up to rounding.
    pub(super) fn origins(&self) -> Vec<(f64, f64)> {
        let origin = |(feature, extent): (usize, &Extent)| match self.scaling.get(feature) {
            Some(&(center, spread)) => (center + extent.mean * spread, 1.0 / spread),
            None => (extent.mean, 1.0),
        };
        self.extents.iter().enumerate().map(origin).collect()
    }

    /// The same transformation of other rows, which are held as these are, scaled in place.
    pub(super) fn with_rows(&self, mut blocks: Vec<Block>) -> Self {
        for block in &mut blocks {
            for (column, &(center, spread)) in block.columns_mut().zip(&self.scaling) {
                vectorize(
                    #[inline(always)]
                    || column.iter_mut().for_each(|x| *x = scaled(*x, center, spread)),
                );
            }
        }
        Self {
            n_features: self.n_features,
            blocks: blocks.into_iter().map(Arc::new).collect(),
            extents: self.extents.clone(),
            scaling: Vec::new(),
            weight_unit: self.weight_unit,
        }
    }
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

fn scale_all(values: &[f64], out: &mut [f64], center: f64, spread: f64) {
    vectorize(
        #[inline(always)]
        || out.iter_mut().zip(values).for_each(|(y, &x)| *y = scaled(x, center, spread)),
    );
}

/// The transform that fits `observations`, and their rows.
///
/// # Errors
/// [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`], [`Error::WeightTooLarge`].
pub(super) fn fit_transform(
    observations: Observations,
    scale: Scale,
    nulls: Nulls,
    n_threads: usize,
) -> Result<(Transform, Points), Error> {
    let n_features = observations.n_features();
    assert_eq!(nulls != Nulls::Skip, observations.keep_missing(), "missing values are kept unless skipped");
    if observations.max_weight() > MAX_MAGNITUDE {
        return Err(Error::WeightTooLarge { value: observations.max_weight() });
    }
    if let (Nulls::Error, Some(feature)) = (nulls, observations.first_missing()) {
        return Err(Error::Missing { feature });
    }
    let log: Vec<bool> = (0..n_features).map(|feature| observations.log(feature)).collect();
    // The least value of each feature before its logarithm, where that can be an error.
    let mut least = observations.least().to_vec();
    let seed = observations.seed();
    let weighted = observations.weighted();
    let unscaled = observations.unscaled().to_vec();
    let n_threads = worth(observations.held() * n_features, n_threads);
    let mut blocks = observations.into_blocks();

    let mut fill = Vec::new();
    if nulls != Nulls::Skip {
        fill = match nulls {
            Nulls::Mean => means_of_present(&blocks, n_features, n_threads),
            _ => vec![0.0; n_features],
        };
        least = vec![f64::INFINITY; n_features];
        let parts = map_parts(&mut blocks, n_threads, |blocks| {
            let mut least = vec![f64::INFINITY; n_features];
            blocks.iter_mut().for_each(|block| fill_block(block, &fill, &log, &mut least));
            least
        });
        for part in parts {
            least.iter_mut().zip(part).for_each(|(least, other)| *least = least.min(other));
        }
    }
    let weight_unit = if weighted { reduce_weights(&mut blocks) } else { 1.0 };
    let copies = (weighted && scale == Scale::Robust).then(|| Copies::of(&blocks));
    for block in blocks.iter_mut().filter(|block| !block.counts.is_empty()) {
        let block = Arc::make_mut(block);
        block.forget();
        let weight = |row: usize| block.weights.get(row).copied().unwrap_or(1.0);
        block.weights = (0..block.rows()).map(|row| weight(row) * block.counts[row] as f64).collect();
    }

    let moments = moments(&mut blocks, n_features, seed, n_threads);
    let filled = matches!(nulls, Nulls::Mean | Nulls::Zero);
    let fill = if filled { fill } else { Vec::new() };
    let rows = HeldRows { blocks: &blocks, copies };
    let plan = Plan { scale, nulls, log, fill, unscaled: &unscaled };
    let (transform, extents) = transform_of(&moments, &rows, &least, plan, n_threads)?;
    let scaling = match scale {
        Scale::None => Vec::new(),
        _ => transform.center.iter().copied().zip(transform.spread.iter().copied()).collect(),
    };
    Ok((transform, Points { n_features, blocks, extents, scaling, weight_unit }))
}

/// What of a transform is known before its figures.
pub(super) struct Plan<'a> {
    pub(super) scale: Scale,
    pub(super) nulls: Nulls,
    pub(super) log: Vec<bool>,
    pub(super) fill: Vec<f64>,
    /// Features that are taken as they are; empty where none is.
    pub(super) unscaled: &'a [bool],
}

/// The transform that fits features with these moments, and where their scaled values lie. `least`: the least value of
/// each feature before its logarithm, where one is taken. `rows` are needed for [`Scale::Robust`].
///
/// # Errors
/// [`Error::NegativeLog`], [`Error::TooLarge`].
pub(super) fn transform_of(
    moments: &[WeightedMoments],
    rows: &HeldRows,
    least: &[f64],
    Plan { scale, nulls, log, fill, unscaled }: Plan,
    n_threads: usize,
) -> Result<(Transform, Vec<Extent>), Error> {
    let mut features: Vec<usize> = (0..moments.len()).collect();
    let n_threads = if scale == Scale::Robust { n_threads } else { 1 };
    let parts = map_parts(&mut features, n_threads, |features| {
        let fit = |&mut feature: &mut usize| {
            let negative = least.get(feature).copied().filter(|least| log[feature] && *least < 0.0);
            if let Some(value) = negative {
                return Err(Error::NegativeLog { feature, value });
            }
            let own_scale = if unscaled.get(feature) == Some(&true) { Scale::None } else { scale };
            moments[feature].fit(feature, log[feature], own_scale, rows)
        };
        features.iter_mut().map(fit).collect::<Vec<_>>()
    });
    let features = parts.into_iter().flatten().collect::<Result<Vec<FeatureTransform>, _>>()?;
    let of = |value: fn(&FeatureTransform) -> f64| features.iter().map(value).collect::<Vec<f64>>();
    let transform = Transform {
        scale,
        nulls,
        log,
        fill,
        center: of(|feature| feature.center),
        spread: of(|feature| feature.spread),
        mean: of(|feature| feature.mean),
        stddev: of(|feature| feature.stddev),
    };
    Ok((transform, features.iter().map(|feature| feature.extent).collect()))
}

/// The weighted mean of the values of each feature that are there; 0 where there is none.
fn means_of_present(blocks: &[Arc<Block>], n_features: usize, n_threads: usize) -> Vec<f64> {
    let mut features: Vec<usize> = (0..n_features).collect();
    let parts = map_parts(&mut features, n_threads, |features| {
        let mean = |&mut feature: &mut usize| {
            let (mut sum, mut weight) = (ExactSum::new(), ExactSum::new());
            for block in blocks {
                for (row, &x) in block.column(feature).iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                    // Rows of a sample stand for several each.
                    let times = block.weights.get(row).copied().unwrap_or(1.0) * block.count(row) as f64;
                    sum.add_product(x, times);
                    weight.add(times);
                }
            }
            let weight = weight.round();
            if weight == 0.0 { 0.0 } else { sum.quotient(weight) }
        };
        features.iter_mut().map(mean).collect::<Vec<f64>>()
    });
    parts.into_iter().flatten().collect()
}

/// Fills missing values and takes logarithms; `least` becomes the least value of each feature before that.
fn fill_block(block: &mut Arc<Block>, fill: &[f64], log: &[bool], least: &mut [f64]) {
    // A block that another state still shares is copied.
    let block = Arc::make_mut(block);
    block.forget();
    for (((column, &fill), &log), least) in block.columns_mut().zip(fill).zip(log).zip(least) {
        for x in &mut *column {
            *x = if x.is_nan() { fill + 0.0 } else { *x };
            *least = least.min(*x);
        }
        if log && *least >= 0.0 {
            ln_1p_all(column);
        }
    }
}

/// Moments of each feature over all rows.
fn moments(
    blocks: &mut [Arc<Block>],
    n_features: usize,
    seed: i64,
    n_threads: usize,
) -> Vec<WeightedMoments> {
    let parts = map_parts(blocks, n_threads, |blocks| {
        let mut moments = vec![WeightedMoments::new(); n_features];
        for tile in blocks.iter().flat_map(|block| block.tiles()) {
            if !tile.weights().is_empty() {
                let columns = tile.columns().into_iter();
                moments
                    .iter_mut()
                    .zip(columns)
                    .for_each(|(total, column)| total.add_weighted(column, tile.weights()));
                continue;
            }
            let computed;
            let known = match tile.known_notes() {
                Some(notes) => &notes.moments,
                None => {
                    computed = tile.notes(seed).moments;
                    &computed
                }
            };
            for ((total, moments), column) in moments.iter_mut().zip(known).zip(tile.columns()) {
                total.add(moments, column);
            }
        }
        moments
    });
    let total = parts.into_iter().reduce(|mut total, part| {
        total.iter_mut().zip(&part).for_each(|(total, part)| total.merge(part));
        total
    });
    total.unwrap_or_default()
}

/// Moments of a feature over rows with weights.
#[derive(Clone)]
pub(super) struct WeightedMoments {
    moments: TotalMoments,
    /// Rows without a weight.
    rows: u64,
    /// Of the others.
    weight: ExactSum,
}

struct FeatureTransform {
    center: f64,
    spread: f64,
    mean: f64,
    stddev: f64,
    extent: Extent,
}

impl WeightedMoments {
    fn new() -> Self {
        Self::of(TotalMoments::new(), 0)
    }

    /// Of rows without weights.
    pub(super) fn of(moments: TotalMoments, rows: u64) -> Self {
        Self { moments, rows, weight: ExactSum::new() }
    }

    fn add(&mut self, moments: &Moments, values: &[f64]) {
        self.moments.add(moments, values);
        self.rows += values.len() as u64;
    }

    fn add_weighted(&mut self, values: &[f64], weights: &[f64]) {
        for (&x, &weight) in values.iter().zip(weights) {
            self.moments.min = self.moments.min.min(x);
            self.moments.max = self.moments.max.max(x);
            self.moments.sum.add_product(x, weight);
            self.moments.squares.add_product_times(x, x, weight);
            self.weight.add(weight);
        }
    }

    fn merge(&mut self, other: &Self) {
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
    fn fit(
        &self,
        feature: usize,
        log: bool,
        scale: Scale,
        rows: &HeldRows,
    ) -> Result<FeatureTransform, Error> {
        let TotalMoments { min, max, .. } = self.moments;
        // Of the two extremes, the one of larger magnitude is at fault; the upper one where they agree.
        let check = |scaled_min: f64, scaled_max: f64| {
            let is_max = scaled_max.abs() >= scaled_min.abs();
            let (worst, value) = if is_max { (scaled_max, max) } else { (scaled_min, min) };
            let value = if log { value.exp_m1() } else { value };
            if worst.abs() > MAX_MAGNITUDE { Err(Error::TooLarge { feature, value }) } else { Ok(()) }
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

/// The rows of which quartiles are taken; none where no scale needs them.
#[derive(Default)]
pub(super) struct HeldRows<'b> {
    blocks: &'b [Arc<Block>],
    /// How weights count as copies of rows, where there are weights.
    copies: Option<Copies>,
}

impl HeldRows<'_> {
    /// The quartiles, linear between order statistics as in numpy's `percentile`. The counts of equal rows count, and
    /// a weight as that many rows (see [`Copies`]).
    fn quartiles(&self, feature: usize) -> [f64; 3] {
        match &self.copies {
            Some(Copies { unit, are_whole: true }) => {
                let copies = |block: &Block, row: usize| (block.weights[row] / unit).round() as u64;
                quartiles_of_copies(self.blocks, feature, copies)
            }
            Some(Copies { unit, are_whole: false }) => quartiles_of_weights(self.blocks, feature, *unit),
            None if self.blocks.iter().all(|block| block.counts.is_empty()) => {
                quartiles_of_rows(self.blocks, feature)
            }
            None => quartiles_of_copies(self.blocks, feature, Block::count),
        }
    }
}

/// What weights are multiples of, so that a row counts as often as its weight has it: the greatest common divisor of all
/// weights, or the lightest one where that is not a small multiple of a common divisor. Thus a common factor of all weights
/// changes nothing, and whole weights without one are copies of rows.
struct Copies {
    unit: f64,
    are_whole: bool,
}

impl Copies {
    fn of(blocks: &[Arc<Block>]) -> Self {
        /// How often the lightest weight may hold the divisor.
        const MOST_PARTS: f64 = 1000.0;
        /// A rest that is rounding, as a share of the weight.
        const ROUNDING: f64 = f64::EPSILON * 256.0;
        /// Copies of a row whose sums stay exact.
        const MOST_COPIES: f64 = 4_294_967_296.0;
        let mut weights: Vec<f64> = blocks.iter().flat_map(|block| &block.weights).copied().collect();
        weights.sort_unstable_by(f64::total_cmp);
        weights.dedup();
        let Some(&lightest) = weights.first() else {
            return Self { unit: 1.0, are_whole: true };
        };
        let fractional = Self { unit: lightest, are_whole: false };
        let mut divisor = lightest;
        for &weight in &weights {
            // Euclid's algorithm, up to the rounding of weights.
            let (mut of, mut by) = (weight, divisor);
            loop {
                let rest = (of - (of / by).round() * by).abs();
                if rest <= ROUNDING * weight {
                    break;
                }
                (of, by) = (by, rest);
                if lightest > MOST_PARTS * by {
                    return fractional;
                }
            }
            divisor = by;
        }
        let unit = lightest / (lightest / divisor).round();
        let is_multiple = |&weight: &f64| {
            let copies = weight / unit;
            copies <= MOST_COPIES && (copies - copies.round()).abs() <= copies * ROUNDING * 4.0
        };
        if weights.iter().all(is_multiple) { Self { unit, are_whole: true } } else { fractional }
    }
}

/// Takes out of the weights what powers of two they have in common, where they are whole numbers then, and brings those
/// far from 1 near to it. What is left is the same whatever power of two all were multiplied by; returns that power.
fn reduce_weights(blocks: &mut [Arc<Block>]) -> f64 {
    /// Total weight up to which sums of whole numbers are exact.
    const MOST_WHOLE: f64 = (1_u64 << 31) as f64;
    /// Beyond 2 to this, products of weights and squares might leave the range of doubles.
    const FAR: i32 = 200;
    let weights = || blocks.iter().flat_map(|block| &block.weights).copied();
    let heaviest = weights().fold(0.0, f64::max);
    if heaviest == 0.0 {
        return 1.0;
    }
    let top = exponent_above(heaviest);
    let lowest = weights().map(lowest_bit).min().unwrap_or(0);
    let are_whole = top.saturating_sub(lowest) <= 31 && {
        let of_block = |block: &Arc<Block>| {
            let of_row =
                |(row, weight): (usize, &f64)| scale_by_power(*weight, -lowest) * block.count(row) as f64;
            block.weights.iter().enumerate().map(of_row).sum::<f64>()
        };
        blocks.iter().map(of_block).sum::<f64>() < MOST_WHOLE
    };
    let exponent = match (are_whole, top.abs() > FAR) {
        (true, _) => lowest,
        (false, true) => top,
        (false, false) => 0,
    };
    if exponent != 0 {
        for block in blocks {
            let block = Arc::make_mut(block);
            // A weight that is nothing beside the heaviest stays one.
            let reduce =
                |weight: &mut f64| *weight = scale_by_power(*weight, -exponent).max(f64::MIN_POSITIVE);
            block.weights.iter_mut().for_each(reduce);
        }
    }
    scale_by_power(1.0, exponent)
}

/// The exponent of the lowest bit that is set in a positive number.
fn lowest_bit(x: f64) -> i32 {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    exponent.max(1) - 1075 + mantissa.trailing_zeros() as i32
}

/// Where the quarters of `n` rows lie among their ranks.
fn position(n: f64, quarter: u32) -> f64 {
    (n - 1.0) * f64::from(quarter) / 4.0
}

/// Between two order statistics.
fn between(share: f64, low: f64, high: f64) -> f64 {
    if share < 0.5 { low + (high - low) * share } else { high - (high - low) * (1.0 - share) }
}

fn quartiles_of_rows(blocks: &[Arc<Block>], feature: usize) -> [f64; 3] {
    let mut values: Vec<f64> = blocks.iter().flat_map(|block| block.column(feature)).copied().collect();
    let n = values.len() as f64;
    let mut rest = values.as_mut_slice();
    let mut start = 0;
    [1, 2, 3].map(|quarter| {
        let position = position(n, quarter);
        let at = position as usize - start;
        let (_, &mut low, above) = rest.select_nth_unstable_by(at, f64::total_cmp);
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        rest = &mut std::mem::take(&mut rest)[at..];
        start += at;
        between(position.fract(), low, high)
    })
}

/// The same where an entry stands for several rows.
fn quartiles_of_copies(
    blocks: &[Arc<Block>],
    feature: usize,
    copies: impl Fn(&Block, usize) -> u64,
) -> [f64; 3] {
    let entries = |block: &Arc<Block>| -> Vec<(f64, u64)> {
        block.column(feature).iter().enumerate().map(|(row, &x)| (x, copies(block, row))).collect()
    };
    let mut values: Vec<(f64, u64)> = blocks.iter().flat_map(entries).collect();
    values.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let ends: Vec<u64> = values
        .iter()
        .scan(0, |end: &mut u64, (_, count)| {
            *end = end.saturating_add(*count);
            Some(*end)
        })
        .collect();
    let n = ends.last().copied().unwrap_or(0);
    let at = |rank: u64| values[ends.partition_point(|&end| end <= rank)].0;
    [1, 2, 3].map(|quarter| {
        let position = position(n as f64, quarter);
        let rank = (position as u64).min(n - 1);
        between(position.fract(), at(rank), at((rank + 1).min(n - 1)))
    })
}

/// The same where an entry is as many rows as its weight has of `unit`, the lightest weight: it takes up its share of the
/// ranks, and the last unit leads over to the next value.
fn quartiles_of_weights(blocks: &[Arc<Block>], feature: usize, unit: f64) -> [f64; 3] {
    let entries = blocks.iter().flat_map(|block| block.column(feature).iter().zip(&block.weights));
    let mut values: Vec<(f64, f64)> = entries.map(|(&x, &weight)| (x, weight / unit)).collect();
    values.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let mut total = 0.0;
    for (_, end) in &mut values {
        total += *end;
        *end = total;
    }
    [1, 2, 3].map(|quarter| {
        let position = position(total, quarter);
        let at = values.partition_point(|(_, end)| *end <= position).min(values.len() - 1);
        let (low, end) = values[at];
        let high = values.get(at + 1).map_or(low, |(high, _)| *high);
        between((position - (end - 1.0)).clamp(0.0, 1.0), low, high)
    })
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

/// Whether the distance of two values is what rounding leaves of a constant: at most 2^-40 of their magnitude. The means
/// of equal values over groups of a thousand rows differ by 10^-14 of it, over a million rows by 10^-13. Whole numbers
/// that a double holds exactly, such as times in microseconds, are never rounding.
///
/// Every figure that asks whether a feature is constant asks here. Neither the number of rows nor their weights count:
/// rows that are repeated, or weighed in other units, are as constant as before.
pub(super) fn is_rounding(low: f64, high: f64) -> bool {
    const SHARE: f64 = f64::EPSILON * 4096.0;
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let magnitude = high.abs().max(low.abs());
    let are_whole = magnitude < EXACT && low.fract() == 0.0 && high.fract() == 0.0;
    high == low || !are_whole && high - low <= SHARE * magnitude
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{MEMORY, Random, append, columns};
    use super::*;

    const NAN: f64 = f64::NAN;

    fn column(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|&x| vec![x]).collect()
    }

    fn observed(values: &[f64], nulls: Nulls, log: bool) -> Observations {
        let mut observations = Observations::new(1, false, nulls != Nulls::Skip, MEMORY, 42).with_log(&[log]);
        append(&mut observations, &column(values), None, 2048);
        observations
    }

    fn fit(values: &[f64], scale: Scale, nulls: Nulls, log: bool) -> Result<Transform, Error> {
        fit_transform(observed(values, nulls, log), scale, nulls, 1).map(|(transform, _)| transform)
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
    fn what_differs_by_rounding_has_no_deviation() {
        for scale in Scale::ALL {
            let transform = fit(&[14.62, 14.620000000000001, 14.62], scale, Nulls::Skip, false);
            assert_eq!(transform.expect("a fit").stddev, [0.0], "{scale:?}");
        }
        // Without scaling all digits count, however many rows there are.
        let offset: Vec<f64> = (0..3000).map(|i| 1e15 + f64::from(i % 10)).collect();
        assert!(fit(&offset, Scale::None, Nulls::Skip, false).expect("a fit").stddev[0] > 2.0);
    }

    #[test]
    fn what_rounding_leaves_of_a_constant_is_constant_however_many_rows_and_whatever_their_weights() {
        let price = 14.62_f64;
        let means: Vec<f64> = (0..200).map(|i| price * (1.0 + f64::from(i % 7) * 1e-14)).collect();
        for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
            let transform = fit(&means, scale, Nulls::Skip, false).expect("values to scale");
            assert_eq!((transform.spread[0], transform.stddev[0]), (1.0, 0.0));
        }
        let large: Vec<f64> = means.iter().map(|mean| mean * 1e14).collect();
        let transform = fit(&large, Scale::Standard, Nulls::Skip, false).expect("values to scale");
        assert!(transform.spread[0] > 1e15 && transform.stddev[0] == 0.0);
        // Times in microseconds within seconds of each other, and a spread of a millionth, are information.
        let times: Vec<f64> = (0..200).map(|i| 1.7e15 + f64::from(i % 7)).collect();
        let shares: Vec<f64> = (0..200).map(|i| 0.7 + f64::from(i % 7) * 1e-6).collect();
        for values in [times, shares] {
            for copies in [1, 1000] {
                let rows: Vec<f64> = values.iter().copied().cycle().take(copies * values.len()).collect();
                assert!(fit(&rows, Scale::Standard, Nulls::Skip, false).expect("values").stddev[0] > 0.0);
            }
        }
    }

    #[test]
    fn the_least_doubles_have_a_spread() {
        for scale in [Scale::Standard, Scale::MinMax] {
            let (center, spread) = fit_scale(&[0.0, 5e-324], scale);
            assert_eq!(scaled(5e-324, center, spread) - scaled(0.0, center, spread), 1.0);
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
        let error = fit_transform(observations, Scale::None, Nulls::Skip, 1).map(|_| ());
        assert_eq!(error, Err(Error::WeightTooLarge { value: 1e200 }));
    }

    #[test]
    fn apply_gives_what_the_fit_computed() {
        let rows = [vec![1.0, 10.0], vec![2.0, NAN], vec![4.0, 70.0], vec![9.0, 40.0]];
        let mut observations = Observations::new(2, false, false, MEMORY, 42).with_log(&[true, false]);
        append(&mut observations, &rows, None, 2048);
        for scale in Scale::ALL {
            let (transform, points) =
                fit_transform(observations.clone(), scale, Nulls::Skip, 2).expect("values to scale");
            let mut scratch = Block::scratch();
            let own = points.scaled(points.tiles()[0], &mut scratch);
            let columns = columns(&rows);
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let scaled = transform.apply(&columns).expect("values to scale");
            assert_eq!(scaled.usable, [true, false, true, true]);
            for (feature, column) in scaled.columns.iter().enumerate() {
                assert!(column[1].is_nan());
                assert_eq!([column[0], column[2], column[3]], own.column(feature));
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

    fn fit_weighted(values: &[f64], weights: &[f64], scale: Scale) -> Transform {
        let mut weighted = Observations::new(1, true, false, MEMORY, 42);
        append(&mut weighted, &column(values), Some(weights), 2048);
        fit_transform(weighted, scale, Nulls::Skip, 1).expect("values to scale").0
    }

    #[test]
    fn weights_count_as_rows() {
        let mut random = Random::new(5);
        for case in 0..200 {
            let n = 1 + random.below(30);
            let values: Vec<f64> = (0..n).map(|_| (random.normal() * 10.0).round() / 8.0).collect();
            // Without a common factor, which would change nothing.
            let mut weights: Vec<f64> = (0..n).map(|_| (1 + random.below(6)) as f64).collect();
            weights[0] = 1.0;
            let copies = |(&x, &weight): (&f64, &f64)| vec![x; weight as usize];
            let repeated: Vec<f64> = values.iter().zip(&weights).flat_map(copies).collect();
            for scale in Scale::ALL {
                let expected = fit(&repeated, scale, Nulls::Skip, false);
                assert_eq!(Ok(fit_weighted(&values, &weights, scale)), expected, "case {case}");
            }
        }
        let transform = fit_weighted(&[1.0, 2.0, 10.0, 20.0], &[9.0, 1.0, 1.0, 1.0], Scale::Robust);
        assert_eq!((transform.center[0], transform.spread[0]), (1.0, 0.25));
    }

    #[test]
    fn a_common_factor_of_weights_changes_no_scale() {
        let mut random = Random::new(6);
        for case in 0..200 {
            let n = 1 + random.below(30);
            let values: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let weight =
                |_| if case % 2 == 0 { (1 + random.below(6)) as f64 } else { random.uniform() + 0.01 };
            let weights: Vec<f64> = (0..n).map(weight).collect();
            let fit = |factor: f64, scale| {
                let scaled: Vec<f64> = weights.iter().map(|weight| weight * factor).collect();
                fit_weighted(&values, &scaled, scale)
            };
            for scale in Scale::ALL {
                let expected = fit(1.0, scale);
                for factor in [2.0, 0.125, f64::powi(2.0, -300), f64::powi(2.0, 300), f64::powi(2.0, -20)] {
                    assert_eq!(fit(factor, scale), expected, "case {case}, factor {factor:e}");
                }
                for factor in [1e-6, 3.0, 0.1, 1e30, 7e-90] {
                    let Transform { center, spread, .. } = fit(factor, scale);
                    let near = |x: f64, y: f64| (x - y).abs() <= 1e-12 * (1.0 + y.abs());
                    assert!(near(center[0], expected.center[0]) && near(spread[0], expected.spread[0]));
                }
            }
        }
    }
}
