//! Principal component analysis by the covariance matrix and its eigenvectors.

use super::Error;
use super::exact_sum::{exponent_above, scale_by_power};
use super::gram::{self, Gram};
use super::logarithm::ln_1p_all;
use super::moments::{Moments, TotalMoments};
use super::observations::{Absent, Observations, TILE_ROWS, Tile, all_finite};
use super::scaling::{
    HeldRows, Nulls, Plan, Points, Scale, Scaled, Transform, WeightedMoments, fit_transform, transform_of,
};
use super::simd::vectorize;
use super::threads::{map_parts, worth};
use nalgebra::{DMatrix, SymmetricEigen};
use std::cmp::Ordering;
use std::ops::Range;

/// Loadings whose magnitudes differ by no more than this share count as equally large.
const SIGN_TOLERANCE: f64 = 1e-9;

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
    /// `(n_components, n_features)`, unit vectors in scaled space by descending variance; the loading of largest
    /// magnitude is positive (the first of equals).
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

/// Rows as a PCA takes them: their exact sums, or under [`Scale::Robust`] and [`Nulls::Mean`], which need them again,
/// the rows. Sums need no sample, however many rows there are.
#[derive(Clone, Debug)]
pub struct PcaRows {
    n_features: usize,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    Sums(Box<Sums>),
    Rows(Observations),
}

/// Rows below which a run of rows waits for others.
const MIN_RUN: usize = 256;

/// Features up to which sums of all pairs are made of every row. Of more, the rows themselves are held as long as there
/// are fewer than features: their products say the same, and are fewer.
const WIDE: usize = 128;
/// Rows or features, whichever are fewer, that a fit takes: the eigenvectors of so many take two or three seconds, and
/// nothing can interrupt that.
pub const MAX_SIDE: usize = 1024;
/// Products of the rows that are fewer than features, and of components, that take two or three seconds.
const MAX_PRODUCTS: u64 = 1 << 32;
/// Products of pairs of features of rows that are held for their scaling, which take less than ten seconds.
const MAX_HELD_PRODUCTS: u64 = 6 << 30;

#[derive(Clone, Debug)]
struct Sums {
    nulls: Nulls,
    log: Vec<bool>,
    unscaled: Vec<bool>,
    absent: Absent,
    /// The least value of each feature before its logarithm; empty where none is taken.
    least: Vec<f64>,
    /// Columns of rows that are not in the sums yet, fewer than [`gram::ROWS`]; or all rows, where they are held.
    waiting: Vec<Vec<f64>>,
    sums: Option<Gram>,
    rows: u64,
    skipped: u64,
    /// Which features had a missing value in a row that was kept.
    missing: Vec<bool>,
}

impl PcaRows {
    /// No rows yet of `n_features` columns, for a fit with `scale` and `nulls`, of which some are taken as ln(1 + x).
    /// `memory`: bytes that rows may take where they are held, and covariances in any case.
    ///
    /// # Errors
    /// [`Error::OverMemory`] where the covariances take more.
    pub fn new(
        scale: Scale,
        nulls: Nulls,
        log: &[bool],
        unscaled: &[bool],
        memory: u64,
        seed: i64,
    ) -> Result<Self, Error> {
        let n_features = log.len();
        let bytes = 8 * (n_features as u128).pow(2);
        if bytes > u128::from(memory) {
            let most = (memory / 8).isqrt() as usize;
            return Err(Error::OverMemory { features: n_features, most, memory });
        }
        let store = if scale == Scale::Robust || nulls == Nulls::Mean {
            let keep_missing = nulls != Nulls::Skip;
            let rows = Observations::new(n_features, false, keep_missing, memory, seed);
            Store::Rows(rows.with_log(log).with_unscaled(unscaled))
        } else {
            let has_log = log.contains(&true);
            Store::Sums(Box::new(Sums {
                nulls,
                log: if has_log { log.to_vec() } else { Vec::new() },
                unscaled: if unscaled.contains(&true) { unscaled.to_vec() } else { Vec::new() },
                absent: Absent::default(),
                least: if has_log { vec![f64::INFINITY; n_features] } else { Vec::new() },
                waiting: Vec::new(),
                sums: None,
                rows: 0,
                skipped: 0,
                missing: Vec::new(),
            }))
        };
        Ok(Self { n_features, store })
    }

    /// Whether a fit can take the rows so far.
    ///
    /// # Errors
    /// [`Error::TooWide`] where there are too many rows of too many features.
    pub fn check(&self) -> Result<(), Error> {
        let features = self.n_features;
        let (rows, most) = match &self.store {
            // Above the memory, a sample is held.
            Store::Rows(observations) => {
                (observations.rows().min(observations.most_held() as u64), most_held_rows(features))
            }
            Store::Sums(sums) => (sums.rows, most_rows(features)),
        };
        if rows > most { Err(Error::TooWide { rows, features, most }) } else { Ok(()) }
    }

    /// Adds the rows `rows` of `columns` (one slice for each feature, all of one length).
    pub fn append(&mut self, columns: &[impl AsRef<[f64]>], rows: Range<usize>) {
        assert_eq!(columns.len(), self.n_features, "one column for each feature");
        match &mut self.store {
            Store::Rows(observations) => observations.append(columns, None, rows),
            Store::Sums(sums) => sums.append(columns, rows),
        }
    }

    /// Adds `other`'s rows.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.store, &other.store) {
            (Store::Rows(observations), Store::Rows(other)) => observations.merge(other),
            (Store::Sums(sums), Store::Sums(other)) => sums.merge(other),
            _ => panic!("only rows for the same fit can be merged"),
        }
    }
}

/// Rows that a fit takes at most. Sums of pairs of features are taken as rows arrive, whatever their number.
fn most_rows(n_features: usize) -> u64 {
    if n_features <= MAX_SIDE {
        u64::MAX
    } else {
        (MAX_PRODUCTS / n_features as u64).isqrt().min(MAX_SIDE as u64)
    }
}

/// The same where rows are held and summed at the end.
fn most_held_rows(n_features: usize) -> u64 {
    match n_features {
        0..=WIDE => u64::MAX,
        _ => most_rows(n_features).min(MAX_HELD_PRODUCTS / (n_features as u64).pow(2)),
    }
}

impl Sums {
    fn append(&mut self, columns: &[impl AsRef<[f64]>], rows: Range<usize>) {
        if self.nulls != Nulls::Skip
            || columns.iter().all(|column| all_finite(&column.as_ref()[rows.clone()]))
        {
            return self.append_run(columns, rows);
        }
        let mut start = rows.start;
        for row in rows.clone() {
            if !columns.iter().all(|column| column.as_ref()[row].is_finite()) {
                self.append_run(columns, start..row);
                if self.rows == 0 {
                    self.absent.count(columns.iter().map(|column| column.as_ref()[row]));
                }
                self.skipped += 1;
                start = row + 1;
            }
        }
        self.append_run(columns, start..rows.end);
    }

    fn append_run(&mut self, columns: &[impl AsRef<[f64]>], mut rows: Range<usize>) {
        self.rows += rows.len() as u64;
        let is_held = self.is_held(columns.len());
        if !is_held {
            self.release();
        }
        if self.nulls == Nulls::Skip && self.log.is_empty() && !is_held {
            while rows.len() >= MIN_RUN {
                let run = rows.start..rows.end.min(rows.start + gram::ROWS);
                rows.start = run.end;
                let slices: Vec<&[f64]> =
                    columns.iter().map(|column| &column.as_ref()[run.clone()]).collect();
                self.sums.get_or_insert_with(|| Gram::new(columns.len())).add(&slices);
            }
        }
        while !rows.is_empty() {
            self.waiting.resize_with(columns.len(), Vec::new);
            let room = if is_held { rows.len() } else { gram::ROWS - self.waiting[0].len() };
            let run = rows.start..rows.end.min(rows.start + room);
            rows.start = run.end;
            for (feature, (waiting, column)) in self.waiting.iter_mut().zip(columns).enumerate() {
                let start = waiting.len();
                waiting.extend_from_slice(&column.as_ref()[run.clone()]);
                let own = &mut waiting[start..];
                if self.nulls != Nulls::Skip && !all_finite(own) {
                    own.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
                    self.missing.resize(columns.len(), false);
                    self.missing[feature] = true;
                }
                if self.log.get(feature) == Some(&true) {
                    self.least[feature] = own.iter().copied().fold(self.least[feature], f64::min);
                    // Of values below 0, which are an error in the end, anything finite will do.
                    own.iter_mut().for_each(|x| *x = x.max(0.0));
                    ln_1p_all(own);
                }
            }
            if !is_held {
                self.sum_full();
            }
        }
    }

    /// Whether all rows are held: as long as there are fewer of them than of many features.
    fn is_held(&self, n_features: usize) -> bool {
        n_features > WIDE && self.rows < n_features as u64
    }

    /// Adds rows that were held to the sums, but for those that have to wait.
    fn release(&mut self) {
        while self.waiting.first().is_some_and(|column| column.len() >= gram::ROWS) {
            let rest = self.waiting.iter_mut().map(|column| column.split_off(gram::ROWS)).collect();
            self.sum_waiting();
            self.waiting = rest;
        }
    }

    /// Adds the rows that wait to the sums once they are enough.
    fn sum_full(&mut self) {
        if self.waiting.first().is_some_and(|column| column.len() == gram::ROWS) {
            self.sum_waiting();
        }
    }

    fn sum_waiting(&mut self) {
        let columns: Vec<&[f64]> = self.waiting.iter().map(Vec::as_slice).collect();
        if columns.first().is_some_and(|column| !column.is_empty()) {
            self.sums.get_or_insert_with(|| Gram::new(columns.len())).add(&columns);
            self.waiting.iter_mut().for_each(Vec::clear);
        }
    }

    fn merge(&mut self, other: &Self) {
        assert_eq!(
            (self.nulls, &self.log),
            (other.nulls, &other.log),
            "only rows for the same fit can be merged"
        );
        self.rows += other.rows;
        self.skipped += other.skipped;
        self.absent.merge(&other.absent);
        self.least.iter_mut().zip(&other.least).for_each(|(least, other)| *least = least.min(*other));
        self.missing.resize(self.missing.len().max(other.missing.len()), false);
        self.missing.iter_mut().zip(&other.missing).for_each(|(missing, other)| *missing |= other);
        match (&mut self.sums, &other.sums) {
            (_, None) => {}
            (Some(sums), Some(other)) => sums.merge(other),
            (sums, Some(other)) => *sums = Some(other.clone()),
        }
        let is_held = self.is_held(self.waiting.len().max(other.waiting.len()));
        if !is_held {
            self.release();
        }
        let mut rest = 0..other.waiting.first().map_or(0, Vec::len);
        while !rest.is_empty() {
            self.waiting.resize_with(other.waiting.len(), Vec::new);
            let room = if is_held { rest.len() } else { gram::ROWS - self.waiting[0].len() };
            let run = rest.start..rest.end.min(rest.start + room);
            rest.start = run.end;
            for (waiting, column) in self.waiting.iter_mut().zip(&other.waiting) {
                waiting.extend_from_slice(&column[run.clone()]);
            }
            if !is_held {
                self.sum_full();
            }
        }
    }
}

/// What a fit works on.
struct Fitted {
    transform: Transform,
    products: Products,
    rows: u64,
    skipped: u64,
}

/// Products that the components come from.
enum Products {
    /// Of all pairs of features, and the rows that they are summed over: a sample where rows were held and too many.
    Features(Gram, u64),
    /// Of scaled rows about their mean, which are fewer than features; one after the other.
    Rows(Vec<Vec<f64>>),
}

impl Fitted {
    fn of(rows: PcaRows, options: &PcaOptions) -> Result<Option<Self>, Error> {
        rows.check()?;
        match rows.store {
            Store::Rows(observations) => Self::of_rows(observations, options),
            Store::Sums(sums) => Self::of_sums(*sums, rows.n_features, options),
        }
    }

    fn of_sums(mut sums: Sums, n_features: usize, options: &PcaOptions) -> Result<Option<Self>, Error> {
        assert_eq!(sums.nulls, options.nulls, "rows for the same fit");
        if sums.rows == 0 {
            sums.absent.check(sums.skipped)?;
            return Ok(None);
        }
        if let (Nulls::Error, Some(feature)) = (sums.nulls, sums.missing.iter().position(|&missing| missing))
        {
            return Err(Error::Missing { feature });
        }
        let held = sums.is_held(n_features).then(|| std::mem::take(&mut sums.waiting));
        sums.sum_waiting();
        let moments: Vec<WeightedMoments> = match (&held, &sums.sums) {
            (Some(columns), _) => columns.iter().map(|column| moments_of(column)).collect(),
            (None, Some(gram)) => {
                let moments = |feature: usize| TotalMoments {
                    min: gram.min[feature],
                    max: gram.max[feature],
                    sum: gram.sums[feature].clone(),
                    squares: gram.product(feature, feature).clone(),
                };
                (0..n_features).map(|feature| WeightedMoments::of(moments(feature), sums.rows)).collect()
            }
            (None, None) => return Ok(None),
        };
        let log = if sums.log.is_empty() { vec![false; n_features] } else { sums.log };
        let fill = if sums.nulls == Nulls::Zero { vec![0.0; n_features] } else { Vec::new() };
        let plan = Plan { scale: options.scale, nulls: sums.nulls, log, fill, unscaled: &sums.unscaled };
        let (transform, _) = transform_of(&moments, &HeldRows::default(), &sums.least, plan, 1)?;
        let products = match (held, sums.sums) {
            (Some(columns), _) => {
                let scale = |(feature, x): (usize, &f64)| transform.scaled(feature, *x);
                let row =
                    |row: usize| columns.iter().map(|column| &column[row]).enumerate().map(scale).collect();
                Products::Rows((0..sums.rows as usize).map(row).collect()).centered(&transform)
            }
            (None, gram) => Products::Features(gram.unwrap_or_else(|| Gram::new(n_features)), sums.rows),
        };
        Ok(Some(Self { transform, products, rows: sums.rows, skipped: sums.skipped }))
    }

    fn of_rows(observations: Observations, options: &PcaOptions) -> Result<Option<Self>, Error> {
        observations.check_usable()?;
        if observations.rows() == 0 {
            return Ok(None);
        }
        let observations = observations.settled();
        let (rows, skipped) = (observations.rows(), observations.skipped());
        let (transform, points) =
            fit_transform(observations, options.scale, options.nulls, options.n_threads)?;
        let n_features = transform.n_features();
        let products = if n_features > WIDE && rows < n_features as u64 {
            let of_tile = |tile: Tile<'_>| -> Vec<Vec<f64>> {
                let row = |row: usize| {
                    vec![points.scaled_row(&tile, row).collect::<Vec<f64>>(); tile.count(row) as usize]
                };
                (0..tile.rows()).flat_map(row).collect()
            };
            Products::Rows(points.tiles().into_iter().flat_map(of_tile).collect()).centered(&transform)
        } else {
            Products::Features(sums_of(&points, options.n_threads), points.n_samples())
        };
        Ok(Some(Self { transform, products, rows, skipped }))
    }

    /// All variances divided by 2^exponent in descending order, the exponent, and the first `n` axes, with their signs fixed.
    fn axes(&self, n: &Components, n_threads: usize) -> Result<Axes, Error> {
        let n_features = self.transform.n_features();
        match &self.products {
            Products::Features(sums, summed) => {
                let (covariance, exponent) = self.covariance(sums, *summed);
                let total: f64 = (0..n_features).map(|feature| covariance[(feature, feature)]).sum();
                let (variances, axes) = if total > 0.0 {
                    principal_axes(covariance)
                } else {
                    let unit = |axis| (0..n_features).map(|i| f64::from(u8::from(i == axis))).collect();
                    (vec![0.0; n_features], (0..n_features).map(unit).collect())
                };
                let ratios = ratios(&variances, total);
                let n = n.count(&ratios);
                Ok(Axes { axes: axes.into_iter().take(n).collect(), variances, ratios, exponent })
            }
            Products::Rows(rows) => axes_of_rows(rows, n_features, n, n_threads),
        }
    }

    /// The covariance matrix of the scaled rows divided by 2^exponent, and that exponent.
    fn covariance(&self, sums: &Gram, summed: u64) -> (DMatrix<f64>, i32) {
        let n_features = self.transform.n_features();
        let (spread, stddev) = (&self.transform.spread, &self.transform.stddev);
        let greatest = stddev.iter().zip(spread).map(|(stddev, spread)| stddev / spread).fold(0.0, f64::max);
        let top = if greatest > 0.0 { 2 * exponent_above(greatest) } else { 0 };
        let n = summed as f64;
        let mut covariance = DMatrix::zeros(n_features, n_features);
        for i in 0..n_features {
            for j in 0..=i {
                // A feature that is constant up to rounding has no variance.
                if stddev[i] == 0.0 || stddev[j] == 0.0 {
                    continue;
                }
                let mut scatter = sums.product(i, j).times(summed);
                scatter.subtract(&sums.sums[i].product(&sums.sums[j]));
                let exponents = exponent_above(spread[i]) + exponent_above(spread[j]);
                let divisor = scale_by_power(spread[i], -exponent_above(spread[i]))
                    * scale_by_power(spread[j], -exponent_above(spread[j]));
                let divisor = divisor * n * (n - 1.0).max(1.0);
                covariance[(i, j)] = scatter.quotient_at(divisor, exponents + top);
                covariance[(j, i)] = covariance[(i, j)];
            }
        }
        (covariance, top)
    }
}

/// The sums of rows that are held.
fn sums_of(points: &Points, n_threads: usize) -> Gram {
    let n_features = points.n_features;
    let n_threads = worth(points.len() * n_features * n_features, n_threads);
    let parts = map_parts(&mut points.tiles(), n_threads, |tiles| {
        let mut sums = Gram::new(n_features);
        tiles.iter().for_each(|tile| add_tile(&mut sums, tile));
        sums
    });
    let total = parts.into_iter().reduce(|mut total, part| {
        total.merge(&part);
        total
    });
    total.unwrap_or_else(|| Gram::new(n_features))
}

/// Adds the rows of a tile, those of a sample as often as they stand for.
fn add_tile(sums: &mut Gram, tile: &Tile) {
    if tile.counts().is_empty() {
        for start in (0..tile.rows()).step_by(gram::ROWS) {
            let run = start..tile.rows().min(start + gram::ROWS);
            let columns: Vec<&[f64]> =
                tile.columns().into_iter().map(|column| &column[run.clone()]).collect();
            sums.add(&columns);
        }
        return;
    }
    /// Repeated rows from which on a pass for each bit of their counts is cheaper than a sum for each row.
    const MANY: usize = 256;
    let add_rows = |sums: &mut Gram, rows: &[usize]| {
        for rows in rows.chunks(gram::ROWS) {
            let columns = tile.columns().into_iter();
            let columns: Vec<Vec<f64>> =
                columns.map(|column| rows.iter().map(|&row| column[row]).collect()).collect();
            sums.add(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    };
    let (single, several): (Vec<usize>, Vec<usize>) = (0..tile.rows()).partition(|&row| tile.count(row) == 1);
    add_rows(sums, &single);
    if several.len() < MANY {
        for row in several {
            sums.add_row(&tile.row(row).collect::<Vec<f64>>(), tile.count(row));
        }
        return;
    }
    for times in (0..u64::BITS).map(|bit| 1 << bit) {
        let rows = several.iter().copied().filter(|&row| tile.count(row) & times != 0);
        let rows: Vec<usize> = rows.collect();
        if !rows.is_empty() {
            let mut own = Gram::new(tile.columns().len());
            add_rows(&mut own, &rows);
            sums.merge(&own.times(times));
        }
    }
}

impl Pca {
    /// Fits the components. One row, or constant features alone, give variances of 0 and the first unit vectors.
    /// `None` without a usable row.
    ///
    /// # Errors
    /// Those of the scaling: [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`].
    pub fn fit(rows: PcaRows, options: &PcaOptions) -> Result<Option<Self>, Error> {
        let n_features = rows.n_features;
        match options.n {
            Components::Count(n) => assert!((1..=n_features).contains(&n), "a count of components"),
            Components::Share(share) => assert!(share > 0.0 && share <= 1.0, "a share of the variance"),
        }
        let Some(fitted) = Fitted::of(rows, options)? else {
            return Ok(None);
        };
        let Axes { axes, variances, ratios, exponent } = fitted.axes(&options.n, options.n_threads)?;
        let n = axes.len();
        Ok(Some(Self {
            components: axes,
            explained_variance: variances.iter().take(n).map(|&x| scale_by_power(x, exponent)).collect(),
            explained_variance_ratio: ratios.into_iter().take(n).collect(),
            rows: fitted.rows,
            skipped: fitted.skipped,
            transform: fitted.transform,
        }))
    }

    /// Scores of the rows on the first `n` components, row-major `(rows, n)`; NaN of an unusable row.
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
                    for (feature, (column, loading)) in scaled.columns.iter().zip(component).enumerate() {
                        let mean = self.transform.scaled_mean(feature);
                        own.iter_mut().zip(column).for_each(|(score, x)| *score += (x - mean) * loading);
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
            let terms =
                scores.iter().zip(&self.components).map(|(score, component)| score * component[feature]);
            self.transform.invert(feature, self.transform.scaled_mean(feature) + terms.sum::<f64>())
        };
        (0..self.transform.n_features()).map(feature).collect()
    }
}

/// Moments of the values of a feature.
fn moments_of(column: &[f64]) -> WeightedMoments {
    let mut moments = TotalMoments::new();
    column.chunks(TILE_ROWS).for_each(|values| moments.add(&Moments::of(values), values));
    WeightedMoments::of(moments, column.len() as u64)
}

/// Principal axes with their variances.
struct Axes {
    axes: Vec<Vec<f64>>,
    /// Of all axes, divided by 2^exponent; and their shares of the total.
    variances: Vec<f64>,
    ratios: Vec<f64>,
    exponent: i32,
}

impl Components {
    fn count(&self, ratios: &[f64]) -> usize {
        match self {
            Components::Count(n) => *n,
            Components::Share(share) => n_for_share(ratios, *share),
        }
    }
}

fn ratios(variances: &[f64], total: f64) -> Vec<f64> {
    variances.iter().map(|variance| if total > 0.0 { variance / total } else { 0.0 }).collect()
}

impl Products {
    /// Rows about their mean, in an order that is a function of their set.
    fn centered(self, transform: &Transform) -> Self {
        let Products::Rows(mut rows) = self else {
            return self;
        };
        for row in &mut rows {
            for (feature, x) in row.iter_mut().enumerate() {
                // A feature that is constant up to rounding has no variance.
                let is_constant = transform.stddev[feature] == 0.0;
                *x = if is_constant { 0.0 } else { *x - transform.scaled_mean(feature) };
            }
        }
        rows.sort_unstable_by(|x, y| {
            x.iter()
                .zip(y)
                .map(|(x, y)| x.total_cmp(y))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        Self::Rows(rows)
    }
}

/// The axes of rows about their mean, which are fewer than features: their products X X' have the eigenvalues of X' X,
/// and eigenvectors u that lead to its own, X' u.
fn axes_of_rows(
    rows: &[Vec<f64>],
    n_features: usize,
    n: &Components,
    n_threads: usize,
) -> Result<Axes, Error> {
    /// Below this share of the greatest, an eigenvalue is rounding.
    const NOTHING: f64 = 1e-13;
    let n_rows = rows.len();
    let greatest = rows.iter().flatten().fold(0.0, |greatest: f64, x| greatest.max(x.abs()));
    let top = if greatest > 0.0 { exponent_above(greatest) } else { 0 };
    let rows: Vec<Vec<f64>> =
        rows.iter().map(|row| row.iter().map(|x| scale_by_power(*x, -top)).collect()).collect();
    let divisor = (n_rows.max(2) - 1) as f64;
    let mut products = DMatrix::zeros(n_rows, n_rows);
    let n_threads = worth(n_rows * n_rows * n_features, n_threads);
    let parts = map_parts(&mut (0..n_rows).collect::<Vec<usize>>(), n_threads, |indices| {
        let with_others = |&i: &usize| rows[..=i].iter().map(|row| dot(&rows[i], row) / divisor).collect();
        indices.iter().map(with_others).collect::<Vec<Vec<f64>>>()
    });
    for (i, own) in parts.into_iter().flatten().enumerate() {
        for (j, product) in own.into_iter().enumerate() {
            (products[(i, j)], products[(j, i)]) = (product, product);
        }
    }
    let total: f64 = (0..n_rows).map(|row| products[(row, row)]).sum();
    let (mut variances, vectors) =
        if total > 0.0 { principal_axes(products) } else { (Vec::new(), Vec::new()) };
    let most = variances.first().copied().unwrap_or(0.0);
    let rank = variances.iter().take_while(|variance| **variance > NOTHING * most).count();
    variances.truncate(rank);
    variances.resize(n_features, 0.0);
    let ratios = ratios(&variances, total);
    let n = n.count(&ratios);
    let most = most_components(n_rows, n_features);
    if n > most {
        return Err(Error::TooManyComponents { components: n, features: n_features, most });
    }
    let mut vectors: Vec<Vec<f64>> = vectors.into_iter().take(n.min(rank)).collect();
    let parts = map_parts(&mut vectors, n_threads, |vectors| {
        let combine = |vector: &mut Vec<f64>| {
            let mut axis = vec![0.0; n_features];
            rows.iter().zip(vector).for_each(|(row, weight)| add_times(&mut axis, row, *weight));
            axis
        };
        vectors.iter_mut().map(combine).collect::<Vec<Vec<f64>>>()
    });
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for mut axis in parts.into_iter().flatten() {
        orthonormalize(&mut axis, &axes);
        fix_sign(&mut axis);
        axes.push(axis);
    }
    // Where all variance is explained, any further axes will do: unit vectors, made orthogonal to those there are.
    let mut features = 0..n_features;
    while axes.len() < n {
        let feature = features.next().expect("some feature is not spanned by fewer axes");
        let explained: f64 = axes.iter().map(|axis| axis[feature].powi(2)).sum();
        if 1.0 - explained > 0.5 * (1.0 - axes.len() as f64 / n_features as f64) {
            let mut axis = vec![0.0; n_features];
            axis[feature] = 1.0;
            orthonormalize(&mut axis, &axes);
            fix_sign(&mut axis);
            axes.push(axis);
        }
    }
    Ok(Axes { axes, variances, ratios, exponent: 2 * top })
}

/// The most components n of fewer rows than features: n (n + rows) features products make them and make them orthogonal.
fn most_components(n_rows: usize, n_features: usize) -> usize {
    let (half, square) = (n_rows as u64, MAX_PRODUCTS / n_features as u64);
    ((half * half + 4 * square).isqrt() - half) as usize / 2
}

/// The sum of products, in an order that suits wide registers and is the same on all of them.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    const LANES: usize = 16;
    let ((x_lanes, x_rest), (y_lanes, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    vectorize(
        #[inline(always)]
        || {
            for (x, y) in x_lanes.iter().zip(y_lanes) {
                (0..LANES).for_each(|lane| sums[lane] += x[lane] * y[lane]);
            }
        },
    );
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f64>()
}

/// Adds `factor` times `x` to `sum`.
fn add_times(sum: &mut [f64], x: &[f64], factor: f64) {
    vectorize(
        #[inline(always)]
        || sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x * factor),
    );
}

/// Takes from a vector what it has of orthonormal axes, twice for the rounding of the first time, and makes it one of
/// length 1.
fn orthonormalize(vector: &mut [f64], axes: &[Vec<f64>]) {
    for _ in 0..2 {
        let length = dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        for axis in axes {
            let share = dot(vector, axis);
            add_times(vector, axis, -share);
        }
    }
    let length = dot(vector, vector).sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
}

/// Eigenvalues in descending order and their unit vectors, with their signs fixed.
fn principal_axes(covariance: DMatrix<f64>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let eigen = SymmetricEigen::new(covariance);
    let mut axes: Vec<(f64, Vec<f64>)> = eigen
        .eigenvalues
        .iter()
        .zip(eigen.eigenvectors.column_iter())
        // Rounding may leave a variance of 0 slightly below it.
        .map(|(&variance, axis)| (variance.max(0.0), axis.iter().copied().collect()))
        .collect();
    axes.sort_by(|x, y| y.0.total_cmp(&x.0));
    axes.iter_mut().for_each(|(_, axis)| fix_sign(axis));
    axes.into_iter().unzip()
}

/// Makes the loading of largest magnitude positive, the first of equals.
fn fix_sign(axis: &mut [f64]) {
    let largest = axis.iter().fold(0.0_f64, |largest, loading| largest.max(loading.abs()));
    let leading = axis.iter().find(|loading| loading.abs() >= largest * (1.0 - SIGN_TOLERANCE));
    let sign = leading.map_or(1.0, |loading| loading.signum());
    axis.iter_mut().for_each(|loading| *loading = *loading * sign + 0.0);
}

/// How many components explain at least `share` of the variance; rounding of their sum does not ask for one more.
fn n_for_share(ratios: &[f64], share: f64) -> usize {
    let mut explained = 0.0;
    let enough = ratios.iter().position(|ratio| {
        explained += ratio;
        explained >= share - 1e-12
    });
    enough.map_or(ratios.len(), |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::on_each;
    use super::super::test_data::{MEMORY, Random, blobs, columns};
    use super::*;

    fn options(scale: Scale, n: Components) -> PcaOptions {
        PcaOptions { scale, nulls: Nulls::Skip, n, n_threads: 1 }
    }

    fn new_rows(n_features: usize, scale: Scale, memory: u64) -> PcaRows {
        let none = vec![false; n_features];
        PcaRows::new(scale, Nulls::Skip, &none, &none, memory, 42).expect("memory for the features")
    }

    /// Rows of more features than their number, of which the last are sums of others.
    fn wide(seed: u64, n_rows: usize, n_features: usize) -> Vec<Vec<f64>> {
        let mut rows = blobs(seed, n_rows, n_features, 3);
        for row in &mut rows {
            row[n_features - 1] = row[0] + row[1];
            row[n_features - 2] = 7.0;
        }
        rows
    }

    #[test]
    fn fewer_rows_than_features_have_the_components_of_their_covariances() {
        for (n_rows, n_features, scale) in [
            (2, 129, Scale::Standard),
            (40, 200, Scale::None),
            (128, 129, Scale::Standard),
            (130, 150, Scale::Robust),
        ] {
            let rows = wide(n_rows as u64, n_rows, n_features);
            let n = (n_rows - 1).min(9);
            let pca = Pca::fit(observe(&rows, scale), &options(scale, Components::Count(n)));
            let pca = pca.expect("rows to fit").expect("usable rows");
            let scaled = pca.transform.apply(&columns(&rows).iter().map(Vec::as_slice).collect::<Vec<_>>());
            let scaled = scaled.expect("rows to scale").columns;
            let centered: Vec<Vec<f64>> = scaled
                .iter()
                .map(|column| {
                    let mean = column.iter().sum::<f64>() / n_rows as f64;
                    column.iter().map(|x| x - mean).collect()
                })
                .collect();
            let total: f64 = centered.iter().flatten().map(|x| x * x).sum::<f64>() / (n_rows - 1) as f64;
            for (i, (component, variance)) in pca.components.iter().zip(&pca.explained_variance).enumerate() {
                // C v = lambda v, with C v = X' (X v) / (n - 1).
                let scores: Vec<f64> = (0..n_rows)
                    .map(|row| {
                        centered.iter().zip(component).map(|(column, loading)| column[row] * loading).sum()
                    })
                    .collect();
                for (column, loading) in centered.iter().zip(component) {
                    let product = column.iter().zip(&scores).map(|(x, score)| x * score).sum::<f64>();
                    let difference = product / (n_rows - 1) as f64 - variance * loading;
                    assert!(difference.abs() < 1e-9 * total, "component {i}: {difference}");
                }
                assert!((pca.explained_variance_ratio[i] - variance / total).abs() < 1e-9);
                for (j, other) in pca.components.iter().enumerate().take(i + 1) {
                    let product: f64 = component.iter().zip(other).map(|(x, y)| x * y).sum();
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn few_wide_rows_have_as_many_components_as_are_asked_for() {
        for n_rows in [1, 3] {
            let pca = Pca::fit(
                observe(&wide(1, n_rows, 300), Scale::Standard),
                &options(Scale::Standard, Components::Count(20)),
            );
            let pca = pca.expect("rows to fit").expect("usable rows");
            assert_eq!(pca.components.len(), 20);
            assert!(pca.explained_variance[n_rows - 1..].iter().all(|&variance| variance == 0.0));
            for (i, component) in pca.components.iter().enumerate() {
                for (j, other) in pca.components.iter().enumerate() {
                    let product: f64 = component.iter().zip(other).map(|(x, y)| x * y).sum();
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn wide_rows_give_one_model_whatever_their_order_and_however_they_are_merged() {
        for n_rows in [60, 199, 200, 1500] {
            let mut rows = wide(3, n_rows, 200);
            let fit = |rows: PcaRows| {
                Pca::fit(rows, &options(Scale::Standard, Components::Count(4)))
                    .expect("rows")
                    .expect("a model")
            };
            let expected = fit(observe(&rows, Scale::Standard));
            Random::new(n_rows as u64).shuffle(&mut rows);
            for cuts in [[1, 2], [30, 59], [n_rows / 2, n_rows - 1]] {
                let mut all = observe(&rows[..cuts[0]], Scale::Standard);
                all.merge(&observe(&rows[cuts[0]..cuts[1]], Scale::Standard));
                let mut others = observe(&rows[cuts[1]..], Scale::Standard);
                others.merge(&all);
                assert!(fit(others) == expected, "{n_rows} rows, {cuts:?}");
            }
        }
    }

    #[test]
    fn what_would_take_long_or_much_memory_is_an_error() {
        let none = vec![false; 20_000];
        let error = PcaRows::new(Scale::Standard, Nulls::Skip, &none, &none, MEMORY, 42).map(|_| ());
        assert_eq!(error, Err(Error::OverMemory { features: 20_000, most: 11_585, memory: MEMORY }));
        for (scale, n_features, n_rows, most) in [
            (Scale::Standard, MAX_SIDE + 1, 1200, Some(1024)),
            (Scale::Robust, MAX_SIDE + 1, 1200, Some(1024)),
            (Scale::Standard, MAX_SIDE, 12_000, None),
            (Scale::Robust, MAX_SIDE, 6144, None),
            (Scale::Robust, MAX_SIDE, 6147, Some(6144)),
            (Scale::Standard, 8192, 723, None),
            (Scale::Standard, 8192, 726, Some(724)),
            (Scale::Robust, WIDE, 200_000, None),
        ] {
            let columns = vec![[1.0, 2.0, 5.0]; n_features];
            let mut rows = new_rows(columns.len(), scale, 3 * MEMORY);
            match &mut rows.store {
                Store::Sums(sums) => sums.rows = n_rows,
                Store::Rows(_) => (0..n_rows / 3).for_each(|_| rows.append(&columns, 0..3)),
            }
            let error = most.map(|most| Error::TooWide { rows: n_rows, features: n_features, most });
            assert_eq!(rows.check().err(), error, "{n_rows} rows of {n_features} features");
            if let Some(error) = error {
                assert_eq!(Pca::fit(rows, &options(scale, Components::Count(1))), Err(error));
            }
        }
    }

    #[test]
    fn more_components_than_can_be_made_in_seconds_are_an_error() {
        let rows = wide(1, 10, 4000);
        let fit = |n| Pca::fit(observe(&rows, Scale::None), &options(Scale::None, Components::Count(n)));
        let most = most_components(10, 4000);
        let products = |n: usize| (n * (n + 10) * 4000) as u64;
        assert!(products(most) <= MAX_PRODUCTS && products(most + 1) > MAX_PRODUCTS);
        let error = Error::TooManyComponents { components: most + 1, features: 4000, most };
        assert_eq!(fit(most + 1), Err(error));
        assert!(fit(40).is_ok());
    }

    fn observe(rows: &[Vec<f64>], scale: Scale) -> PcaRows {
        let n_features = rows[0].len();
        let mut own = new_rows(n_features, scale, MEMORY);
        let columns = columns(rows);
        for start in (0..rows.len()).step_by(700) {
            own.append(&columns, start..rows.len().min(start + 700));
        }
        own
    }

    fn fit(rows: &[Vec<f64>], scale: Scale, n: Components) -> Pca {
        Pca::fit(observe(rows, scale), &options(scale, n)).expect("rows to fit").expect("a usable row")
    }

    fn close(x: f64, y: f64) -> bool {
        (x - y).abs() <= 1e-12 * (1.0 + y.abs())
    }

    fn scores(pca: &Pca, rows: &[Vec<f64>], n: usize) -> Vec<f64> {
        let columns = columns(rows);
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let mut scores = Vec::new();
        pca.transform(&pca.transform.apply(&columns).expect("rows to scale"), n, &mut scores);
        scores
    }

    #[test]
    fn two_features_agree_with_hand_work() {
        // The covariance is [[2, 1], [1, 2]] with the axes (1, 1) of variance 3 and (1, -1) of variance 1.
        let h = 1.5_f64.sqrt();
        let rows = [vec![h, h], vec![-h, -h], vec![h / 3_f64.sqrt(), -h / 3_f64.sqrt()]];
        let rows: Vec<Vec<f64>> = rows.iter().cloned().chain([vec![-rows[2][0], -rows[2][1]]]).collect();
        let pca = fit(&rows, Scale::None, Components::Count(2));
        let s = 0.5_f64.sqrt();
        let factor = 2.0 / 3.0;
        for (x, y) in pca.components.concat().iter().zip([s, s, s, -s]) {
            assert!(close(*x, y), "{:?}", pca.components);
        }
        assert!(close(pca.explained_variance[0], 3.0 * factor) && close(pca.explained_variance[1], factor));
        assert!(close(pca.explained_variance_ratio[0], 0.75) && close(pca.explained_variance_ratio[1], 0.25));
        assert!(close(scores(&pca, &rows, 1)[0], 3_f64.sqrt()));
    }

    #[test]
    fn all_components_bring_a_row_back() {
        let rows = blobs(1, 300, 5, 3);
        for scale in [Scale::Standard, Scale::MinMax, Scale::Robust, Scale::None] {
            let pca = fit(&rows, scale, Components::Count(5));
            for (row, scores) in rows.iter().zip(scores(&pca, &rows, 5).chunks(5)) {
                assert!(pca.inverse(scores).iter().zip(row).all(|(x, y)| close(*x, *y)));
            }
            assert!(close(pca.explained_variance_ratio.iter().sum(), 1.0));
            assert!(pca.explained_variance.is_sorted_by(|x, y| x >= y));
        }
    }

    #[test]
    fn scores_have_the_explained_variance() {
        let rows = blobs(2, 5000, 6, 4);
        let pca = fit(&rows, Scale::Standard, Components::Count(3));
        for (component, &variance) in pca.explained_variance.iter().enumerate() {
            let scores = scores(&pca, &rows, 3);
            let own = scores.chunks(3).map(|row| row[component]);
            let mean = own.clone().sum::<f64>() / 5000.0;
            assert!(mean.abs() < 1e-12);
            assert!((own.map(|x| x * x).sum::<f64>() / 4999.0 - variance).abs() < 1e-10);
        }
    }

    #[test]
    fn fit_depends_neither_on_order_nor_on_merges_or_threads() {
        let mut rows = blobs(3, 9000, 4, 3);
        rows.iter_mut().for_each(|row| row[1] = row[1] * 1e-6 + 1e6);
        for scale in [Scale::Standard, Scale::Robust, Scale::None] {
            let expected = fit(&rows, scale, Components::Count(4));
            Random::new(4).shuffle(&mut rows);
            let mut merged = observe(&rows[..1], scale);
            merged.merge(&observe(&rows[1..4000], scale));
            merged.merge(&observe(&rows[4000..], scale));
            for n_threads in 1..=3 {
                let options = PcaOptions { n_threads, ..options(scale, Components::Count(4)) };
                assert_eq!(Pca::fit(merged.clone(), &options), Ok(Some(expected.clone())));
            }
        }
    }

    #[test]
    fn fit_has_the_same_bits_on_registers_of_any_width() {
        let rows = blobs(9, 5000, 6, 4);
        for scale in [Scale::Standard, Scale::Robust] {
            let models = on_each(|| fit(&rows, scale, Components::Count(6)));
            assert!(models.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }

    #[test]
    fn the_axes_of_a_sample_are_nearly_those_of_all_rows() {
        // A third of the rows twice, for memory of 4,096 rows.
        let mut rows = blobs(7, 20_000, 3, 1);
        rows.iter_mut().for_each(|row| row[1] += 2.0 * row[0]);
        rows.extend_from_within(..10_000);
        let columns = columns(&rows);
        let fit = |memory| {
            let mut own = new_rows(3, Scale::Robust, memory);
            own.append(&columns, 0..rows.len());
            let fit = Pca::fit(own, &options(Scale::Robust, Components::Count(3)));
            fit.expect("rows to fit").expect("a usable row")
        };
        // As little memory as the covariances take.
        let (all, sample) = (fit(MEMORY), fit(8 * 3 * 3));
        assert_eq!((all.rows, sample.rows), (30_000, 30_000));
        for (x, y) in all.explained_variance_ratio.iter().zip(&sample.explained_variance_ratio) {
            assert!(x != y && (x - y).abs() < 0.05, "{x} and {y}");
        }
    }

    #[test]
    fn repeated_rows_are_summed_as_often_as_they_stand_for() {
        // More than memory holds, so that equal rows become one with a count: of few rows, and of many.
        for (n_distinct, n_copies) in [(100, 300), (3000, 11)] {
            let distinct = blobs(n_distinct as u64, n_distinct, 3, 2);
            let rows: Vec<Vec<f64>> = distinct.iter().cycle().take(n_distinct * n_copies).cloned().collect();
            let columns = columns(&rows);
            let fit = |memory| {
                let mut own = new_rows(3, Scale::Robust, memory);
                own.append(&columns, 0..rows.len());
                let fit = Pca::fit(own, &options(Scale::Robust, Components::Count(3)));
                fit.expect("rows to fit").expect("a usable row")
            };
            assert_eq!(fit(8 * 3 * 3), fit(MEMORY), "{n_distinct} rows");
        }
    }

    #[test]
    fn missing_values_are_skipped_or_filled_and_logarithms_are_taken() {
        let rows: Vec<Vec<f64>> =
            blobs(8, 3000, 2, 3).into_iter().map(|row| vec![row[0].abs(), row[1]]).collect();
        let mut holes = rows.clone();
        holes.iter_mut().step_by(7).for_each(|row| row[0] = f64::NAN);
        let fit = |rows: &[Vec<f64>], nulls, log: [bool; 2]| {
            let mut own = PcaRows::new(Scale::Standard, nulls, &log, &[false; 2], MEMORY, 42)
                .expect("memory for two features");
            own.append(&columns(rows), 0..rows.len());
            Pca::fit(own, &PcaOptions { nulls, ..options(Scale::Standard, Components::Count(2)) })
        };
        let filled = |x: f64| -> Vec<Vec<f64>> {
            holes.iter().map(|row| vec![if row[0].is_nan() { x } else { row[0] }, row[1]]).collect()
        };
        let components =
            |pca: Result<Option<Pca>, Error>| pca.expect("rows to fit").map(|pca| pca.components);
        let kept: Vec<Vec<f64>> = holes.iter().filter(|row| !row[0].is_nan()).cloned().collect();
        for log in [[false, false], [true, false]] {
            let expected = components(fit(&kept, Nulls::Skip, log));
            assert_eq!(components(fit(&holes, Nulls::Skip, log)), expected);
            let expected = components(fit(&filled(0.0), Nulls::Skip, log));
            assert_eq!(components(fit(&holes, Nulls::Zero, log)), expected);
            let present: Vec<f64> = kept.iter().map(|row| row[0]).collect();
            let mut mean = crate::ExactSum::new();
            present.iter().for_each(|&x| mean.add(x));
            let mean = mean.quotient(present.len() as f64);
            let expected = components(fit(&filled(mean), Nulls::Skip, log));
            assert_eq!(components(fit(&holes, Nulls::Mean, log)), expected);
            assert_eq!(fit(&holes, Nulls::Error, log), Err(Error::Missing { feature: 0 }));
        }
        let negative = fit(&[vec![1.0, 2.0], vec![-0.5, 3.0]], Nulls::Skip, [true, false]);
        assert_eq!(negative, Err(Error::NegativeLog { feature: 0, value: -0.5 }));
    }

    #[test]
    fn an_outlier_and_an_offset_cost_no_digits() {
        let rows: Vec<Vec<f64>> = (0..3000)
            .map(|i| vec![1e9 + f64::from(i % 7), f64::from(i % 3)])
            .chain([vec![1e9, 1e7]])
            .collect();
        let pca = fit(&rows, Scale::None, Components::Count(2));
        // The small feature's variance, by hand: values 0 to 6, and one row more of 0.
        let direct: Vec<f64> = rows.iter().map(|row| row[0] - 1e9).collect();
        let mean = direct.iter().sum::<f64>() / 3001.0;
        let variance = direct.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3000.0;
        assert!((pca.explained_variance[1] / variance - 1.0).abs() < 1e-2);
        let first = rows.iter().map(|row| row[1]).sum::<f64>() / 3001.0;
        let variance = rows.iter().map(|row| (row[1] - first).powi(2)).sum::<f64>() / 3000.0;
        assert!(close(pca.explained_variance[0] / variance, 1.0));
    }

    #[test]
    fn one_row_or_constant_data_have_no_variance() {
        for rows in [vec![vec![3.0, 4.0, 5.0]], vec![vec![0.1, 0.2, 0.3]; 9]] {
            let pca = fit(&rows, Scale::Standard, Components::Count(2));
            assert_eq!(pca.components, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
            assert_eq!((pca.explained_variance, pca.explained_variance_ratio), (vec![0.0; 2], vec![0.0; 2]));
        }
        assert_eq!(
            Pca::fit(observe(&[vec![f64::NAN]], Scale::None), &options(Scale::None, Components::Count(1))),
            Err(Error::NoUsableRow { feature: 0, missing: 1, rows: 1 })
        );
        assert_eq!(
            Pca::fit(new_rows(1, Scale::None, MEMORY), &options(Scale::None, Components::Count(1))),
            Ok(None)
        );
    }

    #[test]
    fn the_largest_loading_is_positive_and_of_equals_the_first() {
        let rows: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i), -f64::from(i)]).collect();
        let pca = fit(&rows, Scale::Standard, Components::Count(1));
        assert!(pca.components[0][0] > 0.0 && pca.components[0][1] < 0.0);
        for seed in 0..20 {
            for component in fit(&blobs(seed, 60, 4, 3), Scale::None, Components::Count(4)).components {
                let largest = component.iter().copied().max_by(|x, y| x.abs().total_cmp(&y.abs()));
                assert!(largest.is_some_and(|loading| loading > 0.0));
            }
        }
    }

    #[test]
    fn a_share_of_variance_keeps_as_few_components_as_explain_it() {
        let rows: Vec<Vec<f64>> = (0..8)
            .map(|i| vec![f64::from(i & 1) * 6.0, f64::from(i >> 1 & 1) * 3.0, f64::from(i >> 2 & 1) * 2.0])
            .collect();
        // Variances in the ratio 36 : 9 : 4.
        for (share, n) in [(0.5, 1), (0.74, 2), (45.0 / 49.0, 2), (0.95, 3), (1.0, 3)] {
            assert_eq!(fit(&rows, Scale::None, Components::Share(share)).components.len(), n, "{share}");
        }
    }

    #[test]
    fn many_features_are_feasible() {
        let rows = blobs(6, 60, 300, 3);
        let pca = fit(&rows, Scale::Standard, Components::Count(2));
        assert!(pca.explained_variance[0] > 0.0);
    }
}
