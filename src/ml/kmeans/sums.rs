//! Exact sums over the rows of each cluster, to which rows are added and from which they are taken away.

use super::super::ExactSum;
use super::super::exact_sum::scale_by_power;
use super::super::observations::Block;
use super::super::scaling::Points;

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

    /// `x` in quanta, and what is left of it: 0 but for values below 2^-42 of the greatest.
    #[inline(always)]
    fn of(&self, x: f64) -> (i128, f64) {
        let (high, rest) = cut(x, self.high_cut);
        let (low, rest) = cut(rest, self.low_cut);
        ((i128::from(high) << LOW_BITS) + i128::from(low), rest)
    }
}

/// `x` in the quanta that `cut` stands for, and what is left.
#[inline(always)]
fn cut(x: f64, cut: f64) -> (i64, f64) {
    let shifted = x + cut;
    (shifted.to_bits().wrapping_sub(cut.to_bits()) as i64, x - (shifted - cut))
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

/// Sums of the features, weights and counts of the rows of each cluster.
#[derive(Clone, Debug)]
pub(super) struct ClusterSums {
    /// One for each feature of each cluster, in quanta.
    integers: Vec<i128>,
    /// What does not fit the quanta, and all of rows with other weights than whole ones.
    rests: Vec<ExactSum>,
    weights: Vec<ExactSum>,
    whole_weights: Vec<u64>,
    sizes: Vec<u64>,
}

impl ClusterSums {
    pub(super) fn new(n_clusters: usize, n_features: usize) -> Self {
        Self {
            integers: vec![0; n_clusters * n_features],
            rests: vec![ExactSum::new(); n_clusters * n_features],
            weights: vec![ExactSum::new(); n_clusters],
            whole_weights: vec![0; n_clusters],
            sizes: vec![0; n_clusters],
        }
    }

    pub(super) fn size(&self, cluster: usize) -> u64 {
        self.sizes[cluster]
    }

    /// Adds a row to a cluster.
    #[inline(always)]
    pub(super) fn add(&mut self, arithmetic: &Arithmetic, block: &Block, row: usize, cluster: u32) {
        self.change::<false>(arithmetic, block, row, cluster as usize);
    }

    /// Takes a row away that was added.
    #[inline(always)]
    pub(super) fn take(&mut self, arithmetic: &Arithmetic, block: &Block, row: usize, cluster: u32) {
        self.change::<true>(arithmetic, block, row, cluster as usize);
    }

    #[inline(always)]
    fn change<const TAKE: bool>(
        &mut self,
        arithmetic: &Arithmetic,
        block: &Block,
        row: usize,
        cluster: usize,
    ) {
        let n_features = arithmetic.features.len();
        let weight = block.weight(row);
        let start = cluster * n_features;
        if arithmetic.is_whole {
            let whole = weight as u64;
            let features = arithmetic.features.iter().zip(block.row(row));
            for (i, ((fixed_point, x), sum)) in features.zip(&mut self.integers[start..]).enumerate() {
                let (quanta, rest) = fixed_point.of(x);
                let quanta = if whole == 1 { quanta } else { quanta * i128::from(whole) };
                *sum = if TAKE { *sum - quanta } else { *sum + quanta };
                if rest != 0.0 {
                    self.rests[start + i].add_product(if TAKE { -rest } else { rest }, weight);
                }
            }
            let total = &mut self.whole_weights[cluster];
            *total = if TAKE { *total - whole } else { *total + whole };
        } else {
            let weight = if TAKE { -weight } else { weight };
            let rests = &mut self.rests[start..start + n_features];
            rests.iter_mut().zip(block.row(row)).for_each(|(sum, x)| sum.add_product(x, weight));
            self.weights[cluster].add(weight);
        }
        let size = &mut self.sizes[cluster];
        *size = if TAKE { *size - block.count(row) } else { *size + block.count(row) };
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
        let start = cluster * means.len();
        for (i, (mean, fixed_point)) in means.iter_mut().zip(&arithmetic.features).enumerate() {
            let integer: i128 = parts.iter().map(|part| part.integers[start + i]).sum();
            let mut rests =
                parts.iter().map(|part| &part.rests[start + i]).filter(|rest| !rest.is_empty()).peekable();
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
