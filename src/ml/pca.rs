//! Principal component analysis by the covariance matrix and its eigenvectors.

use super::Error;
use super::exact_sum::scale_by_power;
use super::observations::{Block, Observations};
use super::scaling::{Extent, Nulls, Points, Scale, Scaled, Transform, fit_transform};
use super::simd::vectorize;
use super::threads::{map_parts, worth};
use nalgebra::{DMatrix, SymmetricEigen};

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
    /// How features are scaled.
    pub scale: Scale,
    /// What happens to missing values.
    pub nulls: Nulls,
    /// Which features are taken as ln(1 + x); one flag for each feature.
    pub log: Vec<bool>,
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

impl Pca {
    /// Fits the components. Weights count as shares of the rows: the covariance is the weighted mean of products
    /// times rows / (rows - 1). One row, or constant features alone, give variances of 0 and the first unit
    /// vectors. `None` without a usable row.
    ///
    /// # Errors
    /// Those of the scaling: [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`],
    /// [`Error::WeightTooLarge`].
    pub fn fit(observations: Observations, options: &PcaOptions) -> Result<Option<Self>, Error> {
        let n_features = observations.n_features();
        match options.n {
            Components::Count(n) => assert!((1..=n_features).contains(&n), "a count of components"),
            Components::Share(share) => assert!(share > 0.0 && share <= 1.0, "a share of the variance"),
        }
        if observations.rows() == 0 {
            return Ok(None);
        }
        let observations = observations.settled();
        let (rows, skipped) = (observations.rows(), observations.skipped());
        let (transform, mut points) =
            fit_transform(observations, options.scale, options.nulls, &options.log, options.n_threads)?;
        let (covariance, exponent) = covariance(&mut points, options.n_threads);
        let total: f64 = (0..n_features).map(|feature| covariance[(feature, feature)]).sum();
        let (variances, components) = if total > 0.0 {
            principal_axes(covariance)
        } else {
            let unit = |axis| (0..n_features).map(|feature| f64::from(u8::from(feature == axis))).collect();
            (vec![0.0; n_features], (0..n_features).map(unit).collect::<Vec<Vec<f64>>>())
        };
        let ratios: Vec<f64> =
            variances.iter().map(|variance| if total > 0.0 { variance / total } else { 0.0 }).collect();
        let n = match options.n {
            Components::Count(n) => n,
            Components::Share(share) => n_for_share(&ratios, share),
        };
        Ok(Some(Self {
            transform,
            components: components.into_iter().take(n).collect(),
            explained_variance: variances.iter().take(n).map(|&x| scale_by_power(x, exponent)).collect(),
            explained_variance_ratio: ratios.into_iter().take(n).collect(),
            rows,
            skipped,
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

/// The covariance matrix of `points` about their mean, divided by 2^exponent, and that exponent; centres `points`.
///
/// Sums are free of the order of rows by pre-rounding (J. Demmel, H. D. Nguyen, "Fast reproducible floating-point
/// summation", 2013): each product is cut to a multiple of a quantum that depends on the greatest magnitudes of the
/// features alone, as a high and a low part, whose sums over a block are exact in a double; blocks add up in 128 bits.
/// The quantum is 2^-81 of the greatest product, so that even one row that makes all of the variance among 2^24
/// costs the variance no more than an ordinary rounding.
fn covariance(points: &mut Points, n_threads: usize) -> (DMatrix<f64>, i32) {
    let n_features = points.n_features;
    let reach = |extent: &Extent| (extent.max - extent.mean).max(extent.mean - extent.min);
    let max: Vec<f64> = points.extents.iter().map(reach).collect();
    // Powers of two that bring each feature below 1: exact, and products neither overflow nor underflow.
    let exponents: Vec<i32> = max.iter().map(|&max| exponent_above(max)).collect();
    let frame: Vec<(f64, f64)> = points
        .extents
        .iter()
        .zip(&exponents)
        .map(|(extent, &exponent)| (extent.mean, scale_by_power(1.0, -exponent)))
        .collect();
    let weight_exponent = {
        let weights = points.blocks.iter().flat_map(|block| &block.weights);
        exponent_above(weights.copied().fold(0.0, f64::max))
    };

    let n_threads = worth(points.len() * n_features * n_features, n_threads);
    let sum_pairs = |blocks: &mut [Block]| {
        let mut sums = vec![0_i128; n_features * (n_features + 1) / 2];
        for block in blocks {
            vectorize(
                #[inline(always)]
                || {
                    for (column, (mean, unit)) in block.columns_mut().zip(&frame) {
                        column.iter_mut().for_each(|x| *x = (*x - mean) * unit);
                    }
                    add_products(block, weight_exponent, &mut sums);
                },
            );
        }
        sums
    };
    let parts = map_parts(&mut points.blocks, n_threads, sum_pairs);
    let sums = parts.into_iter().reduce(|mut total, part| {
        total.iter_mut().zip(part).for_each(|(total, sum)| *total += sum);
        total
    });

    let n = points.n_samples() as f64;
    let mut weight = super::ExactSum::new();
    for block in &points.blocks {
        if block.weights.is_empty() {
            weight.add(block.rows() as f64);
        }
        block.weights.iter().for_each(|&of_row| weight.add(of_row));
    }
    // Rows of 1 have the weight n, and the divisor becomes n - 1 itself.
    let divisor = weight.round() / n * (n - 1.0).max(1.0);
    let top = exponents.iter().zip(&max).filter(|&(_, &max)| max > 0.0).map(|(&exponent, _)| exponent).max();
    let top = top.unwrap_or(0);
    let mut covariance = DMatrix::zeros(n_features, n_features);
    let mut pairs = sums.into_iter().flatten();
    for i in 0..n_features {
        for j in 0..=i {
            let sum = pairs.next().unwrap_or(0) as f64 / divisor;
            let exponent = weight_exponent - QUANTUM_BITS + exponents[i] + exponents[j] - 2 * top;
            covariance[(i, j)] = scale_by_power(sum, exponent);
            covariance[(j, i)] = covariance[(i, j)];
        }
    }
    (covariance, 2 * top)
}

/// Bits below 1 at which a product of two features is cut.
const QUANTUM_BITS: i32 = 81;
/// Bits below 1 of a product's high part: with the 11 of 2,048 rows and the sign they fill a double.
const HIGH_BITS: i32 = 40;

/// Adds the products of all pairs of a block's columns, which are below 1, in quanta.
#[inline(always)]
fn add_products(block: &Block, weight_exponent: i32, sums: &mut [i128]) {
    // Adding and taking away 1.5 * 2^52 quanta leaves a multiple of the quantum.
    let high_cut = 1.5 * f64::powi(2.0, 52 - HIGH_BITS);
    let low_cut = 1.5 * f64::powi(2.0, 52 - QUANTUM_BITS);
    let columns = block.columns();
    let weights: Vec<f64> =
        block.weights.iter().map(|&weight| scale_by_power(weight, -weight_exponent)).collect();
    let mut sums = sums.iter_mut();
    let mut weighted = Vec::new();
    for (i, x) in columns.iter().enumerate() {
        let x = if weights.is_empty() {
            *x
        } else {
            weighted.clear();
            weighted.extend(x.iter().zip(&weights).map(|(x, weight)| x * weight));
            weighted.as_slice()
        };
        for (y, sum) in columns[..=i].iter().zip(&mut sums) {
            let (high, low) = cut_products(x, y, high_cut, low_cut);
            *sum += ((f64::powi(2.0, HIGH_BITS) * high) as i128) << (QUANTUM_BITS - HIGH_BITS);
            *sum += (f64::powi(2.0, QUANTUM_BITS) * low) as i128;
        }
    }
}

/// The sums of the high and of the low parts of `x * y`, both exact.
#[inline(always)]
fn cut_products(x: &[f64], y: &[f64], high_cut: f64, low_cut: f64) -> (f64, f64) {
    // Exact sums are free of order, so lanes may sum on their own.
    const LANES: usize = 8;
    let (mut high, mut low) = ([0.0; LANES], [0.0; LANES]);
    let mut add = |x: &[f64], y: &[f64]| {
        for (((x, y), high), low) in x.iter().zip(y).zip(&mut high).zip(&mut low) {
            let product = x * y;
            let high_part = (product + high_cut) - high_cut;
            *high += high_part;
            *low += ((product - high_part) + low_cut) - low_cut;
        }
    };
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let (y_chunks, y_rest) = y.as_chunks::<LANES>();
    x_chunks.iter().zip(y_chunks).for_each(|(x, y)| add(x, y));
    add(x_rest, y_rest);
    (high.iter().sum(), low.iter().sum())
}

/// An exponent with |x| < 2^exponent, at most two above the least; its power and that of its negative are finite.
fn exponent_above(x: f64) -> i32 {
    if x == 0.0 { 0 } else { (x.log2().floor() as i32 + 2).max(-1000) }
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
    for (_, axis) in &mut axes {
        let largest = axis.iter().fold(0.0_f64, |largest, loading| largest.max(loading.abs()));
        let leading = axis.iter().find(|loading| loading.abs() >= largest * (1.0 - SIGN_TOLERANCE));
        let sign = leading.map_or(1.0, |loading| loading.signum());
        axis.iter_mut().for_each(|loading| *loading = *loading * sign + 0.0);
    }
    axes.into_iter().unzip()
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
    use super::super::test_data::{MEMORY, Random, append, blobs, columns, observe};
    use super::*;

    fn options(scale: Scale, n: Components, n_features: usize) -> PcaOptions {
        PcaOptions { scale, nulls: Nulls::Skip, log: vec![false; n_features], n, n_threads: 1 }
    }

    fn fit(rows: &[Vec<f64>], scale: Scale, n: Components) -> Pca {
        let options = options(scale, n, rows[0].len());
        Pca::fit(observe(rows), &options).expect("rows to fit").expect("a usable row")
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
        let expected = fit(&rows, Scale::None, Components::Count(4));
        Random::new(4).shuffle(&mut rows);
        let mut observations = observe(&rows[..1]);
        observations.merge(&observe(&rows[1..4000]));
        observations.merge(&observe(&rows[4000..]));
        for n_threads in 1..=3 {
            let options = PcaOptions { n_threads, ..options(Scale::None, Components::Count(4), 4) };
            assert_eq!(Pca::fit(observations.clone(), &options), Ok(Some(expected.clone())));
        }
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
            Pca::fit(observe(&[vec![f64::NAN]]), &options(Scale::None, Components::Count(1), 1)),
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
    fn a_weight_shifts_the_axes_as_copies_do() {
        let rows = blobs(5, 400, 3, 2);
        let weights: Vec<f64> = (0..400).map(|row| f64::from(1 + row % 3)).collect();
        let mut weighted = Observations::new(3, true, false, MEMORY, 42);
        append(&mut weighted, &rows, Some(&weights), 2048);
        let options = options(Scale::Standard, Components::Count(3), 3);
        let weighted = Pca::fit(weighted, &options).expect("rows to fit").expect("a usable row");
        let copies: Vec<Vec<f64>> =
            rows.iter().zip(&weights).flat_map(|(row, &weight)| vec![row.clone(); weight as usize]).collect();
        let copies = fit(&copies, Scale::Standard, Components::Count(3));
        for (x, y) in weighted.components.concat().iter().zip(copies.components.concat()) {
            assert!((x - y).abs() < 1e-9);
        }
        for (x, y) in weighted.explained_variance_ratio.iter().zip(&copies.explained_variance_ratio) {
            assert!((x - y).abs() < 1e-9);
        }
    }

    #[test]
    fn many_features_are_feasible() {
        let rows = blobs(6, 60, 300, 3);
        let pca = fit(&rows, Scale::Standard, Components::Count(2));
        assert!(pca.explained_variance[0] > 0.0);
    }
}
