//! Where runs start: greedy k-means++, and seeded draws of rows.

use crate::rows::{Tile, mix};
use crate::scaling::Points;
use crate::simd::vectorize;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// `n_clusters` starting centroids, one after the other: greedy k-means++ with 2 + ln(k) candidates
/// a step, as in scikit-learn. The points are in canonical order, so the draw is a function of
/// their set.
pub(super) fn plus_plus(points: &Points, n_clusters: usize, seed: i64, restart: usize) -> Vec<f64> {
    let mut draw = Draw::new(seed as u64 ^ mix(restart as u64));
    let weights = normalized_weights(points);
    let n_trials = 2 + (n_clusters as f64).ln() as usize;
    let mut chosen: Vec<usize> = Vec::with_capacity(n_clusters);
    let mut centroids = Vec::with_capacity(n_clusters * points.n_features);
    // The first draw is by weight alone.
    let mut closest = vec![f64::INFINITY; points.len()];
    let mut cumulative = Cumulative::of(weights.clone());
    let mut distances = vec![vec![0.0; points.len()]; n_trials];
    for _ in 0..n_clusters {
        let n_draws = if chosen.is_empty() { 1 } else { n_trials };
        let rows: Vec<usize> = (0..n_draws)
            .map(|_| {
                if cumulative.total() > 0.0 {
                    draw.row(&cumulative)
                } else {
                    // All squared distances have underflown to 0.
                    (0..points.len()).find(|row| !chosen.contains(row)).unwrap_or(0)
                }
            })
            .collect();
        let centers: Vec<Vec<f64>> = rows.iter().map(|&row| row_of(points, row)).collect();
        let potentials = lower_distances(points, &centers, &closest, &weights, &mut distances);
        let best =
            (0..n_draws).min_by(|&x, &y| potentials[x].total_cmp(&potentials[y])).unwrap_or(0);
        chosen.push(rows[best]);
        centroids.extend(&centers[best]);
        std::mem::swap(&mut closest, &mut distances[best]);
        let steps = closest.iter().zip(&weights).map(|(distance, weight)| distance * weight);
        cumulative = Cumulative::of(steps.collect());
    }
    centroids
}

/// Steps of which a row is drawn, with their running sums by parts.
pub(super) struct Cumulative {
    steps: Vec<f64>,
    /// The sum of the steps up to the end of each part.
    ends: Vec<f64>,
}

impl Cumulative {
    /// Steps of a part.
    const PART: usize = 256;

    pub(super) fn of(steps: Vec<f64>) -> Self {
        let mut total = 0.0;
        let ends = steps.chunks(Self::PART).map(|part| {
            total += lanes_sum(part);
            total
        });
        Self { ends: ends.collect(), steps }
    }

    fn total(&self) -> f64 {
        self.ends.last().copied().unwrap_or(0.0)
    }

    /// The row whose step has the running sum `drawn`.
    fn row(&self, drawn: f64) -> usize {
        let part = self.ends.partition_point(|&end| end <= drawn).min(self.ends.len() - 1);
        let mut sum = if part == 0 { 0.0 } else { self.ends[part - 1] };
        let start = part * Self::PART;
        let own = &self.steps[start..self.steps.len().min(start + Self::PART)];
        let row = own.iter().position(|step| {
            sum += step;
            sum > drawn
        });
        // Rounding of the running sums may leave none: then the last that can be drawn.
        let last = || own.iter().rposition(|&step| step > 0.0).unwrap_or(own.len() - 1);
        start + row.unwrap_or_else(last)
    }
}

/// The sum of some values, in an order that suits wide registers.
fn lanes_sum(values: &[f64]) -> f64 {
    const LANES: usize = 16;
    let (lanes, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    vectorize(
        #[inline(always)]
        || lanes.iter().for_each(|x| sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x)),
    );
    sums.iter().chain(rest).sum()
}

/// Seeded draws of rows.
pub(super) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(mix(seed)))
    }

    /// A row with a probability in proportion to its step.
    pub(super) fn row(&mut self, cumulative: &Cumulative) -> usize {
        let drawn = (self.0.next_u64() >> 11) as f64 * f64::EPSILON / 2.0 * cumulative.total();
        cumulative.row(drawn)
    }
}

/// Weights of the points, at most 1, so that potentials cannot overflow.
fn normalized_weights(points: &Points) -> Vec<f64> {
    let tiles = points.tiles().into_iter();
    let weights: Vec<f64> =
        tiles.flat_map(|tile| (0..tile.rows()).map(move |row| tile.weight(row))).collect();
    let max = weights.iter().copied().fold(0.0, f64::max);
    weights.iter().map(|weight| weight / max).collect()
}

pub(super) fn row_of(points: &Points, row: usize) -> Vec<f64> {
    let mut row = row;
    for tile in points.tiles() {
        if row < tile.rows() {
            return points.scaled_row(&tile, row).collect();
        }
        row -= tile.rows();
    }
    unreachable!("a row of the points")
}

/// Writes the squared distances of a tile's scaled rows to a centre.
pub(super) fn distances_to(tile: &Tile, center: &[f64], distances: &mut Vec<f64>) {
    distances.clear();
    distances.resize(tile.rows(), 0.0);
    let columns = tile.columns();
    vectorize(
        #[inline(always)]
        || {
            for (column, c) in columns.iter().zip(center) {
                distances
                    .iter_mut()
                    .zip(*column)
                    .for_each(|(distance, x)| *distance += (x - c) * (x - c));
            }
        },
    );
}

/// Writes the squared distances of scaled points to each of some centres, or to what is closer, and
/// returns their weighted sums.
fn lower_distances(
    points: &Points,
    centers: &[Vec<f64>],
    closest: &[f64],
    weights: &[f64],
    distances: &mut [Vec<f64>],
) -> Vec<f64> {
    const LANES: usize = 16;
    /// Rows whose features stay in the nearest cache for all centres.
    const RUN: usize = 256;
    let mut sums = vec![[0.0; LANES]; centers.len()];
    let mut start = 0;
    for tile in points.tiles() {
        let columns = tile.columns();
        for first in (0..tile.rows()).step_by(RUN) {
            let run = first..tile.rows().min(first + RUN);
            let rows = start + run.start..start + run.end;
            let (closest, weights) = (&closest[rows.clone()], &weights[rows.clone()]);
            for ((center, distances), sums) in centers.iter().zip(&mut *distances).zip(&mut sums) {
                let own = &mut distances[rows.clone()];
                vectorize(
                    #[inline(always)]
                    || {
                        own.fill(0.0);
                        for (column, c) in columns.iter().zip(center) {
                            let column = &column[run.clone()];
                            own.iter_mut()
                                .zip(column)
                                .for_each(|(distance, x)| *distance += (x - c) * (x - c));
                        }
                        for (distance, &closest) in own.iter_mut().zip(closest) {
                            *distance = if closest < *distance { closest } else { *distance };
                        }
                        for (distances, weights) in own.chunks(LANES).zip(weights.chunks(LANES)) {
                            for ((sum, distance), weight) in
                                sums.iter_mut().zip(distances).zip(weights)
                            {
                                *sum += distance * weight;
                            }
                        }
                    },
                );
            }
        }
        start += tile.rows();
    }
    sums.iter().map(|sums| sums.iter().sum()).collect()
}
