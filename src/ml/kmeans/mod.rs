//! k-means: fit, nearest centroid, distances.

mod apply;
mod evaluate;
mod fitting;
mod lloyd;
mod metrics;
mod nearest;
mod restarts;
mod sample;
mod seeding;
mod start;
mod step;
mod sums;
mod survey;

use crate::Error;
use crate::rows::Observations;
use crate::scaling::{Nulls, Scale, Transform};
use fitting::{Fitting, scale_up};
use lloyd::Run;
pub use metrics::Figures;
pub(crate) use start::Start;
use std::ops::RangeInclusive;
pub use step::{FarRow, FeatureStep, SegmentStep, Step};
pub use survey::{Drawing, Drawn, DrawnRow, FeatureSurvey, Sketch, Survey, SurveyOptions};

/// The label of a row that belongs to no segment, because a value is missing.
pub const NO_SEGMENT: u32 = u32::MAX;

/// How to fit a [`KMeans`].
#[derive(Clone, Debug)]
pub struct KMeansOptions {
    /// Clusters.
    pub n_clusters: usize,
    /// How features are scaled.
    pub scale: Scale,
    /// What happens to missing values.
    pub nulls: Nulls,
    /// Restarts from other centroids; the best is kept.
    pub n_init: usize,
    /// Most iterations of a run.
    pub max_iter: usize,
    /// A run ends when the squared shift of all centroids is at most this times the mean variance
    /// of the scaled features.
    pub tol: f64,
    /// What restarts draw from.
    pub seed: i64,
    /// Threads that a fit may use; they do not change its result.
    pub n_threads: usize,
    /// A model with the same features in the same order, and as many clusters, to start from
    /// instead of restarts; its labels are kept.
    pub init: Option<KMeans>,
}

/// A fitted k-means model.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// How raw values become scaled ones.
    pub transform: Transform,
    /// `(n_clusters, n_features)`, in scaled space.
    pub centroids: Vec<Vec<f64>>,
    /// Rows of each cluster; they sum to `rows`.
    pub sizes: Vec<u64>,
    /// Weighted sum of squared distances to the nearest centroid, in scaled space.
    pub inertia: f64,
    /// Usable rows.
    pub rows: u64,
    /// Rows left out for a missing value.
    pub skipped: u64,
    /// Rows that the fit held; fewer than `rows` where it worked on a sample.
    pub sampled: u64,
    /// Iterations of the run that gave the centroids.
    pub iterations: u32,
    /// Whether that run ended by itself, before `max_iter`.
    pub converged: bool,
    /// The seed.
    pub seed: i64,
}

impl KMeans {
    /// Fits `n_clusters` centroids by Lloyd's algorithm, from the best of `n_init` starts by greedy
    /// k-means++ (D. Arthur, S. Vassilvitskii, 2007), improved by swaps of single centroids (P.
    /// Fränti, "Efficiency of random swap clustering", 2018). Both work on the distinct rows, or
    /// where there are more than 32,768 on a sample of them; then a run over all rows follows.
    /// Clusters are numbered by descending size, ties by centroid. `None` without a usable row.
    ///
    /// # Errors
    /// [`Error::TooFewDistinctRows`], [`Error::NoUsableRow`] and those of the scaling:
    /// [`Error::Missing`], [`Error::NegativeLog`], [`Error::TooLarge`], [`Error::WeightTooLarge`].
    pub fn fit(observations: Observations, options: &KMeansOptions) -> Result<Option<Self>, Error> {
        let n_clusters = options.n_clusters;
        let Some(fitting) = Fitting::new(observations, options)? else {
            return Ok(None);
        };
        let n_distinct = fitting.sample.points.len();
        if n_distinct < n_clusters {
            return Err(fitting.too_few(n_distinct, n_clusters));
        }
        let run = if let Some(init) = &options.init {
            assert_eq!(init.centroids.len(), n_clusters, "one initial centroid for each cluster");
            fitting.run_from(init.centroids_in(&fitting.transform)?)
        } else {
            fitting.run(n_clusters)
        };
        if run.sizes.contains(&0) {
            // Rows that differ may be equal once they are scaled, or so near to each other that no
            // square tells it.
            let n_distinct = run.sizes.iter().filter(|&&size| size > 0).count();
            return Err(fitting.too_few(n_distinct, n_clusters));
        }
        let run = Run { inertia: run.inertia * fitting.points.weight_unit, ..run };
        let counts = [fitting.rows, fitting.skipped, fitting.points.n_samples()];
        Ok(Some(Self::from_run(run, fitting.transform, counts, options)))
    }

    /// Figures of the fits with each number of clusters in `n_clusters`, which take the place of
    /// that in `options`; `None` for a number above that of distinct rows. `None` without a usable
    /// row.
    ///
    /// Above 32,768 distinct rows the centroids are those of the sample after one step of Lloyd's
    /// algorithm over all rows, about which the figures of all rows are taken; each number of
    /// clusters starts from the one before.
    ///
    /// # Errors
    /// Those of the scaling, as in [`KMeans::fit`].
    pub fn evaluate(
        observations: Observations,
        n_clusters: RangeInclusive<usize>,
        options: &KMeansOptions,
    ) -> Result<Option<Vec<Option<Figures>>>, Error> {
        assert!(options.init.is_none(), "a start has one number of clusters");
        let Some(fitting) = Fitting::new(observations, options)? else {
            return Ok(None);
        };
        let n_distinct = fitting.sample.points.len();
        let feasible = *n_clusters.start()..=(*n_clusters.end()).min(n_distinct);
        let mut clusterings = fitting.search_all(feasible);
        if !fitting.sample.is_whole {
            evaluate::step(&fitting.points, &mut clusterings, options.n_threads);
        }
        let means: Vec<f64> = fitting.points.extents.iter().map(|extent| extent.mean).collect();
        let points = if fitting.sample.is_whole { &fitting.sample.points } else { &fitting.points };
        let mut figures =
            metrics::figures(points, &clusterings, &means, options.n_threads).into_iter();
        let scale_up =
            fitting.rows as f64 / fitting.points.n_samples() as f64 * fitting.points.weight_unit;
        let figures = n_clusters.map(|_| {
            figures.next().map(|figures| Figures { inertia: figures.inertia * scale_up, ..figures })
        });
        Ok(Some(figures.collect()))
    }

    /// Whether all its numbers are such as rows can have.
    pub fn is_finite(&self) -> bool {
        let Transform { center, spread, mean, stddev, .. } = &self.transform;
        let figures = [center, spread, mean, stddev].into_iter().flatten();
        let mut numbers = self.centroids.iter().flatten().chain(figures).chain([&self.inertia]);
        numbers.all(|x| x.is_finite())
    }

    fn from_run(
        run: Run,
        transform: Transform,
        [rows, skipped, sampled]: [u64; 3],
        options: &KMeansOptions,
    ) -> Self {
        let mut clusters: Vec<(Vec<f64>, u64)> = run
            .centroids
            .chunks(transform.n_features())
            .map(<[f64]>::to_vec)
            .zip(run.sizes)
            .collect();
        if options.init.is_none() {
            clusters.sort_by(|(x, x_size), (y, y_size)| {
                let by_centroid =
                    || x.iter().zip(y).map(|(x, y)| x.total_cmp(y)).find(|order| order.is_ne());
                y_size.cmp(x_size).then_with(|| by_centroid().unwrap_or(std::cmp::Ordering::Equal))
            });
        }
        let (centroids, sizes): (Vec<_>, Vec<_>) = clusters.into_iter().unzip();
        Self {
            transform,
            centroids,
            sizes: scale_up(&sizes, rows),
            inertia: if sampled == rows {
                run.inertia
            } else {
                run.inertia * (rows as f64 / sampled as f64)
            },
            rows,
            skipped,
            sampled,
            iterations: run.iterations,
            converged: run.converged,
            seed: options.seed,
        }
    }
}

#[cfg(test)]
mod tests;
