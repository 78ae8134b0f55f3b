//! How good a clustering is: simplified silhouette, Davies-Bouldin and Calinski-Harabasz index.

use super::super::ExactSum;
use super::super::observations::Block;
use super::super::threads::map_parts;
use super::lloyd::Run;
use super::nearest::TwoNearest;

/// Figures of a clustering about its centroids, in scaled space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Weighted sum of squared distances to the nearest centroid.
    pub inertia: f64,
    /// Mean of 1 - a / b, a and b being a row's distances to the nearest and to the second nearest centroid; 0 for the
    /// only row of a cluster. NaN for one cluster. E. R. Hruschka, R. J. G. B. Campello, L. N. de Castro, "Evolving
    /// clusters in gene-expression data", 2006.
    pub silhouette: f64,
    /// Mean over the clusters of the greatest (s_i + s_j) / d_ij, s being the mean distance of a cluster's rows to
    /// its centroid and d that of two centroids; NaN for one cluster. D. L. Davies, D. W. Bouldin, 1979.
    pub davies_bouldin: f64,
    /// Variance between the clusters over that within, each by its degrees of freedom; NaN where one has none.
    /// T. Calinski, J. Harabasz, 1974.
    pub calinski_harabasz: f64,
}

/// Sums over some rows.
struct Sums {
    silhouette: ExactSum,
    /// Of distances to the own centroid and of weights, for each cluster.
    deviations: Vec<ExactSum>,
    weights: Vec<ExactSum>,
}

/// The figures of a run over `blocks`, whose mean is `mean`.
pub(super) fn figures(mut blocks: Vec<&Block>, run: &Run, mean: &[f64], n_threads: usize) -> Figures {
    let n_clusters = run.sizes.len();
    let parts = map_parts(&mut blocks, n_threads, |blocks| sums(blocks, run));
    let total = parts.into_iter().reduce(|mut total, part| {
        total.silhouette.merge(&part.silhouette);
        total.deviations.iter_mut().zip(&part.deviations).for_each(|(total, part)| total.merge(part));
        total.weights.iter_mut().zip(&part.weights).for_each(|(total, part)| total.merge(part));
        total
    });
    let total = total.expect("map_parts has at least one part");
    let weights: Vec<f64> = total.weights.iter().map(ExactSum::round).collect();
    let weight: f64 = weights.iter().sum();
    let centroids: Vec<&[f64]> = run.centroids.chunks_exact(mean.len()).collect();
    if n_clusters == 1 {
        let (silhouette, davies_bouldin, calinski_harabasz) = (f64::NAN, f64::NAN, f64::NAN);
        return Figures { inertia: run.inertia, silhouette, davies_bouldin, calinski_harabasz };
    }

    let spreads: Vec<f64> =
        total.deviations.iter().zip(&weights).map(|(sum, &weight)| sum.quotient(weight)).collect();
    let worst = |i: usize| {
        let others = (0..n_clusters).filter(|&j| j != i);
        let ratios =
            others.map(|j| (spreads[i] + spreads[j]) / squared_distance(centroids[i], centroids[j]).sqrt());
        ratios.fold(0.0, f64::max)
    };
    let davies_bouldin = (0..n_clusters).map(worst).sum::<f64>() / n_clusters as f64;

    let between: f64 = centroids
        .iter()
        .zip(&weights)
        .map(|(centroid, weight)| weight * squared_distance(centroid, mean))
        .sum();
    let calinski_harabasz = between / (n_clusters - 1) as f64 / (run.inertia / (weight - n_clusters as f64));
    Figures {
        inertia: run.inertia,
        silhouette: total.silhouette.quotient(weight),
        davies_bouldin,
        calinski_harabasz: if calinski_harabasz.is_finite() { calinski_harabasz } else { f64::NAN },
    }
}

fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

fn sums(blocks: &[&Block], run: &Run) -> Sums {
    /// Distances that are summed at once.
    const BUCKET: usize = 256;
    let n_clusters = run.sizes.len();
    let mut sums = Sums {
        silhouette: ExactSum::new(),
        deviations: vec![ExactSum::new(); n_clusters],
        weights: vec![ExactSum::new(); n_clusters],
    };
    let mut buckets = vec![Vec::with_capacity(BUCKET); n_clusters];
    let mut counts = vec![0_u64; n_clusters];
    let mut silhouettes = Vec::new();
    let mut nearest = TwoNearest::default();
    for block in blocks {
        nearest.search(block, &run.centroids);
        silhouettes.clear();
        silhouettes.extend((0..block.rows()).map(|row| {
            let (first, second) = (nearest.first[row].sqrt(), nearest.second[row].sqrt());
            let is_alone = run.sizes[nearest.labels[row] as usize] == 1;
            if is_alone || second == 0.0 { 0.0 } else { 1.0 - first / second }
        }));
        let rows = nearest.labels.iter().zip(&nearest.first).zip(&silhouettes);
        if block.weights.is_empty() {
            sums.silhouette.add_all(&silhouettes);
            for ((&label, square), _) in rows {
                let label = label as usize;
                counts[label] += 1;
                buckets[label].push(square.sqrt());
                if buckets[label].len() == BUCKET {
                    sums.deviations[label].add_all(&buckets[label]);
                    buckets[label].clear();
                }
            }
        } else {
            for (((&label, square), &silhouette), &weight) in rows.zip(&block.weights) {
                sums.silhouette.add_product(silhouette, weight);
                sums.deviations[label as usize].add_product(square.sqrt(), weight);
                sums.weights[label as usize].add(weight);
            }
        }
    }
    sums.deviations.iter_mut().zip(&buckets).for_each(|(sum, bucket)| sum.add_all(bucket));
    sums.weights.iter_mut().zip(counts).for_each(|(sum, count)| sum.add(count as f64));
    sums
}
