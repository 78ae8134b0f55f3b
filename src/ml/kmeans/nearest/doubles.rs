//! Distances to centroids in doubles.

use super::LANES;
use crate::rows::Tile;
use crate::simd::vectorize;

/// Index of the nearest centroid of each row of `columns` and its squared distance; of two at the
/// same distance the lower one. Fit and predict share it, so their labels agree.
pub(crate) fn nearest(
    columns: &[&[f64]],
    centroids: &[f64],
    labels: &mut [u32],
    distances: &mut [f64],
) {
    vectorize(
        #[inline(always)]
        || {
            let full = labels.len() / LANES * LANES;
            let (full_labels, rest_labels) = labels.split_at_mut(full);
            let (full_distances, rest_distances) = distances.split_at_mut(full);
            let lanes =
                full_labels.chunks_exact_mut(LANES).zip(full_distances.chunks_exact_mut(LANES));
            for (i, (labels, distances)) in lanes.enumerate() {
                let load = |column: &[f64]| -> [f64; LANES] {
                    *column[i * LANES..].first_chunk().expect("as many values as labels")
                };
                nearest_lanes(columns, centroids, load, labels, distances);
            }
            for (i, (label, distance)) in rest_labels.iter_mut().zip(rest_distances).enumerate() {
                (*label, *distance) =
                    nearest_of_row(columns.iter().map(|column| column[full + i]), centroids);
            }
        },
    );
}

#[inline(always)]
fn nearest_lanes(
    columns: &[&[f64]],
    centroids: &[f64],
    load: impl Fn(&[f64]) -> [f64; LANES],
    labels: &mut [u32],
    distances: &mut [f64],
) {
    let mut best = [f64::INFINITY; LANES];
    // Labels as doubles share the mask of the comparison.
    let mut best_label = [0.0; LANES];
    for (cluster, centroid) in centroids.chunks_exact(columns.len()).enumerate() {
        let mut squares = [0.0; LANES];
        for (column, &c) in columns.iter().zip(centroid) {
            let x = load(column);
            for lane in 0..LANES {
                squares[lane] += (x[lane] - c) * (x[lane] - c);
            }
        }
        let label = cluster as f64;
        for lane in 0..LANES {
            let closer = squares[lane] < best[lane];
            best[lane] = if closer { squares[lane] } else { best[lane] };
            best_label[lane] = if closer { label } else { best_label[lane] };
        }
    }
    for lane in 0..LANES {
        labels[lane] = best_label[lane] as u32;
        distances[lane] = best[lane];
    }
}

/// The same for one row, to the bit.
#[inline(always)]
pub(super) fn nearest_of_row(
    row: impl ExactSizeIterator<Item = f64> + Clone,
    centroids: &[f64],
) -> (u32, f64) {
    let mut best = (0, f64::INFINITY);
    for (cluster, centroid) in (0..).zip(centroids.chunks_exact(row.len())) {
        let squares =
            row.clone().zip(centroid).fold(0.0, |squares, (x, c)| squares + (x - c) * (x - c));
        if squares < best.1 {
            best = (cluster, squares);
        }
    }
    best
}

/// Squared distances of a tile's scaled rows to their own centroids, to the bit as [`nearest`] has
/// them.
pub(crate) fn own_distances(
    tile: &Tile,
    centroids: &[f64],
    labels: &[f32],
    distances: &mut Vec<f64>,
) {
    let columns = tile.columns();
    let n_features = columns.len();
    distances.clear();
    distances.resize(tile.rows(), 0.0);
    vectorize(
        #[inline(always)]
        || {
            for (feature, column) in columns.iter().enumerate() {
                for ((distance, &x), &label) in distances.iter_mut().zip(*column).zip(labels) {
                    let difference = x - centroids[label as usize * n_features + feature];
                    *distance += difference * difference;
                }
            }
        },
    );
}
