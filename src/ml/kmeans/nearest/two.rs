//! The two nearest centroids of each row, in doubles.

use super::LANES;
use crate::rows::Tile;
use crate::simd::vectorize;

/// The two nearest centroids of each row of a tile.
#[derive(Default)]
pub(crate) struct NearestTwo {
    /// Of the nearest, the lower one of two at the same distance.
    pub(crate) labels: Vec<u32>,
    /// Squared distances to the nearest.
    pub(crate) first: Vec<f64>,
    /// Squared distances to the second nearest; infinite where there is one centroid.
    pub(crate) second: Vec<f64>,
}

impl NearestTwo {
    /// Of rows that are scaled.
    pub(crate) fn search(&mut self, tile: &Tile, centroids: &[f64]) {
        let columns = tile.columns();
        self.labels.resize(tile.rows(), 0);
        self.first.resize(tile.rows(), 0.0);
        self.second.resize(tile.rows(), 0.0);
        let rows = self.labels.chunks_mut(LANES).zip(self.first.chunks_mut(LANES));
        let rows = rows.zip(self.second.chunks_mut(LANES));
        vectorize(
            #[inline(always)]
            || {
                for (i, ((labels, first), second)) in rows.enumerate() {
                    let found = if labels.len() == LANES {
                        let load = |column: &[f64]| -> [f64; LANES] {
                            *column[i * LANES..].first_chunk().expect("as many values as labels")
                        };
                        two_nearest_lanes(&columns, centroids, load)
                    } else {
                        let load = |column: &[f64]| -> [f64; LANES] {
                            std::array::from_fn(|lane| {
                                column.get(i * LANES + lane).copied().unwrap_or(0.0)
                            })
                        };
                        two_nearest_lanes(&columns, centroids, load)
                    };
                    let [found_labels, found_first, found_second] = found;
                    labels
                        .iter_mut()
                        .zip(found_labels)
                        .for_each(|(label, found)| *label = found as u32);
                    first.copy_from_slice(&found_first[..first.len()]);
                    second.copy_from_slice(&found_second[..second.len()]);
                }
            },
        );
    }
}

/// Labels as doubles and the squared distances to the nearest and the second nearest centroid.
#[inline(always)]
fn two_nearest_lanes(
    columns: &[&[f64]],
    centroids: &[f64],
    load: impl Fn(&[f64]) -> [f64; LANES],
) -> [[f64; LANES]; 3] {
    let mut labels = [0.0; LANES];
    let mut first = [f64::INFINITY; LANES];
    let mut second = [f64::INFINITY; LANES];
    for (cluster, centroid) in centroids.chunks_exact(columns.len()).enumerate() {
        let mut squares = [0.0; LANES];
        for (column, &c) in columns.iter().zip(centroid) {
            let x = load(column);
            for lane in 0..LANES {
                squares[lane] += (x[lane] - c) * (x[lane] - c);
            }
        }
        let cluster = cluster as f64;
        for lane in 0..LANES {
            let is_closer = squares[lane] < first[lane];
            let other = if is_closer { first[lane] } else { squares[lane] };
            second[lane] = if other < second[lane] { other } else { second[lane] };
            first[lane] = if is_closer { squares[lane] } else { first[lane] };
            labels[lane] = if is_closer { cluster } else { labels[lane] };
        }
    }
    [labels, first, second]
}
