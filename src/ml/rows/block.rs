//! Rows in columns, a block of memory at a time.

use super::TILE_ROWS;
use super::tile::{Tile, TileStatistics};
use crate::pages::Pages;
use std::ops::Range;

/// Elements between the columns of a block of full tiles: a stride of 2^n would put all columns in
/// the same cache sets.
const PADDING: usize = 16;

/// Rows in columns: `(rows, n_features)`, with a weight and a count of equal rows each.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(super) rows: usize,
    pub(super) capacity: usize,
    pub(super) stride: usize,
    /// One column after the other, `stride` elements each.
    pub(super) values: Pages<f64>,
    /// Empty where every row weighs 1.
    pub(crate) weights: Vec<f64>,
    /// How many rows an entry stands for; empty where every row stands for itself.
    pub(crate) counts: Vec<u64>,
    /// What is known of the full tiles; empty or one for each of them.
    pub(super) statistics: Vec<TileStatistics>,
}

impl Block {
    pub(super) fn new(n_features: usize, capacity: usize) -> Self {
        let stride = if capacity.is_multiple_of(TILE_ROWS) { capacity + PADDING } else { capacity };
        Self {
            rows: 0,
            capacity,
            stride,
            values: Pages::new(n_features * stride),
            weights: Vec::new(),
            counts: Vec::new(),
            statistics: Vec::new(),
        }
    }

    /// A block to be filled by [`Points::scaled`](super::scaling::Points::scaled).
    pub(crate) fn scratch() -> Self {
        Self::new(0, 0)
    }

    /// Makes room for `rows` rows in the place of those that were there.
    pub(crate) fn resize(&mut self, n_features: usize, rows: usize) {
        if self.values.len() != n_features * self.stride || self.capacity < rows {
            *self = Self::new(n_features, rows);
        }
        self.rows = rows;
    }

    /// Rows that the entries stand for.
    pub(crate) fn n_samples(&self) -> u64 {
        if self.counts.is_empty() { self.rows as u64 } else { self.counts.iter().sum() }
    }

    /// Drops the statistics: the values will be changed.
    pub(crate) fn forget_statistics(&mut self) {
        self.statistics.clear();
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn n_features(&self) -> usize {
        self.values.len() / self.stride.max(1)
    }

    pub(super) fn value(&self, feature: usize, row: usize) -> f64 {
        self.values[feature * self.stride + row]
    }

    pub(crate) fn column(&self, feature: usize) -> &[f64] {
        &self.values[feature * self.stride..][..self.rows]
    }

    pub(crate) fn columns_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let rows = self.rows;
        self.values.chunks_exact_mut(self.stride).map(move |column| &mut column[..rows])
    }

    pub(crate) fn count(&self, row: usize) -> u64 {
        self.counts.get(row).copied().unwrap_or(1)
    }

    /// The rows by [`TILE_ROWS`].
    pub(crate) fn tiles(&self) -> impl Iterator<Item = Tile<'_>> {
        (0..self.rows)
            .step_by(TILE_ROWS)
            .map(|start| self.tile(start..self.rows.min(start + TILE_ROWS)))
    }

    /// Some rows, at most [`TILE_ROWS`].
    pub(super) fn tile(&self, rows: Range<usize>) -> Tile<'_> {
        Tile { block: self, start: rows.start, rows: rows.len() }
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }

    /// The features of a row.
    pub(super) fn row(&self, row: usize) -> impl ExactSizeIterator<Item = f64> + Clone {
        self.values.chunks_exact(self.stride).map(move |column| column[row])
    }

    /// Adds `rows` of another block; there is room for them.
    pub(super) fn copy_rows(&mut self, other: &Self, rows: &[usize]) {
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

    /// Adds a row of another block that stands for `count` rows; there is room for it.
    pub(super) fn copy_row(&mut self, other: &Self, row: usize, count: u64) {
        for (column, x) in self.values.chunks_exact_mut(self.stride).zip(other.row(row)) {
            column[self.rows] = x;
        }
        self.weights.extend(other.weights.get(row));
        self.counts.push(count);
        self.rows += 1;
    }

    /// Drops all rows.
    pub(super) fn clear(&mut self) {
        self.rows = 0;
        self.weights.clear();
        self.counts.clear();
        self.statistics.clear();
    }

    /// Moves the rows to columns with room for `capacity` rows.
    pub(super) fn grow(&mut self, n_features: usize, capacity: usize) {
        let mut grown = Self::new(n_features, capacity);
        grown.rows = self.rows;
        for (feature, column) in grown.columns_mut().enumerate() {
            column.copy_from_slice(self.column(feature));
        }
        self.capacity = grown.capacity;
        self.stride = grown.stride;
        self.values = grown.values;
    }

    /// Gathers the statistics of the tiles that have become full, while they are in the cache.
    pub(super) fn gather_statistics(&mut self, seed: i64) {
        while (self.statistics.len() + 1) * TILE_ROWS <= self.rows {
            let start = self.statistics.len() * TILE_ROWS;
            let statistics = self.tile(start..start + TILE_ROWS).statistics(seed);
            self.statistics.push(statistics);
        }
    }
}

impl AsRef<Self> for Block {
    fn as_ref(&self) -> &Self {
        self
    }
}
