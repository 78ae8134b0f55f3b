//! The distinct rows of a fit in an order of their own: sums in that order depend on their set
//! alone.

use crate::exact_sum::ExactSum;
use crate::rows::{Entry, Tile};
use crate::scaling::Points;
use crate::threads::{map_parts, worth};

/// Rows that the kernels take at once: a few columns of them stay in the nearest cache.
pub(super) const TILE: usize = 256;
/// Buckets at most. Each has sums of its own, so that they take no more memory than that.
const MAX_BUCKETS: u64 = 64;
/// Rows of a bucket, about, where there are fewer.
const BUCKET_ROWS: u64 = 2048;

/// The distinct rows whose hashes begin with the same bits, by hash and content.
pub(super) struct Bucket {
    /// Scaled, [`TILE`] rows at a time, one column after the other; what is left of the last tile
    /// is 0.
    values: Vec<f64>,
    /// Of the rows with all their copies; 0 where a tile has no row.
    weights: Vec<f64>,
    /// How many rows each stands for.
    counts: Vec<u64>,
    n_features: usize,
}

/// Up to [`TILE`] rows.
pub(super) struct RowTile<'b> {
    /// One column after the other, [`TILE`] values each.
    pub(super) values: &'b [f64],
    pub(super) weights: &'b [f64; TILE],
    /// One for each row there is.
    pub(super) counts: &'b [u64],
}

impl Bucket {
    /// The rows of all buckets are those of `points`, each once; the hash is a random one, so the
    /// first buckets are a uniform sample of the distinct rows.
    pub(super) fn all(points: &Points, seed: i64, n_threads: usize) -> Vec<Self> {
        // Of the rows with their copies: how many of these are one already depends on their order.
        let n_buckets = (points.n_samples() / BUCKET_ROWS).next_power_of_two().min(MAX_BUCKETS);
        let n_buckets = n_buckets as usize;
        let shift = u64::BITS - n_buckets.ilog2();
        let bucket_of = |hash: u64| hash.checked_shr(shift).unwrap_or(0) as usize;
        let n_threads = worth(points.len() * points.n_features, n_threads);
        let mut blocks: Vec<_> = points.blocks.iter().enumerate().collect();
        let parts = map_parts(&mut blocks, n_threads, |blocks| {
            let mut entries: Vec<Vec<Entry>> = vec![Vec::new(); n_buckets];
            let mut of_block = Vec::new();
            for (index, block) in blocks {
                let hashes = |tile: &Tile| tile.hashes(seed, false);
                Entry::of_block(block, *index, hashes, |_| true, &mut of_block);
                of_block.drain(..).for_each(|entry| entries[bucket_of(entry.hash)].push(entry));
            }
            entries
        });
        let mut entries: Vec<Vec<Entry>> = vec![Vec::new(); n_buckets];
        for part in parts {
            entries.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
        }
        let parts = map_parts(&mut entries, n_threads, |entries| {
            let bucket = |entries: &mut Vec<Entry>| Self::new(points, std::mem::take(entries));
            entries.iter_mut().map(bucket).collect::<Vec<_>>()
        });
        parts.into_iter().flatten().collect()
    }

    fn new(points: &Points, mut entries: Vec<Entry>) -> Self {
        let blocks = points.blocks.as_slice();
        Entry::merge_equal(&mut entries, blocks);
        let (mut distinct, mut weights, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for copies in entries.chunk_by(|x, y| x.compare(*y, blocks).is_eq()) {
            let mut weight = ExactSum::new();
            copies.iter().for_each(|x| weight.add_product(x.weight(blocks), x.n_merged as f64));
            distinct.push(copies[0]);
            weights.push(weight.round());
            counts.push(copies.iter().map(|entry| entry.count).sum());
        }
        drop(entries);
        let n_features = points.n_features;
        let n_tiles = distinct.len().div_ceil(TILE);
        weights.resize(n_tiles * TILE, 0.0);
        let mut values = vec![0.0; n_tiles * TILE * n_features];
        for (entries, tile) in
            distinct.chunks(TILE).zip(values.chunks_exact_mut((TILE * n_features).max(1)))
        {
            for (feature, column) in tile.chunks_exact_mut(TILE).enumerate() {
                for (x, entry) in column.iter_mut().zip(entries) {
                    let held = blocks[entry.block as usize].column(feature)[entry.row as usize];
                    *x = points.scaled_value(feature, held);
                }
            }
        }
        Self { values, weights, counts, n_features }
    }

    /// Distinct rows.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The sum of the weights.
    pub(super) fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// The rows in their order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<f64>> {
        let row = |tile: &RowTile, row: usize| {
            tile.values.chunks_exact(TILE).map(|column| column[row]).collect()
        };
        self.tiles()
            .flat_map(move |tile| (0..tile.counts.len()).map(|i| row(&tile, i)).collect::<Vec<_>>())
    }

    pub(super) fn tiles(&self) -> impl Iterator<Item = RowTile<'_>> {
        let (weights, _) = self.weights.as_chunks::<TILE>();
        let values = self.values.chunks_exact((TILE * self.n_features).max(1));
        values
            .zip(weights)
            .zip(self.counts.chunks(TILE))
            .map(|((values, weights), counts)| RowTile { values, weights, counts })
    }
}
