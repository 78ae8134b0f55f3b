//! Rows as they arrive, in column blocks; above a bound a sample of them that is a function of their set.

use super::Error;
use super::logarithm::ln_1p_all;
use super::moments::Moments;
use super::pages::Pages;
use super::simd::vectorize;
use std::cmp::{Ordering, Reverse};
use std::ops::Range;
use std::sync::Arc;

/// Rows of a tile: what the kernels take at once, in the cache, and DuckDB hands over at most.
pub const TILE_ROWS: usize = super::moments::TILE_ROWS;
/// Elements between the columns of a block of full tiles: a stride of 2^n would put all columns in the same cache sets.
const PADDING: usize = 16;
/// Values up to which blocks grow: a few large pages.
const MAX_BLOCK_VALUES: usize = 1 << 20;
/// Blocks below this size are copied by a merge, larger ones are shared.
const SHARED_ROWS: usize = 64;
/// Rows that are held whatever the memory: a sample of fewer could not form the clusters a user may ask for.
const MIN_CAPACITY: usize = 4096;

/// Rows in columns: `(rows, n_features)`, with a weight and a count of equal rows each.
#[derive(Clone, Debug)]
pub(super) struct Block {
    rows: usize,
    capacity: usize,
    stride: usize,
    /// One column after the other, `stride` elements each.
    values: Pages<f64>,
    /// Empty where every row weighs 1.
    pub(super) weights: Vec<f64>,
    /// How many rows an entry stands for; empty where every row stands for itself.
    pub(super) counts: Vec<u64>,
    /// What is known of the full tiles; empty or one for each of them.
    notes: Vec<TileNotes>,
}

/// What is noted of a tile while it is in the cache.
#[derive(Clone, Debug)]
pub(super) struct TileNotes {
    /// One for each feature.
    pub(super) moments: Vec<Moments>,
    /// The upper halves of the rows' hashes of content and seed.
    pub(super) hashes: Vec<u32>,
}

impl Block {
    fn new(n_features: usize, capacity: usize) -> Self {
        let stride = if capacity.is_multiple_of(TILE_ROWS) { capacity + PADDING } else { capacity };
        Self {
            rows: 0,
            capacity,
            stride,
            values: Pages::new(n_features * stride),
            weights: Vec::new(),
            counts: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A block to be filled by [`Points::scaled`](super::scaling::Points::scaled).
    pub(super) fn scratch() -> Self {
        Self::new(0, 0)
    }

    /// Makes room for `rows` rows and forgets those that were there.
    pub(super) fn resize(&mut self, n_features: usize, rows: usize) {
        if self.values.len() != n_features * self.stride || self.capacity < rows {
            *self = Self::new(n_features, rows);
        }
        self.rows = rows;
    }

    /// Rows that the entries stand for.
    pub(super) fn n_samples(&self) -> u64 {
        if self.counts.is_empty() { self.rows as u64 } else { self.counts.iter().sum() }
    }

    /// Forgets what was noted: the values will be changed.
    pub(super) fn forget(&mut self) {
        self.notes.clear();
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn column(&self, feature: usize) -> &[f64] {
        &self.values[feature * self.stride..][..self.rows]
    }

    pub(super) fn columns_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let rows = self.rows;
        self.values.chunks_exact_mut(self.stride).map(move |column| &mut column[..rows])
    }

    pub(super) fn count(&self, row: usize) -> u64 {
        self.counts.get(row).copied().unwrap_or(1)
    }

    /// The rows by [`TILE_ROWS`].
    pub(super) fn tiles(&self) -> impl Iterator<Item = Tile<'_>> {
        (0..self.rows).step_by(TILE_ROWS).map(|start| self.tile(start..self.rows.min(start + TILE_ROWS)))
    }

    /// Some rows, at most [`TILE_ROWS`].
    fn tile(&self, rows: Range<usize>) -> Tile<'_> {
        Tile { block: self, start: rows.start, rows: rows.len() }
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }

    /// The features of a row.
    fn row(&self, row: usize) -> impl ExactSizeIterator<Item = f64> + Clone {
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
        self.capacity = grown.capacity;
        self.stride = grown.stride;
        self.values = grown.values;
    }

    /// Notes what is to be known of the tiles that have become full.
    fn note(&mut self, seed: i64) {
        while (self.notes.len() + 1) * TILE_ROWS <= self.rows {
            let start = self.notes.len() * TILE_ROWS;
            let notes = self.tile(start..start + TILE_ROWS).notes(seed);
            self.notes.push(notes);
        }
    }
}

/// Up to [`TILE_ROWS`] rows of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile<'b> {
    block: &'b Block,
    start: usize,
    rows: usize,
}

impl<'b> Tile<'b> {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn column(&self, feature: usize) -> &'b [f64] {
        &self.block.values[feature * self.block.stride + self.start..][..self.rows]
    }

    pub(super) fn columns(&self) -> Vec<&'b [f64]> {
        let columns = self.block.values.chunks_exact(self.block.stride);
        columns.map(|column| &column[self.start..][..self.rows]).collect()
    }

    /// Empty where every row weighs 1.
    pub(super) fn weights(&self) -> &'b [f64] {
        self.block.weights.get(self.start..self.start + self.rows).unwrap_or_default()
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.block.weight(self.start + row)
    }

    /// Empty where every row stands for itself.
    pub(super) fn counts(&self) -> &'b [u64] {
        self.block.counts.get(self.start..self.start + self.rows).unwrap_or_default()
    }

    pub(super) fn count(&self, row: usize) -> u64 {
        self.block.count(self.start + row)
    }

    /// The features of a row.
    pub(super) fn row(&self, row: usize) -> impl ExactSizeIterator<Item = f64> + Clone + use<'b> {
        let row = self.start + row;
        self.block.values.chunks_exact(self.block.stride).map(move |column| column[row])
    }

    /// A 64-bit hash of each row's features, and `with_weights` of the fractions of their weights: of what is left of a
    /// weight whatever power of two all are multiplied by.
    pub(super) fn hashes(&self, seed: i64, with_weights: bool) -> Vec<u64> {
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
    fn hash(&self, row: usize, seed: i64) -> u64 {
        let mut keys = Keys::new(seed);
        let hash = self.row(row).zip(&mut keys).fold(0, |hash, (x, key)| key.add(hash, x));
        // The key of weights, which there may be.
        keys.next();
        keys.finish(hash)
    }

    /// What is known of it, if that was noted.
    pub(super) fn known_notes(&self) -> Option<&'b TileNotes> {
        let notes = self.block.notes.get(self.start / TILE_ROWS);
        notes.filter(|_| self.rows == TILE_ROWS)
    }

    pub(super) fn notes(&self, seed: i64) -> TileNotes {
        TileNotes {
            moments: self.columns().into_iter().map(Moments::of).collect(),
            hashes: self.upper_hashes(seed),
        }
    }

    /// The upper halves of the hashes of the rows' features.
    pub(super) fn upper_hashes(&self, seed: i64) -> Vec<u32> {
        self.hashes(seed, false).into_iter().map(|hash| (hash >> 32) as u32).collect()
    }
}

/// The keys of a hash of rows, one for each value: NH of UMAC (J. Black and others, 1999), one product a value.
struct Keys(u64);

/// A key for each half of a value.
struct Key(u32, u32);

impl Keys {
    fn new(seed: i64) -> Self {
        Self(mix(seed as u64))
    }

    /// The hash of what was added under all keys so far.
    #[inline(always)]
    fn finish(&self, hash: u64) -> u64 {
        mix(hash ^ self.0)
    }
}

impl Iterator for Keys {
    type Item = Key;

    #[inline(always)]
    fn next(&mut self) -> Option<Key> {
        self.0 = mix(self.0);
        Some(Key(self.0 as u32 | 1, (self.0 >> 32) as u32 | 1))
    }
}

impl Key {
    #[inline(always)]
    fn add(&self, hash: u64, x: f64) -> u64 {
        let bits = x.to_bits();
        let low = u64::from((bits as u32).wrapping_add(self.0));
        let high = u64::from(((bits >> 32) as u32).wrapping_add(self.1));
        hash.wrapping_add(low * high)
    }
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
    pub(super) fn of_tile(tile: &Tile, index: usize, row: usize, seed: i64) -> Self {
        Self::of_row(tile.block, index, (tile.start + row) as u32, tile.hash(row, seed))
    }

    fn of_row(block: &Block, index: usize, row: u32, hash: u64) -> Self {
        Self { hash, block: index as u32, row, count: block.count(row as usize), n_merged: 1 }
    }

    /// The order by hash and features: the same for equal rows wherever they lie.
    pub(super) fn compare<B: AsRef<Block>>(self, other: Self, blocks: &[B]) -> Ordering {
        self.hash.cmp(&other.hash).then_with(|| {
            let x = blocks[self.block as usize].as_ref().row(self.row as usize);
            let y = blocks[other.block as usize].as_ref().row(other.row as usize);
            x.map(f64::to_bits).cmp(y.map(f64::to_bits))
        })
    }

    /// Whether another entry has the same features and the same weight.
    pub(super) fn is_equal<B: AsRef<Block>>(self, other: Self, blocks: &[B]) -> bool {
        self.compare(other, blocks).is_eq() && self.weight(blocks) == other.weight(blocks)
    }

    /// Adds an equal entry.
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.n_merged += other.n_merged;
    }

    /// The features of the row.
    pub(super) fn row_of<B: AsRef<Block>>(self, blocks: &[B]) -> impl Iterator<Item = f64> {
        blocks[self.block as usize].as_ref().row(self.row as usize)
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
                kept.add(*next);
            }
            equal
        });
    }

    /// Copies of the rows of `entries`, which become entries of these.
    pub(super) fn extract<B: AsRef<Block>>(
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

    /// The rows of `entries`, in their order, as blocks with counts; `weights` as given, one for each entry.
    pub(super) fn gather<B: AsRef<Block>>(
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

impl AsRef<Self> for Block {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Rows as they arrive, in column blocks. Missing = NaN (an infinity counts as missing too); -0.0 is held as 0.0.
///
/// Where the rows need more than `memory`, a fit works on a sample: equal rows become one with a count, and if
/// the distinct rows exceed the capacity, those remain whose hash (of content and seed) lies below 2^-l,
/// with the least l that fits. That depends on the set of rows only and can be merged.
#[derive(Clone, Debug)]
pub struct Observations {
    n_features: usize,
    weighted: bool,
    keep_missing: bool,
    seed: i64,
    /// Which features are held as ln(1 + x); empty where none is.
    log: Vec<bool>,
    /// Which features are not to be scaled; empty where all are.
    unscaled: Vec<bool>,
    /// The least value of each feature under the logarithm, before it is taken; empty where there is none.
    least: Vec<f64>,
    /// Rows of a sample at most.
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
    absent: Absent,
}

/// The missing values of each feature in rows that were left out, as long as there is no other row: what to say then.
#[derive(Clone, Debug, Default)]
pub(super) struct Absent {
    /// Empty where no row was left out.
    values: Vec<u64>,
}

impl Absent {
    pub(super) fn count(&mut self, row: impl ExactSizeIterator<Item = f64>) {
        self.values.resize(row.len(), 0);
        self.values.iter_mut().zip(row).for_each(|(count, x)| *count += u64::from(!x.is_finite()));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.values.resize(self.values.len().max(other.values.len()), 0);
        self.values.iter_mut().zip(&other.values).for_each(|(count, other)| *count += other);
    }

    /// An error where `rows` rows were left out and there is no other.
    pub(super) fn check(&self, rows: u64) -> Result<(), Error> {
        let most = self.values.iter().copied().enumerate().max_by_key(|&(i, count)| (count, Reverse(i)));
        match most {
            Some((feature, missing)) if rows > 0 => Err(Error::NoUsableRow { feature, missing, rows }),
            _ => Ok(()),
        }
    }
}

impl Observations {
    /// No rows yet of `n_features` columns. `memory`: bytes that one fit may hold with two threads that
    /// read (at least 4,096 rows are held whatever it says). `seed` draws the sample above it.
    /// `keep_missing`: a row with a missing value is kept, for a fit that fills it or refuses it.
    pub fn new(n_features: usize, weighted: bool, keep_missing: bool, memory: u64, seed: i64) -> Self {
        // Two threads may hold 5/4 of the capacity each before they meet, with notes, and whole hashes while they look
        // for what to give up; a fit holds less then: the rows, in single precision too, with labels.
        let bytes_per_row = 20 * (n_features + usize::from(weighted)) as u64 + 56;
        Self {
            n_features,
            weighted,
            keep_missing,
            seed,
            log: Vec::new(),
            unscaled: Vec::new(),
            absent: Absent::default(),
            least: Vec::new(),
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

    /// The same, for a fit that takes some features as ln(1 + x). Their logarithms are held; where missing values are
    /// kept, the values, because what fills them is in their unit.
    pub fn with_log(mut self, log: &[bool]) -> Self {
        assert_eq!(
            (log.len(), self.rows),
            (self.n_features, 0),
            "one flag for each feature, before the first row"
        );
        if log.contains(&true) {
            self.log = log.to_vec();
            if !self.keep_missing {
                self.least = vec![f64::INFINITY; log.len()];
            }
        }
        self
    }

    /// The same, for a fit that takes some features as they are, whatever its scale.
    pub fn with_unscaled(mut self, unscaled: &[bool]) -> Self {
        assert_eq!((unscaled.len(), self.rows), (self.n_features, 0), "one flag for each feature");
        if unscaled.contains(&true) {
            self.unscaled = unscaled.to_vec();
        }
        self
    }

    /// Adds the rows `rows` of `columns` (one slice for each feature, all of one length). A row with a missing
    /// value is counted as skipped, or kept where missing values are. `weights`, finite and not negative, are
    /// there if and only if the observations are weighted; a weight of 0 leaves the row out without counting it.
    pub fn append(&mut self, columns: &[impl AsRef<[f64]>], weights: Option<&[f64]>, rows: Range<usize>) {
        assert_eq!(columns.len(), self.n_features, "one column for each feature");
        assert_eq!(weights.is_some(), self.weighted, "weights if and only if weighted");
        let is_finite = |row: usize| columns.iter().all(|column| column.as_ref()[row].is_finite());
        let is_clean = if rows.len() == 1 {
            self.keep_missing || is_finite(rows.start)
        } else {
            self.keep_missing || columns.iter().all(|column| all_finite(&column.as_ref()[rows.clone()]))
        };
        if is_clean && weights.is_none_or(|weights| weights[rows.clone()].iter().all(|&weight| weight > 0.0))
        {
            return self.append_run(columns, weights, rows);
        }
        let mut start = rows.start;
        for row in rows.clone() {
            let left_out = weights.is_some_and(|weights| weights[row] <= 0.0);
            let skipped = !left_out && !self.keep_missing && !is_finite(row);
            if left_out || skipped {
                self.append_run(columns, weights, start..row);
                self.skipped += u64::from(skipped);
                if skipped && self.rows == 0 {
                    self.absent.count(columns.iter().map(|column| column.as_ref()[row]));
                }
                start = row + 1;
            }
        }
        self.append_run(columns, weights, start..rows.end);
    }

    /// Adds `other`'s rows; `other` stays as it is and shares its larger blocks.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            (self.n_features, self.weighted, self.keep_missing, self.capacity, self.seed, &self.log),
            (other.n_features, other.weighted, other.keep_missing, other.capacity, other.seed, &other.log),
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
                self.extend(block);
            }
        }
        self.rows = rows;
        self.skipped += other.skipped;
        self.absent.merge(&other.absent);
        self.level = self.level.max(other.level);
        self.max_weight = self.max_weight.max(other.max_weight);
        self.least.iter_mut().zip(&other.least).for_each(|(least, &other)| *least = least.min(other));
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

    /// An error where rows were left out for missing values and there is no other.
    pub(super) fn check_usable(&self) -> Result<(), Error> {
        if self.rows == 0 { self.absent.check(self.skipped) } else { Ok(()) }
    }

    /// Which features are not scaled; empty where all are.
    pub(super) fn unscaled(&self) -> &[bool] {
        &self.unscaled
    }

    /// Whether rows have weights.
    pub(super) fn weighted(&self) -> bool {
        self.weighted
    }

    /// What draws the sample.
    pub(super) fn seed(&self) -> i64 {
        self.seed
    }

    /// Whether rows with missing values were kept.
    pub(super) fn keep_missing(&self) -> bool {
        self.keep_missing
    }

    /// Which features a fit takes as ln(1 + x).
    pub(super) fn log(&self, feature: usize) -> bool {
        self.log.get(feature).copied().unwrap_or(false)
    }

    /// The least value of each feature before its logarithm; empty where none was taken.
    pub(super) fn least(&self) -> &[f64] {
        &self.least
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

    /// The rows that a fit works on: all as long as they may be held, else those of the sample.
    pub(super) fn settled(mut self) -> Self {
        if self.rows > self.most_held() as u64 {
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
        if self.keep_missing {
            for (feature, column) in columns.iter().enumerate() {
                if !all_finite(&column.as_ref()[rows.clone()]) {
                    self.mark_missing(feature);
                }
            }
        }
        for (least, column) in
            self.least.iter_mut().zip(columns).zip(&self.log).filter(|(_, log)| **log).map(|x| x.0)
        {
            *least = column.as_ref()[rows.clone()].iter().copied().fold(*least, f64::min);
        }
        while !rows.is_empty() {
            let block = self.open_block(rows.len());
            let taken = rows.len().min(block.capacity - block.rows);
            let run = rows.start..rows.start + taken;
            for (column, values) in block.values.chunks_exact_mut(block.stride).zip(columns) {
                let held = column[block.rows..][..taken].iter_mut();
                // Adding 0.0 makes 0.0 of -0.0.
                let plain = |x: f64| if x.is_finite() { x + 0.0 } else { f64::NAN };
                held.zip(&values.as_ref()[run.clone()]).for_each(|(held, &x)| *held = plain(x));
            }
            if let Some(weights) = weights {
                block.weights.extend_from_slice(&weights[run]);
            }
            self.filled(taken, true);
            rows.start += taken;
        }
        self.prune();
    }

    /// Adds the rows of a block that are held as they are here.
    fn extend(&mut self, block: &Block) {
        let mut rows = 0..block.rows;
        while !rows.is_empty() {
            let open = self.open_block(rows.len());
            let taken = rows.len().min(open.capacity - open.rows);
            let run = rows.start..rows.start + taken;
            for (feature, column) in open.values.chunks_exact_mut(open.stride).enumerate() {
                column[open.rows..][..taken].copy_from_slice(&block.column(feature)[run.clone()]);
            }
            open.weights.extend_from_slice(block.weights.get(run).unwrap_or_default());
            self.filled(taken, false);
            rows.start += taken;
        }
    }

    /// Counts rows that were written into the open block, takes the logarithms of raw ones, and notes what is to be known
    /// of the tiles that are full now.
    fn filled(&mut self, rows: usize, are_raw: bool) {
        self.held += rows;
        let block = self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own");
        if are_raw && !self.keep_missing {
            for (column, _) in
                block.values.chunks_exact_mut(block.stride).zip(&self.log).filter(|(_, log)| **log)
            {
                ln_1p_all(&mut column[block.rows..][..rows]);
            }
        }
        block.rows += rows;
        // A fit that fills missing values, or weighs the rows, looks at them itself.
        if !self.keep_missing && !self.weighted {
            block.note(self.seed);
        }
    }

    fn mark_missing(&mut self, feature: usize) {
        self.missing.resize(self.n_features, false);
        self.missing[feature] = true;
    }

    /// The last block, with room for at least one more row; up to `rows` will follow.
    fn open_block(&mut self, rows: usize) -> &mut Block {
        let n_features = self.n_features;
        let is_open = self.blocks.last_mut().and_then(Arc::get_mut).is_some_and(|block| {
            let wanted = (block.rows + rows).next_power_of_two().min(TILE_ROWS);
            if block.counts.is_empty() && block.capacity < wanted {
                block.grow(n_features, wanted);
            }
            block.counts.is_empty() && block.rows < block.capacity
        });
        if !is_open {
            // Small states stay small: under GROUP BY there may be hundreds of thousands. Others grow by doubling.
            let most = (MAX_BLOCK_VALUES / n_features.max(1)).max(TILE_ROWS);
            let wanted = if self.held < TILE_ROWS { rows.clamp(4, TILE_ROWS) } else { self.held };
            let capacity = wanted.next_power_of_two().min(most);
            let capacity = if capacity > TILE_ROWS { capacity / TILE_ROWS * TILE_ROWS } else { capacity };
            self.blocks.push(Arc::new(Block::new(n_features, capacity)));
        }
        self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own")
    }

    /// Rows that are held before those are given up that cannot be in the sample: more than its capacity, so that this
    /// happens rarely.
    pub(super) fn most_held(&self) -> usize {
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

    /// Adds the rows of a block that are below the level. The block is shared where all are, else freed as soon as
    /// nobody else holds it.
    fn take(&mut self, block: Arc<Block>) {
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
                    && open.notes.is_empty()
                    && (open.rows == 0 || open.counts.is_empty() != has_counts)
            });
            if !is_open {
                self.blocks.push(Arc::new(Block::new(self.n_features, TILE_ROWS)));
            }
            let open = self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own");
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

/// Whether no value is missing.
pub(super) fn all_finite(values: &[f64]) -> bool {
    vectorize(
        #[inline(always)]
        || values.iter().fold(true, |all, x| all & x.is_finite()),
    )
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
