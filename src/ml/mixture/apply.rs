//! What a mixture says of rows: the probabilities of the components.

use super::GaussianMixture;
use super::density::Density;
use super::em::{Scratch, expect};
use super::rows::{RowTile, TILE};
use crate::Error;
use crate::scaling::Scaled;

impl GaussianMixture {
    /// Calls `tell` for each row with its number and the probabilities of the components; `None` of
    /// a row that is not usable.
    ///
    /// # Errors
    /// [`Error::DensityUnderflow`] where the logarithms of all densities are beyond the doubles.
    pub fn probabilities(
        &self,
        scaled: &Scaled,
        mut tell: impl FnMut(usize, Option<&[f64]>),
    ) -> Result<(), Error> {
        let n_features = self.means[0].len();
        let lower = |covariance: &Vec<Vec<f64>>| -> Vec<f64> {
            covariance
                .iter()
                .enumerate()
                .flat_map(|(row, values)| &values[..=row])
                .copied()
                .collect()
        };
        let parts = self.weights.iter().zip(&self.means).zip(&self.covariances);
        let densities: Vec<Density> = parts
            .map(|((weight, mean), covariance)| Density::new(*weight, mean, &lower(covariance)))
            .collect();
        let mut scratch = Scratch::new(&densities, n_features);
        let mut values = vec![0.0; n_features * TILE];
        let mut row_probabilities = vec![0.0; densities.len()];
        let weights = [1.0; TILE];
        for start in (0..scaled.usable.len()).step_by(TILE) {
            let end = scaled.usable.len().min(start + TILE);
            for (column, values) in scaled.columns.iter().zip(values.chunks_exact_mut(TILE)) {
                for ((x, &value), usable) in
                    values.iter_mut().zip(&column[start..end]).zip(&scaled.usable[start..end])
                {
                    *x = if *usable { value } else { 0.0 };
                }
            }
            let tile = RowTile { values: &values, weights: &weights, counts: &[] };
            expect(&densities, &tile, &mut scratch);
            for row in start..end {
                if !scaled.usable[row] {
                    tell(row, None);
                    continue;
                }
                for (p, shares) in row_probabilities.iter_mut().zip(&scratch.shares) {
                    *p = shares[row - start];
                }
                if row_probabilities.iter().any(|p| p.is_nan()) {
                    return Err(Error::DensityUnderflow);
                }
                tell(row, Some(&row_probabilities));
            }
        }
        Ok(())
    }
}
