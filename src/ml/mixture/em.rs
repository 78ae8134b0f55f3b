//! Expectation and maximisation over buckets of rows.

use super::Covariance;
use super::density::{Density, triangle};
use super::exponential::exp;
use super::rows::{Bucket, RowTile, TILE};
use crate::logarithm::ln_1p;
use crate::simd::vectorize;
use crate::threads::{map_parts, worth};

/// Rows whose sums stand side by side in registers.
const LANES: usize = 16;

/// Weights, means and covariances while they are sought.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) weights: Vec<f64>,
    pub(super) means: Vec<Vec<f64>>,
    /// The rows of the lower triangles.
    pub(super) covariances: Vec<Vec<f64>>,
}

/// Sums over rows.
#[derive(Clone)]
struct Sums {
    /// Of the logarithms of the density.
    log_likelihood: f64,
    /// For each component of the probabilities of rows, then of their differences from the mean,
    /// then of the products of these.
    components: Vec<Vec<f64>>,
}

/// What a pass tells of the rows without another step.
pub(super) struct Assessment {
    pub(super) log_likelihood: f64,
    /// Rows for which each component is the most probable.
    pub(super) sizes: Vec<u64>,
}

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_iter: usize,
    /// A run ends when the mean logarithm of the density gains less.
    pub(super) tol: f64,
}

/// How covariances are made of sums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) covariance: Covariance,
    /// Added to each variance.
    pub(super) floor: f64,
}

/// Where a run ended.
pub(super) struct Run {
    pub(super) parameters: Parameters,
    pub(super) iterations: u32,
    pub(super) converged: bool,
}

impl Parameters {
    /// Of components whose rows are those nearest to the centroids, `(k, n_features)`.
    pub(super) fn near(
        centroids: &[Vec<f64>],
        buckets: &mut [Bucket],
        shape: Shape,
        n_threads: usize,
    ) -> Self {
        let n_features = centroids[0].len();
        // Spheres of one radius that is nearly nothing: each row belongs to the nearest alone.
        let start = Self {
            weights: vec![1.0; centroids.len()],
            means: centroids.to_vec(),
            covariances: vec![vec![0.0; triangle(n_features)]; centroids.len()],
        };
        let sums = start.sums(buckets, n_threads, |densities, tile, scratch, sums| {
            nearest(densities, tile, scratch);
            add(densities, tile, scratch, sums);
        });
        start.step(sums, shape)
    }

    /// Iterates until little changes.
    pub(super) fn run(
        mut self,
        buckets: &mut [Bucket],
        limits: Limits,
        shape: Shape,
        n_threads: usize,
    ) -> Run {
        let weight: f64 = buckets.iter().map(Bucket::weight).sum();
        let mut before = f64::NEG_INFINITY;
        for iterations in 1..=limits.max_iter as u32 {
            let sums = self.sums(buckets, n_threads, |densities, tile, scratch, sums| {
                sums.log_likelihood += expect(densities, tile, scratch);
                add(densities, tile, scratch, sums);
            });
            let mean = sums.log_likelihood / weight;
            self = self.step(sums, shape);
            if (mean - before).abs() < limits.tol {
                return Run { parameters: self, iterations, converged: true };
            }
            before = mean;
        }
        Run { parameters: self, iterations: limits.max_iter as u32, converged: false }
    }

    /// The likelihood of these parameters, and the rows of each component.
    pub(super) fn assess(&self, buckets: &mut [Bucket], n_threads: usize) -> Assessment {
        let densities = self.densities();
        let n_threads = worth(self.work(buckets), n_threads);
        let parts = map_parts(buckets, n_threads, |buckets| {
            let mut scratch = Scratch::new(&densities, self.means[0].len());
            let of_bucket = |bucket: &Bucket| {
                let mut sizes = vec![0; densities.len()];
                let mut log_likelihood = 0.0;
                for tile in bucket.tiles() {
                    log_likelihood += expect(&densities, &tile, &mut scratch);
                    for (row, count) in tile.counts.iter().enumerate() {
                        sizes[scratch.most_probable(row)] += count;
                    }
                }
                Assessment { log_likelihood, sizes }
            };
            buckets.iter().map(of_bucket).collect::<Vec<_>>()
        });
        let zero = Assessment { log_likelihood: 0.0, sizes: vec![0; densities.len()] };
        parts.into_iter().flatten().fold(zero, |mut total, part| {
            total.log_likelihood += part.log_likelihood;
            total.sizes.iter_mut().zip(part.sizes).for_each(|(size, more)| *size += more);
            total
        })
    }

    pub(super) fn densities(&self) -> Vec<Density> {
        let parts = self.weights.iter().zip(&self.means).zip(&self.covariances);
        parts.map(|((weight, mean), covariance)| Density::new(*weight, mean, covariance)).collect()
    }

    fn work(&self, buckets: &[Bucket]) -> usize {
        let n_rows: usize = buckets.iter().map(Bucket::len).sum();
        n_rows * self.weights.len() * triangle(self.means[0].len())
    }

    /// Sums over the rows of a bucket in their order, then over the buckets in theirs: whatever the
    /// threads, the same ones are added.
    fn sums(
        &self,
        buckets: &mut [Bucket],
        n_threads: usize,
        work: impl Fn(&[Density], &RowTile, &mut Scratch, &mut Sums) + Sync,
    ) -> Sums {
        let densities = self.densities();
        let n_features = self.means[0].len();
        let zero = Sums {
            log_likelihood: 0.0,
            components: vec![vec![0.0; 1 + n_features + triangle(n_features)]; densities.len()],
        };
        let n_threads = worth(self.work(buckets), n_threads);
        let parts = map_parts(buckets, n_threads, |buckets| {
            let mut scratch = Scratch::new(&densities, n_features);
            let of_bucket = |bucket: &Bucket| {
                let mut sums = zero.clone();
                bucket.tiles().for_each(|tile| work(&densities, &tile, &mut scratch, &mut sums));
                sums
            };
            buckets.iter().map(of_bucket).collect::<Vec<_>>()
        });
        parts.into_iter().flatten().fold(zero.clone(), |mut total, part| {
            total.log_likelihood += part.log_likelihood;
            let sums = total.components.iter_mut().flatten();
            sums.zip(part.components.iter().flatten()).for_each(|(sum, x)| *sum += x);
            total
        })
    }

    /// The parameters that sums about these means give. A component without rows stays where it is,
    /// without weight.
    fn step(mut self, sums: Sums, shape: Shape) -> Self {
        let n_features = self.means[0].len();
        let total: f64 = sums.components.iter().map(|sums| sums[0]).sum();
        for (component, sums) in sums.components.iter().enumerate() {
            let weight = sums[0];
            self.weights[component] = weight / total;
            if weight < f64::MIN_POSITIVE {
                continue;
            }
            let shift: Vec<f64> = sums[1..=n_features].iter().map(|sum| sum / weight).collect();
            let mut scatter = sums[1 + n_features..].iter();
            let covariance = &mut self.covariances[component];
            let places = (0..n_features).flat_map(|row| (0..=row).map(move |column| (row, column)));
            for (place, (row, column)) in covariance.iter_mut().zip(places) {
                let sum = scatter.next().expect("one sum of products for each place");
                *place = sum / weight - shift[row] * shift[column];
            }
            let mean = &mut self.means[component];
            mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean += shift);
        }
        self.shape(shape);
        self
    }

    /// Makes covariances what the kind of them allows.
    fn shape(&mut self, shape: Shape) {
        if shape.covariance == Covariance::Tied {
            let mut tied = vec![0.0; self.covariances[0].len()];
            for (covariance, weight) in self.covariances.iter().zip(&self.weights) {
                tied.iter_mut().zip(covariance).for_each(|(sum, x)| *sum += weight * x);
            }
            self.covariances.iter_mut().for_each(|covariance| covariance.clone_from(&tied));
        }
        let n_features = self.means[0].len();
        for (covariance, _) in self.covariances.iter_mut().zip(&self.weights) {
            let diagonal = |row: usize| row * (row + 3) / 2;
            let mean = (0..n_features).map(|row| covariance[diagonal(row)].max(0.0)).sum::<f64>()
                / n_features as f64;
            let mut places = covariance.iter_mut();
            for row in 0..n_features {
                for column in 0..=row {
                    let place = places.next().expect("one place for each pair");
                    *place = match shape.covariance {
                        _ if row == column => {
                            let is_sphere = shape.covariance == Covariance::Spherical;
                            (if is_sphere { mean } else { place.max(0.0) }) + shape.floor
                        }
                        Covariance::Full | Covariance::Tied => *place,
                        Covariance::Diag | Covariance::Spherical => 0.0,
                    };
                }
            }
        }
    }
}

/// Where a tile is worked on.
pub(super) struct Scratch {
    differences: Vec<f64>,
    products: Box<[f64; TILE]>,
    /// Of each component: logarithms of the density, then probabilities times the weight of the
    /// row.
    pub(super) shares: Vec<[f64; TILE]>,
}

impl Scratch {
    pub(super) fn new(densities: &[Density], n_features: usize) -> Self {
        Self {
            differences: vec![0.0; n_features * TILE],
            products: Box::new([0.0; TILE]),
            shares: vec![[0.0; TILE]; densities.len()],
        }
    }

    /// The component of the greatest share of a row; the first of equals.
    pub(super) fn most_probable(&self, row: usize) -> usize {
        let mut best = 0;
        for (component, shares) in self.shares.iter().enumerate() {
            if shares[row] > self.shares[best][row] {
                best = component;
            }
        }
        best
    }
}

/// The share of each component in the rows of a tile; their weighted log-likelihood.
pub(super) fn expect(densities: &[Density], tile: &RowTile, scratch: &mut Scratch) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            let Scratch { differences, shares, .. } = scratch;
            let mut greatest = [f64::NEG_INFINITY; TILE];
            for (density, shares) in densities.iter().zip(&mut *shares) {
                density.differences(tile.values, differences);
                density.logarithms(differences, shares);
                for (greatest, share) in greatest.iter_mut().zip(&*shares) {
                    *greatest = if *share > *greatest { *share } else { *greatest };
                }
            }
            let mut total = [0.0; TILE];
            for shares in &mut *shares {
                for ((share, greatest), total) in shares.iter_mut().zip(&greatest).zip(&mut total) {
                    *share = exp(*share - greatest);
                    *total += *share;
                }
            }
            let mut log_likelihood = [0.0; LANES];
            let mut factors = [0.0; TILE];
            for start in (0..TILE).step_by(LANES) {
                for (lane, sum) in log_likelihood.iter_mut().enumerate() {
                    let row = start + lane;
                    *sum += tile.weights[row] * (greatest[row] + ln_1p(total[row] - 1.0));
                    factors[row] = tile.weights[row] / total[row];
                }
            }
            for shares in shares {
                shares.iter_mut().zip(&factors).for_each(|(share, factor)| *share *= factor);
            }
            log_likelihood.iter().sum()
        },
    )
}

/// Gives each row of a tile to the component with the nearest mean.
fn nearest(densities: &[Density], tile: &RowTile, scratch: &mut Scratch) {
    let mut least = [f64::INFINITY; TILE];
    let mut labels = [0; TILE];
    for (component, density) in densities.iter().enumerate() {
        density.differences(tile.values, &mut scratch.differences);
        let mut squares = [0.0; TILE];
        for column in scratch.differences.chunks_exact(TILE) {
            squares.iter_mut().zip(column).for_each(|(sum, x)| *sum += x * x);
        }
        for ((least, label), square) in least.iter_mut().zip(&mut labels).zip(squares) {
            if square < *least {
                (*least, *label) = (square, component);
            }
        }
    }
    for (component, shares) in scratch.shares.iter_mut().enumerate() {
        for ((share, label), weight) in shares.iter_mut().zip(labels).zip(tile.weights) {
            *share = if label == component { *weight } else { 0.0 };
        }
    }
}

/// Adds the shares of a tile to the sums of the components.
fn add(densities: &[Density], tile: &RowTile, scratch: &mut Scratch, sums: &mut Sums) {
    vectorize(
        #[inline(always)]
        || {
            let Scratch { differences, products, shares } = scratch;
            for ((density, shares), sums) in densities.iter().zip(shares).zip(&mut sums.components)
            {
                density.differences(tile.values, differences);
                sums[0] += dot(shares, &[1.0; TILE]);
                let n_features = differences.len() / TILE;
                let (first, second) = sums[1..].split_at_mut(n_features);
                let mut second = second.iter_mut();
                let (columns, _) = differences.as_chunks::<TILE>();
                for (row, (column, first)) in columns.iter().zip(first).enumerate() {
                    for ((product, share), x) in products.iter_mut().zip(&*shares).zip(column) {
                        *product = share * x;
                    }
                    *first += dot(products, &[1.0; TILE]);
                    for (other, sum) in columns[..=row].iter().zip(&mut second) {
                        *sum += dot(products, other);
                    }
                }
            }
        },
    );
}

#[inline(always)]
fn dot(x: &[f64; TILE], y: &[f64; TILE]) -> f64 {
    let mut sums = [0.0; LANES];
    for (x, y) in x.as_chunks::<LANES>().0.iter().zip(y.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum()
}
