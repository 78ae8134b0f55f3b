//! Rows of blocks in the order of their hashes, of which equal ones become one.

use super::TILE_ROWS;
use super::block::Block;
use super::tile::Tile;
use std::cmp::Ordering;

/// A row that stands for `count` rows equal to it; ordered by hash, then by content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) hash: u64,
    pub(crate) block: u32,
    pub(crate) row: u32,
    pub(crate) count: u64,
    /// Rows of blocks that were made one.
    pub(crate) n_merged: u64,
}

impl Entry {
    /// Entries of the rows of a block whose hash passes `keep`.
    pub(crate) fn of_block(
        block: &Block,
        index: usize,
        hashes: impl Fn(&Tile) -> Vec<u64>,
        keep: impl Fn(u64) -> bool,
        entries: &mut Vec<Self>,
    ) {
        for tile in block.tiles() {
            let hashes = hashes(&tile).into_iter().enumerate();
            entries.extend(hashes.filter(|&(_, hash)| keep(hash)).map(|(row, hash)| {
                let row = (tile.start + row) as u32;
                Self::of_row(block, index, row, hash)
            }));
        }
    }

    /// The entry of a row of a tile of the block with that index.
    pub(crate) fn of_tile(tile: &Tile, index: usize, row: usize, seed: i64) -> Self {
        Self::of_row(tile.block, index, (tile.start + row) as u32, tile.hash(row, seed))
    }

    fn of_row(block: &Block, index: usize, row: u32, hash: u64) -> Self {
        Self { hash, block: index as u32, row, count: block.count(row as usize), n_merged: 1 }
    }

    /// The order by hash and features: the same for equal rows wherever they lie.
    pub(crate) fn compare<B: AsRef<Block>>(self, other: Self, blocks: &[B]) -> Ordering {
        self.hash.cmp(&other.hash).then_with(|| {
            let x = blocks[self.block as usize].as_ref().row(self.row as usize);
            let y = blocks[other.block as usize].as_ref().row(other.row as usize);
            x.map(f64::to_bits).cmp(y.map(f64::to_bits))
        })
    }

    /// Whether another entry has the same features and the same weight.
    pub(crate) fn is_equal<B: AsRef<Block>>(self, other: Self, blocks: &[B]) -> bool {
        self.compare(other, blocks).is_eq() && self.weight(blocks) == other.weight(blocks)
    }

    /// Adds an equal entry.
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.n_merged += other.n_merged;
    }

    /// The features of the row.
    pub(crate) fn row_of<B: AsRef<Block>>(self, blocks: &[B]) -> impl Iterator<Item = f64> {
        blocks[self.block as usize].as_ref().row(self.row as usize)
    }

    pub(crate) fn weight<B: AsRef<Block>>(self, blocks: &[B]) -> f64 {
        blocks[self.block as usize].as_ref().weight(self.row as usize)
    }

    /// Sorts by hash, features and weight, and makes one entry of those that agree in all of them.
    pub(crate) fn merge_equal<B: AsRef<Block>>(entries: &mut Vec<Self>, blocks: &[B]) {
        let compare = |x: Self, y: Self| {
            x.compare(y, blocks).then_with(|| x.weight(blocks).total_cmp(&y.weight(blocks)))
        };
        entries.sort_unstable_by(|x, y| compare(*x, *y));
        entries.dedup_by(|next, kept| {
            let equal = compare(*next, *kept).is_eq();
            if equal {
                kept.add(*next);
            }
            equal
        });
    }

    /// Copies of the rows of `entries`, which become entries of these.
    pub(crate) fn extract<B: AsRef<Block>>(
        entries: &mut [Self],
        blocks: &[B],
        n_features: usize,
    ) -> Vec<Block> {
        let has_weights =
            entries.iter().any(|entry| !blocks[entry.block as usize].as_ref().weights.is_empty());
        let weights = entries.iter().filter(|_| has_weights).map(|entry| entry.weight(blocks));
        let weights: Vec<f64> = weights.collect();
        let copies = Self::gather(entries, blocks, &weights, n_features);
        for (i, entry) in entries.iter_mut().enumerate() {
            (entry.block, entry.row) = ((i / TILE_ROWS) as u32, (i % TILE_ROWS) as u32);
        }
        copies
    }

    /// The rows of `entries`, in their order, as blocks with counts; `weights` as given, one for
    /// each entry.
    pub(crate) fn gather<B: AsRef<Block>>(
        entries: &[Self],
        blocks: &[B],
        weights: &[f64],
        n_features: usize,
    ) -> Vec<Block> {
        let mut weights = weights.chunks(TILE_ROWS);
        let gather_block = |part: &[Self]| {
            let mut block = Block::new(n_features, part.len());
            block.rows = part.len();
            block.weights = weights.next().unwrap_or_default().to_vec();
            block.counts = part.iter().map(|entry| entry.count).collect();
            for (feature, column) in block.columns_mut().enumerate() {
                for (x, entry) in column.iter_mut().zip(part) {
                    *x = blocks[entry.block as usize].as_ref().column(feature)[entry.row as usize];
                }
            }
            block
        };
        entries.chunks(TILE_ROWS).map(gather_block).collect()
    }
}
