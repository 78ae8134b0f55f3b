//! Fits by hand, whatever the order of rows, at the ends of the doubles, and under weights.

use super::fitting::most_iterations;
use super::*;
use crate::scaling::Scaled;
use crate::simd::tests::on_each;
use crate::test_data::{MEMORY, Random, append, blobs, columns, observe, observe_all, options};

fn fit(rows: &[Vec<f64>], options: &KMeansOptions) -> KMeans {
    KMeans::fit(observe(rows), options).expect("rows to fit").expect("a usable row")
}

fn scaled(model: &KMeans, rows: &[Vec<f64>]) -> Scaled {
    let columns = columns(rows);
    model
        .transform
        .apply(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
        .expect("rows to scale")
}

fn predict(model: &KMeans, rows: &[Vec<f64>]) -> (Vec<u32>, Vec<f64>) {
    let (mut labels, mut distances) = (Vec::new(), Vec::new());
    model.assign(&scaled(model, rows), &mut labels, &mut distances).expect("rows to label");
    (labels, distances)
}

fn column(values: &[f64]) -> Vec<Vec<f64>> {
    values.iter().map(|&x| vec![x]).collect()
}

#[test]
fn a_run_ends_after_a_bounded_amount_of_work() {
    assert_eq!(most_iterations(300, 1_000_000 * 8 * 8), 300);
    assert_eq!(most_iterations(300, 6_000_000 * 8 * 1024), 22);
    assert_eq!(most_iterations(300, 1 << 50), 1);
}

#[test]
fn one_cluster_is_the_mean() {
    let model = fit(&column(&[0.0, 0.0, 10.0, 10.0]), &options(1));
    assert_eq!((model.centroids, model.sizes, model.inertia), (vec![vec![5.0]], vec![4], 100.0));
    assert!(model.converged);
}

#[test]
fn two_clusters_agree_with_hand_work() {
    let rows = column(&[0.0, 10.0, 2.0, 12.0, 1.0]);
    let model = fit(&rows, &options(2));
    assert_eq!((&model.centroids, &model.sizes), (&vec![vec![1.0], vec![11.0]], &vec![3, 2]));
    assert_eq!((model.inertia, model.rows, model.sampled, model.skipped), (4.0, 5, 5, 0));
    assert_eq!(predict(&model, &rows), (vec![0, 1, 0, 1, 0], vec![1.0, 1.0, 1.0, 1.0, 0.0]));
    assert_eq!(model.distances(&scaled(&model, &rows), 1), Ok(vec![9.0, 1.0]));
}

#[test]
fn silhouettes_of_rows_agree_with_hand_work_and_their_mean_with_the_figures() {
    let rows = column(&[0.0, 10.0, 2.0, 12.0, 1.0]);
    let silhouettes = |model: &KMeans, rows: &[Vec<f64>]| -> Vec<Option<f64>> {
        let scaled = scaled(model, rows);
        let silhouette = |row| model.silhouette(&scaled, row).expect("a silhouette");
        (0..rows.len()).map(silhouette).collect()
    };
    let model = fit(&rows, &options(2));
    let expected = [10.0 / 11.0, 8.0 / 9.0, 8.0 / 9.0, 10.0 / 11.0, 1.0].map(Some);
    assert_eq!(silhouettes(&model, &rows), expected);
    assert_eq!(silhouettes(&model, &column(&[6.0]))[0], Some(0.0));
    assert_eq!(silhouettes(&fit(&rows, &options(1)), &rows), [None; 5]);
    // The only row of a cluster.
    let alone = column(&[0.0, 2.0, 50.0]);
    assert_eq!(silhouettes(&fit(&alone, &options(2)), &alone)[2], Some(0.0));
    let equal = KMeans { centroids: vec![vec![1.0], vec![1.0]], ..model };
    assert_eq!(silhouettes(&equal, &column(&[1.0])), [Some(0.0)]);

    let mut random = Random::new(3);
    let rows: Vec<Vec<f64>> = (0..500).map(|_| vec![random.normal(), random.normal()]).collect();
    let figures = KMeans::evaluate(observe(&rows), 2..=6, &options(2)).expect("rows to evaluate");
    for (n_clusters, figures) in (2..).zip(figures.expect("rows")) {
        let model = fit(&rows, &options(n_clusters));
        let sum: f64 = silhouettes(&model, &rows).into_iter().flatten().sum();
        let difference = sum / 500.0 - figures.expect("enough rows").silhouette;
        assert!(difference.abs() < 1e-12, "{n_clusters}: {difference}");
    }
}

#[test]
fn no_row_has_no_model_and_rows_without_values_are_an_error() {
    let nothing = Observations::new(2, false, false, MEMORY, 42);
    assert_eq!(KMeans::fit(nothing.clone(), &options(3)), Ok(None));
    let rows = [vec![1.0, f64::NAN], vec![f64::INFINITY, f64::NAN], vec![2.0, f64::NAN]];
    for split in 0..=3 {
        let (mut all, mut others) = (nothing.clone(), nothing.clone());
        append(&mut all, &rows[..split], None, 2);
        append(&mut others, &rows[split..], None, 2);
        all.merge(&others);
        let error = Error::NoUsableRow { feature: 1, missing: 3, rows: 3 };
        assert_eq!(KMeans::fit(all.clone(), &options(1)), Err(error));
        append(&mut all, &[vec![1.0, 2.0]], None, 2);
        assert_eq!(
            KMeans::fit(all, &options(1)).map(|fit| fit.map(|fit| fit.skipped)),
            Ok(Some(3))
        );
    }
}

#[test]
fn values_at_the_ends_of_the_doubles_never_leave_a_cluster_empty() {
    let values = [
        0.0, 5e-324, -5e-324, 1e-320, 2e-308, 1e-200, 1e-160, 1e-100, 1.0, -1.0, 1e50, 3e99, -1e100,
    ];
    let mut random = Random::new(8);
    for case in 0..600 {
        let n = 2 + random.below(12);
        let rows: Vec<Vec<f64>> = (0..n)
            .map(|_| (0..1 + case % 2).map(|_| values[random.below(values.len())]).collect())
            .collect();
        let scale = [Scale::None, Scale::Standard, Scale::MinMax, Scale::Robust][random.below(4)];
        let n_clusters = 1 + random.below(4.min(n));
        let Ok(model) =
            KMeans::fit(observe(&rows), &KMeansOptions { scale, ..options(n_clusters) })
        else {
            continue;
        };
        let model = model.expect("usable rows");
        assert!(!model.sizes.contains(&0), "{rows:?}, {scale:?}: {:?}", model.sizes);
        assert_eq!(model.sizes.iter().sum::<u64>(), n as u64);
        let columns = columns(&rows);
        let mut labels = Vec::new();
        let found =
            model.labels(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut labels);
        found.expect("rows that were fitted");
        let of = |cluster: usize| {
            labels.iter().filter(|&&label| label as usize == cluster).count() as u64
        };
        let sizes: Vec<u64> = (0..n_clusters).map(of).collect();
        assert_eq!(sizes, model.sizes, "{rows:?}, {scale:?}, {n_clusters}");
    }
}

#[test]
fn distances_beyond_the_squares_of_doubles_are_right() {
    let model = |centroid: f64| {
        let model = fit(&[vec![0.0, 0.0], vec![1.0, 1.0]], &options(1));
        KMeans { centroids: vec![vec![centroid, centroid * 0.75]], ..model }
    };
    for (centroid, distance) in [(4.0, 5.0), (4e200, 5e200), (4e-200, 5e-200)] {
        let model = model(centroid);
        let scaled = model.transform.apply(&[&[0.0], &[0.0]]).expect("a row");
        let found = model.distances(&scaled, 0).expect("a distance")[0];
        assert!((found - distance).abs() < 1e-12 * distance, "{found}");
    }
    let far = model(f64::MAX);
    let scaled = far.transform.apply(&[&[-1e99], &[0.0]]).expect("a row");
    assert_eq!(far.distances(&scaled, 0), Err(Error::DistanceOverflow));
}

#[test]
fn fewer_distinct_rows_than_clusters_are_an_error() {
    let rows = column(&[1.0, 2.0, 2.0, -0.0, 0.0, 0.0]);
    let least = vec![0.0];
    let error = Err(Error::TooFewDistinctRows { n_distinct: 3, n_clusters: 5, rows: 6, least });
    assert_eq!(KMeans::fit(observe(&rows), &options(5)), error);
    assert_eq!(fit(&rows, &options(3)).inertia, 0.0);
}

#[test]
fn every_row_can_be_a_cluster() {
    for n_features in [1, 3, 1000] {
        let rows = blobs(1, 40, n_features, 4);
        let model = fit(&rows, &options(40));
        assert_eq!((model.sizes, model.inertia), (vec![1; 40], 0.0));
        let model = fit(&rows, &options(1));
        assert_eq!(model.sizes, [40]);
    }
    assert_eq!(fit(&column(&[7.0]), &options(1)).centroids, [[7.0]]);
}

#[test]
fn fit_depends_neither_on_order_nor_on_chunks_merges_or_threads() {
    // More than the restarts hold, so that all stages take part, with duplicates and weights.
    let mut rows = blobs(2, 24_000, 4, 6);
    rows.extend_from_within(..6_000);
    let mut weighted: Vec<(Vec<f64>, f64)> =
        rows.into_iter().enumerate().map(|(i, row)| (row, [1.0, 0.3, 2.5, 0.0][i % 4])).collect();
    let fit = |weighted: &[(Vec<f64>, f64)],
               parts: usize,
               chunk: usize,
               memory: u64,
               n_threads: usize| {
        let mut observations = Observations::new(4, true, false, memory, 42);
        for part in weighted.chunks(weighted.len().div_ceil(parts)) {
            let (rows, weights): (Vec<Vec<f64>>, Vec<f64>) = part.iter().cloned().unzip();
            let mut state = Observations::new(4, true, false, memory, 42);
            append(&mut state, &rows, Some(&weights), chunk);
            observations.merge(&state);
        }
        let options = KMeansOptions { scale: Scale::Standard, n_init: 3, n_threads, ..options(9) };
        KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row")
    };
    for memory in [MEMORY, 0] {
        let expected = fit(&weighted, 1, 2048, memory, 1);
        assert_eq!(expected.sampled == expected.rows, memory == MEMORY);
        assert_eq!(expected.sizes.iter().sum::<u64>(), expected.rows);
        for (parts, chunk, n_threads) in [(1, 2048, 2), (2, 100, 3), (7, 999, 1)] {
            Random::new(parts as u64).shuffle(&mut weighted);
            assert_eq!(fit(&weighted, parts, chunk, memory, n_threads), expected, "{parts} parts");
        }
    }
}

#[test]
fn fit_has_the_same_bits_on_registers_of_any_width() {
    // All rows, a sample of restarts, and a sample of rows.
    for (n_rows, memory) in [(900, MEMORY), (40_000, MEMORY), (40_000, 0)] {
        let rows = blobs(9, n_rows, 5, 4);
        let models = on_each(|| {
            let mut observations =
                Observations::new(5, false, false, memory, 42).with_log(&[false; 5]);
            append(&mut observations, &rows, None, 2048);
            let options = KMeansOptions { scale: Scale::Standard, n_threads: 2, ..options(6) };
            KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row")
        });
        assert!(models.windows(2).all(|pair| pair[0] == pair[1]), "{n_rows} rows");
    }
}

#[test]
fn outliers_that_single_precision_cannot_bear_do_not_hide_the_clusters() {
    // Rounded about their mean, the blobs would be one point.
    let mut rows = blobs(10, 2000, 3, 4);
    rows.extend([vec![1e12; 3], vec![-1e12; 3]]);
    let model = fit(&rows, &options(6));
    assert!(model.inertia < 2000.0 * 3.0 * 1.1, "{}", model.inertia);
}

#[test]
fn a_row_that_is_most_rows_is_in_the_sample() {
    // Half of the rows are one point, far from the others, among more distinct rows than restarts
    // work on.
    let mut rows = blobs(11, 45_000, 2, 3);
    rows.extend(std::iter::repeat_n(vec![500.0, 500.0], 45_000));
    let model = fit(&rows, &KMeansOptions { n_init: 1, ..options(4) });
    assert_eq!((model.sizes[0], &model.centroids[0]), (45_000, &vec![500.0, 500.0]));
}

#[test]
fn equal_rows_and_weights_draw_the_same_sample() {
    let rows = blobs(12, 40_000, 3, 5);
    let weights: Vec<f64> = (0..rows.len()).map(|row| (1 + row % 3) as f64).collect();
    let mut weighted = Observations::new(3, true, false, MEMORY, 42);
    append(&mut weighted, &rows, Some(&weights), 2048);
    let copies: Vec<Vec<f64>> = rows
        .iter()
        .zip(&weights)
        .flat_map(|(row, &weight)| vec![row.clone(); weight as usize])
        .collect();
    let options = options(7);
    let weighted = KMeans::fit(weighted, &options).expect("rows to fit").expect("a usable row");
    let repeated = fit(&copies, &options);
    let sorted = |model: &KMeans| {
        let mut centroids = model.centroids.clone();
        centroids.sort_by(|x, y| x[0].total_cmp(&y[0]));
        centroids
    };
    for (x, y) in sorted(&weighted).concat().iter().zip(sorted(&repeated).concat()) {
        assert!((x - y).abs() < 1e-9, "{x} and {y}");
    }
}

#[test]
fn rows_that_repeat_give_the_bits_of_weights_whatever_their_order() {
    // More distinct rows than restarts work on, of which most are copies.
    let distinct = blobs(13, 40_000, 3, 5);
    let weights: Vec<f64> = (0..distinct.len()).map(|row| (1 + row % 4) as f64).collect();
    let options = options(6);
    let mut weighted = Observations::new(3, true, false, MEMORY, 42);
    append(&mut weighted, &distinct, Some(&weights), 2048);
    let expected = KMeans::fit(weighted, &options).expect("rows to fit").expect("a usable row");
    let copies = |(row, &weight): (&Vec<f64>, &f64)| vec![row.clone(); weight as usize];
    let mut rows: Vec<Vec<f64>> = distinct.iter().zip(&weights).flat_map(copies).collect();
    for n_threads in [1, 2, 3] {
        let mut halves = rows.chunks(rows.len() * n_threads / 4).map(observe);
        let mut all = halves.next().expect("a part");
        halves.for_each(|half| all.merge(&half));
        let options = KMeansOptions { n_threads, init: None, ..options };
        let model = KMeans::fit(all, &options).expect("rows to fit").expect("a usable row");
        // Segments are numbered by their rows, of which those with weights are fewer.
        let sorted = |model: &KMeans| {
            let mut centroids = model.centroids.clone();
            centroids.sort_by(|x, y| x[0].total_cmp(&y[0]));
            (centroids, model.inertia.to_bits())
        };
        assert_eq!(sorted(&model), sorted(&expected));
        Random::new(n_threads as u64).shuffle(&mut rows);
    }
}

#[test]
fn a_weight_of_three_is_the_row_three_times() {
    let rows = blobs(3, 3000, 2, 4);
    let weights: Vec<f64> =
        (0..rows.len()).map(|row| f64::from(1 + 2 * u8::from(row % 5 == 0))).collect();
    let mut weighted = Observations::new(2, true, false, MEMORY, 42);
    append(&mut weighted, &rows, Some(&weights), 2048);
    let copies: Vec<Vec<f64>> = rows
        .iter()
        .zip(&weights)
        .flat_map(|(row, &weight)| vec![row.clone(); weight as usize])
        .collect();
    for scale in [Scale::None, Scale::Standard, Scale::MinMax] {
        let options = KMeansOptions { scale, init: None, ..options(6) };
        let weighted =
            KMeans::fit(weighted.clone(), &options).expect("rows to fit").expect("a usable row");
        let repeated = fit(&copies, &options);
        let sorted = |model: &KMeans| {
            let mut centroids = model.centroids.clone();
            centroids.sort_by(|x, y| x[0].total_cmp(&y[0]));
            centroids
        };
        assert_eq!(sorted(&weighted), sorted(&repeated));
        assert_eq!(
            (weighted.inertia, &weighted.transform),
            (repeated.inertia, &repeated.transform)
        );
        assert_eq!((weighted.rows, repeated.rows), (3000, 4200));
    }
}

#[test]
fn sizes_and_inertia_are_those_of_predicted_labels() {
    let mut random = Random::new(4);
    for case in 0..30 {
        let n_features = 1 + random.below(6);
        let n_rows = 50 + random.below(3000);
        let n_clusters = 1 + random.below(12);
        let rows = blobs(case, n_rows, n_features, 1 + random.below(8));
        let scale = [Scale::Standard, Scale::MinMax, Scale::Robust, Scale::None][random.below(4)];
        // A run cut short ends with labels that belong to its last centroids, too.
        let max_iter = if case % 3 == 0 { 1 } else { 300 };
        let model =
            fit(&rows, &KMeansOptions { scale, max_iter, n_init: 2, ..options(n_clusters) });
        let (labels, distances) = predict(&model, &rows);
        let mut sizes = vec![0; n_clusters];
        labels.iter().for_each(|&label| sizes[label as usize] += 1);
        assert_eq!(sizes, model.sizes);
        assert!(sizes.is_sorted_by(|x, y| x >= y));
        let mut inertia = crate::ExactSum::new();
        distances.iter().for_each(|&distance| inertia.add(distance));
        assert_eq!(inertia.round(), model.inertia);
    }
}

#[test]
fn inertia_of_many_rows_is_that_of_their_distances_to_twelve_digits() {
    for (case, scale) in [Scale::Standard, Scale::Robust, Scale::None].into_iter().enumerate() {
        let rows = blobs(case as u64, 50_000, 4, 5);
        let model = fit(&rows, &KMeansOptions { scale, ..options(7) });
        let inertia: f64 = predict(&model, &rows).1.iter().sum();
        assert!((model.inertia / inertia - 1.0).abs() < 1e-12, "{} and {inertia}", model.inertia);
    }
}

#[test]
fn labels_are_those_of_scaling_and_assigning() {
    let mut random = Random::new(13);
    for case in 0..80_usize {
        let n_features = 1 + random.below(9);
        let mut rows = blobs(case as u64, 40 + random.below(3000), n_features, 1 + random.below(6));
        let (offset, unit) = ([0.0, 1e9, -1e4][case % 3], [1.0, 1e-20, 1e30][random.below(3)]);
        rows.iter_mut().flatten().for_each(|x| *x = (*x + offset) * unit);
        let log: Vec<bool> =
            (0..n_features).map(|feature| case % 4 == 1 && feature % 2 == 0).collect();
        if case % 4 == 1 {
            rows.iter_mut().flatten().for_each(|x| *x = x.abs());
        }
        let scale = [Scale::Standard, Scale::MinMax, Scale::Robust, Scale::None][random.below(4)];
        let nulls = [Nulls::Skip, Nulls::Mean][case % 2];
        let mut observations =
            Observations::new(n_features, false, nulls != Nulls::Skip, MEMORY, 42).with_log(&log);
        append(&mut observations, &rows, None, 2048);
        let n_clusters = 1 + random.below(12);
        let options = KMeansOptions { scale, nulls, n_init: 1, max_iter: 3, ..options(n_clusters) };
        let mut model =
            KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row");
        if case % 5 == 0 {
            // As a model that a user has written.
            model.transform.mean = vec![0.0; n_features];
        }
        // Rows that were not fitted, between centroids, far away, missing.
        for row in &mut rows {
            match random.below(30) {
                0 => row[0] = f64::NAN,
                1 => row[n_features - 1] = f64::INFINITY,
                2 => row[0] *= 1e6,
                3 => row[0] = row[0] * 1e40 + 1e-40,
                _ => {}
            }
        }
        let columns = columns(&rows);
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let expected = model.transform.apply(&columns).and_then(|scaled| {
            let (mut labels, mut distances) = (Vec::new(), Vec::new());
            model.assign(&scaled, &mut labels, &mut distances).map(|()| labels)
        });
        for labels in on_each(|| {
            let mut labels = Vec::new();
            model.labels(&columns, &mut labels).map(|()| labels)
        }) {
            assert_eq!(labels, expected, "case {case}");
        }
    }
}

#[test]
fn labels_fail_as_scaling_does() {
    let mut observations = Observations::new(1, false, true, MEMORY, 42).with_log(&[true]);
    append(&mut observations, &column(&[1.0, 2.0, 9.0]), None, 2048);
    let options = KMeansOptions { nulls: Nulls::Error, ..options(2) };
    let model = KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row");
    let labels = |x: f64| model.labels(&[&[1.0, x]], &mut Vec::new());
    assert_eq!(labels(3.0), Ok(()));
    assert_eq!(labels(f64::NAN), Err(Error::Missing { feature: 0 }));
    assert_eq!(labels(-0.5), Err(Error::NegativeLog { feature: 0, value: -0.5 }));
    assert_eq!(labels(-7.0), Err(Error::NegativeLog { feature: 0, value: -7.0 }));
}

#[test]
fn centroids_of_a_settled_fit_are_the_means_of_their_rows() {
    let rows = blobs(5, 2500, 3, 5);
    let model = fit(&rows, &KMeansOptions { tol: 0.0, ..options(5) });
    assert!(model.converged);
    let (labels, _) = predict(&model, &rows);
    for (label, centroid) in (0..).zip(&model.centroids) {
        for (feature, &c) in centroid.iter().enumerate() {
            let mut sum = crate::ExactSum::new();
            let own = rows.iter().zip(&labels).filter(|&(_, &other)| other == label);
            own.for_each(|(row, _)| sum.add(row[feature]));
            assert_eq!(c, sum.quotient(model.sizes[label as usize] as f64));
        }
    }
}

#[test]
fn labels_are_numbered_by_size_and_then_by_centroid() {
    let model = fit(&column(&[5.0, 5.0, 9.0, 1.0, 7.0, 7.0, 7.0]), &options(4));
    assert_eq!(model.centroids, [[7.0], [5.0], [1.0], [9.0]]);
    assert_eq!(model.sizes, [3, 2, 1, 1]);
}

#[test]
fn a_warm_start_keeps_its_labels_and_its_units() {
    let rows: Vec<Vec<f64>> = column(&[1.0, 2.0, 3.0, 100.0, 110.0, 120.0, 130.0]);
    let first = fit(&rows, &KMeansOptions { scale: Scale::Standard, ..options(2) });
    assert_eq!(first.sizes, [4, 3]);
    for (scale, log) in [(Scale::MinMax, false), (Scale::Robust, true), (Scale::Standard, false)] {
        let more: Vec<Vec<f64>> =
            rows.iter().cloned().chain(column(&[0.0, 1.5, 2.5, 3.5])).collect();
        let options = KMeansOptions { scale, init: Some(first.clone()), ..options(2) };
        let mut observations = Observations::new(1, false, false, MEMORY, 42).with_log(&[log]);
        append(&mut observations, &more, None, 2048);
        let model =
            KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row");
        assert_eq!(model.sizes, [4, 7]);
        assert!(model.transform.invert(0, model.centroids[0][0]) > 100.0);
        assert!(model.transform.invert(0, model.centroids[1][0]) < 3.0);
    }
}

#[test]
fn empty_clusters_get_the_farthest_rows() {
    let rows = column(&[0.0, 1.0, 2.0, 50.0, 50.0, 90.0]);
    let mut start = fit(&rows, &options(3));
    // Two of the three are nearest to no row.
    start.centroids = vec![vec![20.0], vec![-1e6], vec![1e6]];
    let model = fit(&rows, &KMeansOptions { init: Some(start), ..options(3) });
    assert_eq!(model.inertia, 2.0);
    let mut sizes = model.sizes;
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 3]);
}

#[test]
fn a_start_with_equal_centroids_still_fills_all_clusters() {
    let rows = blobs(6, 3000, 2, 8);
    let mut start = fit(&rows, &options(8));
    start.centroids = vec![vec![0.0, 0.0]; 8];
    let model = fit(&rows, &KMeansOptions { init: Some(start), ..options(8) });
    assert!(model.sizes.iter().all(|&size| size > 0), "{:?}", model.sizes);
}

#[test]
fn a_missing_value_is_left_out_or_filled() {
    let rows = column(&[1.0, 1.0, f64::NAN, 9.0, 9.0, 9.0]);
    let model = fit(&rows, &options(2));
    assert_eq!((&model.sizes, model.rows, model.skipped), (&vec![3, 2], 5, 1));
    assert_eq!(predict(&model, &rows).0, [1, 1, NO_SEGMENT, 0, 0, 0]);
    let options = KMeansOptions { nulls: Nulls::Zero, ..options(2) };
    let model =
        KMeans::fit(observe_all(&rows), &options).expect("rows to fit").expect("a usable row");
    assert_eq!((&model.sizes, model.rows, model.skipped), (&vec![3, 3], 6, 0));
    assert_eq!(predict(&model, &rows).0.len(), 6);
}

#[test]
fn a_broken_model_has_no_nearest_centroid() {
    let rows = column(&[1.0, 2.0]);
    let mut model = fit(&rows, &options(1));
    model.centroids[0][0] = 1e300;
    let (mut labels, mut distances) = (Vec::new(), Vec::new());
    let result = model.assign(&scaled(&model, &rows), &mut labels, &mut distances);
    assert_eq!(result, Err(Error::DistanceOverflow));
}

#[test]
fn sizes_of_a_sample_are_scaled_by_largest_remainders() {
    assert_eq!(scale_up(&[5, 3, 2], 10), [5, 3, 2]);
    assert_eq!(scale_up(&[5, 3, 2], 101), [51, 30, 20]);
    assert_eq!(scale_up(&[1, 1, 1], 8), [3, 3, 2]);
}

#[test]
fn restarts_find_the_blobs() {
    let rows = blobs(7, 4000, 5, 10);
    let model = fit(&rows, &options(10));
    // Each blob has 5 features of variance 1.
    assert!((model.inertia / 4000.0 - 5.0).abs() < 0.2, "{}", model.inertia / 4000.0);
}

#[test]
fn a_constant_feature_does_not_matter() {
    let rows = blobs(8, 500, 2, 3);
    let with_constant: Vec<Vec<f64>> = rows.iter().map(|row| vec![row[0], 0.1, row[1]]).collect();
    let options = KMeansOptions { scale: Scale::Standard, ..options(3) };
    let (plain, padded) = (fit(&rows, &options), fit(&with_constant, &options));
    assert_eq!(plain.sizes, padded.sizes);
    assert!(padded.centroids.iter().all(|centroid| centroid[1] == 0.0));
}
