//! Sums of the rows of each cluster in single precision, as whole numbers.

use super::super::nearest::SingleTile;
use super::Move;
use crate::exact_sum::scale_by_power;
use crate::fixed_point::Cut;
use crate::scaling::Points;
use crate::simd::vectorize;

/// Bits of a value in single precision, which is at most 1, as a whole number.
const VALUE_BITS: i32 = 30;
/// Bits of the heaviest weight where not all are whole numbers of fewer, and beyond the ratio of
/// weights.
const WEIGHT_BITS: i32 = 16;
const SPARE_BITS: i32 = 8;

/// How values in single precision and weights become whole numbers whose sums of products fit 64
/// bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quanta {
    /// Of the value 1.
    values: f64,
    /// Of a weight of 1.
    weights: f64,
}

impl Quanta {
    pub(crate) fn of(points: &Points) -> Self {
        let weights = || points.blocks.iter().flat_map(|block| &block.weights).copied();
        let heaviest = weights().fold(0.0, f64::max);
        let heaviest = if heaviest > 0.0 { heaviest } else { 1.0 };
        let bits_of = |x: f64| x.log2().ceil() as i32;
        let is_whole = weights().all(|weight| weight.fract() == 0.0);
        let (weight_bits, weights) = if is_whole && bits_of(heaviest + 1.0) <= WEIGHT_BITS {
            (bits_of(heaviest), 1.0)
        } else {
            // Wide ranges of weights leave few bits to the values, of which a run then finds that
            // they are too few.
            let lightest = weights().fold(heaviest, f64::min);
            let bits =
                bits_of(heaviest / lightest).saturating_add(SPARE_BITS).clamp(WEIGHT_BITS, 40);
            (bits, scale_by_power(1.0, bits - bits_of(heaviest)))
        };
        let row_bits = bits_of(points.len().max(1) as f64);
        let value_bits = (62 - row_bits - weight_bits).min(VALUE_BITS);
        Self { values: f64::powi(2.0, value_bits), weights }
    }

    /// A weight as a whole number of at least 1.
    pub(crate) fn weight(&self, weight: f64) -> i64 {
        ((weight * self.weights).round() as i64).max(1)
    }

    /// What weights are multiplied by.
    pub(crate) fn weight_unit(&self) -> f64 {
        self.weights
    }

    /// A value as the sums take it, in the frame.
    pub(crate) fn rounded(&self, x: f32) -> f64 {
        self.value(x) as f64 / self.values
    }

    #[inline(always)]
    fn value(&self, x: f32) -> i64 {
        Cut::WHOLE.units(f64::from(x) * self.values)
    }
}

/// The weight of a row of a tile, where there may be none because all weigh 1.
#[inline(always)]
fn weight_of(weights: &[i64], row: usize) -> i64 {
    weights.get(row).copied().unwrap_or(1)
}

/// Sums of the rows of each cluster in single precision: whole numbers too, so the order of rows
/// does not matter, but of rounded values. After a search a tile is in the cache in single
/// precision, and its doubles are not.
#[derive(Clone, Debug)]
pub(crate) struct SingleSums {
    n_features: usize,
    quanta: Quanta,
    /// The features of one cluster after the other.
    sums: Vec<i64>,
    weights: Vec<i64>,
    /// Of one feature over a tile, and values: memory that is used again.
    of_tile: Vec<i64>,
    scratch: Vec<i64>,
}

impl SingleSums {
    pub(crate) fn new(n_clusters: usize, n_features: usize, quanta: Quanta) -> Self {
        let sums = vec![0; n_clusters * n_features];
        let (weights, of_tile) = (vec![0; n_clusters], vec![0; n_clusters]);
        Self { n_features, quanta, sums, weights, of_tile, scratch: Vec::new() }
    }

    /// Adds all rows of a tile to the clusters of their labels; without weights they weigh 1.
    pub(crate) fn add(&mut self, single: SingleTile, labels: &[f32], weights: &[i64]) {
        let Self { quanta, of_tile, scratch, .. } = self;
        scratch.resize(labels.len(), 0);
        for (feature, column) in single.columns().enumerate() {
            vectorize(
                #[inline(always)]
                || {
                    scratch.iter_mut().zip(column).for_each(|(value, &x)| *value = quanta.value(x));
                    scratch.iter_mut().zip(weights).for_each(|(value, weight)| *value *= weight);
                },
            );
            of_tile.fill(0);
            scratch.iter().zip(labels).for_each(|(value, &label)| of_tile[label as usize] += value);
            let sums = self.sums[feature..].iter_mut().step_by(self.n_features);
            sums.zip(&*of_tile).for_each(|(sum, x)| *sum += x);
        }
        for (row, &label) in labels.iter().enumerate() {
            self.weights[label as usize] += weight_of(weights, row);
        }
    }

    /// Moves rows between clusters; without weights they weigh 1.
    pub(crate) fn apply(&mut self, single: SingleTile, moves: &[Move], weights: &[i64]) {
        let Self { n_features, quanta, scratch, sums, .. } = self;
        scratch.resize(*n_features, 0);
        vectorize(
            #[inline(always)]
            || {
                for Move { row, from, to } in moves {
                    let row = *row as usize;
                    let weight = weight_of(weights, row);
                    let values = scratch.iter_mut().zip(single.row(row));
                    values.for_each(|(value, x)| *value = quanta.value(x) * weight);
                    let to = &mut sums[*to as usize * *n_features..][..*n_features];
                    to.iter_mut().zip(&*scratch).for_each(|(sum, value)| *sum += value);
                    let from = &mut sums[*from as usize * *n_features..][..*n_features];
                    from.iter_mut().zip(&*scratch).for_each(|(sum, value)| *sum -= value);
                }
            },
        );
        for Move { row, from, to } in moves {
            let weight = weight_of(weights, *row as usize);
            self.weights[*to as usize] += weight;
            self.weights[*from as usize] -= weight;
        }
    }

    /// Weight of the rows of a cluster over several sums.
    pub(crate) fn weight(parts: &[&Self], cluster: usize) -> i64 {
        parts.iter().map(|part| part.weights[cluster]).sum()
    }

    /// The sum of a feature over the rows of a cluster, in the frame.
    pub(crate) fn sum(parts: &[&Self], cluster: usize, feature: usize) -> f64 {
        let sum: i64 =
            parts.iter().map(|part| part.sums[cluster * part.n_features + feature]).sum();
        let quanta = parts.first().map_or(1.0, |part| part.quanta.values);
        sum as f64 / quanta
    }
}
