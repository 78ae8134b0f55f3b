//! Clusterings with several numbers of clusters at once, where there are more rows than restarts
//! work on: each is found on the sample, then takes one step of Lloyd's algorithm over all rows.

use super::nearest::{Frame, ROWS_TOGETHER, Search, SingleTile};
use crate::exact_sum::scale_by_power;
use crate::fixed_point::Cut;
use crate::rows::{Block, TILE_ROWS, Tile};
use crate::scaling::Points;
use crate::threads::map_parts;

/// Bits of a value in fixed point: with those of the rows of a tile they fill a double.
const BITS: i32 = 53 - TILE_ROWS.ilog2() as i32;

/// Moves the centroids `(n_clusters, n_features)` of each clustering to the means of the rows
/// nearest to them: one pass for all. A centroid without rows stays.
///
/// Values are rounded to 2^-42 of the greatest of their feature first, so that their sums are
/// exact.
pub(super) fn step(points: &Points, clusterings: &mut [Vec<f64>], n_threads: usize) {
    let quanta = quanta(points);
    let width = quanta.len();
    let given = &*clusterings;
    let frame = Frame::new(&points.extents);
    let searches: Vec<Search> =
        given.iter().map(|centroids| Search::new(centroids, &frame)).collect();
    let parts = map_parts(&mut points.tiles(), n_threads, |tiles| {
        let mut sums: Vec<Vec<i128>> = given
            .iter()
            .map(|centroids| vec![0; centroids.len() / points.n_features * width])
            .collect();
        let (mut rows, mut single) = (Vec::new(), Vec::new());
        let mut labels = vec![0.0; TILE_ROWS.next_multiple_of(ROWS_TOGETHER)];
        let mut scratch = Block::scratch();
        for tile in tiles {
            let tile = points.scaled(*tile, &mut scratch);
            round_rows(&tile, &quanta, &mut rows);
            single.resize(SingleTile::len(points.n_features, tile.rows()), 0.0);
            frame.cast(&tile, &mut single);
            let single = SingleTile::new(&single, tile.rows());
            for (search, sums) in searches.iter().zip(&mut sums) {
                search.labels(single, tile.rows(), |row| tile.row(row), &mut labels);
                add_rows(&rows, &labels, &quanta, sums);
            }
        }
        sums
    });
    let total = parts.into_iter().reduce(|mut total, part| {
        total
            .iter_mut()
            .flatten()
            .zip(part.iter().flatten())
            .for_each(|(total, sum)| *total += sum);
        total
    });
    let total = total.expect("map_parts has at least one part");
    for (centroids, sums) in clusterings.iter_mut().zip(total) {
        for (centroid, sums) in
            centroids.chunks_exact_mut(points.n_features).zip(sums.chunks_exact(width))
        {
            let (weight, sums) = sums.split_last().expect("the weight is the last of the sums");
            let unit = quanta[width - 1];
            for ((c, &sum), quantum) in
                centroid.iter_mut().zip(sums).zip(&quanta).filter(|_| *weight > 0)
            {
                let mean = sum as f64 / *weight as f64;
                *c = scale_by_power(mean, quantum.exponent - unit.exponent) + 0.0;
            }
        }
    }
}

/// How values of each feature times the weight, and the weight, become multiples of a power of two.
fn quanta(points: &Points) -> Vec<Cut> {
    let weights = points.blocks.iter().flat_map(|block| &block.weights);
    let heaviest = weights.copied().fold(0.0, f64::max);
    // Without weights all rows weigh 1.
    let heaviest = if heaviest > 0.0 { heaviest } else { 1.0 };
    let greatest =
        points.extents.iter().map(|extent| extent.max.abs().max(extent.min.abs()) * heaviest);
    let quantum = |greatest: f64| Cut::to(greatest.max(1e-250).log2().floor() as i32 + 2 - BITS);
    greatest.chain([heaviest]).map(quantum).collect()
}

/// The rows of a tile, one after the other: rounded products of features and weight, then the
/// weight.
fn round_rows(tile: &Tile, quanta: &[Cut], rows: &mut Vec<f64>) {
    rows.clear();
    rows.resize(tile.rows() * quanta.len(), 0.0);
    let ones = vec![1.0; tile.rows()];
    let weights = if tile.weights().is_empty() { &ones } else { tile.weights() };
    let columns = tile.columns().into_iter().chain([ones.as_slice()]);
    for (i, (column, cut)) in columns.zip(quanta).enumerate() {
        let places = rows.iter_mut().skip(i).step_by(quanta.len());
        for ((place, x), weight) in places.zip(column).zip(weights) {
            *place = cut.multiple(x * weight);
        }
    }
}

/// Adds rounded rows to the sums of their clusters, in quanta.
fn add_rows(rows: &[f64], labels: &[f32], quanta: &[Cut], sums: &mut [i128]) {
    let width = quanta.len();
    let mut of_block = vec![0.0; sums.len()];
    for (row, &label) in rows.chunks_exact(width).zip(labels) {
        let sums = &mut of_block[label as usize * width..][..width];
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let units: Vec<f64> =
        quanta.iter().map(|quantum| scale_by_power(1.0, -quantum.exponent)).collect();
    for (sums, of_block) in sums.chunks_exact_mut(width).zip(of_block.chunks_exact(width)) {
        for ((sum, x), unit) in sums.iter_mut().zip(of_block).zip(&units) {
            *sum += i128::from((x * unit) as i64);
        }
    }
}
