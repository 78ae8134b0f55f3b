//! Seeded data for the tests of this module.

use super::{KMeansOptions, Nulls, Observations, Scale};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Memory that no test exceeds by accident.
pub(super) const MEMORY: u64 = 1 << 30;

pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub(super) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal: a sum of twelve uniform draws.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// `n` rows about `n_blobs` centres, row by row.
pub(super) fn blobs(seed: u64, n: usize, n_features: usize, n_blobs: usize) -> Vec<Vec<f64>> {
    let mut random = Random::new(seed);
    let centres: Vec<Vec<f64>> =
        (0..n_blobs).map(|_| (0..n_features).map(|_| 30.0 * random.normal()).collect()).collect();
    (0..n)
        .map(|_| {
            let centre = random.below(n_blobs);
            centres[centre].iter().map(|c| c + random.normal()).collect()
        })
        .collect()
}

/// The columns of rows.
pub(super) fn columns(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n_features = rows.first().map_or(0, Vec::len);
    (0..n_features).map(|feature| rows.iter().map(|row| row[feature]).collect()).collect()
}

/// Appends rows in chunks of `chunk`.
pub(super) fn append(
    observations: &mut Observations,
    rows: &[Vec<f64>],
    weights: Option<&[f64]>,
    chunk: usize,
) {
    let columns = columns(rows);
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    for start in (0..rows.len()).step_by(chunk) {
        observations.append(&columns, weights, start..(start + chunk).min(rows.len()));
    }
}

/// Rows without weights; missing ones are skipped.
pub(super) fn observe(rows: &[Vec<f64>]) -> Observations {
    let mut observations = Observations::new(rows[0].len(), false, false, MEMORY, 42);
    append(&mut observations, rows, None, 2048);
    observations
}

/// Rows without weights; missing ones are kept.
pub(super) fn observe_all(rows: &[Vec<f64>]) -> Observations {
    let mut observations = Observations::new(rows[0].len(), false, true, MEMORY, 42);
    append(&mut observations, rows, None, 2048);
    observations
}

/// The defaults without scaling.
pub(super) fn options(n_clusters: usize) -> KMeansOptions {
    KMeansOptions {
        n_clusters,
        scale: Scale::None,
        nulls: Nulls::Skip,
        n_init: 10,
        max_iter: 300,
        tol: 1e-4,
        seed: 42,
        n_threads: 1,
        init: None,
    }
}
