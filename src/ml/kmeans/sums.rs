//! Sums over the rows of each cluster, to which rows are added and from which they are taken away.

use super::super::ExactSum;
use super::super::exact_sum::scale_by_power;
use super::super::scaling::Points;
use super::super::simd::vectorize;
use super::nearest::Shadow;
use crate::rows::Tile;

/// Bits of a value's high and low part in fixed point.
const HIGH_BITS: i32 = 51;
const LOW_BITS: i32 = 44;
/// Total weight of all rows up to which integers of 128 bits hold every sum.
const MAX_WEIGHT: f64 = (1_u64 << 31) as f64;

/// How the values of a feature become integers: multiples of a quantum 2^-95 of the greatest magnitude.
#[derive(Clone, Copy, Debug)]
struct FixedPoint {
    /// Adding and taking away these leaves a multiple of 2^44 quanta, and of the quantum.
    high_cut: f64,
    low_cut: f64,
    /// Of the quantum, as a power of two.
    exponent: i32,
}

impl FixedPoint {
    fn new(greatest: f64) -> Self {
        let top = greatest.max(1e-250).log2().floor() as i32 + 2;
        let cut = |bits: i32| 1.5 * scale_by_power(1.0, top - bits + 52);
        Self {
            high_cut: cut(HIGH_BITS),
            low_cut: cut(HIGH_BITS + LOW_BITS),
            exponent: top - HIGH_BITS - LOW_BITS,
        }
    }

    /// Cuts values into integers, a high one of 2^44 quanta and a low one, and what is left: 0 but for values below
    /// 2^-42 of the greatest. Whether anything is left.
    #[inline(always)]
    fn cut(&self, values: &[f64], parts: &mut [(i64, i64, f64)]) -> bool {
        let mut left = 0;
        for (part, &x) in parts.iter_mut().zip(values) {
            let high = x + self.high_cut;
            let rest = x - (high - self.high_cut);
            let low = rest + self.low_cut;
            let rest = rest - (low - self.low_cut);
            left |= rest.to_bits() << 1;
            *part = (difference(high, self.high_cut), difference(low, self.low_cut), rest);
        }
        left != 0
    }
}

impl FixedPoint {
    /// The sums of the high and of the low parts of up to 2,048 values, and whether anything is left of one.
    #[inline(always)]
    fn sum(&self, values: &[f64]) -> (i64, i64, bool) {
        const LANES: usize = 8;
        let (lanes, rest) = values.as_chunks::<LANES>();
        let (mut highs, mut lows, mut left) = ([0; LANES], [0; LANES], [0; LANES]);
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for x in lanes.iter().chain([&last]) {
            for lane in 0..LANES {
                let high = x[lane] + self.high_cut;
                let rest = x[lane] - (high - self.high_cut);
                let low = rest + self.low_cut;
                highs[lane] += difference(high, self.high_cut);
                lows[lane] += difference(low, self.low_cut);
                left[lane] |= (rest - (low - self.low_cut)).to_bits() << 1;
            }
        }
        (highs.iter().sum(), lows.iter().sum(), left != [0; LANES])
    }

    /// What is left of a value.
    fn rest(&self, x: f64) -> f64 {
        let mut part = [(0, 0, 0.0)];
        self.cut(&[x], &mut part);
        part[0].2
    }
}

/// How many units in the last place `x` is above `origin`; both have one exponent.
#[inline(always)]
fn difference(x: f64, origin: f64) -> i64 {
    x.to_bits().wrapping_sub(origin.to_bits()) as i64
}

/// What rows and sums have in common: which arithmetic is exact for them.
#[derive(Clone, Debug)]
pub(super) struct Arithmetic {
    features: Vec<FixedPoint>,
    /// Whether all weights are whole numbers of a sum that integers can hold.
    is_whole: bool,
}

impl Arithmetic {
    pub(super) fn of(points: &Points) -> Self {
        let features =
            points.extents.iter().map(|extent| FixedPoint::new(extent.max.abs().max(extent.min.abs())));
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

/// A row of a tile that goes from one cluster to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) row: u32,
    /// The number of clusters stands for none.
    pub(super) from: u32,
    pub(super) to: u32,
}

/// Rows of a tile that are compared at once: late iterations change few.
const RUN: usize = 32;

/// Collects the rows whose labels differ.
pub(super) fn moves(old: &[f32], new: &[f32], moves: &mut Vec<Move>) {
    moves.clear();
    vectorize(
        #[inline(always)]
        || {
            let runs = old.chunks(RUN).zip(new.chunks(RUN));
            for (first, (old, new)) in (0..).step_by(RUN).zip(runs) {
                let bits = old.iter().zip(new).fold(0, |bits, (x, y)| bits | (x.to_bits() ^ y.to_bits()));
                if bits == 0 {
                    continue;
                }
                // Without a branch for each row, which could not be foreseen.
                let mut rows = [0; RUN];
                let mut n_rows = 0;
                for (row, (x, y)) in (0..).zip(old.iter().zip(new)) {
                    rows[n_rows] = row;
                    n_rows += usize::from(x != y);
                }
                moves.extend(rows[..n_rows].iter().map(|&row: &u32| Move {
                    row: first + row,
                    from: old[row as usize] as u32,
                    to: new[row as usize] as u32,
                }));
            }
        },
    );
}

/// Exact sums of the scaled features and weights of the rows of each cluster.
#[derive(Clone, Debug)]
pub(super) struct ClusterSums {
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
    pub(super) fn new(n_clusters: usize, n_features: usize) -> Self {
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
    pub(super) fn add(&mut self, arithmetic: &Arithmetic, tile: &Tile, labels: &[f32]) {
        if !tile.weights().is_empty() || !arithmetic.is_whole {
            let none = self.n_clusters as u32;
            let moves =
                labels.iter().zip(0..).map(|(&label, row)| Move { row, from: none, to: label as u32 });
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
    pub(super) fn apply(
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

    fn apply_unweighted(&mut self, feature: usize, fixed_point: &FixedPoint, values: &[f64], moves: &[Move]) {
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
    pub(super) fn weight(parts: &[&Self], arithmetic: &Arithmetic, cluster: usize) -> f64 {
        if arithmetic.is_whole {
            return parts.iter().map(|part| part.whole_weights[cluster]).sum::<u64>() as f64;
        }
        let mut weight = ExactSum::new();
        parts.iter().for_each(|part| weight.merge(&part.weights[cluster]));
        weight.round()
    }

    /// Writes the means of a cluster over several sums to `means`.
    pub(super) fn means(parts: &[&Self], arithmetic: &Arithmetic, cluster: usize, means: &mut [f64]) {
        let weight = Self::weight(parts, arithmetic, cluster);
        for ((feature, mean), fixed_point) in means.iter_mut().enumerate().zip(&arithmetic.features) {
            let integer: i128 =
                parts.iter().map(|part| part.integers[feature * part.n_clusters + cluster]).sum();
            let rests = parts.iter().map(|part| &part.rests[feature * part.n_clusters + cluster]);
            let mut rests = rests.filter(|rest| !rest.is_empty()).peekable();
            *mean = if rests.peek().is_none() {
                scale_by_power(integer as f64 / weight, fixed_point.exponent)
            } else {
                let mut sum = ExactSum::new();
                sum.add_integer(integer, fixed_point.exponent);
                rests.for_each(|rest| sum.merge(rest));
                sum.quotient(weight)
            } + 0.0;
        }
    }
}

/// How shadows and weights become whole numbers whose sums of products fit 64 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quanta {
    /// Of a shadow's value 1.
    values: f64,
    /// Of a weight of 1.
    weights: f64,
}

/// Bits of a shadow's value, which is at most 1, as a whole number.
const VALUE_BITS: i32 = 30;
/// Bits of the heaviest weight where not all are whole numbers of fewer, and beyond the ratio of weights.
const WEIGHT_BITS: i32 = 16;
const SPARE_BITS: i32 = 8;

impl Quanta {
    pub(super) fn of(points: &Points) -> Self {
        let weights = || points.blocks.iter().flat_map(|block| &block.weights).copied();
        let heaviest = weights().fold(0.0, f64::max);
        let heaviest = if heaviest > 0.0 { heaviest } else { 1.0 };
        let bits_of = |x: f64| x.log2().ceil() as i32;
        let is_whole = weights().all(|weight| weight.fract() == 0.0);
        let (weight_bits, weights) = if is_whole && bits_of(heaviest + 1.0) <= WEIGHT_BITS {
            (bits_of(heaviest), 1.0)
        } else {
            // Wide ranges of weights leave few bits to the values, of which a run then finds that they are too few.
            let lightest = weights().fold(heaviest, f64::min);
            let bits = bits_of(heaviest / lightest).saturating_add(SPARE_BITS).clamp(WEIGHT_BITS, 40);
            (bits, scale_by_power(1.0, bits - bits_of(heaviest)))
        };
        let row_bits = bits_of(points.len().max(1) as f64);
        let value_bits = (62 - row_bits - weight_bits).min(VALUE_BITS);
        Self { values: f64::powi(2.0, value_bits), weights }
    }

    /// A weight as a whole number of at least 1.
    pub(super) fn weight(&self, weight: f64) -> i64 {
        ((weight * self.weights).round() as i64).max(1)
    }

    /// What weights are multiplied by.
    pub(super) fn weight_unit(&self) -> f64 {
        self.weights
    }

    /// A value of a shadow as the sums take it, in the frame.
    pub(super) fn rounded(&self, x: f32) -> f64 {
        self.value(x) as f64 / self.values
    }

    #[inline(always)]
    fn value(&self, x: f32) -> i64 {
        // Adding 1.5 * 2^52 leaves a whole number in the lowest bits; a conversion would be one at a time.
        const ORIGIN: f64 = 6_755_399_441_055_744.0;
        difference(f64::from(x) * self.values + ORIGIN, ORIGIN)
    }
}

/// The weight of a row of a tile, where there may be none because all weigh 1.
#[inline(always)]
fn weight_of(weights: &[i64], row: usize) -> i64 {
    weights.get(row).copied().unwrap_or(1)
}

/// Sums of the shadows of the rows of each cluster: whole numbers too, so they are free of the order of rows, but of
/// values that single precision has rounded. A tile's shadow is in the cache after a search, its doubles are not.
#[derive(Clone, Debug)]
pub(super) struct ShadowSums {
    n_features: usize,
    quanta: Quanta,
    /// The features of one cluster after the other.
    sums: Vec<i64>,
    weights: Vec<i64>,
    /// Of one feature over a tile, and values: memory that is used again.
    of_tile: Vec<i64>,
    scratch: Vec<i64>,
}

impl ShadowSums {
    pub(super) fn new(n_clusters: usize, n_features: usize, quanta: Quanta) -> Self {
        let sums = vec![0; n_clusters * n_features];
        let (weights, of_tile) = (vec![0; n_clusters], vec![0; n_clusters]);
        Self { n_features, quanta, sums, weights, of_tile, scratch: Vec::new() }
    }

    /// Adds all rows of a tile to the clusters of their labels; without weights they weigh 1.
    pub(super) fn add(&mut self, shadow: Shadow, labels: &[f32], weights: &[i64]) {
        let Self { quanta, of_tile, scratch, .. } = self;
        scratch.resize(labels.len(), 0);
        for (feature, column) in shadow.columns().enumerate() {
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
    pub(super) fn apply(&mut self, shadow: Shadow, moves: &[Move], weights: &[i64]) {
        let Self { n_features, quanta, scratch, sums, .. } = self;
        scratch.resize(*n_features, 0);
        vectorize(
            #[inline(always)]
            || {
                for Move { row, from, to } in moves {
                    let row = *row as usize;
                    let weight = weight_of(weights, row);
                    let values = scratch.iter_mut().zip(shadow.row(row));
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
    pub(super) fn weight(parts: &[&Self], cluster: usize) -> i64 {
        parts.iter().map(|part| part.weights[cluster]).sum()
    }

    /// The sum of a feature over the rows of a cluster, in the frame.
    pub(super) fn sum(parts: &[&Self], cluster: usize, feature: usize) -> f64 {
        let sum: i64 = parts.iter().map(|part| part.sums[cluster * part.n_features + feature]).sum();
        let quanta = parts.first().map_or(1.0, |part| part.quanta.values);
        sum as f64 / quanta
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::scaling::{Nulls, Scale, fit_transform};
    use super::super::super::simd::tests::on_each;
    use super::super::super::test_data::{Random, blobs, observe};
    use super::*;
    use crate::rows::Block;

    #[test]
    fn a_tile_that_is_added_at_once_gives_the_sums_of_its_rows_one_by_one() {
        let mut random = Random::new(1);
        for case in 0..20 {
            let mut rows = blobs(case, 1 + random.below(5000), 3, 4);
            if case % 3 == 0 {
                // What is below 2^-95 of the greatest.
                rows[0][1] = 1e30;
            }
            let (_, points) =
                fit_transform(observe(&rows), Scale::None, Nulls::Skip, 1).expect("rows to scale");
            let arithmetic = Arithmetic::of(&points);
            let n_clusters = 1 + random.below(9);
            let label = |row: usize| (mixed(row) % n_clusters) as f32;
            let means = |sums: &ClusterSums| -> Vec<Vec<f64>> {
                let used = (0..n_clusters).filter(|&c| ClusterSums::weight(&[sums], &arithmetic, c) > 0.0);
                used.map(|cluster| {
                    let mut means = vec![0.0; 3];
                    ClusterSums::means(&[sums], &arithmetic, cluster, &mut means);
                    means
                })
                .collect()
            };
            let mut one_by_one = ClusterSums::new(n_clusters, 3);
            for tile in points.tiles() {
                for row in 0..tile.rows() as u32 {
                    let moved = Move { row, from: n_clusters as u32, to: label(row as usize) as u32 };
                    one_by_one.apply(&arithmetic, &tile, &[moved], |_, x| x);
                }
            }
            let at_once = on_each(|| {
                let mut sums = ClusterSums::new(n_clusters, 3);
                for tile in points.tiles() {
                    let labels: Vec<f32> = (0..tile.rows()).map(label).collect();
                    sums.add(&arithmetic, &points.scaled(tile, &mut Block::scratch()), &labels);
                }
                means(&sums)
            });
            at_once.iter().for_each(|at_once| assert_eq!(*at_once, means(&one_by_one)));
        }
    }

    fn mixed(row: usize) -> usize {
        (crate::rows::mix(row as u64) >> 40) as usize
    }

    #[test]
    fn rows_that_moved_are_found() {
        let mut random = Random::new(2);
        let old: Vec<f32> = (0..1000).map(|_| random.below(5) as f32).collect();
        let mut new = old.clone();
        for row in [0, 63, 64, 500, 999] {
            new[row] += 1.0;
        }
        let mut found = Vec::new();
        moves(&old, &new, &mut found);
        let rows: Vec<u32> = found.iter().map(|moved| moved.row).collect();
        assert_eq!(rows, [0, 63, 64, 500, 999]);
        assert!(found.iter().all(|moved| moved.to == moved.from + 1));
    }
}
