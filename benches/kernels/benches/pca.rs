//! Principal components: ours and linfa's, on one thread.

use std::time::Duration;

use amazing::ml::{Components, Nulls, Pca, PcaOptions, PcaRows, Scale};
use criterion::{Criterion, criterion_group, criterion_main};
use kernels::{Set, blobs};
use linfa::DatasetBase;
use linfa::traits::Fit;

fn fit(set: &Set) -> Pca {
    let none = vec![false; set.columns.len()];
    let mut rows = PcaRows::new(Scale::Standard, Nulls::Skip, &none, &none, 1 << 30, 42).expect(
        "memory for \
            the features",
    );
    for chunk in set.chunks() {
        rows.append(&chunk, 0..chunk[0].len());
    }
    let options = PcaOptions {
        scale: Scale::Standard,
        nulls: Nulls::Skip,
        n: Components::Count(2),
        n_threads: 1,
    };
    Pca::fit(rows, &options).expect("rows to fit").expect("a usable row")
}

fn pca(criterion: &mut Criterion) {
    for set in [
        blobs("A, blobs 1M x 8", 1_000_000, 8),
        blobs("E, blobs 1M x 32", 1_000_000, 32),
        blobs("blobs 20k x 300", 20_000, 300),
    ] {
        let mut group = criterion.benchmark_group(format!("components, {}", set.name));
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        group.bench_function("amazing, rows included", |bencher| bencher.iter(|| fit(&set)));
        if set.columns.len() <= 32 {
            let dataset = DatasetBase::from(set.standardised());
            group.bench_function("linfa", |bencher| {
                bencher
                    .iter(|| linfa_reduction::Pca::params(2).fit(&dataset).expect("rows to fit"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pca);
criterion_main!(benches);
