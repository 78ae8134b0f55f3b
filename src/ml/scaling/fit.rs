//! The transform that fits rows.

use super::feature::FeatureTransform;
use super::quartiles::Copies;
use super::weights::reduce_weights;
use super::{Extent, HeldRows, Nulls, Points, Scale, Transform, WeightedMoments};
use crate::exact_sum::ExactSum;
use crate::logarithm::ln_1p_all;
use crate::rows::{Block, Observations};
use crate::threads::{map_parts, worth};
use crate::{Error, MAX_MAGNITUDE};
use std::sync::Arc;

/// The transform that fits `observations`, and their rows.
///
/// # Errors
/// [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`], [`Error::WeightTooLarge`].
pub(crate) fn fit_transform(
    observations: Observations,
    scale: Scale,
    nulls: Nulls,
    n_threads: usize,
) -> Result<(Transform, Points), Error> {
    let n_features = observations.n_features();
    assert_eq!(
        nulls != Nulls::Skip,
        observations.keep_missing(),
        "missing values are kept unless skipped"
    );
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
        block.forget_statistics();
        let weight = |row: usize| block.weights.get(row).copied().unwrap_or(1.0);
        block.weights =
            (0..block.rows()).map(|row| weight(row) * block.counts[row] as f64).collect();
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
pub(crate) struct Plan<'a> {
    pub(crate) scale: Scale,
    pub(crate) nulls: Nulls,
    pub(crate) log: Vec<bool>,
    pub(crate) fill: Vec<f64>,
    /// Features that are taken as they are; empty where none is.
    pub(crate) unscaled: &'a [bool],
}

/// The transform that fits features with these moments, and where their scaled values lie. `least`:
/// the least value of each feature before its logarithm, where one is taken. `rows` are needed for
/// [`Scale::Robust`].
///
/// # Errors
/// [`Error::NegativeLog`], [`Error::TooLarge`].
pub(crate) fn transform_of(
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
                for (row, &x) in
                    block.column(feature).iter().enumerate().filter(|(_, x)| !x.is_nan())
                {
                    // Rows of a sample stand for several each.
                    let times =
                        block.weights.get(row).copied().unwrap_or(1.0) * block.count(row) as f64;
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

/// Fills missing values and takes logarithms; `least` becomes the least value of each feature
/// before that.
fn fill_block(block: &mut Arc<Block>, fill: &[f64], log: &[bool], least: &mut [f64]) {
    // A block that another state still shares is copied.
    let block = Arc::make_mut(block);
    block.forget_statistics();
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
            let known = match tile.known_statistics() {
                Some(statistics) => &statistics.moments,
                None => {
                    computed = tile.statistics(seed).moments;
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
