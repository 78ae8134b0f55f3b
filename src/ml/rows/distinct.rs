//! Equal rows made one while they arrive, where rows repeat: customers are counts and prices, and
//! many millions of them may be a few hundred thousand distinct rows.

use super::block::Block;
use super::sample::is_below;
use super::{MAX_BLOCK_VALUES, Observations, TILE_ROWS};
use hashbrown::HashTable;
use std::sync::Arc;

/// Rows that are held before it is asked whether they repeat: small states stay simple.
const FIRST_CHECK: usize = 1 << 16;

/// Rows of a block of distinct rows at most.
const MAX_ROWS: usize = 1 << 14;

/// Distinct rows with the number of rows that equal each.
#[derive(Clone, Debug)]
pub(super) struct Distinct {
    blocks: Vec<Block>,
    /// Hash and number of each row.
    places: HashTable<(u64, u32)>,
    /// Rows of a block, a power of two: the number of a row tells its block.
    block_rows: usize,
    rows: usize,
}

/// When it is asked next whether rows repeat.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// As soon as so many rows are held.
    at: usize,
    /// Rows that had come, and those that were held then, when equal rows were first made one.
    since: (u64, usize),
}

impl Default for Check {
    fn default() -> Self {
        Self { at: FIRST_CHECK, since: (0, 0) }
    }
}

impl Distinct {
    fn new(n_features: usize) -> Self {
        let most = (MAX_BLOCK_VALUES / n_features.max(1)).clamp(TILE_ROWS, MAX_ROWS);
        Self {
            blocks: Vec::new(),
            places: HashTable::new(),
            block_rows: 1 << most.ilog2(),
            rows: 0,
        }
    }

    fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Adds the rows of a block whose hash lies below `2^(64 - level)`.
    fn absorb(&mut self, block: &Block, seed: i64, level: u32) {
        let mut found: Vec<u32> = Vec::with_capacity(TILE_ROWS);
        for tile in block.tiles() {
            let hashes = tile.hashes(seed, true);
            // Those that may be equal first, then a column at a time whether they are: so many
            // places of memory are waited for at once.
            found.clear();
            found.extend(hashes.iter().map(|&hash| {
                let place = self.places.find(hash, |&(known, _)| known == hash);
                place.map_or(u32::MAX, |&(_, number)| number)
            }));
            for feature in 0..tile.n_features() {
                for (&x, number) in tile.column(feature).iter().zip(&mut found) {
                    if *number != u32::MAX {
                        let (block, row) = self.place(*number);
                        let is_equal =
                            self.blocks[block].value(feature, row).to_bits() == x.to_bits();
                        *number = if is_equal { *number } else { u32::MAX };
                    }
                }
            }
            for (row, (&hash, &number)) in hashes.iter().zip(&found).enumerate() {
                let weight = tile.weight(row);
                let number = if number != u32::MAX && self.weight(number) == weight {
                    number
                } else if is_below(hash, level) {
                    self.find_or_insert(block, tile.start + row, hash)
                } else {
                    continue;
                };
                let (at, place) = self.place(number);
                self.blocks[at].counts[place] += tile.count(row);
            }
        }
    }

    /// The block and the row in it of a row's number.
    fn place(&self, number: u32) -> (usize, usize) {
        let number = number as usize;
        (number / self.block_rows, number % self.block_rows)
    }

    fn weight(&self, number: u32) -> f64 {
        let (block, row) = self.place(number);
        self.blocks[block].weight(row)
    }

    /// The number of the row that equals a row of `block`; it is added, with a count of 0, if there
    /// is none.
    fn find_or_insert(&mut self, block: &Block, row: usize, hash: u64) -> u32 {
        let is_equal = |&(known, number): &(u64, u32)| {
            known == hash && {
                let (at, place) = self.place(number);
                let values = self.blocks[at].row(place).map(f64::to_bits);
                self.weight(number) == block.weight(row)
                    && values.eq(block.row(row).map(f64::to_bits))
            }
        };
        if let Some(&(_, number)) = self.places.find(hash, is_equal) {
            return number;
        }
        let number = self.rows as u32;
        if self.rows.is_multiple_of(self.block_rows) {
            self.blocks.push(Block::new(block.n_features(), self.block_rows));
        }
        self.rows += 1;
        let (at, _) = self.place(number);
        self.blocks[at].copy_row(block, row, 0);
        self.places.insert_unique(hash, (hash, number), |&(hash, _)| hash);
        number
    }
}

impl Observations {
    /// Makes equal rows one from now on where half of those that are held are copies, until
    /// they no longer repeat.
    pub(super) fn unite(&mut self) {
        /// Rows are held as they come where fewer than one in so many is a copy.
        const FEW: u64 = 4;
        /// Numbers of rows have 32 bits.
        const MOST: usize = 1 << 31;
        if self.distinct.is_some() {
            if self.blocks.iter().map(|block| block.rows).sum::<usize>() >= TILE_ROWS {
                self.absorb_blocks();
            }
            if self.held >= self.check.at {
                let (rows, held) = self.check.since;
                let (rows, held) = (self.rows - rows, self.held.saturating_sub(held) as u64);
                self.check = Check { at: 2 * self.held, since: (self.rows, self.held) };
                if held > rows - rows / FEW || self.held > MOST {
                    self.dissolve();
                }
            }
        } else if self.held >= self.check.at {
            self.check.at = 2 * self.held;
            let low = self.low_rows();
            if self.held < MOST && 2 * low.n_distinct <= low.n_held {
                self.distinct = Some(Box::new(Distinct::new(self.n_features)));
                self.absorb_blocks();
                let at = (2 * self.held).max(FIRST_CHECK);
                self.check = Check { at, since: (self.rows, self.held) };
            }
        }
    }

    /// Adds the rows of `other` where it or this makes equal rows one.
    pub(super) fn unite_with(&mut self, other: &Self) {
        let mut theirs = other.distinct.as_deref();
        if self.distinct.is_none() {
            self.distinct = other.distinct.clone();
            theirs = None;
        }
        self.absorb_blocks();
        let Some(distinct) = &mut self.distinct else { return };
        let blocks = theirs.into_iter().flat_map(Distinct::blocks);
        for block in blocks.chain(other.blocks.iter().map(Arc::as_ref)) {
            distinct.absorb(block, self.seed, self.level);
        }
        self.held = distinct.rows;
        self.check.at = self.check.at.max(self.held);
    }

    /// Holds rows as they come from now on.
    pub(super) fn dissolve(&mut self) {
        if let Some(distinct) = self.distinct.take() {
            // The block that is being filled stays the last one.
            self.blocks.splice(..0, distinct.blocks.into_iter().map(Arc::new));
        }
    }

    /// Moves the rows of all blocks to the distinct ones.
    pub(super) fn absorb_blocks(&mut self) {
        let Some(distinct) = &mut self.distinct else { return };
        for block in &self.blocks {
            distinct.absorb(block, self.seed, self.level);
        }
        self.held = distinct.rows;
        // The memory of the last one is used again.
        self.blocks.drain(..self.blocks.len().saturating_sub(1));
        match self.blocks.last_mut().map(Arc::get_mut) {
            Some(Some(open)) if open.counts.is_empty() => open.clear(),
            _ => self.blocks.clear(),
        }
    }

    /// The form in which a fit meets rows that may all be held: distinct ones with counts where at
    /// least half of the rows are copies, else each by itself. Sums of rows and of rows with counts
    /// differ in their last bits, so this depends on the set of rows alone, not on how they came.
    pub(super) fn settle(&mut self) {
        if self.rows < FIRST_CHECK as u64 && self.distinct.is_none() {
            return;
        }
        self.absorb_blocks();
        let low = self.low_rows();
        if self.rows >= FIRST_CHECK as u64 && 2 * low.n_distinct <= low.n_rows {
            if self.distinct.is_none() {
                self.distinct = Some(Box::new(Distinct::new(self.n_features)));
                self.absorb_blocks();
            }
        } else {
            self.dissolve();
            self.expand();
        }
    }

    /// Holds each row that equals others by itself.
    fn expand(&mut self) {
        for block in self.blocks.iter_mut().filter(|block| !block.counts.is_empty()) {
            let counts = (0..).zip(&block.counts);
            let copies = counts.flat_map(|(row, &count)| (0..count).map(move |_| row));
            let rows: Vec<usize> = copies.collect();
            let mut expanded = Block::new(self.n_features, rows.len());
            expanded.copy_rows(block, &rows);
            expanded.counts.clear();
            self.held += expanded.rows - block.rows;
            *block = Arc::new(expanded);
        }
    }

    /// Those of the rows that are held whose hashes are low, so that copies of a row are among them
    /// together.
    fn low_rows(&self) -> LowRows {
        const LOW: u32 = u32::MAX >> 4;
        let mut low = Vec::new();
        let mut n_rows = 0;
        let distinct = self.distinct.as_deref().into_iter().flat_map(Distinct::blocks);
        let blocks = distinct.chain(self.blocks.iter().map(Arc::as_ref));
        for tile in blocks.flat_map(Block::tiles) {
            let computed;
            let hashes = match tile.known_statistics() {
                Some(known) => &known.hashes,
                None => {
                    let hashes = tile.hashes(self.seed, true).into_iter();
                    computed = hashes.map(|hash| (hash >> 32) as u32).collect();
                    &computed
                }
            };
            for (row, &hash) in hashes.iter().enumerate().filter(|&(_, &hash)| hash <= LOW) {
                low.push(hash);
                n_rows += tile.count(row);
            }
        }
        let n_held = low.len() as u64;
        low.sort_unstable();
        low.dedup();
        LowRows { n_rows, n_held, n_distinct: low.len() as u64 }
    }
}

/// How many of some rows there are.
struct LowRows {
    n_rows: u64,
    n_held: u64,
    n_distinct: u64,
}
