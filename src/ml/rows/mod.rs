//! Rows as they arrive, in column blocks; above a bound a sample of them that is a function of
//! their set.

mod absent;
mod block;
mod distinct;
mod entry;
mod hash;
mod sample;
mod tile;

use crate::Error;
use crate::logarithm::ln_1p_all;
use crate::simd::vectorize;
pub(crate) use absent::Absent;
pub(crate) use block::Block;
use distinct::{Check, Distinct};
pub(crate) use entry::Entry;
pub(crate) use hash::mix;
use std::ops::Range;
use std::sync::Arc;
pub(crate) use tile::Tile;

/// Rows that are held whatever the memory: a sample of fewer could not form the clusters a user may
/// ask for.
const MIN_CAPACITY: usize = 4096;
/// Rows of a tile: what the kernels take at once, in the cache, and DuckDB hands over at most.
pub const TILE_ROWS: usize = crate::moments::TILE_ROWS;
/// Values up to which blocks grow: a few large pages.
const MAX_BLOCK_VALUES: usize = 1 << 20;
/// Blocks below this size are copied by a merge, larger ones are shared.
const SHARED_ROWS: usize = 64;

/// Rows as they arrive, in column blocks. Missing = NaN (an infinity counts as missing too); -0.0
/// is held as 0.0.
///
/// Where the rows need more than `memory`, a fit works on a sample: equal rows become one with a
/// count, and if the distinct rows exceed the capacity, those remain whose hash (of content and
/// seed) lies below 2^-l, with the least l that fits. That depends on the set of rows only and can
/// be merged.
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
    /// The least value of each feature under the logarithm, before it is taken; empty where there
    /// is none.
    least: Vec<f64>,
    /// Rows of a sample at most.
    capacity: usize,
    /// Rows as they came, with the distinct ones of a sample.
    blocks: Vec<Arc<Block>>,
    /// Where rows repeat, the distinct ones of all that came before those of `blocks`.
    distinct: Option<Box<Distinct>>,
    check: Check,
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

impl Observations {
    /// No rows yet of `n_features` columns. `memory`: bytes that one fit may hold with two threads
    /// that read (at least 4,096 rows are held whatever it says). `seed` draws the sample above it.
    /// `keep_missing`: a row with a missing value is kept, for a fit that fills it or refuses it.
    pub fn new(
        n_features: usize,
        weighted: bool,
        keep_missing: bool,
        memory: u64,
        seed: i64,
    ) -> Self {
        // Two threads may hold 5/4 of the capacity each before they meet, with statistics, and
        // whole hashes while they look for what to give up; a fit holds less then: the rows, in
        // single precision too, with labels.
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
            capacity: usize::try_from(memory / bytes_per_row)
                .unwrap_or(usize::MAX)
                .max(MIN_CAPACITY),
            blocks: Vec::new(),
            distinct: None,
            check: Check::default(),
            held: 0,
            rows: 0,
            skipped: 0,
            level: 0,
            missing: Vec::new(),
            max_weight: 1.0,
        }
    }

    /// The same, for a fit that takes some features as ln(1 + x). Their logarithms are held; where
    /// missing values are kept, the values, because what fills them is in their unit.
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

    /// Adds the rows `rows` of `columns` (one slice for each feature, all of one length). A row
    /// with a missing value is counted as skipped, or kept where missing values are. `weights`,
    /// finite and not negative, are there if and only if the observations are weighted; a weight of
    /// 0 leaves the row out without counting it.
    pub fn append(
        &mut self,
        columns: &[impl AsRef<[f64]>],
        weights: Option<&[f64]>,
        rows: Range<usize>,
    ) {
        assert_eq!(columns.len(), self.n_features, "one column for each feature");
        assert_eq!(weights.is_some(), self.weighted, "weights if and only if weighted");
        let is_finite = |row: usize| columns.iter().all(|column| column.as_ref()[row].is_finite());
        let is_clean = if rows.len() == 1 {
            self.keep_missing || is_finite(rows.start)
        } else {
            self.keep_missing
                || columns.iter().all(|column| all_finite(&column.as_ref()[rows.clone()]))
        };
        if is_clean
            && weights
                .is_none_or(|weights| weights[rows.clone()].iter().all(|&weight| weight > 0.0))
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
            (
                self.n_features,
                self.weighted,
                self.keep_missing,
                self.capacity,
                self.seed,
                &self.log
            ),
            (
                other.n_features,
                other.weighted,
                other.keep_missing,
                other.capacity,
                other.seed,
                &other.log
            ),
            "only observations of the same kind can be merged"
        );
        let rows = self.rows + other.rows;
        if self.distinct.is_some() || other.distinct.is_some() {
            self.level = self.level.max(other.level);
            self.unite_with(other);
        } else if self.held + other.held > self.most_held() {
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
            let (shared, copied): (Vec<_>, Vec<_>) = other
                .blocks
                .iter()
                .partition(|block| block.rows >= SHARED_ROWS || !block.counts.is_empty());
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
        self.least
            .iter_mut()
            .zip(&other.least)
            .for_each(|(least, &other)| *least = least.min(other));
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
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// An error where rows were left out for missing values and there is no other.
    pub(crate) fn check_usable(&self) -> Result<(), Error> {
        if self.rows == 0 { self.absent.check(self.skipped) } else { Ok(()) }
    }

    /// Which features are not scaled; empty where all are.
    pub(crate) fn unscaled(&self) -> &[bool] {
        &self.unscaled
    }

    /// Whether rows have weights.
    pub(crate) fn weighted(&self) -> bool {
        self.weighted
    }

    /// What draws the sample.
    pub(crate) fn seed(&self) -> i64 {
        self.seed
    }

    /// Whether rows with missing values were kept.
    pub(crate) fn keep_missing(&self) -> bool {
        self.keep_missing
    }

    /// Which features a fit takes as ln(1 + x).
    pub(crate) fn log(&self, feature: usize) -> bool {
        self.log.get(feature).copied().unwrap_or(false)
    }

    /// The least value of each feature before its logarithm; empty where none was taken.
    pub(crate) fn least(&self) -> &[f64] {
        &self.least
    }

    /// The first feature that had a missing value in a row that was kept.
    pub(crate) fn first_missing(&self) -> Option<usize> {
        self.missing.iter().position(|&missing| missing)
    }

    /// The largest row weight.
    pub(crate) fn max_weight(&self) -> f64 {
        self.max_weight
    }

    pub(crate) fn into_blocks(mut self) -> Vec<Arc<Block>> {
        self.dissolve();
        self.blocks.retain(|block| block.rows > 0);
        self.blocks
    }

    /// Adds rows without looking for those to leave out.
    fn append_run(
        &mut self,
        columns: &[impl AsRef<[f64]>],
        weights: Option<&[f64]>,
        mut rows: Range<usize>,
    ) {
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

    /// Counts rows that were written into the open block, takes the logarithms of raw ones, and
    /// gathers the statistics of the tiles that are full now.
    fn filled(&mut self, rows: usize, are_raw: bool) {
        self.held += rows;
        let block =
            self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own");
        if are_raw && !self.keep_missing {
            for (column, _) in
                block.values.chunks_exact_mut(block.stride).zip(&self.log).filter(|(_, log)| **log)
            {
                ln_1p_all(&mut column[block.rows..][..rows]);
            }
        }
        block.rows += rows;
        // A fit that fills missing values, or weighs the rows, looks at them itself.
        if !self.keep_missing && !self.weighted && self.distinct.is_none() {
            block.gather_statistics(self.seed);
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
            // Small states stay small: under GROUP BY there may be hundreds of thousands. Others
            // grow by doubling.
            let most = (MAX_BLOCK_VALUES / n_features.max(1)).max(TILE_ROWS);
            let wanted = if self.held < TILE_ROWS { rows.clamp(4, TILE_ROWS) } else { self.held };
            let capacity = wanted.next_power_of_two().min(most);
            let capacity =
                if capacity > TILE_ROWS { capacity / TILE_ROWS * TILE_ROWS } else { capacity };
            self.blocks.push(Arc::new(Block::new(n_features, capacity)));
        }
        self.blocks.last_mut().and_then(Arc::get_mut).expect("the last block is our own")
    }
}

/// Whether no value is missing.
pub(crate) fn all_finite(values: &[f64]) -> bool {
    vectorize(
        #[inline(always)]
        || values.iter().fold(true, |all, x| all & x.is_finite()),
    )
}

#[cfg(test)]
mod tests;
