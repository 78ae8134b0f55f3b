//! Where k-means starts: the distinct rows (or a sample of them) and greedy k-means++ over it.

use super::super::observations::{Block, Entry, LOW_BITS, Tile, mix};
use super::super::scaling::Points;
use super::super::simd::vectorize;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Distinct rows that restarts work on.
const SAMPLE_ROWS: usize = 20_000;

/// Distinct rows in the order of a hash of their content, with the weights and counts of their duplicates, scaled.
pub(super) struct Sample {
    pub(super) points: Points,
    /// Whether they are all.
    pub(super) is_whole: bool,
}

impl Sample {
    /// The distinct rows with the lowest hashes: all, up to 20,000 or `n_clusters`.
    pub(super) fn draw(points: &Points, n_clusters: usize, seed: i64) -> Self {
        let wanted = n_clusters.max(SAMPLE_ROWS);
        // Where most rows are distinct, this share of the hashes holds enough, and the others need no sorting.
        let share = 1.1 * wanted as f64 / points.len() as f64;
        if share < 0.5 {
            let sample = Self::draw_below(points, wanted, seed, (share * u64::MAX as f64) as u64);
            if sample.points.len() == wanted {
                return sample;
            }
        }
        Self::draw_below(points, wanted, seed, u64::MAX)
    }

    /// The `wanted` distinct rows with the lowest hashes, of those with a hash up to `highest`.
    fn draw_below(points: &Points, wanted: usize, seed: i64, mut highest: u64) -> Self {
        let blocks = points.blocks.as_slice();
        let mut entries = Vec::new();
        let mut limit = 4 * wanted;
        for (index, block) in blocks.iter().enumerate() {
            if highest <= u64::MAX >> LOW_BITS {
                Entry::of_low_rows(block, index, seed, highest, &mut entries);
            } else {
                let hashes = |tile: &Tile| tile.hashes(seed, false);
                Entry::of_block(block, index, hashes, |hash| hash <= highest, &mut entries);
            }
            if entries.len() > limit {
                Entry::merge_equal(&mut entries, blocks);
                if let Some(end) = end_of_distinct(&entries, blocks, wanted) {
                    highest = entries[end - 1].hash;
                    entries.truncate(entries.partition_point(|entry| entry.hash <= highest));
                }
                limit = limit.max(2 * entries.len());
            }
        }
        Entry::merge_equal(&mut entries, blocks);
        let end = end_of_distinct(&entries, blocks, wanted);
        entries.truncate(end.unwrap_or(entries.len()));

        // Rows that differ in weight alone become one; they lie in the order of their weights.
        let mut distinct: Vec<Entry> = Vec::new();
        let mut weights: Vec<f64> = Vec::new();
        for entry in entries {
            let weight = entry.weight(blocks) * entry.n_merged as f64;
            match (distinct.last_mut(), weights.last_mut()) {
                (Some(last), Some(total)) if last.compare(entry, blocks).is_eq() => {
                    last.count += entry.count;
                    *total += weight;
                }
                _ => {
                    distinct.push(entry);
                    weights.push(weight);
                }
            }
        }
        if weights.iter().all(|&weight| weight == 1.0) {
            weights.clear();
        }
        let is_whole = end.is_none() && highest == u64::MAX;
        let rows = Entry::gather(&distinct, blocks, &weights, points.n_features);
        Self { points: points.with_rows(rows), is_whole }
    }
}

impl Sample {
    /// Rows that differ after scaling.
    pub(super) fn n_distinct(&self) -> usize {
        let row = |tile: &Tile<'_>, row| tile.row(row).map(f64::to_bits).collect::<Vec<u64>>();
        let tiles = self.points.tiles().into_iter();
        let rows: BTreeSet<Vec<u64>> =
            tiles.flat_map(|tile| (0..tile.rows()).map(move |i| row(&tile, i))).collect();
        rows.len()
    }
}

/// Where the first `wanted` distinct rows end in sorted entries, if more follow.
fn end_of_distinct(entries: &[Entry], blocks: &[Arc<Block>], wanted: usize) -> Option<usize> {
    let starts = entries.windows(2).enumerate().filter(|(_, pair)| pair[0].compare(pair[1], blocks).is_ne());
    starts.map(|(index, _)| index + 1).nth(wanted - 1)
}

/// `n_clusters` starting centroids, one after the other: greedy k-means++ with 2 + ln(k) candidates a step, as in
/// scikit-learn. The points are in canonical order, so the draw is a function of their set.
pub(super) fn plus_plus(points: &Points, n_clusters: usize, seed: i64, restart: usize) -> Vec<f64> {
    let mut draw = Draw::new(seed as u64 ^ mix(restart as u64));
    let weights = normalized_weights(points);
    let n_trials = 2 + (n_clusters as f64).ln() as usize;
    let mut chosen: Vec<usize> = Vec::with_capacity(n_clusters);
    let mut centroids = Vec::with_capacity(n_clusters * points.n_features);
    // The first draw is by weight alone.
    let mut closest = vec![f64::INFINITY; points.len()];
    let mut gaps = Cumulative::of(weights.clone());
    let (mut distances, mut best_distances) = (vec![0.0; points.len()], vec![0.0; points.len()]);
    for _ in 0..n_clusters {
        let n_draws = if chosen.is_empty() { 1 } else { n_trials };
        let mut best: Option<(f64, usize)> = None;
        for _ in 0..n_draws {
            let row = if gaps.total() > 0.0 {
                draw.row(&gaps)
            } else {
                // All squared distances have underflown to 0.
                (0..points.len()).find(|row| !chosen.contains(row)).unwrap_or(0)
            };
            let potential = lower_distances(points, &row_of(points, row), &closest, &weights, &mut distances);
            if best.is_none_or(|(least, _)| potential < least) {
                best = Some((potential, row));
                std::mem::swap(&mut distances, &mut best_distances);
            }
        }
        if let Some((_, row)) = best {
            chosen.push(row);
            centroids.extend(row_of(points, row));
            std::mem::swap(&mut closest, &mut best_distances);
            gaps = Cumulative::of(closest.iter().zip(&weights).map(|(distance, weight)| distance * weight).collect());
        }
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
    pub(super) fn row(&mut self, gaps: &Cumulative) -> usize {
        let drawn = (self.0.next_u64() >> 11) as f64 * f64::EPSILON / 2.0 * gaps.total();
        gaps.row(drawn)
    }
}

/// Weights of the points, at most 1, so that potentials cannot overflow.
fn normalized_weights(points: &Points) -> Vec<f64> {
    let tiles = points.tiles().into_iter();
    let weights: Vec<f64> = tiles.flat_map(|tile| (0..tile.rows()).map(move |row| tile.weight(row))).collect();
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

/// Writes squared distances of scaled points to a centre, or to what is closer, and returns their weighted sum.
fn lower_distances(
    points: &Points,
    center: &[f64],
    closest: &[f64],
    weights: &[f64],
    distances: &mut [f64],
) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let mut start = 0;
    for tile in points.tiles() {
        let rows = start..start + tile.rows();
        let (own, closest, weights) = (&mut distances[rows.clone()], &closest[rows.clone()], &weights[rows]);
        start += tile.rows();
        let columns = tile.columns();
        vectorize(
            #[inline(always)]
            || {
                own.fill(0.0);
                for (column, c) in columns.iter().zip(center) {
                    own.iter_mut().zip(*column).for_each(|(distance, x)| *distance += (x - c) * (x - c));
                }
                for (distance, &closest) in own.iter_mut().zip(closest) {
                    *distance = if closest < *distance { closest } else { *distance };
                }
                let lanes = own.chunks(LANES).zip(weights.chunks(LANES));
                for (distances, weights) in lanes {
                    for ((sum, distance), weight) in sums.iter_mut().zip(distances).zip(weights) {
                        *sum += distance * weight;
                    }
                }
            },
        );
    }
    sums.iter().sum()
}
