//! The nearest centroid of each row: in doubles, and for a fit in single precision with a proof for each row.

use super::super::exact_sum::scale_by_power;
use super::super::scaling::{Extent, Transform};
use super::super::simd::{dispatch, vectorize};
use crate::rows::Tile;
use pulp::{Simd, WithSimd};

/// Doubles that fill a wide register, or two.
const LANES: usize = 8;
/// Rows that a step of the search takes on any processor: its columns are filled up to a multiple.
pub(super) const ROWS_TOGETHER: usize = 32;
/// Elements between the columns of a full shadow beyond its rows: a stride of 2^n would put all in the same cache sets.
const PADDING: usize = 16;
/// More than the underflow of all products of a row can lose.
const UNDERFLOW: f32 = 1e-34;
/// Centroids that share a load of the rows.
const TILE: usize = 4;

/// Index of the nearest centroid of each row of `columns` and its squared distance; of two at the same distance
/// the lower one. Fit and predict share it, so their labels agree.
pub(super) fn nearest(columns: &[&[f64]], centroids: &[f64], labels: &mut [u32], distances: &mut [f64]) {
    vectorize(
        #[inline(always)]
        || {
            let full = labels.len() / LANES * LANES;
            let (full_labels, rest_labels) = labels.split_at_mut(full);
            let (full_distances, rest_distances) = distances.split_at_mut(full);
            let lanes = full_labels.chunks_exact_mut(LANES).zip(full_distances.chunks_exact_mut(LANES));
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
fn nearest_of_row(row: impl ExactSizeIterator<Item = f64> + Clone, centroids: &[f64]) -> (u32, f64) {
    let mut best = (0, f64::INFINITY);
    for (cluster, centroid) in (0..).zip(centroids.chunks_exact(row.len())) {
        let squares = row.clone().zip(centroid).fold(0.0, |squares, (x, c)| squares + (x - c) * (x - c));
        if squares < best.1 {
            best = (cluster, squares);
        }
    }
    best
}

/// Squared distances of a tile's scaled rows to their own centroids, to the bit as [`nearest`] has them.
pub(super) fn own_distances(tile: &Tile, centroids: &[f64], labels: &[f32], distances: &mut Vec<f64>) {
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

/// The two nearest centroids of each row of a tile.
#[derive(Default)]
pub(super) struct TwoNearest {
    /// Of the nearest, the lower one of two at the same distance.
    pub(super) labels: Vec<u32>,
    /// Squared distances to the nearest.
    pub(super) first: Vec<f64>,
    /// Squared distances to the second nearest; infinite where there is one centroid.
    pub(super) second: Vec<f64>,
}

impl TwoNearest {
    /// Of rows that are scaled.
    pub(super) fn search(&mut self, tile: &Tile, centroids: &[f64]) {
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
                            std::array::from_fn(|lane| column.get(i * LANES + lane).copied().unwrap_or(0.0))
                        };
                        two_nearest_lanes(&columns, centroids, load)
                    };
                    let [found_labels, found_first, found_second] = found;
                    labels.iter_mut().zip(found_labels).for_each(|(label, found)| *label = found as u32);
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

/// How rows are brought to single precision: about the mean of each feature, by a power of two.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    means: Vec<f64>,
    unit: f64,
}

impl Frame {
    pub(super) fn new(extents: &[Extent]) -> Self {
        let reach = extents.iter().map(|extent| (extent.max - extent.mean).max(extent.mean - extent.min));
        Self::of_reach(extents.iter().map(|extent| extent.mean).collect(), reach.fold(0.0, f64::max))
    }

    /// That which brings the greatest distance from a mean to at most 1.
    fn of_reach(means: Vec<f64>, reach: f64) -> Self {
        let exponent = reach.clamp(1e-290, 1e290).log2().ceil() as i32;
        Self { means, unit: scale_by_power(1.0, -exponent) }
    }
}

/// The rows of a tile in single precision, and the squares of their lengths there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shadow<'a> {
    stride: usize,
    /// One column after the other, then the squares.
    values: &'a [f32],
}

impl<'a> Shadow<'a> {
    /// Values that the shadow of `rows` rows takes.
    pub(super) fn len(n_features: usize, rows: usize) -> usize {
        (n_features + 1) * Self::stride(rows)
    }

    fn stride(rows: usize) -> usize {
        rows.next_multiple_of(ROWS_TOGETHER) + PADDING
    }

    /// The shadow that [`Frame::cast`] wrote to `values`.
    pub(super) fn new(values: &'a [f32], rows: usize) -> Self {
        Self { stride: Self::stride(rows), values }
    }

    /// The columns, each with what fills it up.
    pub(super) fn columns(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.all_columns().chunks_exact(self.stride)
    }

    fn all_columns(&self) -> &'a [f32] {
        &self.values[..self.values.len() - self.stride]
    }

    fn squares(&self) -> &'a [f32] {
        &self.values[self.values.len() - self.stride..]
    }

    /// The values of a row.
    #[inline]
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = f32> + use<'a> {
        self.all_columns()[row..].iter().step_by(self.stride).copied()
    }
}

impl Frame {
    /// Writes the shadow of a tile of scaled rows to `out`.
    pub(super) fn cast(&self, tile: &Tile, out: &mut [f32]) {
        let stride = Shadow::stride(tile.rows());
        let (shadows, squares) = out.split_at_mut(stride * self.means.len());
        let columns = tile.columns();
        squares.fill(0.0);
        vectorize(
            #[inline(always)]
            || {
                let shadows = shadows.chunks_exact_mut(stride);
                for ((column, mean), shadows) in columns.iter().zip(&self.means).zip(shadows) {
                    for ((&x, shadow), square) in column.iter().zip(&mut *shadows).zip(&mut *squares) {
                        *shadow = ((x - mean) * self.unit) as f32;
                        *square += *shadow * *shadow;
                    }
                    shadows[column.len()..].fill(0.0);
                }
            },
        );
    }

    /// A value of the frame in scaled units.
    pub(super) fn invert(&self, feature: usize, x: f64) -> f64 {
        self.means[feature] + x / self.unit
    }

    /// A scaled value in the frame, not rounded to single precision.
    pub(super) fn place(&self, feature: usize, x: f64) -> f64 {
        (x - self.means[feature]) * self.unit
    }

    /// What brings scaled values to the frame: a power of two.
    pub(super) fn unit(&self) -> f64 {
        self.unit
    }
}

/// The labels of rows by a model, -1 where there is no proof; `found` gets a multiple of [`ROWS_TOGETHER`] of them.
/// `columns` hold the features after the logarithm.
///
/// Rows are not scaled but brought to the frame at once, with a product for the quotient: what that loses beside the
/// rounding to single precision, which the proof allows for, is a part of the mean.
pub(super) fn proven_labels(
    columns: &[&[f64]],
    transform: &Transform,
    centroids: &[f64],
    found: &mut Vec<f32>,
) {
    let n_rows = columns.first().map_or(0, |column| column.len());
    let n_features = columns.len();
    let means: Vec<f64> = (0..n_features).map(|feature| transform.scaled_mean(feature)).collect();
    let reach = |feature: usize| {
        let of_feature = centroids.iter().skip(feature).step_by(n_features);
        of_feature.fold(0.0, |reach, c| f64::max(reach, (c - means[feature]).abs()))
    };
    let reaches: Vec<f64> = (0..n_features).map(reach).collect();
    let frame = Frame::of_reach(means, reaches.iter().copied().fold(0.0, f64::max));
    let mut search = Search::new(centroids, &frame);
    let lost = reaches.iter().zip(&frame.means).map(|(reach, mean)| reach * mean.abs());
    search.underflow += (lost.sum::<f64>() * frame.unit * frame.unit * f64::EPSILON * 8.0) as f32;

    let stride = Shadow::stride(n_rows);
    let mut values = vec![0.0; Shadow::len(n_features, n_rows)];
    let (shadows, squares) = values.split_at_mut(stride * n_features);
    vectorize(
        #[inline(always)]
        || {
            for (feature, (column, shadows)) in
                columns.iter().zip(shadows.chunks_exact_mut(stride)).enumerate()
            {
                let center = transform.center[feature];
                let factor = frame.unit / transform.spread[feature];
                let mean = frame.means[feature] * frame.unit;
                for ((&x, shadow), square) in column.iter().zip(shadows).zip(&mut *squares) {
                    *shadow = ((x - center) * factor - mean) as f32;
                    *square += *shadow * *shadow;
                }
            }
        },
    );
    found.clear();
    found.resize(n_rows.next_multiple_of(ROWS_TOGETHER), 0.0);
    dispatch(SearchRows { search: &search, shadow: Shadow::new(&values, n_rows), found });
}

/// Centroids as the search in single precision takes them.
///
/// The nearest centroid c of a row x is the one of greatest x c - c^2 / 2: one product for each feature. Its error
/// in single precision is at most kappa (|x| |c| + c^2 / 2) with kappa = (n_features + 5) 2^-24. No centroid
/// beyond |x| + D can be nearest, D being the distance to the best, so that with p = x^2 and D^2 = p - 2 best the
/// error of all that matter is at most kappa (4.5 p - 4 best). A row whose two best scores are further apart than
/// twice that has its proof; the others are searched again in doubles. The labels are those of [`nearest`], always.
pub(super) struct Search<'a> {
    centroids: &'a [f64],
    n_features: usize,
    /// Tiles of [`TILE`] centroids, feature by feature; the last one may have fewer.
    tiles: Vec<f32>,
    /// -c^2 / 2 of each centroid.
    offsets: Vec<f32>,
    kappa: f32,
    /// What scores may lose whatever the row.
    underflow: f32,
}

impl<'a> Search<'a> {
    pub(super) fn new(centroids: &'a [f64], frame: &Frame) -> Self {
        let n_features = frame.means.len();
        let n_clusters = centroids.len() / n_features;
        let mut tiles = vec![0.0; centroids.len()];
        let mut offsets = vec![0.0; n_clusters];
        for (cluster, centroid) in centroids.chunks_exact(n_features).enumerate() {
            let first = cluster / TILE * TILE;
            let in_tile = TILE.min(n_clusters - first);
            let tile = &mut tiles[first * n_features..];
            let mut square = 0.0;
            for (feature, (c, mean)) in centroid.iter().zip(&frame.means).enumerate() {
                let c = (c - mean) * frame.unit;
                tile[feature * in_tile + cluster - first] = c as f32;
                square += c * c;
            }
            offsets[cluster] = (-0.5 * square) as f32;
        }
        // Twice what is needed, for the rounding of the bound itself.
        let kappa = 2.0 * (n_features + 5) as f32 * f32::EPSILON / 2.0;
        Self { centroids, n_features, tiles, offsets, kappa, underflow: UNDERFLOW }
    }

    /// Writes the labels of a shadow's rows to `labels`, which has room for a multiple of [`ROWS_TOGETHER`]. `row` gives
    /// the scaled features of a row.
    pub(super) fn labels<R>(&self, shadow: Shadow, rows: usize, row: impl Fn(usize) -> R, labels: &mut [f32])
    where
        R: ExactSizeIterator<Item = f64> + Clone,
    {
        let padded = rows.next_multiple_of(ROWS_TOGETHER);
        let all_proven = dispatch(SearchRows { search: self, shadow, found: &mut labels[..padded] });
        if !all_proven {
            for (i, label) in labels[..rows].iter_mut().enumerate().filter(|(_, label)| **label < 0.0) {
                *label = nearest_of_row(row(i), self.centroids).0 as f32;
            }
        }
    }
}

/// The search over the rows of a tile. `found` takes the labels, -1 for a row without a proof; labels as floats
/// share the mask of the comparison. Whether all have one.
struct SearchRows<'a> {
    search: &'a Search<'a>,
    shadow: Shadow<'a>,
    found: &'a mut [f32],
}

impl WithSimd for SearchRows<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { search, shadow, found } = self;
        let columns: Vec<&[S::f32s]> = shadow.columns().map(|column| S::as_simd_f32s(column).0).collect();
        let (found, _) = S::as_mut_simd_f32s(found);
        let (squares, _) = S::as_simd_f32s(shadow.squares());
        let mut least = simd.splat_f32s(0.0);
        let (kappa, underflow) = (simd.splat_f32s(search.kappa), simd.splat_f32s(search.underflow));
        let lowest = [simd.splat_f32s(f32::NEG_INFINITY); 2];
        for (i, found) in found.chunks_exact_mut(2).enumerate() {
            let mut ranked = Ranked { best: lowest, second: lowest, label: [simd.splat_f32s(0.0); 2] };
            let (mut centroids, mut offsets) = (&*search.tiles, &*search.offsets);
            let mut first = 0.0;
            while offsets.len() >= TILE {
                ranked.add::<S, TILE>(simd, &columns, i, centroids, offsets, first);
                centroids = &centroids[TILE * search.n_features..];
                offsets = &offsets[TILE..];
                first += TILE as f32;
            }
            match offsets.len() {
                1 => ranked.add::<S, 1>(simd, &columns, i, centroids, offsets, first),
                2 => ranked.add::<S, 2>(simd, &columns, i, centroids, offsets, first),
                3 => ranked.add::<S, 3>(simd, &columns, i, centroids, offsets, first),
                _ => {}
            }
            let Ranked { best, second, label } = ranked;
            for lane in 0..2 {
                // kappa (4.5 p - 4 best), and what underflows.
                let reach = simd.sub_f32s(
                    simd.mul_f32s(simd.splat_f32s(4.5), squares[2 * i + lane]),
                    simd.mul_f32s(simd.splat_f32s(4.0), best[lane]),
                );
                let error = simd.add_f32s(simd.mul_f32s(kappa, reach), underflow);
                let lead = simd.sub_f32s(best[lane], second[lane]);
                // Not true where one of them is no number.
                let is_proven = simd.greater_than_f32s(lead, simd.add_f32s(error, error));
                found[lane] = simd.select_f32s(is_proven, label[lane], simd.splat_f32s(-1.0));
                least = simd.min_f32s(least, found[lane]);
            }
        }
        simd.reduce_min_f32s(least) == 0.0
    }
}

/// The two highest scores of rows in two registers, and the centroid of the highest.
struct Ranked<V> {
    best: [V; 2],
    second: [V; 2],
    label: [V; 2],
}

impl<V: Copy> Ranked<V> {
    /// Adds the scores of N centroids, the first of which has the number `first`, for the rows of the registers 2 `i` and
    /// 2 `i` + 1.
    #[inline(always)]
    fn add<S: Simd<f32s = V>, const N: usize>(
        &mut self,
        simd: S,
        columns: &[&[V]],
        i: usize,
        centroids: &[f32],
        offsets: &[f32],
        first: f32,
    ) {
        let mut scores: [[V; 2]; N] = std::array::from_fn(|n| [simd.splat_f32s(offsets[n]); 2]);
        for (column, centroids) in columns.iter().zip(centroids.as_chunks::<N>().0) {
            let x = [column[2 * i], column[2 * i + 1]];
            for (scores, &c) in scores.iter_mut().zip(centroids) {
                let c = simd.splat_f32s(c);
                scores[0] = simd.mul_add_e_f32s(x[0], c, scores[0]);
                scores[1] = simd.mul_add_e_f32s(x[1], c, scores[1]);
            }
        }
        for (n, scores) in scores.into_iter().enumerate() {
            let this = simd.splat_f32s(first + n as f32);
            for (lane, score) in scores.into_iter().enumerate() {
                let is_better = simd.greater_than_f32s(score, self.best[lane]);
                let other = simd.min_f32s(self.best[lane], score);
                self.second[lane] = simd.max_f32s(self.second[lane], other);
                self.label[lane] = simd.select_f32s(is_better, this, self.label[lane]);
                self.best[lane] = simd.max_f32s(self.best[lane], score);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::scaling::{Nulls, Points, Scale, fit_transform};
    use super::super::super::simd::tests::on_each;
    use super::super::super::test_data::{Random, blobs, observe};
    use super::*;
    use crate::rows::Block;

    fn points(rows: &[Vec<f64>], scale: Scale) -> Points {
        fit_transform(observe(rows), scale, Nulls::Skip, 1).expect("rows to scale").1
    }

    /// The labels by both ways, and how many rows had to be searched again.
    fn compare(points: &Points, centroids: &[f64]) -> usize {
        let frame = Frame::new(&points.extents);
        let search = Search::new(centroids, &frame);
        let mut n_doubtful = 0;
        let mut scratch = Block::scratch();
        for tile in points.tiles() {
            let scaled = points.scaled(tile, &mut scratch);
            let rows = tile.rows();
            let mut values = vec![f32::NAN; Shadow::len(points.n_features, rows)];
            frame.cast(&scaled, &mut values);
            let shadow = Shadow::new(&values, rows);
            let padded = rows.next_multiple_of(ROWS_TOGETHER);
            let mut labels = vec![0.0; padded];
            search.labels(shadow, rows, |row| points.scaled_row(&tile, row), &mut labels);
            let (mut expected, mut distances) = (vec![0; rows], vec![0.0; rows]);
            nearest(&scaled.columns(), centroids, &mut expected, &mut distances);
            assert!(labels.iter().zip(&expected).all(|(&label, &expected)| label as u32 == expected));
            let mut own = Vec::new();
            own_distances(&scaled, centroids, &labels[..rows], &mut own);
            assert_eq!(own, distances);
            let mut found = vec![0.0; padded];
            dispatch(SearchRows { search: &search, shadow, found: &mut found });
            n_doubtful += found[..rows].iter().filter(|&&label| label < 0.0).count();
        }
        n_doubtful
    }

    #[test]
    fn labels_of_single_precision_are_those_of_doubles() {
        let mut random = Random::new(1);
        for case in 0..60 {
            let n_features = 1 + random.below(20);
            let n_clusters = 1 + random.below(70);
            let mut rows = blobs(case, 1 + random.below(5000), n_features, 1 + random.below(9));
            // Offsets, units and outliers that single precision alone could not bear.
            let (offset, unit) = ([0.0, 1e9, -1e4][random.below(3)], [1.0, 1e-20, 1e30][random.below(3)]);
            rows.iter_mut().flatten().for_each(|x| *x = (*x + offset) * unit);
            if case % 4 == 0 {
                rows[0][0] = 1e12 * unit;
            }
            let points = points(&rows, [Scale::None, Scale::Standard][case as usize % 2]);
            let tiles = points.tiles();
            let centroids: Vec<f64> = (0..n_clusters)
                .flat_map(|_| {
                    let tile = tiles[random.below(tiles.len())];
                    points.scaled_row(&tile, random.below(tile.rows())).collect::<Vec<f64>>()
                })
                .collect();
            on_each(|| compare(&points, &centroids));
        }
    }

    #[test]
    fn rows_between_two_centroids_go_to_the_lower_one() {
        // Half of the rows are as near to one centroid as to another, and some centroids are equal.
        let rows: Vec<Vec<f64>> = (0..4000).map(|i| vec![f64::from(i % 9), f64::from(i % 5)]).collect();
        let centroids = [[4.0, 2.0], [0.0, 2.0], [8.0, 2.0], [4.0, 2.0]].concat();
        assert!(compare(&points(&rows, Scale::None), &centroids) > 1000);
    }

    #[test]
    fn few_rows_are_in_doubt() {
        let rows = blobs(2, 20_000, 8, 1);
        let n_doubtful = compare(&points(&rows, Scale::None), &rows[..16].concat());
        assert!(n_doubtful < 20, "{n_doubtful}");
    }
}
