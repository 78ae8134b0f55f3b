//! The distinct rows that a search works on, or where they are many, a sample of them.

use crate::rows::{Block, Entry, Tile};
use crate::scaling::Points;
use crate::simd::vectorize;
use crate::threads::{map_parts, worth};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Distinct rows that restarts work on where there are more of them than [`MAX_WHOLE`], about.
const SAMPLE_ROWS: usize = 20_000;
const MAX_WHOLE: usize = 32_768;

/// Distinct rows in the order of a hash of their content, with the weights and counts of their
/// duplicates, scaled.
pub(super) struct Sample {
    pub(super) points: Points,
    /// Whether they are all.
    pub(super) is_whole: bool,
}

impl Sample {
    /// All distinct rows, if they are at most 32,768 (or `n_clusters`); else a sample of about
    /// 20,000.
    pub(super) fn draw(
        points: &Points,
        variance: f64,
        n_clusters: usize,
        seed: i64,
        n_threads: usize,
    ) -> Self {
        let most = n_clusters.max(MAX_WHOLE);
        if points.len() <= most {
            return Self::draw_uniform(points, most, seed);
        }
        let sketch = Sketch::of(points, seed, n_threads);
        if sketch.n_distinct <= most as f64 {
            return Self::draw_uniform(points, most, seed);
        }
        let sample = Self::draw_coreset(points, variance, &sketch, n_clusters, seed, n_threads);
        sample.unwrap_or_else(|| Self::draw_uniform(points, most, seed))
    }

    /// About 20,000 rows, the farther from the mean the more probable, with the reciprocals of the
    /// probabilities as weights: a lightweight coreset (O. Bachem, M. Lucic, A. Krause, "Scalable
    /// k-means clustering via lightweight coresets", 2018). A row that makes up a thousandth of all
    /// is always drawn. `variance` is the sum of those of the scaled features. `None` where that
    /// gives fewer rows than clusters, or far too many.
    ///
    /// A row is drawn where its hash lies below its probability, so that equal rows are drawn
    /// together.
    fn draw_coreset(
        points: &Points,
        variance: f64,
        sketch: &Sketch,
        n_clusters: usize,
        seed: i64,
        n_threads: usize,
    ) -> Option<Self> {
        let wanted = n_clusters.max(SAMPLE_ROWS);
        let share = wanted as f64 / sketch.n_distinct;
        let probability = InclusionProbability {
            origins: points.origins(),
            base: share / 2.0,
            factor: share / 2.0 / variance,
        };
        let heavy_hitters = sketch.heavy_hitters(points, n_threads);
        let most = 4 * wanted + 1000;
        let mut tiles = sketch.tiles.clone();
        let n_threads = worth(2 * points.len() * points.n_features, n_threads);
        let parts = map_parts(&mut tiles, n_threads, |tiles| {
            let (mut entries, mut probabilities) = (Vec::new(), Vec::new());
            let mut of_heavy_hitters: HashMap<u32, Entry> = HashMap::new();
            for (index, tile) in tiles {
                let hashes = sketch.hashes(tile);
                probability.of_tile(tile, &mut probabilities);
                for (row, (&hash, &probability)) in hashes.iter().zip(&probabilities).enumerate() {
                    if heavy_hitters.contains(hash) {
                        let entry = Entry::of_tile(tile, *index, row, seed);
                        // Copies of one row need not be sorted one by one.
                        match of_heavy_hitters.get_mut(&hash) {
                            Some(known) if known.is_equal(entry, &points.blocks) => {
                                known.add(entry)
                            }
                            Some(_) => entries.push(entry),
                            None => {
                                of_heavy_hitters.insert(hash, entry);
                            }
                        }
                    } else if f64::from(hash) < probability * UPPER {
                        entries.push(Entry::of_tile(tile, *index, row, seed));
                    }
                }
            }
            entries.extend(of_heavy_hitters.into_values());
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
            if heavy_hitters.contains((entry.hash >> 32) as u32) {
                1.0
            } else {
                1.0 / probability.of(entry.row_of(&drawn))
            }
        });
        (sample.points.len() >= n_clusters).then_some(sample)
    }

    /// The `wanted` distinct rows with the lowest hashes.
    fn draw_uniform(points: &Points, wanted: usize, seed: i64) -> Self {
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
        if weights.iter().all(|&weight| weight == 1.0)
            && distinct.iter().all(|entry| entry.count == 1)
        {
            weights.clear();
        }
        let rows = Entry::gather(&distinct, blocks, &weights, points.n_features);
        Self { points: points.with_rows(rows), is_whole: false }
    }
}

/// The upper half of a hash and all above it.
const UPPER: f64 = 4_294_967_296.0;

/// What the hashes of the rows tell of their set.
struct Sketch<'a> {
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

impl<'a> Sketch<'a> {
    /// Distinct rows that an estimate is made of at least, if there are so many.
    const LOW_ROWS: usize = 4096;
    const BUCKETS: usize = 4096;

    fn of(points: &'a Points, seed: i64, n_threads: usize) -> Self {
        let blocks = points.blocks.iter().enumerate();
        let tiles: Vec<(usize, Tile)> = blocks
            .flat_map(|(index, block)| block.tiles().map(move |tile| (index, tile)))
            .collect();
        let weights = points.blocks.iter().flat_map(|block| &block.weights);
        let heaviest = weights.copied().fold(0.0, f64::max);
        let unit = if heaviest > 0.0 {
            WEIGHT_UNITS / heaviest.log2().ceil().exp2()
        } else {
            WEIGHT_UNITS
        };
        let mut sketch = Self { tiles, seed, n_distinct: 0.0, unit, buckets: Vec::new() };
        let n_threads = worth(8 * points.len(), n_threads);
        sketch.n_distinct = sketch.estimate(points.len(), n_threads);
        sketch.buckets = sketch.buckets(n_threads);
        sketch
    }

    /// The number of distinct rows, by that of the hashes below a bound: the lowest bound of a
    /// power of two below which there are [`Sketch::LOW_ROWS`], so that copies of rows do not
    /// matter.
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
        match tile.known_statistics() {
            Some(statistics) => Cow::Borrowed(&statistics.hashes),
            None => Cow::Owned(tile.upper_hashes(self.seed)),
        }
    }

    fn weight(&self, tile: &Tile, row: usize) -> u64 {
        (tile.weight(row) * self.unit) as u64
    }

    /// The rows that each make up a thousandth of all.
    fn heavy_hitters(&self, points: &Points, n_threads: usize) -> HeavyHitters {
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
                part.into_iter()
                    .for_each(|(hash, weight)| *weights.entry(hash).or_default() += weight);
                weights
            });
            let heavy_hitters =
                weights.into_iter().flatten().filter(|(_, weight)| *weight >= least);
            hashes.extend(heavy_hitters.map(|(hash, _)| hash));
            hashes.sort_unstable();
        }
        let mut has_one = vec![false; Self::BUCKETS];
        hashes.iter().for_each(|&hash| has_one[hash as usize % Self::BUCKETS] = true);
        HeavyHitters { hashes, has_one }
    }
}

/// The upper halves of the hashes of rows that are many.
struct HeavyHitters {
    hashes: Vec<u32>,
    has_one: Vec<bool>,
}

impl HeavyHitters {
    fn contains(&self, hash: u32) -> bool {
        self.has_one[hash as usize % Sketch::BUCKETS] && self.hashes.binary_search(&hash).is_ok()
    }
}

/// The probability that a row is drawn.
struct InclusionProbability {
    /// Of each feature: where its mean lies, and what scales distances from it.
    origins: Vec<(f64, f64)>,
    base: f64,
    /// Times the squared distance from the mean.
    factor: f64,
}

impl InclusionProbability {
    fn of(&self, row: impl Iterator<Item = f64>) -> f64 {
        let square = row.zip(&self.origins).fold(0.0, |sum, (x, (origin, scale))| {
            let distance = (x - origin) * scale;
            sum + distance * distance
        });
        (self.base + self.factor * square).min(1.0)
    }

    /// Of each row of a tile, to the bit as [`InclusionProbability::of`] has them.
    fn of_tile(&self, tile: &Tile, probabilities: &mut Vec<f64>) {
        probabilities.clear();
        probabilities.resize(tile.rows(), 0.0);
        let columns = tile.columns();
        vectorize(
            #[inline(always)]
            || {
                for (column, (origin, scale)) in columns.iter().zip(&self.origins) {
                    for (sum, x) in probabilities.iter_mut().zip(*column) {
                        let distance = (x - origin) * scale;
                        *sum += distance * distance;
                    }
                }
                probabilities.iter_mut().for_each(|probability| {
                    *probability = (self.base + self.factor * *probability).min(1.0)
                });
            },
        );
    }
}

/// Where the first `wanted` distinct rows end in sorted entries, if more follow.
fn end_of_distinct(entries: &[Entry], blocks: &[Arc<Block>], wanted: usize) -> Option<usize> {
    let starts =
        entries.windows(2).enumerate().filter(|(_, pair)| pair[0].compare(pair[1], blocks).is_ne());
    starts.map(|(index, _)| index + 1).nth(wanted - 1)
}
