//! Products of rows or of features, and the axes that come from them.

use super::axes::{Axes, axes_of_rows, principal_axes, ratios};
use super::rows::{PcaRows, Store, Sums, WIDE};
use super::{Components, PcaOptions};
use crate::Error;
use crate::exact_sum::{exponent_above, scale_by_power};
use crate::gram::{self, Gram};
use crate::moments::{Moments, TotalMoments};
use crate::rows::{Observations, TILE_ROWS, Tile};
use crate::scaling::{
    HeldRows, Nulls, Plan, Points, Transform, WeightedMoments, fit_transform, transform_of,
};
use crate::threads::{map_parts, worth};
use nalgebra::DMatrix;
use std::cmp::Ordering;

/// What a fit works on.
pub(super) struct Fitted {
    pub(super) transform: Transform,
    products: Products,
    pub(super) rows: u64,
    pub(super) skipped: u64,
}

/// Products that the components come from.
enum Products {
    /// Of all pairs of features, and the rows that they are summed over: a sample where rows were
    /// held and too many.
    Features(Gram, u64),
    /// Of scaled rows about their mean, which are fewer than features; one after the other.
    Rows(Vec<Vec<f64>>),
}

impl Fitted {
    pub(super) fn of(rows: PcaRows, options: &PcaOptions) -> Result<Option<Self>, Error> {
        rows.check()?;
        match rows.store {
            Store::Rows(observations) => Self::of_rows(*observations, options),
            Store::Sums(sums) => Self::of_sums(*sums, rows.n_features, options),
        }
    }

    pub(super) fn of_sums(
        mut sums: Sums,
        n_features: usize,
        options: &PcaOptions,
    ) -> Result<Option<Self>, Error> {
        assert_eq!(sums.nulls, options.nulls, "rows for the same fit");
        if sums.rows == 0 {
            sums.absent.check(sums.skipped)?;
            return Ok(None);
        }
        if let (Nulls::Error, Some(feature)) =
            (sums.nulls, sums.missing.iter().position(|&missing| missing))
        {
            return Err(Error::Missing { feature });
        }
        let is_held = sums.sums.is_none() && sums.is_held(n_features);
        let held = is_held.then(|| std::mem::take(&mut sums.waiting));
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
                (0..n_features)
                    .map(|feature| WeightedMoments::of(moments(feature), sums.rows))
                    .collect()
            }
            (None, None) => return Ok(None),
        };
        let log = if sums.log.is_empty() { vec![false; n_features] } else { sums.log };
        let fill = if sums.nulls == Nulls::Zero { vec![0.0; n_features] } else { Vec::new() };
        let plan =
            Plan { scale: options.scale, nulls: sums.nulls, log, fill, unscaled: &sums.unscaled };
        let (transform, _) = transform_of(&moments, &HeldRows::default(), &sums.least, plan, 1)?;
        let products = match (held, sums.sums) {
            (Some(columns), _) => {
                let scale = |(feature, x): (usize, &f64)| transform.scaled(feature, *x);
                let row = |row: usize| {
                    columns.iter().map(|column| &column[row]).enumerate().map(scale).collect()
                };
                Products::Rows((0..sums.rows as usize).map(row).collect()).centered(&transform)
            }
            (None, gram) => {
                Products::Features(gram.unwrap_or_else(|| Gram::new(n_features)), sums.rows)
            }
        };
        Ok(Some(Self { transform, products, rows: sums.rows, skipped: sums.skipped }))
    }

    fn of_rows(observations: Observations, options: &PcaOptions) -> Result<Option<Self>, Error> {
        observations.check_usable()?;
        if observations.rows() == 0 {
            return Ok(None);
        }
        let observations = observations.within_memory();
        let (rows, skipped) = (observations.rows(), observations.skipped());
        let (transform, points) =
            fit_transform(observations, options.scale, options.nulls, options.n_threads)?;
        let n_features = transform.n_features();
        let products = if n_features > WIDE && rows < n_features as u64 {
            let of_tile = |tile: Tile<'_>| -> Vec<Vec<f64>> {
                let row = |row: usize| {
                    vec![
                        points.scaled_row(&tile, row).collect::<Vec<f64>>();
                        tile.count(row) as usize
                    ]
                };
                (0..tile.rows()).flat_map(row).collect()
            };
            Products::Rows(points.tiles().into_iter().flat_map(of_tile).collect())
                .centered(&transform)
        } else {
            Products::Features(sums_of(&points, options.n_threads), points.n_samples())
        };
        Ok(Some(Self { transform, products, rows, skipped }))
    }

    /// All variances divided by 2^exponent in descending order, the exponent, and the first `n`
    /// axes, with their signs fixed.
    pub(super) fn axes(&self, n: &Components, n_threads: usize) -> Result<Axes, Error> {
        let n_features = self.transform.n_features();
        match &self.products {
            Products::Features(sums, summed) => {
                let (covariance, exponent) = self.covariance(sums, *summed);
                let total: f64 =
                    (0..n_features).map(|feature| covariance[(feature, feature)]).sum();
                let (variances, axes) = if total > 0.0 {
                    principal_axes(covariance)
                } else {
                    let unit =
                        |axis| (0..n_features).map(|i| f64::from(u8::from(i == axis))).collect();
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
        let greatest =
            stddev.iter().zip(spread).map(|(stddev, spread)| stddev / spread).fold(0.0, f64::max);
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
    /// Repeated rows from which on a pass for each bit of their counts is cheaper than a sum for
    /// each row.
    const MANY: usize = 256;
    let add_rows = |sums: &mut Gram, rows: &[usize]| {
        for rows in rows.chunks(gram::ROWS) {
            let columns = tile.columns().into_iter();
            let columns: Vec<Vec<f64>> =
                columns.map(|column| rows.iter().map(|&row| column[row]).collect()).collect();
            sums.add(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    };
    let (single, several): (Vec<usize>, Vec<usize>) =
        (0..tile.rows()).partition(|&row| tile.count(row) == 1);
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

/// Moments of the values of a feature.
fn moments_of(column: &[f64]) -> WeightedMoments {
    let mut moments = TotalMoments::new();
    column.chunks(TILE_ROWS).for_each(|values| moments.add(&Moments::of(values), values));
    WeightedMoments::of(moments, column.len() as u64)
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
