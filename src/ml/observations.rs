//! Rows as they arrive, in column blocks; above a bound a sample of them that is a function of their set.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a full block.
pub const BLOCK_ROWS: usize = 2048;
/// Elements between the columns of a full block: a stride of 2^n would put all columns in the same cache sets.
const PADDING: usize = 16;
/// Blocks below this size are copied by a merge, larger ones are shared.
const SHARED_ROWS: usize = 64;
/// Rows that are held whatever the memory: a sample of fewer could not form the clusters a user may ask for.
const MIN_CAPACITY: usize = 4096;

/// Rows in columns: `(rows, n_features)`, with a weight and a count of equal rows each.
#[derive(Clone, Debug)]
pub(super) struct Block {
    rows: usize,
    stride: usize,
    /// One column after the other, `stride` elements each.
    values: Vec<f64>,
    /// Empty where every row weighs 1.
    pub(super) weights: Vec<f64>,
    /// How many rows an entry stands for; empty where every row stands for itself.
    pub(super) counts: Vec<u64>,
}

impl Block {
    fn new(n_features: usize, capacity: usize) -> Self {
        let stride = stride(capacity);
        Self {
            rows: 0,
            stride,
            values: vec![0.0; n_features * stride],
            weights: Vec::new(),
            counts: Vec::new(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    fn capacity(&self) -> usize {
        if self.stride > BLOCK_ROWS { BLOCK_ROWS } else { self.stride }
    }

    pub(super) fn column(&self, feature: usize) -> &[f64] {
        &self.values[feature * self.stride..][..self.rows]
    }

    pub(super) fn columns(&self) -> Vec<&[f64]> {
        self.values.chunks_exact(self.stride).map(|column| &column[..self.rows]).collect()
    }

    pub(super) fn columns_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let rows = self.rows;
        self.values.chunks_exact_mut(self.stride).map(move |column| &mut column[..rows])
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }

    pub(super) fn count(&self, row: usize) -> u64 {
        self.counts.get(row).copied().unwrap_or(1)
    }

    /// The features of a row.
    pub(super) fn row(&self, row: usize) -> impl ExactSizeIterator<Item = f64> + Clone {
        self.values.chunks_exact(self.stride).map(move |column| column[row])
    }

    /// Adds `rows` of another block; there is room for them.
    fn copy_rows(&mut self, other: &Self, rows: &[usize]) {
        for (feature, column) in self.values.chunks_exact_mut(self.stride).enumerate() {
            let from = other.column(feature);
            column[self.rows..].iter_mut().zip(rows).for_each(|(x, &row)| *x = from[row]);
        }
        if !other.weights.is_empty() {
            self.weights.extend(rows.iter().map(|&row| other.weights[row]));
        }
        if !other.counts.is_empty() {
            self.counts.extend(rows.iter().map(|&row| other.counts[row]));
        }
        self.rows += rows.len();
    }

    /// Moves the rows to columns with room for `capacity` rows.
    fn grow(&mut self, n_features: usize, capacity: usize) {
        let mut grown = Self::new(n_features, capacity);
        grown.rows = self.rows;
        for (feature, column) in grown.columns_mut().enumerate() {
            column.copy_from_slice(self.column(feature));
        }
        self.stride = grown.stride;
        self.values = grown.values;
    }

    /// A 64-bit hash of each row's features (and weights, `with_weights`).
    pub(super) fn hashes(&self, seed: i64, with_weights: bool) -> Vec<u64> {
        let mut hashes = vec![mix(seed as u64); self.rows];
        let weights = if with_weights { self.weights.as_slice() } else { &[] };
        for column in self.columns().into_iter().chain([weights]) {
            for (hash, x) in hashes.iter_mut().zip(column) {
                *hash = mix(hash.rotate_left(32) ^ x.to_bits());
            }
        }
        hashes
    }
}

/// Distance between columns with room for `capacity` rows.
fn stride(capacity: usize) -> usize {
    if capacity == BLOCK_ROWS { BLOCK_ROWS + PADDING } else { capacity }
}

/// A bijection of 64 bits with full avalanche (the finalizer of SplitMix64).
pub(super) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A row that stands for `count` rows equal to it; ordered by hash, then by content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) block: u32,
    pub(super) row: u32,
    pub(super) count: u64,
    /// Rows of blocks that were made one.
    pub(super) n_merged: u64,
}

impl Entry {
    /// Entries of the rows of a block whose hash passes `keep`.
    pub(super) fn of_block(
        block: &Block,
        index: usize,
        hashes: &[u64],
        keep: impl Fn(u64) -> bool,
        entries: &mut Vec<Self>,
    ) {
        entries.extend(hashes.iter().enumerate().filter(|&(_, &hash)| keep(hash)).map(|(row, &hash)| Self {
            hash,
            block: index as u32,
            row: row as u32,
            count: block.count(row),
            n_merged: 1,
        }));
    }

    /// The order by hash and features: the same for equal rows wherever they lie.
    pub(super) fn compare<B: AsRef<Block>>(self, other: Self, blocks: &[B]) -> Ordering {
        self.hash.cmp(&other.hash).then_with(|| {
            let x = blocks[self.block as usize].as_ref().row(self.row as usize);
            let y = blocks[other.block as usize].as_ref().row(other.row as usize);
            x.map(f64::to_bits).cmp(y.map(f64::to_bits))
        })
    }

    pub(super) fn weight<B: AsRef<Block>>(self, blocks: &[B]) -> f64 {
        blocks[self.block as usize].as_ref().weight(self.row as usize)
    }

    /// Sorts by hash, features and weight, and makes one entry of those that agree in all of them.
    pub(super) fn merge_equal<B: AsRef<Block>>(entries: &mut Vec<Self>, blocks: &[B]) {
        let compare = |x: Self, y: Self| {
            x.compare(y, blocks).then_with(|| x.weight(blocks).total_cmp(&y.weight(blocks)))
        };
        entries.sort_unstable_by(|x, y| compare(*x, *y));
        entries.dedup_by(|next, kept| {
            let equal = compare(*next, *kept).is_eq();
            if equal {
                kept.count += next.count;
                kept.n_merged += next.n_merged;
            }
            equal
        });
    }

    /// The rows of `entries`, in their order, as blocks with counts; `weights` as given, one for each entry.
    pub(super) fn gather<B: AsRef<Block>>(
        entries: &[Self],
        blocks: &[B],
        weights: &[f64],
        n_features: usize,
    ) -> Vec<Block> {
        let mut weights = weights.chunks(BLOCK_ROWS);
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
        entries.chunks(BLOCK_ROWS).map(gather_block).collect()
    }
}

impl AsRef<Self> for Block {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Rows as they arrive, in column blocks of at most [`BLOCK_ROWS`] rows. Missing = NaN (an infinity counts as
/// missing too); -0.0 is held as 0.0.
///
/// Where the rows need more than `memory`, a fit works on a sample: equal rows become one with a count, and if
/// the distinct rows still exceed the capacity, those remain whose hash (of content and seed) lies below 2^-l,
/// with the least l that fits. That depends on the set of rows only and can be merged.
#[derive(Clone, Debug)]
pub struct Observations {
    n_features: usize,
    weighted: bool,
    keep_missing: bool,
    seed: i64,
    /// Rows that a fit may hold.
    capacity: usize,
    blocks: Vec<Arc<Block>>,
    /// Entries of all blocks.
    held: usize,
    rows: u64,
    skipped: u64,
    /// Entries whose hash has one of its `level` highest bits set have been left out.
    level: u32,
    /// Which features had a missing value in a row that was kept; empty where none had.
    missing: Vec<bool>,
    max_weight: f64,
}

impl Observations {
    /// No rows yet of `n_features` columns. `memory`: bytes that one fit may hold with two threads that
    /// read (at least 4,096 rows are held whatever it says). `seed` draws the sample above it.
    /// `keep_missing`: a row with a missing value is kept, for a fit that fills it or refuses it.
    pub fn new(n_features: usize, weighted: bool, keep_missing: bool, memory: u64, seed: i64) -> Self {
        // Two threads may hold 5/4 of the capacity each before they meet, with hashes; a fit holds less then: the
        // rows, scaled in place, in single precision too, with labels and distances.
        let bytes_per_row = 20 * (n_features + usize::from(weighted)) as u64 + 24;
        Self {
            n_features,
            weighted,
            keep_missing,
            seed,
            capacity: usize::try_from(memory / bytes_per_row).unwrap_or(usize::MAX).max(MIN_CAPACITY),
            blocks: Vec::new(),
            held: 0,
            rows: 0,
            skipped: 0,
            level: 0,
            missing: Vec::new(),
            max_weight: 1.0,
        }
    }

    /// Adds the rows `rows` of `columns` (one slice for each feature, all of one length). A row with a missing
    /// value is counted as skipped, or kept where missing values are. `weights`, finite and not negative, are
    /// there if and only if the observations are weighted; a weight of 0 leaves the row out without counting it.
    pub fn append(&mut self, columns: &[impl AsRef<[f64]>], weights: Option<&[f64]>, rows: Range<usize>) {
        assert_eq!(columns.len(), self.n_features, "one column for each feature");
        assert_eq!(weights.is_some(), self.weighted, "weights if and only if weighted");
        let clean = (self.keep_missing
            || columns.iter().all(|x| x.as_ref()[rows.clone()].iter().all(|x| x.is_finite())))
            && weights.is_none_or(|weights| weights[rows.clone()].iter().all(|&weight| weight > 0.0));
        if clean {
            return self.append_run(columns, weights, rows);
        }
        let mut start = rows.start;
        for row in rows.clone() {
            let left_out = weights.is_some_and(|weights| weights[row] <= 0.0);
            let skipped = !left_out
                && !self.keep_missing
                && columns.iter().any(|column| !column.as_ref()[row].is_finite());
            if left_out || skipped {
                self.append_run(columns, weights, start..row);
                self.skipped += u64::from(skipped);
                start = row + 1;
            }
        }
        self.append_run(columns, weights, start..rows.end);
    }

    /// Adds `other`'s rows; `other` stays as it is and shares its larger blocks.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            (self.n_features, self.weighted, self.keep_missing, self.capacity, self.seed),
            (other.n_features, other.weighted, other.keep_missing, other.capacity, other.seed),
            "only observations of the same kind can be merged"
        );
        let rows = self.rows + other.rows;
        if self.held + other.held > self.most_held() {
            // Rows that are not in the sample of both are given up before the others come in.
            self.raise_level(Some(other));
            self.held = 0;
            for block in std::mem::take(&mut self.blocks) {
                self.take(block);
            }
            other.blocks.iter().for_each(|block| self.take(block.clone()));
        } else {
            // The block that is being filled stays the last one.
            let open = self.blocks.pop();
            let (shared, copied): (Vec<_>, Vec<_>) =
                other.blocks.iter().partition(|block| block.rows >= SHARED_ROWS || !block.counts.is_empty());
            self.held += shared.iter().map(|block| block.rows).sum::<usize>();
            self.blocks.extend(shared.into_iter().cloned());
            self.blocks.extend(open);
            for block in copied {
                let weights = self.weighted.then_some(block.weights.as_slice());
                self.append_run(&block.columns(), weights, 0..block.rows);
            }
        }
        self.rows = rows;
        self.skipped += other.skipped;
        self.level = self.level.max(other.level);
        self.max_weight = self.max_weight.max(other.max_weight);
        for (feature, _) in other.missing.iter().enumerate().filter(|&(_, &missing)| missing) {
            self.mark_missing(feature);
        }
        self.prune();
    }

    /// Usable rows seen, those left out of the sample included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows with a missing value that were not kept.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Columns of a row.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Entries of all blocks.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether rows with missing values were kept.
    pub(super) fn keep_missing(&self) -> bool {
        self.keep_missing
    }

    /// The first feature that had a missing value in a row that was kept.
    pub(super) fn first_missing(&self) -> Option<usize> {
        self.missing.iter().position(|&missing| missing)
    }

    /// The largest row weight.
    pub(super) fn max_weight(&self) -> f64 {
        self.max_weight
    }

    pub(super) fn into_blocks(self) -> Vec<Arc<Block>> {
        self.blocks
    }

    /// The rows that a fit works on: all, or the sample where they exceed the capacity.
    pub(super) fn settled(mut self) -> Self {
        if self.rows > self.capacity as u64 {
            self.compact();
        }
        self
    }

    /// Adds rows without looking for those to leave out.
    fn append_run(&mut self, columns: &[impl AsRef<[f64]>], weights: Option<&[f64]>, mut rows: Range<usize>) {
        self.rows += rows.len() as u64;
        if let Some(weights) = weights {
            self.max_weight = weights[rows.clone()].iter().copied().fold(self.max_weight, f64::max);
        }
        while !rows.is_empty() {
            let mut any_missing = false;
            let block = self.open_block(rows.len());
            let taken = rows.len().min(block.capacity() - block.rows);
            let run = rows.start..rows.start + taken;
            for (column, values) in block.values.chunks_exact_mut(block.stride).zip(columns) {
                for (held, &x) in column[block.rows..].iter_mut().zip(&values.as_ref()[run.clone()]) {
                    // Adding 0.0 makes 0.0 of -0.0.
                    *held = if x.is_finite() { x + 0.0 } else { f64::NAN };
                    any_missing |= !x.is_finite();
                }
            }
            if let Some(weights) = weights {
                block.weights.extend_from_slice(&weights[run.clone()]);
            }
            block.rows += taken;
            self.held += taken;
            if any_missing {
                for (feature, column) in columns.iter().enumerate() {
                    if column.as_ref()[run.clone()].iter().any(|x| !x.is_finite()) {
                        self.mark_missing(feature);
                    }
                }
            }
            rows.start += taken;
        }
        self.prune();
    }

    fn mark_missing(&mut self, feature: usize) {
        self.missing.resize(self.n_features, false);
        self.missing[feature] = true;
    }

    /// The last block, with room for at least one more row; up to `rows` will follow.
    fn open_block(&mut self, rows: usize) -> &mut Block {
        let n_features = self.n_features;
        let is_open = self.blocks.last_mut().and_then(Arc::get_mut).is_some_and(|block| {
            let wanted = (block.rows + rows).next_power_of_two().min(BLOCK_ROWS);
            if block.counts.is_empty() && block.capacity() < wanted {
                block.grow(n_features, wanted);
            }
            block.counts.is_empty() && block.rows < block.capacity()
        });
        if !is_open {
            // Small states stay small: under GROUP BY there may be hundreds of thousands.
            let capacity = if self.held < BLOCK_ROWS { rows.next_power_of_two().max(4) } else { BLOCK_ROWS };
            self.blocks.push(Arc::new(Block::new(n_features, capacity.min(BLOCK_ROWS))));
        }
        self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own")
    }

    /// Rows that are held before those are given up that cannot be in the sample.
    fn most_held(&self) -> usize {
        self.capacity.saturating_add(self.capacity / 4)
    }

    /// Gives up rows that cannot be in the sample, once there are too many.
    fn prune(&mut self) {
        if self.held > self.most_held() {
            self.compact();
        }
    }

    /// Makes one entry of equal rows and leaves out those whose hash is too high for the capacity.
    fn compact(&mut self) {
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

    /// Raises the level until the distinct rows of `self` and `other` below it fit the capacity; their hashes, sorted.
    /// Rows of equal hashes count as one here: that depends on their set, too.
    fn raise_level(&mut self, other: Option<&Self>) -> Vec<u64> {
        let n_held = self.held + other.map_or(0, |other| other.held);
        let mut hashes = Vec::with_capacity(n_held);
        for block in self.blocks.iter().chain(other.iter().flat_map(|other| &other.blocks)) {
            hashes.extend(block.hashes(self.seed, true));
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

    /// Adds the rows of a block that are below the level. The block is shared where all are, else freed as soon as
    /// nobody else holds it.
    fn take(&mut self, block: Arc<Block>) {
        let hashes = block.hashes(self.seed, true);
        let rows: Vec<usize> = (0..block.rows).filter(|&row| is_below(hashes[row], self.level)).collect();
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
                open.rows < open.capacity() && (open.rows == 0 || open.counts.is_empty() != has_counts)
            });
            if !is_open {
                self.blocks.push(Arc::new(Block::new(self.n_features, BLOCK_ROWS)));
            }
            let open = self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own");
            let (now, later) = rows.split_at(rows.len().min(open.capacity() - open.rows));
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
                let hashes = block.hashes(self.seed, true);
                let is_in_part = |hash| (lowest..=highest).contains(&hash);
                Entry::of_block(block, index, &hashes, is_in_part, &mut entries);
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
fn is_below(hash: u64, level: u32) -> bool {
    hash.leading_zeros() >= level
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{MEMORY, append, blobs, observe};
    use super::*;

    fn contents(observations: &Observations) -> Vec<Vec<u64>> {
        let rows = |block: &Arc<Block>| -> Vec<Vec<u64>> {
            (0..block.rows).map(|row| block.row(row).map(f64::to_bits).collect()).collect()
        };
        observations.blocks.iter().flat_map(rows).collect()
    }

    #[test]
    fn rows_come_back_as_they_came() {
        let rows = blobs(1, 5000, 3, 2);
        for chunk in [1, 7, 2048] {
            let mut observations = Observations::new(3, false, false, MEMORY, 42);
            append(&mut observations, &rows, None, chunk);
            let expected: Vec<Vec<u64>> =
                rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect();
            assert_eq!(contents(&observations), expected);
            assert_eq!(observations.rows(), 5000);
        }
    }

    #[test]
    fn a_row_with_a_missing_value_is_skipped_and_counted() {
        let rows = [vec![1.0, f64::NAN], vec![2.0, 3.0], vec![f64::INFINITY, 4.0], vec![5.0, -0.0]];
        let observations = observe(&rows);
        assert_eq!((observations.rows(), observations.skipped()), (2, 2));
        assert_eq!(
            contents(&observations),
            [[2.0_f64, 3.0], [5.0, 0.0]].map(|row| row.map(f64::to_bits).to_vec())
        );
    }

    #[test]
    fn a_row_of_weight_zero_is_neither_counted_nor_skipped() {
        let mut observations = Observations::new(1, true, false, MEMORY, 42);
        let rows = [vec![1.0], vec![f64::NAN], vec![f64::NAN], vec![4.0]];
        append(&mut observations, &rows, Some(&[0.0, 0.0, 1.0, 2.0]), 4);
        assert_eq!((observations.rows(), observations.skipped()), (1, 1));
        assert_eq!(observations.blocks[0].weights, [2.0]);
    }

    #[test]
    fn a_small_state_stays_small() {
        let observations = observe(&blobs(1, 3, 4, 1));
        assert_eq!(observations.blocks[0].values.len(), 4 * 4);
    }

    #[test]
    fn a_merge_shares_blocks_and_leaves_the_other_side_alone() {
        let (mut left, right) = (observe(&blobs(1, 10, 2, 1)), observe(&blobs(2, 3000, 2, 1)));
        let before = contents(&right);
        left.merge(&right);
        assert!(Arc::ptr_eq(&left.blocks[0], &right.blocks[0]));
        append(&mut left, &blobs(3, 5000, 2, 1), None, 2048);
        assert_eq!(contents(&right), before);
        assert_eq!((left.rows(), right.rows(), left.held), (8010, 3000, 8010));
    }

    #[test]
    fn an_append_to_a_shared_block_starts_a_new_one() {
        let mut left = observe(&blobs(1, 100, 2, 1));
        let right = left.clone();
        append(&mut left, &blobs(2, 1, 2, 1), None, 1);
        assert_eq!((left.blocks.len(), contents(&right).len(), contents(&left).len()), (2, 100, 101));
    }

    #[test]
    fn the_sample_is_a_function_of_the_set_of_rows() {
        // 30,000 rows, a third of them twice, for a capacity of 4,096.
        let mut rows = blobs(4, 20_000, 2, 5);
        rows.extend_from_within(..10_000);
        let expected = {
            let mut observations = Observations::new(2, false, false, 0, 42);
            append(&mut observations, &rows, None, 2048);
            observations.settled()
        };
        assert!((1500..=MIN_CAPACITY).contains(&expected.held), "{} rows", expected.held);
        super::super::test_data::Random::new(5).shuffle(&mut rows);
        let parts = rows.chunks(6700).map(|part| {
            let mut observations = Observations::new(2, false, false, 0, 42);
            append(&mut observations, part, None, 100);
            observations
        });
        let mut merged = Observations::new(2, false, false, 0, 42);
        parts.for_each(|part| merged.merge(&part));
        let merged = merged.settled();
        // As a set: only a fit gives the rows an order.
        let entries = |observations: &Observations| -> Vec<(Vec<u64>, u64)> {
            let counts =
                observations.blocks.iter().flat_map(|block| (0..block.rows).map(|row| block.count(row)));
            let mut entries: Vec<_> = contents(observations).into_iter().zip(counts).collect();
            entries.sort_unstable();
            entries
        };
        assert_eq!(entries(&merged), entries(&expected));
        assert_eq!(entries(&merged).iter().map(|(_, count)| count).max(), Some(&2));
        assert_eq!(merged.rows(), 30_000);
    }

    #[test]
    fn distinct_rows_above_the_capacity_are_given_up_while_they_arrive() {
        let rows = blobs(9, 60_000, 2, 5);
        let mut observations = Observations::new(2, false, false, 0, 42);
        let mut most_held = 0;
        for part in rows.chunks(500) {
            append(&mut observations, part, None, 100);
            most_held = most_held.max(observations.held);
        }
        assert!(most_held <= MIN_CAPACITY * 5 / 4, "{most_held} rows");
        let mut halves = rows.chunks(30_000).map(|half| {
            let mut observations = Observations::new(2, false, false, 0, 42);
            append(&mut observations, half, None, 2048);
            observations
        });
        let mut merged = halves.next().expect("a half");
        halves.for_each(|half| merged.merge(&half));
        assert!(
            merged.held <= MIN_CAPACITY && merged.held == contents(&merged).len(),
            "{} rows",
            merged.held
        );
        let sorted = |observations: Observations| {
            let mut contents = contents(&observations.settled());
            contents.sort_unstable();
            contents
        };
        assert_eq!(sorted(merged), sorted(observations));
    }

    #[test]
    fn duplicates_alone_need_no_sample() {
        let rows: Vec<Vec<f64>> = (0..20_000).map(|i| vec![f64::from(i % 10)]).collect();
        let mut observations = Observations::new(1, false, false, 0, 42);
        append(&mut observations, &rows, None, 2048);
        let settled = observations.settled();
        assert_eq!((settled.held, settled.level), (10, 0));
        assert_eq!(settled.blocks[0].counts, [2000; 10]);
    }
}
