//! k-means: one iteration of Lloyd's algorithm, a whole fit, labels; ours and linfa's, on one
//! thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use amazing::ml::{KMeans, KMeansOptions};
use criterion::{Criterion, criterion_group, criterion_main};
use kernels::{Set, blobs, log_normal, options};
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::KMeansInit;

/// Iterations whose time is taken.
const ITERATIONS: usize = 10;

/// Sets and numbers of clusters; each name says what the set is.
fn cases() -> Vec<(Set, Vec<usize>)> {
    vec![
        (blobs("A, blobs 1M x 8", 1_000_000, 8), vec![5, 10, 256]),
        (log_normal("C, log-normal 1M x 6", 1_000_000, 6), vec![8]),
        (blobs("E, blobs 1M x 32", 1_000_000, 32), vec![40]),
    ]
}

/// Time per iteration: of a run of [`ITERATIONS`] more than of a run of one, from the same
/// centroids.
fn per_iteration(iterations: u64, mut run: impl FnMut(usize) -> Duration) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        let (short, long) = (run(1), run(1 + ITERATIONS));
        total += long.saturating_sub(short) / ITERATIONS as u32;
    }
    total
}

fn lloyd(criterion: &mut Criterion) {
    for (set, clusters) in cases() {
        for k in clusters {
            let mut group =
                criterion.benchmark_group(format!("one iteration, {}, k = {k}", set.name));
            group
                .sample_size(10)
                .measurement_time(Duration::from_secs(2))
                .warm_up_time(Duration::from_millis(1));
            // Far from a fixed point: the first rows as they come.
            let rows = set.standardised();
            let mut start = KMeans::fit(
                set.observations(),
                &KMeansOptions { max_iter: 1, n_init: 1, ..options(k, 1) },
            )
            .expect("rows to fit")
            .expect("a usable row");
            start.centroids = rows.rows().into_iter().take(k).map(|row| row.to_vec()).collect();
            let observations = set.observations();
            group.bench_function("amazing", |bencher| {
                bencher.iter_custom(|iterations| {
                    per_iteration(iterations, |max_iter| {
                        let options = KMeansOptions {
                            init: Some(start.clone()),
                            max_iter,
                            tol: 0.0,
                            ..options(k, 1)
                        };
                        let observations = observations.clone();
                        let begin = Instant::now();
                        black_box(KMeans::fit(observations, &options)).expect("rows to fit");
                        begin.elapsed()
                    })
                });
            });
            let init =
                ndarray::Array2::from_shape_vec((k, set.columns.len()), start.centroids.concat())
                    .expect("centroids of one length");
            let dataset = DatasetBase::from(rows);
            group.bench_function("linfa", |bencher| {
                bencher.iter_custom(|iterations| {
                    per_iteration(iterations, |max_iter| {
                        let begin = Instant::now();
                        let fit = linfa_clustering::KMeans::params(k)
                            .init_method(KMeansInit::Precomputed(init.clone()))
                            .n_runs(1)
                            .tolerance(1e-300)
                            .max_n_iterations(max_iter as u64)
                            .fit(&dataset);
                        // It is an error there not to converge.
                        let _ = black_box(fit);
                        begin.elapsed()
                    })
                });
            });
            group.finish();
        }
    }
}

fn whole_fit(criterion: &mut Criterion) {
    for set in
        [blobs("A, blobs 1M x 8", 1_000_000, 8), log_normal("C, log-normal 1M x 6", 1_000_000, 6)]
    {
        let mut group = criterion.benchmark_group(format!("whole fit, {}, k = 8", set.name));
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        group.bench_function("amazing, rows included", |bencher| {
            bencher.iter(|| KMeans::fit(set.observations(), &options(8, 1)).expect("rows to fit"));
        });
        group.bench_function("amazing, rows", |bencher| bencher.iter(|| set.observations()));
        let dataset = DatasetBase::from(set.standardised());
        group.bench_function("linfa, one run", |bencher| {
            bencher.iter(|| {
                let fit =
                    linfa_clustering::KMeans::params(8).n_runs(1).tolerance(1e-4).fit(&dataset);
                black_box(fit.is_ok())
            });
        });
        group.finish();
    }
}

fn labels(criterion: &mut Criterion) {
    let set = blobs("A, blobs 1M x 8", 1_000_000, 8);
    for k in [8, 64] {
        let model = KMeans::fit(set.observations(), &options(k, 1)).expect("rows to fit").expect(
            "a \
            usable row",
        );
        let mut group = criterion.benchmark_group(format!("labels, {}, k = {k}", set.name));
        group.sample_size(10).measurement_time(Duration::from_secs(2));
        group.bench_function("amazing", |bencher| {
            let (mut labels, mut distances) = (Vec::new(), Vec::new());
            bencher.iter(|| {
                for chunk in set.chunks() {
                    let scaled = model.transform.apply(&chunk).expect("rows to scale");
                    model.assign(&scaled, &mut labels, &mut distances).expect("rows to label");
                    black_box(&labels);
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, lloyd, whole_fit, labels);
criterion_main!(benches);
