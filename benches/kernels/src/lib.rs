//! Data for the benchmarks: the sets that `benches/sets.py` makes too, by the same recipes.

use amazing::ml::{KMeansOptions, Nulls, Observations, Scale};
use rand_distr::{Distribution, LogNormal, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A set of rows in columns.
pub struct Set {
    /// Its name in the tables.
    pub name: &'static str,
    /// One for each feature.
    pub columns: Vec<Vec<f64>>,
}

/// Rows about eight centres, or one.
pub fn blobs(name: &'static str, n_rows: usize, n_features: usize) -> Set {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let normal = |random: &mut Xoshiro256PlusPlus| -> f64 { StandardNormal.sample(random) };
    let centres: Vec<Vec<f64>> =
        (0..8).map(|_| (0..n_features).map(|_| 4.0 * normal(&mut random)).collect()).collect();
    let mut columns = vec![Vec::with_capacity(n_rows); n_features];
    for _ in 0..n_rows {
        let centre = &centres[(random.next_u64() >> 61) as usize];
        for (column, c) in columns.iter_mut().zip(centre) {
            column.push(c + normal(&mut random));
        }
    }
    Set { name, columns }
}

/// Independent log-normal features.
pub fn log_normal(name: &'static str, n_rows: usize, n_features: usize) -> Set {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let distribution = LogNormal::new(0.0, 1.0).expect("a distribution");
    let column = |_| (0..n_rows).map(|_| distribution.sample(&mut random)).collect();
    Set { name, columns: (0..n_features).map(column).collect() }
}

impl Set {
    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.columns[0].len()
    }

    /// As DuckDB hands them over: 2,048 rows at a time.
    pub fn chunks(&self) -> impl Iterator<Item = Vec<&[f64]>> {
        (0..self.n_rows()).step_by(2048).map(|start| {
            let end = self.n_rows().min(start + 2048);
            self.columns.iter().map(|column| &column[start..end]).collect()
        })
    }

    /// What a fit reads.
    pub fn observations(&self) -> Observations {
        let mut observations = Observations::new(self.columns.len(), false, false, 16 << 30, 42);
        for chunk in self.chunks() {
            observations.append(&chunk, None, 0..chunk[0].len());
        }
        observations
    }

    /// Standardised, row by row.
    pub fn standardised(&self) -> ndarray::Array2<f64> {
        let n = self.n_rows() as f64;
        let scaled: Vec<(f64, f64)> = self
            .columns
            .iter()
            .map(|column| {
                let mean = column.iter().sum::<f64>() / n;
                (mean, (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
            })
            .collect();
        ndarray::Array2::from_shape_fn((self.n_rows(), self.columns.len()), |(row, feature)| {
            let (mean, stddev) = scaled[feature];
            (self.columns[feature][row] - mean) / stddev
        })
    }
}

/// The defaults of the extension with some number of clusters.
pub fn options(n_clusters: usize, n_threads: usize) -> KMeansOptions {
    KMeansOptions {
        n_clusters,
        scale: Scale::Standard,
        nulls: Nulls::Skip,
        n_init: 10,
        max_iter: 300,
        tol: 1e-4,
        seed: 42,
        n_threads,
        init: None,
    }
}
