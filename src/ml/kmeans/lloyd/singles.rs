//! The rows of one thread in single precision.

use super::super::nearest::{ROWS_TOGETHER, SingleTile};
use super::Scheme;
use crate::pages::Pages;
use crate::rows::{Block, Tile};
use crate::scaling::Points;
use std::ops::Range;

/// The tiles of one thread, with their rows in single precision.
pub(super) struct Singles<'a> {
    pub(super) tiles: Vec<Tile<'a>>,
    values: Pages<f32>,
    /// Where the values of each tile start, and where its labels do; then where the last ones end.
    starts: Vec<(usize, usize)>,
    /// The weights of the rows of each tile as whole numbers; none where all weigh 1.
    pub(super) weights: Vec<Vec<i64>>,
}

impl<'a> Singles<'a> {
    /// Brings `tiles` to single precision; calls `each` with the scaled rows of each, while they
    /// are in the cache.
    pub(super) fn new(
        points: &Points,
        scheme: &Scheme,
        tiles: &[Tile<'a>],
        mut each: impl FnMut(&Tile, SingleTile),
    ) -> Self {
        let (mut starts, mut end) = (Vec::new(), (0, 0));
        for tile in tiles {
            starts.push(end);
            end.0 += SingleTile::len(points.n_features, tile.rows());
            end.1 += tile.rows().next_multiple_of(ROWS_TOGETHER);
        }
        starts.push(end);
        let mut values = Pages::new(end.0);
        let mut scratch = Block::scratch();
        for (i, tile) in tiles.iter().enumerate() {
            let scaled = points.scaled(*tile, &mut scratch);
            let own = &mut values[starts[i].0..starts[i + 1].0];
            scheme.frame.cast(&scaled, own);
            each(&scaled, SingleTile::new(own, tile.rows()));
        }
        let weight = |&weight: &f64| scheme.quanta.weight(weight);
        let weights = |tile: &Tile| tile.weights().iter().map(weight).collect();
        Self { tiles: tiles.to_vec(), values, starts, weights: tiles.iter().map(weights).collect() }
    }

    pub(super) fn single(&self, tile: usize) -> SingleTile<'_> {
        let values = &self.values[self.starts[tile].0..self.starts[tile + 1].0];
        SingleTile::new(values, self.tiles[tile].rows())
    }

    /// Where the labels of a tile's rows are.
    pub(super) fn labels(&self, tile: usize) -> Range<usize> {
        let start = self.starts[tile].1;
        start..start + self.tiles[tile].rows()
    }

    pub(super) fn n_labels(&self) -> usize {
        self.starts.last().map_or(0, |end| end.1)
    }
}
