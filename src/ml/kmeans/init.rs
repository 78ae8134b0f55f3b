//! Where k-means starts: the distinct rows (or a sample of them) and greedy k-means++ over it.

use super::super::observations::{Block, Entry, mix};
use super::super::scaling::Points;
use super::super::simd::vectorize;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Distinct rows that restarts work on.
const SAMPLE_ROWS: usize = 20_000;

/// Distinct rows in the order of a hash of their content, with the weights and counts of their duplicates.
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
            let hashes = block.hashes(seed, false);
            Entry::of_block(block, index, &hashes, |hash| hash <= highest, &mut entries);
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
        let blocks = Entry::gather(&distinct, blocks, &weights, points.n_features);
        let is_whole = end.is_none() && highest == u64::MAX;
        let extents = points.extents.clone();
        Self { points: Points { n_features: points.n_features, blocks, extents }, is_whole }
    }
}

/// Where the first `wanted` distinct rows end in sorted entries, if more follow.
fn end_of_distinct(entries: &[Entry], blocks: &[Block], wanted: usize) -> Option<usize> {
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
    let mut cumulative = cumulate(weights.iter().copied());
    for _ in 0..n_clusters {
        let total = cumulative.last().copied().unwrap_or(0.0);
        let n_draws = if chosen.is_empty() { 1 } else { n_trials };
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..n_draws {
            let row = if total > 0.0 {
                draw.row(&cumulative)
            } else {
                // All squared distances have underflown to 0.
                (0..points.len()).find(|row| !chosen.contains(row)).unwrap_or(0)
            };
            let mut distances = squared_distances(points, &row_of(points, row));
            distances
                .iter_mut()
                .zip(&closest)
                .for_each(|(distance, &closest)| *distance = distance.min(closest));
            let potential = distances.iter().zip(&weights).map(|(distance, weight)| distance * weight).sum();
            if best.as_ref().is_none_or(|(least, ..)| potential < *least) {
                best = Some((potential, row, distances));
            }
        }
        if let Some((_, row, distances)) = best {
            chosen.push(row);
            centroids.extend(row_of(points, row));
            cumulative = cumulate(distances.iter().zip(&weights).map(|(distance, weight)| distance * weight));
            closest = distances;
        }
    }
    centroids
}

/// Seeded draws of rows.
pub(super) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(mix(seed)))
    }

    /// A row with a probability in proportion to its step in running sums.
    pub(super) fn row(&mut self, cumulative: &[f64]) -> usize {
        let total = cumulative.last().copied().unwrap_or(0.0);
        let drawn = (self.0.next_u64() >> 11) as f64 * f64::EPSILON / 2.0 * total;
        cumulative.partition_point(|&sum| sum <= drawn).min(cumulative.len() - 1)
    }
}

/// Weights of the points, at most 1, so that potentials cannot overflow.
fn normalized_weights(points: &Points) -> Vec<f64> {
    let weights: Vec<f64> =
        points.blocks.iter().flat_map(|block| (0..block.rows()).map(|row| block.weight(row))).collect();
    let max = weights.iter().copied().fold(0.0, f64::max);
    weights.iter().map(|weight| weight / max).collect()
}

fn cumulate(terms: impl Iterator<Item = f64>) -> Vec<f64> {
    terms
        .scan(0.0, |sum, term| {
            *sum += term;
            Some(*sum)
        })
        .collect()
}

pub(super) fn row_of(points: &Points, row: usize) -> Vec<f64> {
    let mut row = row;
    for block in &points.blocks {
        if row < block.rows() {
            return block.row(row).collect();
        }
        row -= block.rows();
    }
    unreachable!("a row of the points")
}

fn squared_distances(points: &Points, center: &[f64]) -> Vec<f64> {
    let mut distances = Vec::with_capacity(points.len());
    for block in &points.blocks {
        let start = distances.len();
        distances.resize(start + block.rows(), 0.0);
        let (distances, columns) = (&mut distances[start..], block.columns());
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
    distances
}
