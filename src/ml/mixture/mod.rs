//! Gaussian mixtures: fit by expectation and maximisation, probabilities of components.

mod apply;
mod density;
mod em;
mod exponential;
mod rows;

use crate::Error;
use crate::kmeans::{KMeansOptions, Start};
use crate::rows::Observations;
use crate::scaling::Transform;
use density::triangle;
use em::{Limits, Parameters, Run, Shape};
use rows::Bucket;
use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// What the covariances of the components may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covariance {
    /// Any, of each component its own.
    Full,
    /// Any, the same of all components.
    Tied,
    /// Of each component its own variances of the features, which do not vary together.
    Diag,
    /// Of each component its own variance, the same of all features.
    Spherical,
}

impl Covariance {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Tied, Self::Diag, Self::Spherical];
    /// The names of all.
    pub const NAMES: &[&str] = &["full", "tied", "diag", "spherical"];

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|covariance| covariance.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Figures of the covariances of `k` components that are free.
    fn free(self, k: u64, n_features: u64) -> u64 {
        match self {
            Self::Full => k * (n_features * (n_features + 1) / 2),
            Self::Tied => n_features * (n_features + 1) / 2,
            Self::Diag => k * n_features,
            Self::Spherical => k,
        }
    }
}

/// A fitted mixture of Gaussian distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    /// How raw values become scaled ones.
    pub transform: Transform,
    /// What the covariances may be.
    pub covariance: Covariance,
    /// Share of each component; they sum to 1.
    pub weights: Vec<f64>,
    /// `(n_components, n_features)`, in scaled space.
    pub means: Vec<Vec<f64>>,
    /// `(n_components, n_features, n_features)`, in scaled space.
    pub covariances: Vec<Vec<Vec<f64>>>,
    /// Rows for which each component is the most probable; they sum to `rows`.
    pub sizes: Vec<u64>,
    /// Weighted sum of the logarithms of the density at all rows, in scaled space.
    pub log_likelihood: f64,
    /// Bayesian information criterion: less is better.
    pub bic: f64,
    /// Akaike information criterion: less is better.
    pub aic: f64,
    /// Usable rows.
    pub rows: u64,
    /// Rows left out for a missing value.
    pub skipped: u64,
    /// Rows that the fit held; fewer than `rows` where it worked on a sample.
    pub sampled: u64,
    /// Iterations over all rows.
    pub iterations: u32,
    /// Whether they ended by themselves.
    pub converged: bool,
    /// The seed.
    pub seed: i64,
}

/// Added to each variance, in scaled space: a component of equal rows has a density.
const FLOOR: f64 = 1e-6;
/// Products of a row, a component and two features that the fits of one call may take: nothing can
/// interrupt them. A minute or two of one processor.
const MAX_PRODUCTS: u64 = 1 << 39;
/// Iterations that have to fit in that.
const LEAST_ITERATIONS: u64 = 10;
/// Distinct rows of the sample that the search begins on.
const SAMPLE_ROWS: usize = 50_000;

impl GaussianMixture {
    /// Fits components by expectation and maximisation (A. P. Dempster, N. M. Laird, D. B. Rubin,
    /// 1977) from the segments that k-means finds with the same options, or from random rows. Where
    /// there are many rows it iterates on a sample of the distinct ones first. `tol` of the options
    /// is what the mean logarithm of the density has to gain for another iteration. Components are
    /// numbered by descending size, ties by mean. `None` without a usable row.
    ///
    /// # Errors
    /// Those of [`KMeans::fit`](crate::KMeans::fit), and [`Error::TooManyProducts`].
    pub fn fit(
        observations: Observations,
        covariance: Covariance,
        options: &KMeansOptions,
    ) -> Result<Option<Self>, Error> {
        let k = options.n_clusters;
        let Some(mut fits) = Fits::new(observations, k..=k, 1, options)? else {
            return Ok(None);
        };
        let Some(centroids) = fits.centroids.pop() else {
            return Err(fits.start.too_few(k));
        };
        Ok(Some(fits.fit(&centroids, covariance)))
    }

    /// The fits with each number of components in `n_components`, which takes the place of that in
    /// `options`, and each kind of covariance; numbers above that of distinct rows have none.
    /// `None` without a usable row.
    ///
    /// # Errors
    /// As [`GaussianMixture::fit`].
    pub fn evaluate(
        observations: Observations,
        n_components: RangeInclusive<usize>,
        covariances: &[Covariance],
        options: &KMeansOptions,
    ) -> Result<Option<Vec<Self>>, Error> {
        let n_fits = covariances.len() * n_components.clone().count();
        let Some(mut fits) = Fits::new(observations, n_components, n_fits, options)? else {
            return Ok(None);
        };
        let mut mixtures = Vec::new();
        for centroids in std::mem::take(&mut fits.centroids) {
            for &covariance in covariances {
                mixtures.push(fits.fit(&centroids, covariance));
            }
        }
        Ok(Some(mixtures))
    }
}

/// What fits to the same rows share.
struct Fits<'o> {
    options: &'o KMeansOptions,
    start: Start,
    buckets: Vec<Bucket>,
    /// Where each number of components starts, as far as there are so many distinct rows.
    centroids: Vec<Vec<Vec<f64>>>,
    /// Products that each fit may take.
    max_products: u64,
}

impl<'o> Fits<'o> {
    fn new(
        observations: Observations,
        n_components: RangeInclusive<usize>,
        n_fits: usize,
        options: &'o KMeansOptions,
    ) -> Result<Option<Self>, Error> {
        let most = *n_components.end();
        let Some((start, centroids)) = Start::new(observations, n_components, options)? else {
            return Ok(None);
        };
        let buckets = Bucket::all(&start.points, options.seed, options.n_threads);
        let max_products = MAX_PRODUCTS / n_fits as u64;
        let fits = Self { options, start, buckets, centroids, max_products };
        let of_row = fits.products(1, most);
        let needed = fits.products(fits.n_distinct(), most).saturating_mul(LEAST_ITERATIONS);
        if needed > max_products {
            return Err(Error::TooManyProducts {
                n_components: most,
                features: fits.start.transform.n_features(),
                rows: fits.n_distinct() as u64,
                most: max_products / LEAST_ITERATIONS / of_row,
            });
        }
        Ok(Some(fits))
    }

    fn n_distinct(&self) -> usize {
        self.buckets.iter().map(Bucket::len).sum()
    }

    /// Of an iteration: of the rows, and of the triangles of the covariances.
    fn products(&self, n_rows: usize, n_components: usize) -> u64 {
        let n_features = self.start.transform.n_features() as u64;
        let square = n_features.saturating_mul(n_features).saturating_mul(n_components as u64);
        square.saturating_mul(n_rows as u64 + n_features)
    }

    fn fit(&mut self, centroids: &[Vec<f64>], covariance: Covariance) -> GaussianMixture {
        let (n_components, n_features) = (centroids.len(), centroids[0].len());
        let n_threads = self.options.n_threads;
        let shape = Shape { covariance, floor: FLOOR };
        let limits = |n_rows: usize| Limits {
            max_iter: self.options.max_iter.min(
                usize::try_from(self.max_products / self.products(n_rows, n_components))
                    .unwrap_or(usize::MAX),
            ),
            tol: self.options.tol,
        };
        let (of_all, n_sampled) = (limits(self.n_distinct()), self.sample());
        let of_sample = limits(self.buckets[..n_sampled].iter().map(Bucket::len).sum());
        let mut parameters = self.best_start(centroids, shape, of_all);
        if n_sampled < self.buckets.len() {
            let sample = &mut self.buckets[..n_sampled];
            parameters = parameters.run(sample, of_sample, shape, n_threads).parameters;
        }
        let run = parameters.run(&mut self.buckets, of_all, shape, n_threads);
        let assessment = run.parameters.assess(&mut self.buckets, n_threads);
        let weight: f64 = self.buckets.iter().map(Bucket::weight).sum();
        // Rows that a sample left out count as those that it holds.
        let unit = self.start.points.weight_unit * self.start.rows as f64
            / self.start.points.n_samples() as f64;
        let log_likelihood = assessment.log_likelihood * unit;
        let (k, features) = (n_components as u64, n_features as u64);
        let free = (k - 1 + k * features + covariance.free(k, features)) as f64;
        let Run { parameters, iterations, converged } = run;
        let order = order(&assessment.sizes, &parameters.means);
        let sizes: Vec<u64> = order.iter().map(|&i| assessment.sizes[i]).collect();
        GaussianMixture {
            transform: self.start.transform.clone(),
            covariance,
            weights: order.iter().map(|&i| parameters.weights[i]).collect(),
            means: order.iter().map(|&i| parameters.means[i].clone()).collect(),
            covariances: order
                .iter()
                .map(|&i| whole(&parameters.covariances[i], n_features))
                .collect(),
            sizes: self.start.scale_up(&sizes),
            log_likelihood,
            bic: free * libm::log(weight * unit) - 2.0 * log_likelihood,
            aic: 2.0 * free - 2.0 * log_likelihood,
            rows: self.start.rows,
            skipped: self.start.skipped,
            sampled: self.start.points.n_samples(),
            iterations,
            converged,
            seed: self.options.seed,
        }
    }

    /// Where EM gets farthest within a few iterations (C. Biernacki, G. Celeux, G. Govaert,
    /// "Choosing starting values for the EM algorithm", 2003): the centroids of k-means, or random
    /// rows, as they follow each other by hash. A long component may be two clusters of k-means.
    fn best_start(&mut self, centroids: &[Vec<f64>], shape: Shape, limits: Limits) -> Parameters {
        /// Distinct rows that the starts are compared on, at least.
        const ROWS: usize = 4096;
        const ITERATIONS: usize = 10;
        /// Of the products of a fit, those that starts may take.
        const SHARE: u64 = 8;
        let n_threads = self.options.n_threads;
        let (k, mut n_rows) = (centroids.len(), 0);
        let enough = self.buckets.iter().position(|bucket| {
            n_rows += bucket.len();
            n_rows >= ROWS
        });
        let end = enough.map_or(self.buckets.len(), |last| last + 1);
        let products = self.products(n_rows, k) * ITERATIONS as u64;
        let most = (self.max_products / SHARE / products).max(1) as usize;
        let rows: Vec<Vec<f64>> = self.buckets[..end]
            .iter()
            .flat_map(Bucket::rows)
            .take(k * self.options.n_init.min(most))
            .collect();
        let sample = &mut self.buckets[..end];
        let limits = Limits { max_iter: limits.max_iter.min(ITERATIONS), ..limits };
        let mut attempt = |means: &[Vec<f64>]| {
            let start = Parameters::near(means, sample, shape, n_threads);
            let parameters = start.run(sample, limits, shape, n_threads).parameters;
            let log_likelihood = parameters.assess(sample, n_threads).log_likelihood;
            (parameters, log_likelihood)
        };
        let mut best = attempt(centroids);
        for means in rows.chunks_exact(k).filter(|_| k > 1) {
            let other = attempt(means);
            if other.1 > best.1 {
                best = other;
            }
        }
        best.0
    }

    /// How many of the first buckets hold enough rows for the search to begin on: all, unless they
    /// are a quarter at most.
    fn sample(&self) -> usize {
        let mut rows = 0;
        let enough = self.buckets.iter().position(|bucket| {
            rows += bucket.len();
            rows >= SAMPLE_ROWS
        });
        match enough {
            Some(last) if 4 * (last + 1) <= self.buckets.len() => last + 1,
            _ => self.buckets.len(),
        }
    }
}

/// Components by descending size, ties by mean.
fn order(sizes: &[u64], means: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    let by_mean = |i: usize, j: usize| {
        let pairs = means[i].iter().zip(&means[j]);
        pairs.map(|(x, y)| x.total_cmp(y)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    order.sort_by(|&i, &j| sizes[j].cmp(&sizes[i]).then_with(|| by_mean(i, j)));
    order
}

/// The matrix of a triangle.
fn whole(lower: &[f64], n_features: usize) -> Vec<Vec<f64>> {
    let place = |row: usize, column: usize| {
        let (row, column) = (row.max(column), row.min(column));
        lower[triangle(row) + column]
    };
    let row = |row: usize| (0..n_features).map(|column| place(row, column)).collect();
    (0..n_features).map(row).collect()
}

#[cfg(test)]
mod tests;
