//! How good a clustering is: simplified silhouette, Davies-Bouldin and Calinski-Harabasz index.

use super::nearest::NearestTwo;
use crate::ExactSum;
use crate::rows::{Block, Tile};
use crate::scaling::Points;
use crate::simd::vectorize;
use crate::threads::{map_parts, worth};

/// Figures of a clustering about its centroids, in scaled space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Weighted sum of squared distances to the nearest centroid.
    pub inertia: f64,
    /// Mean of 1 - a / b, a and b being a row's distances to the nearest and to the second nearest
    /// centroid; 0 for the only row of a cluster. NaN for one cluster. E. R. Hruschka, R. J. G. B.
    /// Campello, L. N. de Castro, "Evolving clusters in gene-expression data", 2006.
    pub silhouette: f64,
    /// Mean over the clusters of the greatest (s_i + s_j) / d_ij, s being the mean distance of a
    /// cluster's rows to its centroid and d that of two centroids; NaN for one cluster. D. L.
    /// Davies, D. W. Bouldin, 1979.
    pub davies_bouldin: f64,
    /// Variance between the clusters over that within, each by its degrees of freedom; NaN where
    /// one has none. T. Calinski, J. Harabasz, 1974.
    pub calinski_harabasz: f64,
}

/// The figures of several clusterings of `points`, whose mean is `mean`, about centroids
/// `(n_clusters, n_features)`: one pass for all. A cluster without rows counts for nothing but its
/// number.
pub(super) fn figures(
    points: &Points,
    clusterings: &[Vec<f64>],
    mean: &[f64],
    n_threads: usize,
) -> Vec<Figures> {
    let n_threads =
        worth(points.len() * clusterings.iter().map(Vec::len).sum::<usize>(), n_threads);
    let parts = map_parts(&mut points.tiles(), n_threads, |tiles| {
        let mut sums: Vec<Sums> =
            clusterings.iter().map(|centroids| Sums::new(centroids.len() / mean.len())).collect();
        let mut scratch = Scratch::default();
        let mut scaled = Block::scratch();
        for tile in tiles {
            // All clusterings in turn, while the tile is in the cache.
            let tile = points.scaled(*tile, &mut scaled);
            sums.iter_mut().zip(clusterings).for_each(|(sums, centroids)| {
                sums.add(&tile, centroids, &mut scratch);
            });
        }
        sums.iter_mut().for_each(Sums::empty_buckets);
        sums
    });
    let total = parts.into_iter().reduce(|mut total, part| {
        total.iter_mut().zip(&part).for_each(|(total, part)| total.merge(part));
        total
    });
    let total = total.expect("map_parts has at least one part");
    total.iter().zip(clusterings).map(|(sums, centroids)| sums.figures(centroids, mean)).collect()
}

/// Distances that are summed at once.
const BUCKET: usize = 256;

/// Sums over rows of one clustering.
struct Sums {
    inertia: ExactSum,
    silhouette: ExactSum,
    clusters: Vec<ClusterSums>,
}

/// Sums over rows of one cluster.
#[derive(Clone, Default)]
struct ClusterSums {
    /// Of distances to the centroid.
    deviations: ExactSum,
    /// Distances that are not yet in it.
    bucket: Vec<f64>,
    weight: ExactSum,
    size: u64,
    /// Silhouette and weight of the row that came last, to be taken back where it is the only one.
    last: (f64, f64),
}

/// Memory that is used again from tile to tile.
#[derive(Default)]
struct Scratch {
    nearest: NearestTwo,
    distances: Vec<f64>,
    silhouettes: Vec<f64>,
}

impl Sums {
    fn new(n_clusters: usize) -> Self {
        Self {
            inertia: ExactSum::new(),
            silhouette: ExactSum::new(),
            clusters: vec![ClusterSums::default(); n_clusters],
        }
    }

    fn add(&mut self, tile: &Tile, centroids: &[f64], scratch: &mut Scratch) {
        let Scratch { nearest, distances, silhouettes } = scratch;
        nearest.search(tile, centroids);
        distances.resize(tile.rows(), 0.0);
        silhouettes.resize(tile.rows(), 0.0);
        vectorize(
            #[inline(always)]
            || {
                let squares = nearest.first.iter().zip(&nearest.second);
                for ((distance, silhouette), (first, second)) in
                    distances.iter_mut().zip(silhouettes.iter_mut()).zip(squares)
                {
                    *distance = first.sqrt();
                    let ratio = *distance / second.sqrt();
                    // Two equal centroids at the row itself.
                    *silhouette = if *second == 0.0 { 0.0 } else { 1.0 - ratio };
                }
            },
        );
        let rows = nearest.labels.iter().zip(&*distances).zip(&*silhouettes);
        if tile.weights().is_empty() {
            self.inertia.add_all(&nearest.first);
            self.silhouette.add_all(silhouettes);
            for ((&label, &distance), &silhouette) in rows {
                let cluster = &mut self.clusters[label as usize];
                cluster.size += 1;
                cluster.last = (silhouette, 1.0);
                cluster.bucket.push(distance);
                if cluster.bucket.len() == BUCKET {
                    cluster.empty_bucket();
                }
            }
        } else {
            for (row, ((&label, &distance), &silhouette)) in rows.enumerate() {
                let weight = tile.weight(row);
                let cluster = &mut self.clusters[label as usize];
                cluster.size += tile.count(row);
                cluster.last = (silhouette, weight);
                cluster.deviations.add_product(distance, weight);
                cluster.weight.add(weight);
                self.inertia.add_product(nearest.first[row], weight);
                self.silhouette.add_product(silhouette, weight);
            }
        }
    }

    fn empty_buckets(&mut self) {
        self.clusters.iter_mut().for_each(ClusterSums::empty_bucket);
    }

    /// Adds the sums of other rows; buckets are empty.
    fn merge(&mut self, other: &Self) {
        self.inertia.merge(&other.inertia);
        self.silhouette.merge(&other.silhouette);
        for (cluster, other) in self.clusters.iter_mut().zip(&other.clusters) {
            cluster.deviations.merge(&other.deviations);
            cluster.weight.merge(&other.weight);
            cluster.size += other.size;
            if other.size > 0 {
                cluster.last = other.last;
            }
        }
    }

    fn figures(&self, centroids: &[f64], mean: &[f64]) -> Figures {
        let inertia = self.inertia.round();
        let n_clusters = self.clusters.len();
        if n_clusters == 1 {
            let (silhouette, davies_bouldin, calinski_harabasz) = (f64::NAN, f64::NAN, f64::NAN);
            return Figures { inertia, silhouette, davies_bouldin, calinski_harabasz };
        }
        let mut silhouette = self.silhouette.clone();
        for ClusterSums { last, .. } in self.clusters.iter().filter(|cluster| cluster.size == 1) {
            silhouette.add_product(-last.0, last.1);
        }
        let clusters: Vec<(&[f64], f64, f64)> = centroids
            .chunks_exact(mean.len())
            .zip(&self.clusters)
            .map(|(centroid, cluster)| (centroid, cluster.weight.round(), &cluster.deviations))
            .filter(|(_, weight, _)| *weight > 0.0)
            .map(|(centroid, weight, deviations)| (centroid, weight, deviations.quotient(weight)))
            .collect();
        let weight: f64 = clusters.iter().map(|(_, weight, _)| weight).sum();

        let worst = |(i, (centroid, _, spread)): (usize, &(&[f64], f64, f64))| {
            let others = clusters.iter().enumerate().filter(|(j, _)| *j != i);
            let ratios = others.map(|(_, (other, _, other_spread))| {
                (spread + other_spread) / squared_distance(centroid, other).sqrt()
            });
            ratios.fold(0.0, f64::max)
        };
        let davies_bouldin =
            clusters.iter().enumerate().map(worst).sum::<f64>() / clusters.len() as f64;

        let between: f64 = clusters
            .iter()
            .map(|(centroid, weight, _)| weight * squared_distance(centroid, mean))
            .sum();
        // Degrees of freedom are rows: in weights they would depend on their unit.
        let rows = self.clusters.iter().map(|cluster| cluster.size).sum::<u64>() as f64;
        let calinski_harabasz =
            between / (n_clusters - 1) as f64 / (inertia / (rows - n_clusters as f64));
        Figures {
            inertia,
            silhouette: silhouette.quotient(weight),
            davies_bouldin,
            calinski_harabasz: if calinski_harabasz.is_finite() {
                calinski_harabasz
            } else {
                f64::NAN
            },
        }
    }
}

impl ClusterSums {
    /// Sums what is in the bucket: rows of weight 1.
    fn empty_bucket(&mut self) {
        self.deviations.add_all(&self.bucket);
        self.weight.add(self.bucket.len() as f64);
        self.bucket.clear();
    }
}

fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}
