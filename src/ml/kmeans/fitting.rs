//! The stages of a fit: the transform, the sample, the search over it, the run over all rows.

use super::lloyd::{self, Limits, Prepared, Run};
use super::sample::Sample;
use super::{KMeansOptions, restarts};
use crate::Error;
use crate::rows::Observations;
use crate::scaling::{Points, Transform, fit_transform};
use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// The rows of a fit, scaled, and the distinct ones that restarts work on.
pub(super) struct Fitting<'o> {
    options: &'o KMeansOptions,
    pub(super) transform: Transform,
    pub(super) points: Points,
    pub(super) sample: Sample,
    /// Usable rows, those that a sample left out included.
    pub(super) rows: u64,
    pub(super) skipped: u64,
    /// The sum of the variances of the scaled features.
    variance: f64,
}

impl<'o> Fitting<'o> {
    pub(super) fn new(
        observations: Observations,
        options: &'o KMeansOptions,
    ) -> Result<Option<Self>, Error> {
        assert!(
            options.n_clusters > 0 && options.n_init > 0 && options.max_iter > 0,
            "options are checked before"
        );
        observations.check_usable()?;
        if observations.rows() == 0 {
            return Ok(None);
        }
        let observations = observations.within_memory();
        let (rows, skipped) = (observations.rows(), observations.skipped());
        let (transform, points) =
            fit_transform(observations, options.scale, options.nulls, options.n_threads)?;
        let variance = points.extents.iter().map(|extent| extent.variance).sum::<f64>();
        let sample =
            Sample::draw(&points, variance, options.n_clusters, options.seed, options.n_threads);
        Ok(Some(Self { options, transform, points, sample, rows, skipped, variance }))
    }

    /// The error that says what rows there are.
    pub(super) fn too_few(&self, n_distinct: usize, n_clusters: usize) -> Error {
        too_few(&self.points, &self.transform, self.rows, n_distinct, n_clusters)
    }

    fn limits(&self, n_rows: usize, n_clusters: usize) -> Limits {
        let n_features = self.transform.n_features();
        Limits {
            max_iter: most_iterations(
                self.options.max_iter,
                (n_rows * n_clusters * n_features) as u64,
            ),
            tolerance: self.options.tol * self.variance / n_features as f64,
        }
    }

    /// The run over all rows from some centroids on; `leads`: whether single precision is fine
    /// enough to lead it.
    fn run_over_all(&self, centroids: Vec<f64>, leads: bool) -> Run {
        let n_clusters = centroids.len() / self.transform.n_features();
        let limits = self.limits(self.points.len(), n_clusters);
        lloyd::run(&self.points, self.variance, centroids, limits, leads, self.options.n_threads)
    }

    /// The run from given centroids on.
    pub(super) fn run_from(&self, centroids: Vec<f64>) -> Run {
        let sample = Prepared::new(&self.sample.points);
        let limits = self.limits(sample.len(), centroids.len() / self.transform.n_features());
        if self.sample.is_whole {
            return sample.run(centroids, limits);
        }
        let mut single = sample.attempt(centroids.clone(), true);
        single.go_on(limits, f64::INFINITY);
        let leads = sample.resolves(single.inertia);
        self.run_over_all(centroids, leads)
    }

    /// The run from the best start that the sample gives.
    pub(super) fn run(&self, n_clusters: usize) -> Run {
        let sample = Prepared::new(&self.sample.points);
        let (centroids, leads) = self.search(&sample, n_clusters, None);
        if self.sample.is_whole {
            sample.run(centroids, self.limits(sample.len(), n_clusters))
        } else {
            self.run_over_all(centroids, leads)
        }
    }

    /// The centroids of the best run over the sample, and whether single precision was fine enough
    /// to lead it; then they are not quite those of exact sums.
    fn search(
        &self,
        rows: &Prepared,
        n_clusters: usize,
        fewer: Option<&Vec<f64>>,
    ) -> (Vec<f64>, bool) {
        /// Of the tolerance, on a sample: iterations cost little there, and the run over all rows
        /// that follows may stop where it moves slowly.
        const FINER: f64 = 0.1;
        let limits = self.limits(rows.len(), n_clusters);
        let finer = if self.sample.is_whole { 1.0 } else { FINER };
        let limits = Limits { tolerance: finer * limits.tolerance, ..limits };
        let search = |in_single_precision| {
            let search = restarts::Search {
                points: &self.sample.points,
                rows,
                is_whole: self.sample.is_whole,
                n_clusters,
                seed: self.options.seed,
                n_threads: self.options.n_threads,
                limits,
                in_single_precision,
            };
            let n_init = self.options.n_init;
            match fewer {
                None => search.best(n_init),
                // The more clusters, the more of them are those of the run before, and the dearer
                // is a restart.
                Some(fewer) => {
                    search.best_grown((3 * n_init).div_ceil(n_clusters).min(n_init), fewer)
                }
            }
        };
        let single = search(true);
        let leads = rows.resolves(single.inertia);
        let best = if leads { single } else { search(false) };
        (best.centroids().to_vec(), leads)
    }

    /// The centroids of the best runs over the sample. Where it is not all rows, and figures are
    /// those of a sample in any case, each run starts from the one before.
    pub(super) fn search_all(&self, n_clusters: RangeInclusive<usize>) -> Vec<Vec<f64>> {
        let sample = Prepared::new(&self.sample.points);
        let mut clusterings: Vec<Vec<f64>> = Vec::new();
        for n_clusters in n_clusters {
            let fewer = clusterings.last().filter(|_| !self.sample.is_whole);
            let (mut centroids, _) = self.search(&sample, n_clusters, fewer);
            if self.sample.is_whole {
                centroids = sample.run(centroids, self.limits(sample.len(), n_clusters)).centroids;
            }
            clusterings.push(centroids);
        }
        clusterings
    }
}

/// The error of fewer distinct rows than clusters, which says what rows there are.
pub(super) fn too_few(
    points: &Points,
    transform: &Transform,
    rows: u64,
    n_distinct: usize,
    n_clusters: usize,
) -> Error {
    let held =
        points.tiles().into_iter().flat_map(|tile| (0..tile.rows()).map(move |row| tile.row(row)));
    let compare = |x: &Vec<f64>, y: &Vec<f64>| {
        x.iter()
            .zip(y)
            .map(|(x, y)| x.total_cmp(y))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    let least = held.map(Iterator::collect::<Vec<f64>>).min_by(compare).unwrap_or_default();
    let original = |(&x, &log): (&f64, &bool)| if log { x.exp_m1() } else { x };
    Error::TooFewDistinctRows {
        n_distinct,
        n_clusters,
        rows,
        least: least.iter().zip(&transform.log).map(original).collect(),
    }
}

/// Iterations that a run may take, each of so many products of a row, a centroid and a feature.
/// Nothing can interrupt it: it ends after 2^40 products, about two minutes of one processor.
pub(super) fn most_iterations(max_iter: usize, products: u64) -> usize {
    const MAX_RUN_PRODUCTS: u64 = 1 << 40;
    max_iter.min((MAX_RUN_PRODUCTS / products) as usize).max(1)
}

/// Sizes of a sample's clusters in proportion to all `rows`, by the method of largest remainders.
pub(super) fn scale_up(sizes: &[u64], rows: u64) -> Vec<u64> {
    let total = u128::from(sizes.iter().sum::<u64>());
    let shares: Vec<u128> = sizes.iter().map(|&size| u128::from(size) * u128::from(rows)).collect();
    let mut scaled: Vec<u64> = shares.iter().map(|share| (share / total) as u64).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&cluster| std::cmp::Reverse(shares[cluster] % total));
    let missing = rows - scaled.iter().sum::<u64>();
    for &cluster in by_remainder.iter().take(missing as usize) {
        scaled[cluster] += 1;
    }
    scaled
}
