//! The sample that a survey draws.

use super::Survey;
use super::rows::{Preparation, Prepared};
use super::sketch::Frequent;
use crate::{Error, TILE_ROWS};
use std::collections::BTreeMap;
use std::ops::Range;

/// Distinct rows that are drawn, about, where there are more.
const ROWS: f64 = 20_000.0;
/// Distinct rows that are held at most.
const MAX_ROWS: usize = 32_768;
/// Bytes of the values of a sample, about, as far as that are enough rows.
const BYTES: f64 = 2_097_152.0;
/// Rows for each cluster at least.
const ROWS_PER_CLUSTER: f64 = 16.0;
/// Halvings after which nothing is left but frequent rows.
const MAX_LEVEL: u32 = 64;

/// Which rows a survey draws: a lightweight coreset (O. Bachem, M. Lucic, A. Krause, "Scalable
/// k-means clustering via lightweight coresets", 2018) with the frequent rows. A row is drawn where
/// its hash lies below its probability, so that equal rows are drawn together.
#[derive(Debug)]
pub struct Drawing {
    seed: i64,
    /// Of each feature the mean, and what scales distances from it.
    origins: Vec<(f64, f64)>,
    /// The probability of a row of weight 1 at the mean, and what its squared distance adds.
    base: f64,
    factor: f64,
    frequent: Frequent,
}

/// Rows that were drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// Rows are held whose hash lies below 2^-level of their probability, and frequent ones.
    level: u32,
    /// By their hashes.
    rows: BTreeMap<Key, DrawnRow>,
}

/// Rows in the order of their hashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    hash: u64,
    bits: Vec<u64>,
}

/// A distinct row.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnRow {
    /// Of its content and the seed.
    pub hash: u64,
    /// How often it came.
    pub count: u64,
    /// Its weight; 1 where rows have none.
    pub weight: f64,
    /// That it is drawn; infinite of frequent rows.
    pub probability: f64,
    /// Its features, after fill and logarithm.
    pub values: Vec<f64>,
}

impl Drawing {
    /// For a fit with so many clusters.
    ///
    /// # Errors
    /// Those of the scaling: [`Error::TooLarge`].
    pub fn new(survey: &Survey, n_clusters: usize) -> Result<Self, Error> {
        let n_features = survey.features.len();
        let affordable = BYTES / (8.0 * (n_features + 1) as f64);
        let wanted = ROWS.min(affordable.max(ROWS_PER_CLUSTER * n_clusters as f64));
        let n_distinct = survey.sketch.n_distinct();
        let weight = survey.weight.round();
        let mut drawing = Self {
            seed: survey.options.seed,
            // Where rows are few, all are drawn.
            base: f64::INFINITY,
            factor: 0.0,
            origins: vec![(0.0, 1.0); n_features],
            frequent: survey.sketch.frequent(survey.rows),
        };
        if n_distinct > wanted && weight > 0.0 {
            let (transform, variance) = survey.transform()?;
            let spreads = transform.mean.iter().zip(&transform.spread);
            drawing.origins = spreads.map(|(mean, spread)| (*mean, 1.0 / spread)).collect();
            // Of a row of the mean weight.
            let share = wanted / n_distinct * (survey.rows as f64 / weight);
            drawing.base = share / 2.0;
            drawing.factor = if variance > 0.0 { share / 2.0 / variance } else { 0.0 };
        }
        Ok(drawing)
    }

    fn probabilities(&self, own: &Prepared) -> Vec<f64> {
        let mut squares = vec![0.0; own.n_rows()];
        for (column, &(mean, scale)) in own.columns.iter().zip(&self.origins) {
            for (square, &x) in squares.iter_mut().zip(column) {
                let distance = (x - mean) * scale;
                *square += distance * distance;
            }
        }
        let of_row =
            |(row, square): (usize, &f64)| (self.base + self.factor * square) * own.weight(row);
        squares.iter().enumerate().map(of_row).collect()
    }
}

impl DrawnRow {
    fn key(&self) -> Key {
        let bits = self.values.iter().chain([&self.weight]).map(|x| x.to_bits()).collect();
        Key { hash: self.hash, bits }
    }

    fn is_drawn(&self, level: u32) -> bool {
        is_drawn(self.hash, self.probability, level)
    }

    /// What it stands for: its number and weight over its probability.
    pub(super) fn stands_for(&self, level: u32) -> f64 {
        let own = self.weight * self.count as f64;
        if self.probability == f64::INFINITY {
            return own;
        }
        own / (self.probability.min(1.0) / f64::from(level).exp2())
    }
}

fn is_drawn(hash: u64, probability: f64, level: u32) -> bool {
    /// 2^53, as many as a double tells apart.
    const HASHES: f64 = 9_007_199_254_740_992.0;
    let place = (hash >> 11) as f64 / HASHES;
    probability == f64::INFINITY || place < probability.min(1.0) / f64::from(level).exp2()
}

impl Drawn {
    /// Adds the rows `rows` of raw columns that `drawing` draws of those that `survey` has seen.
    pub fn append(
        &mut self,
        survey: &Survey,
        drawing: &Drawing,
        columns: &[impl AsRef<[f64]>],
        weights: Option<&[f64]>,
        rows: Range<usize>,
    ) {
        for start in rows.clone().step_by(TILE_ROWS) {
            let tile = start..rows.end.min(start + TILE_ROWS);
            let own = Preparation::of(&survey.options).take(columns, weights, tile);
            let probabilities = drawing.probabilities(&own);
            for (row, (&hash, &probability)) in
                own.hashes(drawing.seed).iter().zip(&probabilities).enumerate()
            {
                let is_frequent = drawing.frequent.contains(hash);
                let probability = match probability {
                    _ if is_frequent => f64::INFINITY,
                    // Infinite where all rows are drawn.
                    probability => probability.min(1.0),
                };
                if is_drawn(hash, probability, self.level) {
                    let values = own.row(row).collect();
                    let weight = own.weight(row);
                    self.add(DrawnRow { hash, count: 1, weight, probability, values });
                }
            }
            self.prune();
        }
    }

    fn add(&mut self, row: DrawnRow) {
        let count = row.count;
        let own = self.rows.entry(row.key()).or_insert(DrawnRow { count: 0, ..row });
        own.count = own.count.saturating_add(count);
    }

    /// Adds the rows of another sample of the same survey.
    pub fn merge(&mut self, other: &Self) {
        self.raise(other.level);
        let level = self.level;
        other.rows.values().filter(|row| row.is_drawn(level)).for_each(|row| self.add(row.clone()));
        self.prune();
    }

    /// Leaves rows out until they are few enough: about half of them at a time.
    fn prune(&mut self) {
        while self.rows.len() > MAX_ROWS && self.level < MAX_LEVEL {
            self.raise(self.level + 1);
        }
    }

    fn raise(&mut self, level: u32) {
        if level > self.level {
            self.level = level;
            self.rows.retain(|_, row| row.is_drawn(level));
        }
    }

    /// The level at which rows are held, and the rows in the order of their hashes.
    pub fn parts(&self) -> (u32, impl ExactSizeIterator<Item = &DrawnRow>) {
        (self.level, self.rows.values())
    }

    /// A sample of rows that come back from storage; `None` where it was not one.
    pub fn from_parts(level: u32, rows: Vec<DrawnRow>) -> Option<Self> {
        let mut drawn = Self { level, rows: BTreeMap::new() };
        for row in rows {
            let is_row = row.count > 0
                && row.weight.is_finite()
                && row.weight > 0.0
                && row.probability > 0.0
                && row.values.iter().all(|x| x.is_finite());
            if level > MAX_LEVEL || !is_row || !row.is_drawn(level) {
                return None;
            }
            if drawn.rows.insert(row.key(), row).is_some() {
                return None;
            }
        }
        Some(drawn)
    }
}
