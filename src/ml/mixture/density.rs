//! The density of a component: its covariance as a triangle, and the logarithm at a tile of rows.

use super::rows::TILE;

/// Rows whose sums stand side by side in registers.
const LANES: usize = 8;

/// A component with the inverse of the triangle of its covariance.
#[derive(Clone, Debug)]
pub(super) struct Density {
    /// ln(weight) - (d ln(2 pi) + ln |covariance|) / 2.
    constant: f64,
    mean: Vec<f64>,
    /// The rows of the lower triangle P with P covariance P' = 1, one after the other.
    whitening: Vec<f64>,
}

/// Places of a symmetric matrix that are not told by others.
pub(super) fn triangle(n_features: usize) -> usize {
    n_features * (n_features + 1) / 2
}

impl Density {
    /// `covariance`: the rows of its lower triangle, one after the other. A direction in which
    /// there is no variance but rounding gets 2^-40 of the variance of its feature.
    pub(super) fn new(weight: f64, mean: &[f64], covariance: &[f64]) -> Self {
        const LEAST_SHARE: f64 = f64::EPSILON * 4096.0;
        let n = mean.len();
        let start = |row: usize| row * (row + 1) / 2;
        let mut lower = covariance.to_vec();
        let mut ln_determinant = 0.0;
        for row in 0..n {
            let (above, own) = lower.split_at_mut(start(row));
            for column in 0..=row {
                let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
                if column < row {
                    let other = &above[start(column)..][..=column];
                    own[column] = (own[column] - dot(&own[..column], other)) / other[column];
                } else {
                    let least = (own[row] * LEAST_SHARE).max(f64::MIN_POSITIVE);
                    let pivot = (own[row] - dot(&own[..row], &own[..row])).max(least);
                    own[row] = pivot.sqrt();
                    ln_determinant += libm::log(pivot);
                }
            }
        }
        let mut whitening = vec![0.0; triangle(n)];
        for column in 0..n {
            whitening[start(column) + column] = 1.0 / lower[start(column) + column];
            for row in column + 1..n {
                let sum: f64 = (column..row)
                    .map(|i| lower[start(row) + i] * whitening[start(i) + column])
                    .sum();
                whitening[start(row) + column] = -sum / lower[start(row) + row];
            }
        }
        let ln_of_circle = libm::log(std::f64::consts::TAU);
        let constant = libm::log(weight) - 0.5 * (n as f64 * ln_of_circle + ln_determinant);
        Self { constant, mean: mean.to_vec(), whitening }
    }

    /// The differences of rows from the mean; `columns` and `differences` one column after the
    /// other, [`TILE`] values each.
    #[inline(always)]
    pub(super) fn differences(&self, columns: &[f64], differences: &mut [f64]) {
        for ((column, mean), out) in
            columns.chunks_exact(TILE).zip(&self.mean).zip(differences.chunks_exact_mut(TILE))
        {
            out.iter_mut().zip(column).for_each(|(y, x)| *y = x - mean);
        }
    }

    /// ln(weight times density) of rows, from their differences from the mean.
    #[inline(always)]
    pub(super) fn logarithms(&self, differences: &[f64], out: &mut [f64; TILE]) {
        let (out, _) = out.as_chunks_mut::<LANES>();
        for (chunk, out) in out.iter_mut().enumerate() {
            let mut squares = [0.0; LANES];
            let mut rest = self.whitening.as_slice();
            for row in 1..=self.mean.len() {
                let (own, others) = rest.split_at(row);
                rest = others;
                let mut y = [0.0; LANES];
                for (p, column) in own.iter().zip(differences.chunks_exact(TILE)) {
                    let x = &column[chunk * LANES..][..LANES];
                    for lane in 0..LANES {
                        y[lane] += p * x[lane];
                    }
                }
                for lane in 0..LANES {
                    squares[lane] += y[lane] * y[lane];
                }
            }
            for lane in 0..LANES {
                out[lane] = self.constant - 0.5 * squares[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_density_of_two_features_is_that_of_the_formula() {
        let density = Density::new(0.5, &[1.0, 2.0], &[4.0, 1.0, 2.0]);
        let (mut differences, mut out) = (vec![0.0; 2 * TILE], [0.0; TILE]);
        let mut columns = vec![0.0; 2 * TILE];
        (columns[3], columns[TILE + 3]) = (2.0, 5.0);
        density.differences(&columns, &mut differences);
        density.logarithms(&differences, &mut out);
        // The inverse of ((4, 1), (1, 2)) is ((2, -1), (-1, 4)) / 7.
        let square = (2.0 - 6.0 + 36.0) / 7.0;
        let expected =
            0.5_f64.ln() - std::f64::consts::TAU.ln() - 0.5 * 7.0_f64.ln() - square / 2.0;
        assert!((out[3] - expected).abs() < 1e-14, "{} is not {expected}", out[3]);
    }

    #[test]
    fn what_has_no_variance_has_a_finite_density() {
        for covariance in [[0.0, 0.0, 0.0], [1e20, 1e20, 1e20], [1.0, 1.0, 1.0 - 1e-12]] {
            let density = Density::new(1.0, &[0.0, 0.0], &covariance);
            assert!(
                density.constant.is_finite() && density.whitening.iter().all(|x| x.is_finite())
            );
        }
    }
}
