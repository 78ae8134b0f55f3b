//! Exact sums over the rows of each cluster, to which rows are added and from which they are taken away.

use super::super::ExactSum;
use super::super::exact_sum::scale_by_power;
use super::super::observations::Block;
use super::super::scaling::Points;
use super::super::simd::vectorize;

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
        for block in &points.blocks {
            if block.weights.is_empty() {
                total += block.rows() as f64;
            }
            for weight in &block.weights {
                is_whole &= weight.fract() == 0.0;
                total += weight;
            }
        }
        Self { features: features.collect(), is_whole: is_whole && total < MAX_WEIGHT }
    }
}

/// A row of a block that goes from one cluster to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) row: u32,
    /// The number of clusters stands for none.
    pub(super) from: u32,
    pub(super) to: u32,
}

/// Sums of the features, weights and counts of the rows of each cluster.
#[derive(Clone, Debug)]
pub(super) struct ClusterSums {
    n_clusters: usize,
    /// One for each cluster of each feature, in quanta.
    integers: Vec<i128>,
    /// What does not fit the quanta, and all of rows with other weights than whole ones.
    rests: Vec<ExactSum>,
    weights: Vec<ExactSum>,
    whole_weights: Vec<u64>,
    sizes: Vec<u64>,
    scratch: Scratch,
}

/// Memory that is used again from block to block.
#[derive(Clone, Debug, Default)]
struct Scratch {
    values: Vec<f64>,
    parts: Vec<(i64, i64, f64)>,
    /// High and low sums of each cluster, and of none. 2,048 rows cannot overflow them.
    block: Vec<(i64, i64)>,
}

impl ClusterSums {
    pub(super) fn new(n_clusters: usize, n_features: usize) -> Self {
        Self {
            n_clusters,
            integers: vec![0; n_clusters * n_features],
            rests: vec![ExactSum::new(); n_clusters * n_features],
            weights: vec![ExactSum::new(); n_clusters],
            whole_weights: vec![0; n_clusters],
            sizes: vec![0; n_clusters],
            scratch: Scratch::default(),
        }
    }

    pub(super) fn size(&self, cluster: usize) -> u64 {
        self.sizes[cluster]
    }

    /// Moves rows of a block between clusters.
    pub(super) fn apply(&mut self, arithmetic: &Arithmetic, block: &Block, moves: &[Move]) {
        if moves.is_empty() {
            return;
        }
        let is_weighted = !block.weights.is_empty();
        for (feature, column) in block.columns().into_iter().enumerate() {
            if !arithmetic.is_whole {
                self.apply_exactly(feature, column, block, moves);
            } else if is_weighted {
                self.apply_weighted(feature, &arithmetic.features[feature], column, block, moves);
            } else {
                self.apply_unweighted(feature, &arithmetic.features[feature], column, moves);
            }
        }
        for Move { row, from, to } in moves {
            let (weight, count) = (block.weight(*row as usize), block.count(*row as usize));
            let (from, to) = (*from as usize, *to as usize);
            if from < self.n_clusters {
                self.sizes[from] -= count;
            }
            self.sizes[to] += count;
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

    fn apply_unweighted(&mut self, feature: usize, fixed_point: &FixedPoint, column: &[f64], moves: &[Move]) {
        let Scratch { values, parts, block } = &mut self.scratch;
        values.clear();
        values.extend(moves.iter().map(|moved| column[moved.row as usize]));
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
        column: &[f64],
        block: &Block,
        moves: &[Move],
    ) {
        let start = feature * self.n_clusters;
        let integers = &mut self.integers[start..][..self.n_clusters];
        let rests = &mut self.rests[start..][..self.n_clusters];
        for Move { row, from, to } in moves {
            let (from, to, row) = (*from as usize, *to as usize, *row as usize);
            let mut part = [(0, 0, 0.0)];
            fixed_point.cut(&column[row..=row], &mut part);
            let [(high, low, rest)] = part;
            let weight = block.weights[row];
            let quanta = ((i128::from(high) << LOW_BITS) + i128::from(low)) * (weight as i128);
            integers[to] += quanta;
            rests[to].add_product(rest, weight);
            if from < self.n_clusters {
                integers[from] -= quanta;
                rests[from].add_product(-rest, weight);
            }
        }
    }

    fn apply_exactly(&mut self, feature: usize, column: &[f64], block: &Block, moves: &[Move]) {
        let rests = &mut self.rests[feature * self.n_clusters..][..self.n_clusters];
        for Move { row, from, to } in moves {
            let (x, weight) = (column[*row as usize], block.weight(*row as usize));
            rests[*to as usize].add_product(x, weight);
            if let Some(from) = rests.get_mut(*from as usize) {
                from.add_product(x, -weight);
            }
        }
    }

    /// Writes the means of a cluster over several sums to `means`.
    pub(super) fn means(parts: &[&Self], arithmetic: &Arithmetic, cluster: usize, means: &mut [f64]) {
        let weight = if arithmetic.is_whole {
            parts.iter().map(|part| part.whole_weights[cluster]).sum::<u64>() as f64
        } else {
            let mut weight = ExactSum::new();
            parts.iter().for_each(|part| weight.merge(&part.weights[cluster]));
            weight.round()
        };
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
