//! The search in single precision, with a proof for each label.

use super::ROWS_TOGETHER;
use super::doubles::nearest_of_row;
use super::frame::{Frame, SingleTile};
use crate::simd::dispatch;
use pulp::{Simd, WithSimd};

/// More than the underflow of all products of a row can lose.
const UNDERFLOW: f32 = 1e-34;
/// Centroids that share a load of the rows.
const TILE: usize = 4;

/// Centroids as the search in single precision takes them.
///
/// The nearest centroid c of a row x is the one of greatest x c - c^2 / 2: one product for each
/// feature. Its error in single precision is at most kappa (|x| |c| + c^2 / 2) with kappa =
/// (n_features + 5) 2^-24. No centroid beyond |x| + D can be nearest, D being the distance to the
/// best, so that with p = x^2 and D^2 = p - 2 best the error of all that matter is at most kappa
/// (4.5 p - 4 best). A row whose two best scores are further apart than twice that has its proof;
/// the others are searched again in doubles. The labels are those of [`nearest`], always.
pub(crate) struct Search<'a> {
    centroids: &'a [f64],
    n_features: usize,
    /// Tiles of [`TILE`] centroids, feature by feature; the last one may have fewer.
    tiles: Vec<f32>,
    /// -c^2 / 2 of each centroid.
    offsets: Vec<f32>,
    kappa: f32,
    /// What scores may lose whatever the row.
    pub(super) underflow: f32,
}

impl<'a> Search<'a> {
    pub(crate) fn new(centroids: &'a [f64], frame: &Frame) -> Self {
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

    /// Writes the labels of the rows of a tile to `labels`, which has room for a multiple of
    /// [`ROWS_TOGETHER`]. `row` gives the scaled features of a row.
    pub(crate) fn labels<R>(
        &self,
        single: SingleTile,
        rows: usize,
        row: impl Fn(usize) -> R,
        labels: &mut [f32],
    ) where
        R: ExactSizeIterator<Item = f64> + Clone,
    {
        let padded = rows.next_multiple_of(ROWS_TOGETHER);
        let all_proven =
            dispatch(SearchRows { search: self, single, found: &mut labels[..padded] });
        if !all_proven {
            for (i, label) in
                labels[..rows].iter_mut().enumerate().filter(|(_, label)| **label < 0.0)
            {
                *label = nearest_of_row(row(i), self.centroids).0 as f32;
            }
        }
    }
}

/// The search over the rows of a tile. `found` takes the labels, -1 for a row without a proof;
/// labels as floats share the mask of the comparison. Whether all have one.
pub(super) struct SearchRows<'a> {
    pub(super) search: &'a Search<'a>,
    pub(super) single: SingleTile<'a>,
    pub(super) found: &'a mut [f32],
}

impl WithSimd for SearchRows<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { search, single, found } = self;
        let columns: Vec<&[S::f32s]> =
            single.columns().map(|column| S::as_simd_f32s(column).0).collect();
        let (found, _) = S::as_mut_simd_f32s(found);
        let (squares, _) = S::as_simd_f32s(single.squares());
        let mut least = simd.splat_f32s(0.0);
        let (kappa, underflow) = (simd.splat_f32s(search.kappa), simd.splat_f32s(search.underflow));
        let lowest = [simd.splat_f32s(f32::NEG_INFINITY); 2];
        for (i, found) in found.chunks_exact_mut(2).enumerate() {
            let mut ranked =
                Ranked { best: lowest, second: lowest, label: [simd.splat_f32s(0.0); 2] };
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
    /// Adds the scores of N centroids, the first of which has the number `first`, for the rows of
    /// the registers 2 `i` and 2 `i` + 1.
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
