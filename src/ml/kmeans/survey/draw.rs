//! The sample that a survey draws.

use super::Survey;
use super::rows::{Preparation, Prepared};
use super::sketch::Frequent;
use crate::rows::mix;
use crate::{Error, TILE_ROWS};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Distinct rows that are drawn, about, where there are more.
const ROWS: f64 = 20_000.0;
/// Distinct rows that are held at most.
const MAX_ROWS: usize = 32_768;
/// Bytes of the values of a sample, about, as far as that are enough rows.
const BYTES: f64 = 2_097_152.0;
/// Rows for each cluster at least.
const ROWS_PER_CLUSTER: f64 = 16.0;

/// Rows that a survey draws: a lightweight coreset (O. Bachem, M. Lucic, A. Krause, "Scalable
/// k-means clustering via lightweight coresets", 2018) with the frequent rows. A row is drawn where
/// its hash lies below its probability, so that equal rows are drawn together.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Those that are drawn have a hash below 2^-level of their probability, but for frequent ones.
    level: u32,
    /// By their hashes.
    rows: BTreeMap<Key, DrawnRow>,
    probability: Probability,
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
    /// How often it came.
    pub count: u64,
    /// Its weight; 1 where rows have none.
    pub weight: f64,
    /// Its features, after fill and logarithm.
    pub values: Vec<f64>,
}

/// The probability that a row is drawn.
#[derive(Clone, Debug)]
struct Probability {
    seed: i64,
    /// Of each feature the mean and what scales distances from it.
    origins: Vec<(f64, f64)>,
    /// Of a row of weight 1 at the mean, and what its squared distance adds.
    base: f64,
    factor: f64,
    is_weighted: bool,
    frequent: Arc<Frequent>,
}

impl Drawn {
    /// No rows yet of those that `survey` has seen, for a fit with so many clusters.
    ///
    /// # Errors
    /// Those of the scaling: [`Error::TooLarge`](crate::Error::TooLarge).
    pub fn new(survey: &Survey, n_clusters: usize) -> Result<Self, Error> {
        let n_features = survey.features.len();
        let affordable = BYTES / (8.0 * (n_features + 1) as f64);
        let wanted = ROWS.min(affordable.max(ROWS_PER_CLUSTER * n_clusters as f64));
        let n_distinct = survey.sketch.n_distinct();
        let weight = survey.weight.round();
        let mut probability = Probability {
            seed: survey.options.seed,
            base: f64::INFINITY,
            factor: 0.0,
            origins: vec![(0.0, 1.0); n_features],
            is_weighted: survey.options.weighted,
            frequent: Arc::new(survey.sketch.frequent(survey.rows)),
        };
        // Where rows are few, all are drawn.
        if n_distinct > wanted && weight > 0.0 {
            let (transform, variance) = survey.transform()?;
            let spreads = transform.mean.iter().zip(&transform.spread);
            probability.origins = spreads.map(|(mean, spread)| (*mean, 1.0 / spread)).collect();
            // Of a row of the mean weight.
            let share = wanted / n_distinct * (survey.rows as f64 / weight);
            probability.base = share / 2.0;
            probability.factor = if variance > 0.0 { share / 2.0 / variance } else { 0.0 };
        }
        Ok(Self { level: 0, rows: BTreeMap::new(), probability })
    }

    /// Adds the rows `rows` of raw columns.
    pub fn append(
        &mut self,
        survey: &Survey,
        columns: &[impl AsRef<[f64]>],
        weights: Option<&[f64]>,
        rows: Range<usize>,
    ) {
        for start in rows.clone().step_by(TILE_ROWS) {
            let tile = start..rows.end.min(start + TILE_ROWS);
            let own = Preparation::of(&survey.options).take(columns, weights, tile);
            self.add(&own);
        }
        self.prune();
    }

    fn add(&mut self, own: &Prepared) {
        let hashes = own.hashes(self.probability.seed);
        let probabilities = self.probability.of(own);
        for (row, (&hash, &probability)) in hashes.iter().zip(&probabilities).enumerate() {
            if !self.is_drawn(hash, probability) {
                continue;
            }
            let row =
                DrawnRow { count: 0, weight: own.weight(row), values: own.row(row).collect() };
            self.rows.entry(self.probability.key(&row)).or_insert(row).count += 1;
        }
    }

    fn is_drawn(&self, hash: u64, probability: f64) -> bool {
        /// 2^53, as many as a double tells apart.
        const HASHES: f64 = 9_007_199_254_740_992.0;
        let place = (hash >> 11) as f64 / HASHES;
        let bound = probability.min(1.0) / f64::from(self.level).exp2();
        place < bound || self.probability.frequent.contains(hash)
    }

    /// Adds the rows of another sample of the same survey.
    pub fn merge(&mut self, other: &Self) {
        for (key, row) in &other.rows {
            let own = self.rows.entry(key.clone());
            own.or_insert(DrawnRow { count: 0, ..row.clone() }).count += row.count;
        }
        if other.level != self.level {
            self.level = self.level.max(other.level);
            self.leave_out();
        }
        self.prune();
    }

    /// Leaves rows out until they are few enough: half of them at a time.
    fn prune(&mut self) {
        while self.rows.len() > MAX_ROWS && self.level < u64::BITS {
            self.level += 1;
            self.leave_out();
        }
    }

    fn leave_out(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let is_kept = |(key, row): &(Key, DrawnRow)| {
            self.is_drawn(key.hash, self.probability.of_row(&row.values, row.weight))
        };
        let kept = rows.into_iter().filter(is_kept).collect();
        self.rows = kept;
    }

    /// The rows, in the order of their hashes, and the level at which they were drawn.
    pub fn parts(&self) -> (u32, impl ExactSizeIterator<Item = &DrawnRow>) {
        (self.level, self.rows.values())
    }

    /// A sample with rows that came back from storage; `None` where they are none of this survey's.
    pub fn with_parts(mut self, level: u32, rows: Vec<DrawnRow>) -> Option<Self> {
        if level > u64::BITS || rows.len() > 2 * MAX_ROWS {
            return None;
        }
        self.level = level;
        for row in rows {
            let has_weight = row.weight.is_finite() && row.weight > 0.0;
            if row.values.len() != self.probability.origins.len() || row.count == 0 || !has_weight {
                return None;
            }
            let key = self.probability.key(&row);
            // Rows of another survey would be drawn by other hashes.
            let probability = self.probability.of_row(&row.values, row.weight);
            if !self.is_drawn(key.hash, probability) || self.rows.insert(key, row).is_some() {
                return None;
            }
        }
        Some(self)
    }

    /// The rows with what each stands for: its weight times its number over its probability.
    pub(super) fn weighted(&self) -> impl Iterator<Item = (&DrawnRow, f64)> {
        self.rows.iter().map(|(key, row)| {
            let own = row.weight * row.count as f64;
            if self.probability.frequent.contains(key.hash) {
                return (row, own);
            }
            let probability = self.probability.of_row(&row.values, row.weight).min(1.0);
            (row, own / (probability / f64::from(self.level).exp2()))
        })
    }
}

impl Probability {
    fn key(&self, row: &DrawnRow) -> Key {
        let mut bits: Vec<u64> = row.values.iter().map(|x| x.to_bits()).collect();
        if self.is_weighted {
            bits.push(row.weight.to_bits());
        }
        Key { hash: bits.iter().fold(mix(self.seed as u64), |hash, x| mix(hash ^ x)), bits }
    }

    fn of(&self, own: &Prepared) -> Vec<f64> {
        let mut squares = vec![0.0; own.n_rows()];
        for (column, &(mean, scale)) in own.columns.iter().zip(&self.origins) {
            for (square, &x) in squares.iter_mut().zip(column) {
                let distance = (x - mean) * scale;
                *square += distance * distance;
            }
        }
        squares.iter().enumerate().map(|(row, &square)| self.at(square, own.weight(row))).collect()
    }

    fn of_row(&self, values: &[f64], weight: f64) -> f64 {
        let square = values.iter().zip(&self.origins).fold(0.0, |square, (x, (mean, scale))| {
            let distance = (x - mean) * scale;
            square + distance * distance
        });
        self.at(square, weight)
    }

    fn at(&self, square: f64, weight: f64) -> f64 {
        (self.base + self.factor * square) * weight
    }
}
