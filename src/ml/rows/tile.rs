//! Up to 2,048 rows of a block: what the kernels take at once, and their statistics.

use super::TILE_ROWS;
use super::block::Block;
use super::hash::Keys;
use crate::moments::Moments;
use crate::simd::vectorize;

/// Up to [`TILE_ROWS`] rows of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<'b> {
    pub(super) block: &'b Block,
    pub(super) start: usize,
    pub(super) rows: usize,
}

/// Statistics of a tile, computed while it is in the cache.
#[derive(Clone, Debug)]
pub(crate) struct TileStatistics {
    /// One for each feature.
    pub(crate) moments: Vec<Moments>,
    /// The upper halves of the rows' hashes of content and seed.
    pub(crate) hashes: Vec<u32>,
}

impl<'b> Tile<'b> {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn n_features(&self) -> usize {
        self.block.n_features()
    }

    pub(crate) fn column(&self, feature: usize) -> &'b [f64] {
        &self.block.values[feature * self.block.stride + self.start..][..self.rows]
    }

    pub(crate) fn columns(&self) -> Vec<&'b [f64]> {
        let columns = self.block.values.chunks_exact(self.block.stride);
        columns.map(|column| &column[self.start..][..self.rows]).collect()
    }

    /// Empty where every row weighs 1.
    pub(crate) fn weights(&self) -> &'b [f64] {
        self.block.weights.get(self.start..self.start + self.rows).unwrap_or_default()
    }

    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.block.weight(self.start + row)
    }

    /// Empty where every row stands for itself.
    pub(crate) fn counts(&self) -> &'b [u64] {
        self.block.counts.get(self.start..self.start + self.rows).unwrap_or_default()
    }

    pub(crate) fn count(&self, row: usize) -> u64 {
        self.block.count(self.start + row)
    }

    /// The features of a row.
    pub(crate) fn row(&self, row: usize) -> impl ExactSizeIterator<Item = f64> + Clone + use<'b> {
        let row = self.start + row;
        self.block.values.chunks_exact(self.block.stride).map(move |column| column[row])
    }

    /// A 64-bit hash of each row's features, and `with_weights` of the fractions of their weights:
    /// of what is left of a weight whatever power of two all are multiplied by.
    pub(crate) fn hashes(&self, seed: i64, with_weights: bool) -> Vec<u64> {
        let mut hashes = vec![0; self.rows];
        const FRACTION: u64 = (1 << 52) - 1;
        let weights = if with_weights { self.weights() } else { &[] };
        let fractions: Vec<f64> =
            weights.iter().map(|weight| f64::from_bits(weight.to_bits() & FRACTION)).collect();
        let columns = self.columns().into_iter().chain([fractions.as_slice()]);
        let mut keys = Keys::new(seed);
        vectorize(
            #[inline(always)]
            || {
                for (column, key) in columns.zip(&mut keys) {
                    hashes.iter_mut().zip(column).for_each(|(hash, &x)| *hash = key.add(*hash, x));
                }
                hashes.iter_mut().for_each(|hash| *hash = keys.finish(*hash));
            },
        );
        hashes
    }

    /// The hash of one row's features.
    pub(super) fn hash(&self, row: usize, seed: i64) -> u64 {
        let mut keys = Keys::new(seed);
        let hash = self.row(row).zip(&mut keys).fold(0, |hash, (x, key)| key.add(hash, x));
        // The key of weights, which there may be.
        keys.next();
        keys.finish(hash)
    }

    /// Its statistics, if they were gathered.
    pub(crate) fn known_statistics(&self) -> Option<&'b TileStatistics> {
        let statistics = self.block.statistics.get(self.start / TILE_ROWS);
        statistics.filter(|_| self.rows == TILE_ROWS)
    }

    pub(crate) fn statistics(&self, seed: i64) -> TileStatistics {
        TileStatistics {
            moments: self.columns().into_iter().map(Moments::of).collect(),
            hashes: self.upper_hashes(seed),
        }
    }

    /// The upper halves of the hashes of the rows' features.
    pub(crate) fn upper_hashes(&self, seed: i64) -> Vec<u32> {
        self.hashes(seed, false).into_iter().map(|hash| (hash >> 32) as u32).collect()
    }
}
