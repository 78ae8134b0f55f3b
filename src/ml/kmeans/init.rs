//! Where k-means starts: the distinct rows (or a sample of them) and greedy k-means++ over it.

use super::super::scaling::Points;
use super::super::simd::vectorize;
use super::super::threads::{map_parts, worth};
use crate::rows::{Block, Entry, Tile, mix};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Distinct rows that restarts work on where there are more of them than [`MAX_WHOLE`], about.
const SAMPLE_ROWS: usize = 20_000;
const MAX_WHOLE: usize = 32_768;

/// Distinct rows in the order of a hash of their content, with the weights and counts of their duplicates, scaled.
pub(super) struct Sample {
    pub(super) points: Points,
    /// Whether they are all.
    pub(super) is_whole: bool,
}

impl Sample {
    /// All distinct rows, if they are at most 32,768 (or `n_clusters`); else a sample of about 20,000.
    pub(super) fn draw(
        points: &Points,
        variance: f64,
        n_clusters: usize,
        seed: i64,
        n_threads: usize,
    ) -> Self {
        let most = n_clusters.max(MAX_WHOLE);
        if points.len() <= most {
            return Self::draw_lowest(points, most, seed);
        }
        let survey = Survey::of(points, seed, n_threads);
        if survey.n_distinct <= most as f64 {
            return Self::draw_lowest(points, most, seed);
        }
        let sample = Self::draw_far(points, variance, &survey, n_clusters, seed, n_threads);
        sample.unwrap_or_else(|| Self::draw_lowest(points, most, seed))
    }

    /// About 20,000 rows, the farther from the mean the more probable, with the reciprocals of the probabilities as
    /// weights: a lightweight coreset (O. Bachem, M. Lucic, A. Krause, "Scalable k-means clustering via lightweight
    /// coresets", 2018). A row that makes up a thousandth of all is always drawn. `variance` is the sum of those of the
    /// scaled features. `None` where that gives fewer rows than clusters, or far too many.
    ///
    /// A row is drawn where its hash lies below its probability, so that equal rows are drawn together.
    fn draw_far(
        points: &Points,
        variance: f64,
        survey: &Survey,
        n_clusters: usize,
        seed: i64,
        n_threads: usize,
    ) -> Option<Self> {
        let wanted = n_clusters.max(SAMPLE_ROWS);
        let share = wanted as f64 / survey.n_distinct;
        let chance = Chance { origins: points.origins(), base: share / 2.0, factor: share / 2.0 / variance };
        let atoms = survey.atoms(points, n_threads);
        let most = 4 * wanted + 1000;
        let mut tiles = survey.tiles.clone();
        let n_threads = worth(2 * points.len() * points.n_features, n_threads);
        let parts = map_parts(&mut tiles, n_threads, |tiles| {
            let (mut entries, mut chances) = (Vec::new(), Vec::new());
            let mut of_atoms: HashMap<u32, Entry> = HashMap::new();
            for (index, tile) in tiles {
                let hashes = survey.hashes(tile);
                chance.of_tile(tile, &mut chances);
                for (row, (&hash, &chance)) in hashes.iter().zip(&chances).enumerate() {
                    if atoms.contains(hash) {
                        let entry = Entry::of_tile(tile, *index, row, seed);
                        // Copies of one row need not be sorted one by one.
                        match of_atoms.get_mut(&hash) {
                            Some(known) if known.is_equal(entry, &points.blocks) => known.add(entry),
                            Some(_) => entries.push(entry),
                            None => {
                                of_atoms.insert(hash, entry);
                            }
                        }
                    } else if f64::from(hash) < chance * UPPER {
                        entries.push(Entry::of_tile(tile, *index, row, seed));
                    }
                }
            }
            entries.extend(of_atoms.into_values());
            // Rows are copied while they are in a cache, as long as they are few.
            let mut drawn = Vec::new();
            if entries.len() <= most {
                drawn = Entry::extract(&mut entries, &points.blocks, points.n_features);
            }
            (entries, drawn)
        });
        let (mut entries, mut drawn) = (Vec::new(), Vec::new());
        for (mut part, blocks) in parts {
            part.iter_mut().for_each(|entry| entry.block += drawn.len() as u32);
            entries.extend(part);
            drawn.extend(blocks);
        }
        if entries.len() > most {
            return None;
        }
        let sample = Self::of_entries(points, entries, &drawn, |entry| {
            if atoms.contains((entry.hash >> 32) as u32) {
                1.0
            } else {
                1.0 / chance.of(entry.row_of(&drawn))
            }
        });
        (sample.points.len() >= n_clusters).then_some(sample)
    }

    /// The `wanted` distinct rows with the lowest hashes.
    fn draw_lowest(points: &Points, wanted: usize, seed: i64) -> Self {
        let blocks = points.blocks.as_slice();
        let mut entries = Vec::new();
        let mut highest = u64::MAX;
        let mut limit = 4 * wanted;
        for (index, block) in blocks.iter().enumerate() {
            let hashes = |tile: &Tile| tile.hashes(seed, false);
            Entry::of_block(block, index, hashes, |hash| hash <= highest, &mut entries);
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
        let is_whole = end.is_none() && highest == u64::MAX;
        Self { is_whole, ..Self::of_entries(points, entries, blocks, |_| 1.0) }
    }

    /// The distinct rows of some entries of `blocks`, their weights multiplied by `factor`.
    fn of_entries<B: AsRef<Block>>(
        points: &Points,
        mut entries: Vec<Entry>,
        blocks: &[B],
        factor: impl Fn(Entry) -> f64,
    ) -> Self {
        Entry::merge_equal(&mut entries, blocks);
        // Rows that differ in weight alone become one; they lie in the order of their weights.
        let mut distinct: Vec<Entry> = Vec::new();
        let mut weights: Vec<f64> = Vec::new();
        for entry in entries {
            let weight = entry.weight(blocks) * entry.n_merged as f64 * factor(entry);
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
        if weights.iter().all(|&weight| weight == 1.0) && distinct.iter().all(|entry| entry.count == 1) {
            weights.clear();
        }
        let rows = Entry::gather(&distinct, blocks, &weights, points.n_features);
        Self { points: points.with_rows(rows), is_whole: false }
    }
}

/// The upper half of a hash and all above it.
const UPPER: f64 = 4_294_967_296.0;

/// What the hashes of the rows tell of their set.
struct Survey<'a> {
    /// With the indices of their blocks.
    tiles: Vec<(usize, Tile<'a>)>,
    seed: i64,
    /// Distinct rows, by an estimate that is a function of their set.
    n_distinct: f64,
    /// What makes whole numbers of weights, whose sums do not depend on their order.
    unit: f64,
    /// Weight of the rows by the lowest bits of the upper halves of their hashes.
    buckets: Vec<u64>,
}

/// The largest weight as a whole number.
const WEIGHT_UNITS: f64 = 1_048_576.0;

impl<'a> Survey<'a> {
    /// Distinct rows that an estimate is made of at least, if there are so many.
    const LOW_ROWS: usize = 4096;
    const BUCKETS: usize = 4096;

    fn of(points: &'a Points, seed: i64, n_threads: usize) -> Self {
        let blocks = points.blocks.iter().enumerate();
        let tiles: Vec<(usize, Tile)> =
            blocks.flat_map(|(index, block)| block.tiles().map(move |tile| (index, tile))).collect();
        let weights = points.blocks.iter().flat_map(|block| &block.weights);
        let heaviest = weights.copied().fold(0.0, f64::max);
        let unit = if heaviest > 0.0 { WEIGHT_UNITS / heaviest.log2().ceil().exp2() } else { WEIGHT_UNITS };
        let mut survey = Self { tiles, seed, n_distinct: 0.0, unit, buckets: Vec::new() };
        let n_threads = worth(8 * points.len(), n_threads);
        survey.n_distinct = survey.estimate(points.len(), n_threads);
        survey.buckets = survey.buckets(n_threads);
        survey
    }

    /// The number of distinct rows, by that of the hashes below a bound: the lowest bound of a power of two below which
    /// there are [`Survey::LOW_ROWS`], so that copies of rows do not matter.
    fn estimate(&self, n_rows: usize, n_threads: usize) -> f64 {
        let mut level = (n_rows / (4 * Self::LOW_ROWS)).max(1).ilog2();
        loop {
            let low = self.low_hashes(level, n_threads);
            if low.len() >= Self::LOW_ROWS || level == 0 {
                let below = |level: u32| low.partition_point(|hash| hash.leading_zeros() >= level);
                let lowest = (level..u32::BITS).rev().find(|&level| below(level) >= Self::LOW_ROWS);
                let level = lowest.unwrap_or(level);
                return below(level) as f64 * f64::from(level).exp2();
            }
            level = level.saturating_sub(3);
        }
    }

    /// The distinct upper halves of hashes whose `level` highest bits are 0, in order.
    fn low_hashes(&self, level: u32, n_threads: usize) -> Vec<u32> {
        let parts = map_parts(&mut self.tiles.clone(), n_threads, |tiles| {
            let mut low = Vec::new();
            for (_, tile) in tiles {
                for &hash in self.hashes(tile).iter().filter(|hash| hash.leading_zeros() >= level) {
                    // Copies in a row are common, and would be many.
                    if low.last() != Some(&hash) {
                        low.push(hash);
                    }
                }
            }
            low.sort_unstable();
            low.dedup();
            low
        });
        let mut low = parts.concat();
        low.sort_unstable();
        low.dedup();
        low
    }

    fn buckets(&self, n_threads: usize) -> Vec<u64> {
        let parts = map_parts(&mut self.tiles.clone(), n_threads, |tiles| {
            let mut buckets = vec![0; Self::BUCKETS];
            for (_, tile) in tiles {
                for (row, &hash) in self.hashes(tile).iter().enumerate() {
                    buckets[hash as usize % Self::BUCKETS] += self.weight(tile, row);
                }
            }
            buckets
        });
        let mut buckets = vec![0; Self::BUCKETS];
        for part in parts {
            buckets.iter_mut().zip(part).for_each(|(sum, weight): (&mut u64, u64)| *sum += weight);
        }
        buckets
    }

    /// The upper halves of a tile's hashes.
    fn hashes(&self, tile: &Tile<'a>) -> Cow<'a, [u32]> {
        match tile.known_notes() {
            Some(notes) => Cow::Borrowed(&notes.hashes),
            None => Cow::Owned(tile.upper_hashes(self.seed)),
        }
    }

    fn weight(&self, tile: &Tile, row: usize) -> u64 {
        (tile.weight(row) * self.unit) as u64
    }

    /// The rows that each make up a thousandth of all.
    fn atoms(&self, points: &Points, n_threads: usize) -> Atoms {
        let least = self.buckets.iter().sum::<u64>() / 1000;
        // All of the others in a bucket weigh a quarter of that.
        let is_full: Vec<bool> = self.buckets.iter().map(|&weight| weight >= least).collect();
        let mut hashes = Vec::new();
        if is_full.contains(&true) {
            let n_threads = worth(4 * points.len(), n_threads);
            let parts = map_parts(&mut self.tiles.clone(), n_threads, |tiles| {
                let mut weights: HashMap<u32, u64> = HashMap::new();
                for (_, tile) in tiles {
                    for (row, &hash) in self.hashes(tile).iter().enumerate() {
                        if is_full[hash as usize % Self::BUCKETS] {
                            *weights.entry(hash).or_default() += self.weight(tile, row);
                        }
                    }
                }
                weights
            });
            let weights = parts.into_iter().reduce(|mut weights, part| {
                part.into_iter().for_each(|(hash, weight)| *weights.entry(hash).or_default() += weight);
                weights
            });
            let atoms = weights.into_iter().flatten().filter(|(_, weight)| *weight >= least);
            hashes.extend(atoms.map(|(hash, _)| hash));
            hashes.sort_unstable();
        }
        let mut has_one = vec![false; Self::BUCKETS];
        hashes.iter().for_each(|&hash| has_one[hash as usize % Self::BUCKETS] = true);
        Atoms { hashes, has_one }
    }
}

/// The upper halves of the hashes of rows that are many.
struct Atoms {
    hashes: Vec<u32>,
    has_one: Vec<bool>,
}

impl Atoms {
    fn contains(&self, hash: u32) -> bool {
        self.has_one[hash as usize % Survey::BUCKETS] && self.hashes.binary_search(&hash).is_ok()
    }
}

/// The probability that a row is drawn.
struct Chance {
    /// Of each feature: where its mean lies, and what scales distances from it.
    origins: Vec<(f64, f64)>,
    base: f64,
    /// Times the squared distance from the mean.
    factor: f64,
}

impl Chance {
    fn of(&self, row: impl Iterator<Item = f64>) -> f64 {
        let square = row.zip(&self.origins).fold(0.0, |sum, (x, (origin, scale))| {
            let distance = (x - origin) * scale;
            sum + distance * distance
        });
        (self.base + self.factor * square).min(1.0)
    }

    /// Of each row of a tile, to the bit as [`Chance::of`] has them.
    fn of_tile(&self, tile: &Tile, chances: &mut Vec<f64>) {
        chances.clear();
        chances.resize(tile.rows(), 0.0);
        let columns = tile.columns();
        vectorize(
            #[inline(always)]
            || {
                for (column, (origin, scale)) in columns.iter().zip(&self.origins) {
                    for (sum, x) in chances.iter_mut().zip(*column) {
                        let distance = (x - origin) * scale;
                        *sum += distance * distance;
                    }
                }
                chances.iter_mut().for_each(|chance| *chance = (self.base + self.factor * *chance).min(1.0));
            },
        );
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
    let mut distances = vec![vec![0.0; points.len()]; n_trials];
    for _ in 0..n_clusters {
        let n_draws = if chosen.is_empty() { 1 } else { n_trials };
        let rows: Vec<usize> = (0..n_draws)
            .map(|_| {
                if gaps.total() > 0.0 {
                    draw.row(&gaps)
                } else {
                    // All squared distances have underflown to 0.
                    (0..points.len()).find(|row| !chosen.contains(row)).unwrap_or(0)
                }
            })
            .collect();
        let centers: Vec<Vec<f64>> = rows.iter().map(|&row| row_of(points, row)).collect();
        let potentials = lower_distances(points, &centers, &closest, &weights, &mut distances);
        let best = (0..n_draws).min_by(|&x, &y| potentials[x].total_cmp(&potentials[y])).unwrap_or(0);
        chosen.push(rows[best]);
        centroids.extend(&centers[best]);
        std::mem::swap(&mut closest, &mut distances[best]);
        let steps = closest.iter().zip(&weights).map(|(distance, weight)| distance * weight);
        gaps = Cumulative::of(steps.collect());
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
                distances.iter_mut().zip(*column).for_each(|(distance, x)| *distance += (x - c) * (x - c));
            }
        },
    );
}

/// Writes the squared distances of scaled points to each of some centres, or to what is closer, and returns their weighted
/// sums.
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
                            for ((sum, distance), weight) in sums.iter_mut().zip(distances).zip(weights) {
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
