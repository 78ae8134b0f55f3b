//! Rows in single precision, about the mean of each feature.

use super::ROWS_TOGETHER;
use crate::exact_sum::scale_by_power;
use crate::rows::Tile;
use crate::scaling::Extent;
use crate::simd::vectorize;

/// Elements between the columns of a full tile beyond its rows: a stride of 2^n would put all in
/// the same cache sets.
const PADDING: usize = 16;

/// How rows are brought to single precision: about the mean of each feature, by a power of two.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(super) means: Vec<f64>,
    pub(super) unit: f64,
}

impl Frame {
    pub(crate) fn new(extents: &[Extent]) -> Self {
        let reach =
            extents.iter().map(|extent| (extent.max - extent.mean).max(extent.mean - extent.min));
        Self::of_reach(
            extents.iter().map(|extent| extent.mean).collect(),
            reach.fold(0.0, f64::max),
        )
    }

    /// That which brings the greatest distance from a mean to at most 1.
    pub(super) fn of_reach(means: Vec<f64>, reach: f64) -> Self {
        let exponent = reach.clamp(1e-290, 1e290).log2().ceil() as i32;
        Self { means, unit: scale_by_power(1.0, -exponent) }
    }
}

impl Frame {
    /// Writes a tile of scaled rows to `out`, in single precision.
    pub(crate) fn cast(&self, tile: &Tile, out: &mut [f32]) {
        let stride = SingleTile::stride(tile.rows());
        let (singles, squares) = out.split_at_mut(stride * self.means.len());
        let columns = tile.columns();
        squares.fill(0.0);
        vectorize(
            #[inline(always)]
            || {
                let singles = singles.chunks_exact_mut(stride);
                for ((column, mean), singles) in columns.iter().zip(&self.means).zip(singles) {
                    for ((&x, single), square) in
                        column.iter().zip(&mut *singles).zip(&mut *squares)
                    {
                        *single = ((x - mean) * self.unit) as f32;
                        *square += *single * *single;
                    }
                    singles[column.len()..].fill(0.0);
                }
            },
        );
    }

    /// A value of the frame in scaled units.
    pub(crate) fn invert(&self, feature: usize, x: f64) -> f64 {
        self.means[feature] + x / self.unit
    }

    /// A scaled value in the frame, not rounded to single precision.
    pub(crate) fn place(&self, feature: usize, x: f64) -> f64 {
        (x - self.means[feature]) * self.unit
    }

    /// What brings scaled values to the frame: a power of two.
    pub(crate) fn unit(&self) -> f64 {
        self.unit
    }
}

/// The rows of a tile in single precision, and the squares of their lengths there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SingleTile<'a> {
    stride: usize,
    /// One column after the other, then the squares.
    values: &'a [f32],
}

impl<'a> SingleTile<'a> {
    /// Values that `rows` rows take.
    pub(crate) fn len(n_features: usize, rows: usize) -> usize {
        (n_features + 1) * Self::stride(rows)
    }

    pub(super) fn stride(rows: usize) -> usize {
        rows.next_multiple_of(ROWS_TOGETHER) + PADDING
    }

    /// What [`Frame::cast`] wrote to `values`.
    pub(crate) fn new(values: &'a [f32], rows: usize) -> Self {
        Self { stride: Self::stride(rows), values }
    }

    /// The columns, each with what fills it up.
    pub(crate) fn columns(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.all_columns().chunks_exact(self.stride)
    }

    fn all_columns(&self) -> &'a [f32] {
        &self.values[..self.values.len() - self.stride]
    }

    pub(super) fn squares(&self) -> &'a [f32] {
        &self.values[self.values.len() - self.stride..]
    }

    /// The values of a row.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = f32> + use<'a> {
        self.all_columns()[row..].iter().step_by(self.stride).copied()
    }
}
