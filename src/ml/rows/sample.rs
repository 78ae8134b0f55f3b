//! The sample of rows that more of them than memory holds leave: a function of their set.

use super::TILE_ROWS;
use super::block::Block;
use super::entry::Entry;
use super::tile::Tile;
use super::{Observations, SHARED_ROWS};
use std::sync::Arc;

impl Observations {
    /// The rows that a fit works on: all as long as they may be held, else those of the sample.
    pub(crate) fn within_memory(mut self) -> Self {
        if self.rows > self.most_held() as u64 {
            self.absorb_blocks();
            if self.distinct.is_none() || self.level > 0 || self.held > self.capacity {
                self.compact();
            }
        } else {
            self.settle();
        }
        self
    }

    /// Rows that are held before those are given up that cannot be in the sample: more than its
    /// capacity, so that this happens rarely.
    pub(crate) fn most_held(&self) -> usize {
        self.capacity.saturating_add(self.capacity / 4)
    }

    /// Gives up rows that cannot be in the sample, once there are too many.
    pub(super) fn prune(&mut self) {
        self.unite();
        if self.held > self.most_held() {
            self.compact();
        }
    }

    /// Makes one entry of equal rows and leaves out those whose hash is too high for the capacity.
    fn compact(&mut self) {
        self.dissolve();
        let hashes = self.raise_level(None);
        if n_distinct(&hashes) < hashes.len() {
            self.merge_equal(&hashes);
        } else if hashes.len() < self.held {
            drop(hashes);
            self.held = 0;
            for block in std::mem::take(&mut self.blocks) {
                self.take(block);
            }
        }
    }

    /// Raises the level until the distinct rows of `self` and `other` below it fit the capacity;
    /// their hashes, sorted. Rows of equal hashes count as one here: that depends on their set,
    /// too.
    pub(super) fn raise_level(&mut self, other: Option<&Self>) -> Vec<u64> {
        let n_held = self.held + other.map_or(0, |other| other.held);
        let mut hashes = Vec::with_capacity(n_held);
        for block in self.blocks.iter().chain(other.iter().flat_map(|other| &other.blocks)) {
            block.tiles().for_each(|tile| hashes.extend(tile.hashes(self.seed, true)));
        }
        hashes.sort_unstable();
        self.level = self.level.max(other.map_or(0, |other| other.level));
        loop {
            hashes.truncate(hashes.partition_point(|&hash| is_below(hash, self.level)));
            if n_distinct(&hashes) <= self.capacity || self.level == u64::BITS {
                return hashes;
            }
            self.level += 1;
        }
    }

    /// Adds the rows of a block that are below the level. The block is shared where all are, else
    /// freed as soon as nobody else holds it.
    pub(super) fn take(&mut self, block: Arc<Block>) {
        let hashes = block.tiles().flat_map(|tile| tile.hashes(self.seed, true)).enumerate();
        let below = hashes.filter(|&(_, hash)| is_below(hash, self.level));
        let rows: Vec<usize> = below.map(|(row, _)| row).collect();
        self.held += rows.len();
        if rows.len() == block.rows && (block.rows >= SHARED_ROWS || !block.counts.is_empty()) {
            // The block that is being filled stays the last one.
            let at = self.blocks.len().saturating_sub(1);
            self.blocks.insert(at, block);
            return;
        }
        let has_counts = !block.counts.is_empty();
        let mut rows = rows.as_slice();
        while !rows.is_empty() {
            let is_open = self.blocks.last_mut().and_then(Arc::get_mut).is_some_and(|open| {
                open.rows < open.capacity
                    && open.statistics.is_empty()
                    && (open.rows == 0 || open.counts.is_empty() != has_counts)
            });
            if !is_open {
                self.blocks.push(Arc::new(Block::new(self.n_features, TILE_ROWS)));
            }
            let open =
                self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own");
            let (now, later) = rows.split_at(rows.len().min(open.capacity - open.rows));
            open.copy_rows(&block, now);
            rows = later;
        }
    }

    /// Makes one entry of equal rows of those with the hashes given, which are sorted.
    fn merge_equal(&mut self, hashes: &[u64]) {
        /// Rows that are sorted at once.
        const PART: usize = 1 << 20;
        let mut merged = Vec::new();
        let mut held = 0;
        let mut rest = hashes;
        while let Some(&lowest) = rest.first() {
            let highest = rest[rest.len().min(PART) - 1];
            rest = &rest[rest.partition_point(|&hash| hash <= highest)..];
            let mut entries = Vec::new();
            for (index, block) in self.blocks.iter().enumerate() {
                let hashes = |tile: &Tile| tile.hashes(self.seed, true);
                let is_in_part = |hash| (lowest..=highest).contains(&hash);
                Entry::of_block(block, index, hashes, is_in_part, &mut entries);
            }
            Entry::merge_equal(&mut entries, &self.blocks);
            let weights: Vec<f64> = if self.weighted {
                entries.iter().map(|e| e.weight(&self.blocks)).collect()
            } else {
                Vec::new()
            };
            held += entries.len();
            merged.extend(Entry::gather(&entries, &self.blocks, &weights, self.n_features));
        }
        self.held = held;
        self.blocks = merged.into_iter().map(Arc::new).collect();
    }
}

fn n_distinct(sorted: &[u64]) -> usize {
    sorted.chunk_by(|x, y| x == y).count()
}

/// Whether `hash` lies below 2^(64 - level).
pub(super) fn is_below(hash: u64, level: u32) -> bool {
    hash.leading_zeros() >= level
}
