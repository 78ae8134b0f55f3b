//! Exact sums of the doubles of the rows of each cluster.

use super::Move;
use crate::ExactSum;
use crate::exact_sum::scale_by_power;
use crate::fixed_point::{FixedPoint, LOW_BITS};
use crate::rows::Tile;
use crate::scaling::Points;
use crate::simd::vectorize;

/// Total weight of all rows up to which integers of 128 bits hold every sum.
const MAX_WEIGHT: f64 = (1_u64 << 31) as f64;

/// What rows and sums have in common: which arithmetic is exact for them.
#[derive(Clone, Debug)]
pub(crate) struct Arithmetic {
    features: Vec<FixedPoint>,
    /// Whether all weights are whole numbers of a sum that integers can hold.
    is_whole: bool,
}

impl Arithmetic {
    pub(crate) fn of(points: &Points) -> Self {
        let features = points
            .extents
            .iter()
            .map(|extent| FixedPoint::new(extent.max.abs().max(extent.min.abs())));
        let mut total = 0.0;
        let mut is_whole = true;
        for tile in points.tiles() {
            if tile.weights().is_empty() {
                total += tile.rows() as f64;
            }
            for weight in tile.weights() {
                is_whole &= weight.fract() == 0.0;
                total += weight;
            }
        }
        Self { features: features.collect(), is_whole: is_whole && total < MAX_WEIGHT }
    }
}

/// Exact sums of the scaled features and weights of the rows of each cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterSums {
    n_clusters: usize,
    /// One for each cluster of each feature, in quanta.
    integers: Vec<i128>,
    /// What does not fit the quanta, and all of rows with other weights than whole ones.
    rests: Vec<ExactSum>,
    weights: Vec<ExactSum>,
    whole_weights: Vec<u64>,
    scratch: Scratch,
}

/// Memory that is used again from tile to tile.
#[derive(Clone, Debug, Default)]
struct Scratch {
    values: Vec<f64>,
    parts: Vec<(i64, i64, f64)>,
    /// High and low sums of each cluster, and of none. 2,048 rows cannot overflow them.
    block: Vec<(i64, i64)>,
    /// Where the rows of each cluster end, and the rows in the order of their clusters.
    ends: Vec<usize>,
    order: Vec<u32>,
}

impl ClusterSums {
    pub(crate) fn new(n_clusters: usize, n_features: usize) -> Self {
        Self {
            n_clusters,
            integers: vec![0; n_clusters * n_features],
            rests: vec![ExactSum::new(); n_clusters * n_features],
            weights: vec![ExactSum::new(); n_clusters],
            whole_weights: vec![0; n_clusters],
            scratch: Scratch::default(),
        }
    }

    /// Adds the scaled rows of a tile to the clusters of their labels.
    pub(crate) fn add(&mut self, arithmetic: &Arithmetic, tile: &Tile, labels: &[f32]) {
        if !tile.weights().is_empty() || !arithmetic.is_whole {
            let none = self.n_clusters as u32;
            let moves = labels.iter().zip(0..).map(|(&label, row)| Move {
                row,
                from: none,
                to: label as u32,
            });
            let moves: Vec<Move> = moves.collect();
            return self.apply(arithmetic, tile, &moves, |_, x| x);
        }
        self.sort(labels);
        let Scratch { values, ends, order, .. } = &mut self.scratch;
        values.resize(labels.len(), 0.0);
        for (feature, column) in tile.columns().into_iter().enumerate() {
            values.iter_mut().zip(&*order).for_each(|(x, &row)| *x = column[row as usize]);
            let fixed_point = &arithmetic.features[feature];
            let mut start = 0;
            for (cluster, &end) in ends.iter().enumerate().filter(|(_, end)| **end > 0) {
                let own = &values[start..end];
                start = end;
                let (high, low, left) = vectorize(
                    #[inline(always)]
                    || fixed_point.sum(own),
                );
                let at = feature * self.n_clusters + cluster;
                self.integers[at] += (i128::from(high) << LOW_BITS) + i128::from(low);
                if left {
                    own.iter().for_each(|&x| self.rests[at].add(fixed_point.rest(x)));
                }
            }
        }
        let mut start = 0;
        for (weight, &end) in self.whole_weights.iter_mut().zip(&self.scratch.ends) {
            *weight += (end - start) as u64;
            start = end;
        }
    }

    /// Sorts rows by their labels.
    fn sort(&mut self, labels: &[f32]) {
        let Scratch { ends, order, .. } = &mut self.scratch;
        ends.clear();
        ends.resize(self.n_clusters, 0);
        labels.iter().for_each(|&label| ends[label as usize] += 1);
        let mut start = 0;
        for end in ends.iter_mut() {
            start += std::mem::replace(end, start);
        }
        order.resize(labels.len(), 0);
        for (&label, row) in labels.iter().zip(0..) {
            let place = &mut ends[label as usize];
            order[*place] = row;
            *place += 1;
        }
    }

    /// Moves rows of a tile between clusters; `scale` makes scaled values of those of the tile.
    pub(crate) fn apply(
        &mut self,
        arithmetic: &Arithmetic,
        tile: &Tile,
        moves: &[Move],
        scale: impl Fn(usize, f64) -> f64,
    ) {
        if moves.is_empty() {
            return;
        }
        let is_weighted = !tile.weights().is_empty();
        for (feature, column) in tile.columns().into_iter().enumerate() {
            let mut values = std::mem::take(&mut self.scratch.values);
            values.clear();
            values.extend(moves.iter().map(|moved| scale(feature, column[moved.row as usize])));
            if !arithmetic.is_whole {
                self.apply_exactly(feature, &values, tile, moves);
            } else if is_weighted {
                self.apply_weighted(feature, &arithmetic.features[feature], &values, tile, moves);
            } else {
                self.apply_unweighted(feature, &arithmetic.features[feature], &values, moves);
            }
            self.scratch.values = values;
        }
        for Move { row, from, to } in moves {
            let weight = tile.weight(*row as usize);
            let (from, to) = (*from as usize, *to as usize);
            if arithmetic.is_whole {
                if from < self.n_clusters {
                    self.whole_weights[from] -= weight as u64;
                }
                self.whole_weights[to] += weight as u64;
            } else {
                if from < self.n_clusters {
                    self.weights[from].add(-weight);
                }
                self.weights[to].add(weight);
            }
        }
    }

    fn apply_unweighted(
        &mut self,
        feature: usize,
        fixed_point: &FixedPoint,
        values: &[f64],
        moves: &[Move],
    ) {
        let Scratch { parts, block, .. } = &mut self.scratch;
        parts.resize(moves.len(), (0, 0, 0.0));
        block.clear();
        block.resize(self.n_clusters + 1, (0, 0));
        let is_left = vectorize(
            #[inline(always)]
            || fixed_point.cut(values, parts),
        );
        for (Move { from, to, .. }, (high, low, _)) in moves.iter().zip(parts.iter()) {
            let from = &mut block[*from as usize];
            *from = (from.0 - high, from.1 - low);
            let to = &mut block[*to as usize];
            *to = (to.0 + high, to.1 + low);
        }
        let integers = &mut self.integers[feature * self.n_clusters..];
        for (sum, (high, low)) in integers.iter_mut().zip(&block[..self.n_clusters]) {
            *sum += (i128::from(*high) << LOW_BITS) + i128::from(*low);
        }
        if is_left {
            let rests = &mut self.rests[feature * self.n_clusters..][..self.n_clusters];
            for (Move { from, to, .. }, (_, _, rest)) in
                moves.iter().zip(parts).filter(|(_, part)| part.2 != 0.0)
            {
                rests[*to as usize].add(*rest);
                if let Some(from) = rests.get_mut(*from as usize) {
                    from.add(-*rest);
                }
            }
        }
    }

    fn apply_weighted(
        &mut self,
        feature: usize,
        fixed_point: &FixedPoint,
        values: &[f64],
        tile: &Tile,
        moves: &[Move],
    ) {
        let start = feature * self.n_clusters;
        let integers = &mut self.integers[start..][..self.n_clusters];
        let rests = &mut self.rests[start..][..self.n_clusters];
        for (Move { row, from, to }, &x) in moves.iter().zip(values) {
            let (from, to) = (*from as usize, *to as usize);
            let mut part = [(0, 0, 0.0)];
            fixed_point.cut(&[x], &mut part);
            let [(high, low, rest)] = part;
            let weight = tile.weight(*row as usize);
            let quanta = ((i128::from(high) << LOW_BITS) + i128::from(low)) * (weight as i128);
            integers[to] += quanta;
            rests[to].add_product(rest, weight);
            if from < self.n_clusters {
                integers[from] -= quanta;
                rests[from].add_product(-rest, weight);
            }
        }
    }

    fn apply_exactly(&mut self, feature: usize, values: &[f64], tile: &Tile, moves: &[Move]) {
        let rests = &mut self.rests[feature * self.n_clusters..][..self.n_clusters];
        for (Move { row, from, to }, &x) in moves.iter().zip(values) {
            let weight = tile.weight(*row as usize);
            rests[*to as usize].add_product(x, weight);
            if let Some(from) = rests.get_mut(*from as usize) {
                from.add_product(x, -weight);
            }
        }
    }

    /// Weight of the rows of a cluster over several sums.
    pub(crate) fn weight(parts: &[&Self], arithmetic: &Arithmetic, cluster: usize) -> f64 {
        if arithmetic.is_whole {
            return parts.iter().map(|part| part.whole_weights[cluster]).sum::<u64>() as f64;
        }
        let mut weight = ExactSum::new();
        parts.iter().for_each(|part| weight.merge(&part.weights[cluster]));
        weight.round()
    }

    /// Writes the means of a cluster over several sums to `means`.
    pub(crate) fn means(
        parts: &[&Self],
        arithmetic: &Arithmetic,
        cluster: usize,
        means: &mut [f64],
    ) {
        let weight = Self::weight(parts, arithmetic, cluster);
        for ((feature, mean), fixed_point) in means.iter_mut().enumerate().zip(&arithmetic.features)
        {
            let integer: i128 =
                parts.iter().map(|part| part.integers[feature * part.n_clusters + cluster]).sum();
            let rests = parts.iter().map(|part| &part.rests[feature * part.n_clusters + cluster]);
            let mut rests = rests.filter(|rest| !rest.is_empty()).peekable();
            *mean = if rests.peek().is_none() {
                scale_by_power(integer as f64 / weight, fixed_point.exponent())
            } else {
                let mut sum = ExactSum::new();
                sum.add_integer(integer, fixed_point.exponent());
                rests.for_each(|rest| sum.merge(rest));
                sum.quotient(weight)
            } + 0.0;
        }
    }
}
