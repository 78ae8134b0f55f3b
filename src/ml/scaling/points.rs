//! The rows of a fit, which are scaled again wherever they are read.

use super::scaled;
use crate::rows::{Block, Tile};
use crate::simd::vectorize;
use std::sync::Arc;

/// The rows of a fit `(n_samples, n_features)`, and how they are scaled. A row's weight contains
/// its count.
#[derive(Clone, Debug)]
pub(crate) struct Points {
    pub(crate) n_features: usize,
    /// After fill and logarithm.
    pub(crate) blocks: Vec<Arc<Block>>,
    /// Where the scaled values of each feature lie.
    pub(crate) extents: Vec<Extent>,
    /// Center and spread of each feature; empty where the rows are scaled.
    pub(super) scaling: Vec<(f64, f64)>,
    /// What brings weights back to the unit in which they came: a power of two.
    pub(crate) weight_unit: f64,
}

/// Where the scaled values of a feature lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

impl Points {
    /// Entries of all blocks.
    pub(crate) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.rows()).sum()
    }

    /// Rows that the entries stand for.
    pub(crate) fn n_samples(&self) -> u64 {
        self.blocks.iter().map(|block| block.n_samples()).sum()
    }

    /// All rows by tiles, as they are held.
    pub(crate) fn tiles(&self) -> Vec<Tile<'_>> {
        self.blocks.iter().flat_map(|block| block.tiles()).collect()
    }

    /// A tile of these points with scaled values, which `scratch` holds if they are not those of
    /// the tile itself.
    pub(crate) fn scaled<'s>(&self, tile: Tile<'s>, scratch: &'s mut Block) -> Tile<'s> {
        if self.scaling.is_empty() {
            return tile;
        }
        scratch.resize(self.n_features, tile.rows());
        scratch.weights.clear();
        scratch.weights.extend_from_slice(tile.weights());
        scratch.counts.clear();
        scratch.counts.extend_from_slice(tile.counts());
        for ((feature, column), &(center, spread)) in
            scratch.columns_mut().enumerate().zip(&self.scaling)
        {
            scale_all(tile.column(feature), column, center, spread);
        }
        scratch.tiles().next().unwrap_or(tile)
    }

    /// The scaled features of a row of a tile of these points.
    pub(crate) fn scaled_row<'s>(
        &'s self,
        tile: &Tile<'s>,
        row: usize,
    ) -> impl ExactSizeIterator<Item = f64> + Clone + use<'s> {
        let scaling = &self.scaling;
        tile.row(row).enumerate().map(move |(feature, x)| match scaling.get(feature) {
            Some(&(center, spread)) => scaled(x, center, spread),
            None => x,
        })
    }

    /// A scaled value of a feature.
    pub(crate) fn scaled_value(&self, feature: usize, x: f64) -> f64 {
        self.scaling.get(feature).map_or(x, |&(center, spread)| scaled(x, center, spread))
    }

    /// Where the mean of each feature lies as it is held, and what brings distances from it to
    /// scaled units, up to rounding.
    pub(crate) fn origins(&self) -> Vec<(f64, f64)> {
        let origin = |(feature, extent): (usize, &Extent)| match self.scaling.get(feature) {
            Some(&(center, spread)) => (center + extent.mean * spread, 1.0 / spread),
            None => (extent.mean, 1.0),
        };
        self.extents.iter().enumerate().map(origin).collect()
    }

    /// The same transformation of other rows, which are held as these are, scaled in place.
    pub(crate) fn with_rows(&self, mut blocks: Vec<Block>) -> Self {
        for block in &mut blocks {
            for (column, &(center, spread)) in block.columns_mut().zip(&self.scaling) {
                vectorize(
                    #[inline(always)]
                    || column.iter_mut().for_each(|x| *x = scaled(*x, center, spread)),
                );
            }
        }
        Self {
            n_features: self.n_features,
            blocks: blocks.into_iter().map(Arc::new).collect(),
            extents: self.extents.clone(),
            scaling: Vec::new(),
            weight_unit: self.weight_unit,
        }
    }
}

fn scale_all(values: &[f64], out: &mut [f64], center: f64, spread: f64) {
    vectorize(
        #[inline(always)]
        || out.iter_mut().zip(values).for_each(|(y, &x)| *y = scaled(x, center, spread)),
    );
}
