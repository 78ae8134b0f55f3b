//! Eigenvectors of products, with their signs fixed, as many as are asked for.

use super::{Components, MAX_PRODUCTS};
use crate::Error;
use crate::exact_sum::{exponent_above, scale_by_power};
use crate::simd::vectorize;
use crate::threads::{map_parts, worth};
use nalgebra::{DMatrix, SymmetricEigen};

/// Loadings whose magnitudes differ by no more than this share count as equally large.
const SIGN_TOLERANCE: f64 = 1e-9;

/// Principal axes with their variances.
pub(super) struct Axes {
    pub(super) axes: Vec<Vec<f64>>,
    /// Of all axes, divided by 2^exponent; and their shares of the total.
    pub(super) variances: Vec<f64>,
    pub(super) ratios: Vec<f64>,
    pub(super) exponent: i32,
}

impl Components {
    pub(super) fn count(&self, ratios: &[f64]) -> usize {
        match self {
            Components::Count(n) => *n,
            Components::Share(share) => n_for_share(ratios, *share),
        }
    }
}

pub(super) fn ratios(variances: &[f64], total: f64) -> Vec<f64> {
    variances.iter().map(|variance| if total > 0.0 { variance / total } else { 0.0 }).collect()
}

/// The axes of rows about their mean, which are fewer than features: their products X X' have the
/// eigenvalues of X' X, and eigenvectors u that lead to its own, X' u.
pub(super) fn axes_of_rows(
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
        let with_others =
            |&i: &usize| rows[..=i].iter().map(|row| dot(&rows[i], row) / divisor).collect();
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
    // Where all variance is explained, any further axes will do: unit vectors, made orthogonal to
    // those there are.
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

/// The most components n of fewer rows than features: n (n + rows) features products make them and
/// make them orthogonal.
pub(super) fn most_components(n_rows: usize, n_features: usize) -> usize {
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

/// Takes from a vector what it has of orthonormal axes, twice for the rounding of the first time,
/// and makes it one of length 1.
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
pub(super) fn principal_axes(covariance: DMatrix<f64>) -> (Vec<f64>, Vec<Vec<f64>>) {
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

/// How many components explain at least `share` of the variance; rounding of their sum does not ask
/// for one more.
fn n_for_share(ratios: &[f64], share: f64) -> usize {
    let mut explained = 0.0;
    let enough = ratios.iter().position(|ratio| {
        explained += ratio;
        explained >= share - 1e-12
    });
    enough.map_or(ratios.len(), |index| index + 1)
}
