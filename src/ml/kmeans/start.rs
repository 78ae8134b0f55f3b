//! Rows and centroids that other models start from.

use super::fitting::{Fitting, scale_up};
use super::{KMeansOptions, lloyd::Run};
use crate::Error;
use crate::rows::Observations;
use crate::scaling::{Points, Transform};
use std::ops::RangeInclusive;

/// The centroids of a fit.
type Centroids = Vec<Vec<f64>>;

/// The rows of a fit, scaled.
pub(crate) struct Start {
    pub(crate) transform: Transform,
    pub(crate) points: Points,
    /// Usable rows, those that a sample left out included.
    pub(crate) rows: u64,
    pub(crate) skipped: u64,
    n_distinct: usize,
}

impl Start {
    /// The rows, and the centroids of the fits with each number of clusters in `n_clusters`, as far
    /// as there are so many distinct rows. `None` without a usable row.
    ///
    /// # Errors
    /// Those of [`KMeans::fit`](super::KMeans::fit), but for too few distinct rows.
    pub(crate) fn new(
        observations: Observations,
        n_clusters: RangeInclusive<usize>,
        options: &KMeansOptions,
    ) -> Result<Option<(Self, Vec<Centroids>)>, Error> {
        let options = KMeansOptions { n_clusters: *n_clusters.end(), ..options.clone() };
        let Some(fitting) = Fitting::new(observations, &options)? else {
            return Ok(None);
        };
        let mut n_distinct = fitting.sample.points.len();
        let n_features = fitting.transform.n_features();
        let mut starts = Vec::new();
        for n_clusters in n_clusters {
            if n_clusters > n_distinct {
                break;
            }
            let Run { centroids, sizes, .. } = fitting.run(n_clusters);
            if sizes.contains(&0) {
                // Rows that differ may be equal once they are scaled.
                n_distinct = sizes.iter().filter(|&&size| size > 0).count();
                break;
            }
            starts.push(centroids.chunks(n_features).map(<[f64]>::to_vec).collect());
        }
        let Fitting { transform, points, rows, skipped, .. } = fitting;
        Ok(Some((Self { transform, points, rows, skipped, n_distinct }, starts)))
    }

    /// The error that says what rows there are.
    pub(crate) fn too_few(&self, n_clusters: usize) -> Error {
        super::fitting::too_few(
            &self.points,
            &self.transform,
            self.rows,
            self.n_distinct,
            n_clusters,
        )
    }

    /// Sizes of clusters of the rows held in proportion to all rows.
    pub(crate) fn scale_up(&self, sizes: &[u64]) -> Vec<u64> {
        scale_up(sizes, self.rows)
    }
}
