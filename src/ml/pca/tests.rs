//! Components by hand, of wide rows, and whatever the order of rows.

use super::axes::most_components;
use super::rows::{Store, WIDE};
use super::*;
use crate::simd::tests::on_each;
use crate::test_data::{MEMORY, Random, blobs, columns};

fn options(scale: Scale, n: Components) -> PcaOptions {
    PcaOptions { scale, nulls: Nulls::Skip, n, n_threads: 1 }
}

fn new_rows(n_features: usize, scale: Scale, memory: u64) -> PcaRows {
    let none = vec![false; n_features];
    PcaRows::new(scale, Nulls::Skip, &none, &none, memory, 42).expect("memory for the features")
}

/// Rows of more features than their number, of which the last are sums of others.
fn wide(seed: u64, n_rows: usize, n_features: usize) -> Vec<Vec<f64>> {
    let mut rows = blobs(seed, n_rows, n_features, 3);
    for row in &mut rows {
        row[n_features - 1] = row[0] + row[1];
        row[n_features - 2] = 7.0;
    }
    rows
}

#[test]
fn fewer_rows_than_features_have_the_components_of_their_covariances() {
    for (n_rows, n_features, scale) in [
        (2, 129, Scale::Standard),
        (40, 200, Scale::None),
        (128, 129, Scale::Standard),
        (130, 150, Scale::Robust),
    ] {
        let rows = wide(n_rows as u64, n_rows, n_features);
        let n = (n_rows - 1).min(9);
        let pca = Pca::fit(observe(&rows, scale), &options(scale, Components::Count(n)));
        let pca = pca.expect("rows to fit").expect("usable rows");
        let scaled =
            pca.transform.apply(&columns(&rows).iter().map(Vec::as_slice).collect::<Vec<_>>());
        let scaled = scaled.expect("rows to scale").columns;
        let centered: Vec<Vec<f64>> = scaled
            .iter()
            .map(|column| {
                let mean = column.iter().sum::<f64>() / n_rows as f64;
                column.iter().map(|x| x - mean).collect()
            })
            .collect();
        let total: f64 =
            centered.iter().flatten().map(|x| x * x).sum::<f64>() / (n_rows - 1) as f64;
        for (i, (component, variance)) in
            pca.components.iter().zip(&pca.explained_variance).enumerate()
        {
            // C v = lambda v, with C v = X' (X v) / (n - 1).
            let scores: Vec<f64> = (0..n_rows)
                .map(|row| {
                    centered
                        .iter()
                        .zip(component)
                        .map(|(column, loading)| column[row] * loading)
                        .sum()
                })
                .collect();
            for (column, loading) in centered.iter().zip(component) {
                let product = column.iter().zip(&scores).map(|(x, score)| x * score).sum::<f64>();
                let difference = product / (n_rows - 1) as f64 - variance * loading;
                assert!(difference.abs() < 1e-9 * total, "component {i}: {difference}");
            }
            assert!((pca.explained_variance_ratio[i] - variance / total).abs() < 1e-9);
            for (j, other) in pca.components.iter().enumerate().take(i + 1) {
                let product: f64 = component.iter().zip(other).map(|(x, y)| x * y).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn few_wide_rows_have_as_many_components_as_are_asked_for() {
    for n_rows in [1, 3] {
        let pca = Pca::fit(
            observe(&wide(1, n_rows, 300), Scale::Standard),
            &options(Scale::Standard, Components::Count(20)),
        );
        let pca = pca.expect("rows to fit").expect("usable rows");
        assert_eq!(pca.components.len(), 20);
        assert!(pca.explained_variance[n_rows - 1..].iter().all(|&variance| variance == 0.0));
        for (i, component) in pca.components.iter().enumerate() {
            for (j, other) in pca.components.iter().enumerate() {
                let product: f64 = component.iter().zip(other).map(|(x, y)| x * y).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn wide_rows_give_one_model_whatever_their_order_and_however_they_are_merged() {
    for n_rows in [60, 199, 200, 1500] {
        let mut rows = wide(3, n_rows, 200);
        let fit = |rows: PcaRows| {
            Pca::fit(rows, &options(Scale::Standard, Components::Count(4)))
                .expect("rows")
                .expect("a model")
        };
        let expected = fit(observe(&rows, Scale::Standard));
        Random::new(n_rows as u64).shuffle(&mut rows);
        for cuts in [[1, 2], [30, 59], [n_rows / 2, n_rows - 1]] {
            let mut all = observe(&rows[..cuts[0]], Scale::Standard);
            all.merge(&observe(&rows[cuts[0]..cuts[1]], Scale::Standard));
            let mut others = observe(&rows[cuts[1]..], Scale::Standard);
            others.merge(&all);
            assert!(fit(others) == expected, "{n_rows} rows, {cuts:?}");
        }
    }
}

#[test]
fn what_would_take_long_or_much_memory_is_an_error() {
    let none = vec![false; 20_000];
    let error = PcaRows::new(Scale::Standard, Nulls::Skip, &none, &none, MEMORY, 42).map(|_| ());
    assert_eq!(error, Err(Error::OverMemory { features: 20_000, most: 11_585, memory: MEMORY }));
    for (scale, n_features, n_rows, most) in [
        (Scale::Standard, MAX_SIDE + 1, 1200, Some(1024)),
        (Scale::Robust, MAX_SIDE + 1, 1200, Some(1024)),
        (Scale::Standard, MAX_SIDE, 12_000, None),
        (Scale::Robust, MAX_SIDE, 6144, None),
        (Scale::Robust, MAX_SIDE, 6147, Some(6144)),
        (Scale::Standard, 8192, 723, None),
        (Scale::Standard, 8192, 726, Some(724)),
        (Scale::Robust, WIDE, 200_000, None),
    ] {
        let columns = vec![[1.0, 2.0, 5.0]; n_features];
        let mut rows = new_rows(columns.len(), scale, 3 * MEMORY);
        match &mut rows.store {
            Store::Sums(sums) => sums.rows = n_rows,
            Store::Rows(_) => (0..n_rows / 3).for_each(|_| rows.append(&columns, 0..3)),
        }
        let error = most.map(|most| Error::TooWide { rows: n_rows, features: n_features, most });
        assert_eq!(rows.check().err(), error, "{n_rows} rows of {n_features} features");
        if let Some(error) = error {
            assert_eq!(Pca::fit(rows, &options(scale, Components::Count(1))), Err(error));
        }
    }
}

#[test]
fn more_components_than_can_be_made_in_seconds_are_an_error() {
    let rows = wide(1, 10, 4000);
    let fit =
        |n| Pca::fit(observe(&rows, Scale::None), &options(Scale::None, Components::Count(n)));
    let most = most_components(10, 4000);
    let products = |n: usize| (n * (n + 10) * 4000) as u64;
    assert!(products(most) <= MAX_PRODUCTS && products(most + 1) > MAX_PRODUCTS);
    let error = Error::TooManyComponents { components: most + 1, features: 4000, most };
    assert_eq!(fit(most + 1), Err(error));
    assert!(fit(40).is_ok());
}

fn observe(rows: &[Vec<f64>], scale: Scale) -> PcaRows {
    let n_features = rows[0].len();
    let mut own = new_rows(n_features, scale, MEMORY);
    let columns = columns(rows);
    for start in (0..rows.len()).step_by(700) {
        own.append(&columns, start..rows.len().min(start + 700));
    }
    own
}

fn fit(rows: &[Vec<f64>], scale: Scale, n: Components) -> Pca {
    Pca::fit(observe(rows, scale), &options(scale, n)).expect("rows to fit").expect("a usable row")
}

fn close(x: f64, y: f64) -> bool {
    (x - y).abs() <= 1e-12 * (1.0 + y.abs())
}

fn scores(pca: &Pca, rows: &[Vec<f64>], n: usize) -> Vec<f64> {
    let columns = columns(rows);
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let mut scores = Vec::new();
    pca.transform(&pca.transform.apply(&columns).expect("rows to scale"), n, &mut scores);
    scores
}

#[test]
fn two_features_agree_with_hand_work() {
    // The covariance is [[2, 1], [1, 2]] with the axes (1, 1) of variance 3 and (1, -1) of variance
    // 1.
    let h = 1.5_f64.sqrt();
    let rows = [vec![h, h], vec![-h, -h], vec![h / 3_f64.sqrt(), -h / 3_f64.sqrt()]];
    let rows: Vec<Vec<f64>> =
        rows.iter().cloned().chain([vec![-rows[2][0], -rows[2][1]]]).collect();
    let pca = fit(&rows, Scale::None, Components::Count(2));
    let s = 0.5_f64.sqrt();
    let factor = 2.0 / 3.0;
    for (x, y) in pca.components.concat().iter().zip([s, s, s, -s]) {
        assert!(close(*x, y), "{:?}", pca.components);
    }
    assert!(
        close(pca.explained_variance[0], 3.0 * factor) && close(pca.explained_variance[1], factor)
    );
    assert!(
        close(pca.explained_variance_ratio[0], 0.75)
            && close(pca.explained_variance_ratio[1], 0.25)
    );
    assert!(close(scores(&pca, &rows, 1)[0], 3_f64.sqrt()));
}

#[test]
fn all_components_bring_a_row_back() {
    let rows = blobs(1, 300, 5, 3);
    for scale in [Scale::Standard, Scale::MinMax, Scale::Robust, Scale::None] {
        let pca = fit(&rows, scale, Components::Count(5));
        for (row, scores) in rows.iter().zip(scores(&pca, &rows, 5).chunks(5)) {
            assert!(pca.inverse(scores).iter().zip(row).all(|(x, y)| close(*x, *y)));
        }
        assert!(close(pca.explained_variance_ratio.iter().sum(), 1.0));
        assert!(pca.explained_variance.is_sorted_by(|x, y| x >= y));
    }
}

#[test]
fn scores_have_the_explained_variance() {
    let rows = blobs(2, 5000, 6, 4);
    let pca = fit(&rows, Scale::Standard, Components::Count(3));
    for (component, &variance) in pca.explained_variance.iter().enumerate() {
        let scores = scores(&pca, &rows, 3);
        let own = scores.chunks(3).map(|row| row[component]);
        let mean = own.clone().sum::<f64>() / 5000.0;
        assert!(mean.abs() < 1e-12);
        assert!((own.map(|x| x * x).sum::<f64>() / 4999.0 - variance).abs() < 1e-10);
    }
}

#[test]
fn fit_depends_neither_on_order_nor_on_merges_or_threads() {
    let mut rows = blobs(3, 9000, 4, 3);
    rows.iter_mut().for_each(|row| row[1] = row[1] * 1e-6 + 1e6);
    for scale in [Scale::Standard, Scale::Robust, Scale::None] {
        let expected = fit(&rows, scale, Components::Count(4));
        Random::new(4).shuffle(&mut rows);
        let mut merged = observe(&rows[..1], scale);
        merged.merge(&observe(&rows[1..4000], scale));
        merged.merge(&observe(&rows[4000..], scale));
        for n_threads in 1..=3 {
            let options = PcaOptions { n_threads, ..options(scale, Components::Count(4)) };
            assert_eq!(Pca::fit(merged.clone(), &options), Ok(Some(expected.clone())));
        }
    }
}

#[test]
fn fit_has_the_same_bits_on_registers_of_any_width() {
    let rows = blobs(9, 5000, 6, 4);
    for scale in [Scale::Standard, Scale::Robust] {
        let models = on_each(|| fit(&rows, scale, Components::Count(6)));
        assert!(models.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn the_axes_of_a_sample_are_nearly_those_of_all_rows() {
    // A third of the rows twice, for memory of 4,096 rows.
    let mut rows = blobs(7, 20_000, 3, 1);
    rows.iter_mut().for_each(|row| row[1] += 2.0 * row[0]);
    rows.extend_from_within(..10_000);
    let columns = columns(&rows);
    let fit = |memory| {
        let mut own = new_rows(3, Scale::Robust, memory);
        own.append(&columns, 0..rows.len());
        let fit = Pca::fit(own, &options(Scale::Robust, Components::Count(3)));
        fit.expect("rows to fit").expect("a usable row")
    };
    // As little memory as the covariances take.
    let (all, sample) = (fit(MEMORY), fit(8 * 3 * 3));
    assert_eq!((all.rows, sample.rows), (30_000, 30_000));
    for (x, y) in all.explained_variance_ratio.iter().zip(&sample.explained_variance_ratio) {
        assert!(x != y && (x - y).abs() < 0.05, "{x} and {y}");
    }
}

#[test]
fn repeated_rows_are_summed_as_often_as_they_stand_for() {
    // More than memory holds, so that equal rows become one with a count: of few rows, and of many.
    for (n_distinct, n_copies) in [(100, 300), (3000, 11)] {
        let distinct = blobs(n_distinct as u64, n_distinct, 3, 2);
        let rows: Vec<Vec<f64>> =
            distinct.iter().cycle().take(n_distinct * n_copies).cloned().collect();
        let columns = columns(&rows);
        let fit = |memory| {
            let mut own = new_rows(3, Scale::Robust, memory);
            own.append(&columns, 0..rows.len());
            let fit = Pca::fit(own, &options(Scale::Robust, Components::Count(3)));
            fit.expect("rows to fit").expect("a usable row")
        };
        assert_eq!(fit(8 * 3 * 3), fit(MEMORY), "{n_distinct} rows");
    }
}

#[test]
fn missing_values_are_skipped_or_filled_and_logarithms_are_taken() {
    let rows: Vec<Vec<f64>> =
        blobs(8, 3000, 2, 3).into_iter().map(|row| vec![row[0].abs(), row[1]]).collect();
    let mut holes = rows.clone();
    holes.iter_mut().step_by(7).for_each(|row| row[0] = f64::NAN);
    let fit = |rows: &[Vec<f64>], nulls, log: [bool; 2]| {
        let mut own = PcaRows::new(Scale::Standard, nulls, &log, &[false; 2], MEMORY, 42)
            .expect("memory for two features");
        own.append(&columns(rows), 0..rows.len());
        Pca::fit(own, &PcaOptions { nulls, ..options(Scale::Standard, Components::Count(2)) })
    };
    let filled = |x: f64| -> Vec<Vec<f64>> {
        holes.iter().map(|row| vec![if row[0].is_nan() { x } else { row[0] }, row[1]]).collect()
    };
    let components =
        |pca: Result<Option<Pca>, Error>| pca.expect("rows to fit").map(|pca| pca.components);
    let kept: Vec<Vec<f64>> = holes.iter().filter(|row| !row[0].is_nan()).cloned().collect();
    for log in [[false, false], [true, false]] {
        let expected = components(fit(&kept, Nulls::Skip, log));
        assert_eq!(components(fit(&holes, Nulls::Skip, log)), expected);
        let expected = components(fit(&filled(0.0), Nulls::Skip, log));
        assert_eq!(components(fit(&holes, Nulls::Zero, log)), expected);
        let present: Vec<f64> = kept.iter().map(|row| row[0]).collect();
        let mut mean = crate::ExactSum::new();
        present.iter().for_each(|&x| mean.add(x));
        let mean = mean.quotient(present.len() as f64);
        let expected = components(fit(&filled(mean), Nulls::Skip, log));
        assert_eq!(components(fit(&holes, Nulls::Mean, log)), expected);
        assert_eq!(fit(&holes, Nulls::Error, log), Err(Error::Missing { feature: 0 }));
    }
    let negative = fit(&[vec![1.0, 2.0], vec![-0.5, 3.0]], Nulls::Skip, [true, false]);
    assert_eq!(negative, Err(Error::NegativeLog { feature: 0, value: -0.5 }));
}

#[test]
fn an_outlier_and_an_offset_cost_no_digits() {
    let rows: Vec<Vec<f64>> = (0..3000)
        .map(|i| vec![1e9 + f64::from(i % 7), f64::from(i % 3)])
        .chain([vec![1e9, 1e7]])
        .collect();
    let pca = fit(&rows, Scale::None, Components::Count(2));
    // The small feature's variance, by hand: values 0 to 6, and one row more of 0.
    let direct: Vec<f64> = rows.iter().map(|row| row[0] - 1e9).collect();
    let mean = direct.iter().sum::<f64>() / 3001.0;
    let variance = direct.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3000.0;
    assert!((pca.explained_variance[1] / variance - 1.0).abs() < 1e-2);
    let first = rows.iter().map(|row| row[1]).sum::<f64>() / 3001.0;
    let variance = rows.iter().map(|row| (row[1] - first).powi(2)).sum::<f64>() / 3000.0;
    assert!(close(pca.explained_variance[0] / variance, 1.0));
}

#[test]
fn one_row_or_constant_data_have_no_variance() {
    for rows in [vec![vec![3.0, 4.0, 5.0]], vec![vec![0.1, 0.2, 0.3]; 9]] {
        let pca = fit(&rows, Scale::Standard, Components::Count(2));
        assert_eq!(pca.components, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        assert_eq!(
            (pca.explained_variance, pca.explained_variance_ratio),
            (vec![0.0; 2], vec![0.0; 2])
        );
    }
    assert_eq!(
        Pca::fit(
            observe(&[vec![f64::NAN]], Scale::None),
            &options(Scale::None, Components::Count(1))
        ),
        Err(Error::NoUsableRow { feature: 0, missing: 1, rows: 1 })
    );
    assert_eq!(
        Pca::fit(new_rows(1, Scale::None, MEMORY), &options(Scale::None, Components::Count(1))),
        Ok(None)
    );
}

#[test]
fn the_largest_loading_is_positive_and_of_equals_the_first() {
    let rows: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i), -f64::from(i)]).collect();
    let pca = fit(&rows, Scale::Standard, Components::Count(1));
    assert!(pca.components[0][0] > 0.0 && pca.components[0][1] < 0.0);
    for seed in 0..20 {
        for component in fit(&blobs(seed, 60, 4, 3), Scale::None, Components::Count(4)).components {
            let largest = component.iter().copied().max_by(|x, y| x.abs().total_cmp(&y.abs()));
            assert!(largest.is_some_and(|loading| loading > 0.0));
        }
    }
}

#[test]
fn a_share_of_variance_keeps_as_few_components_as_explain_it() {
    let rows: Vec<Vec<f64>> = (0..8)
        .map(|i| {
            vec![f64::from(i & 1) * 6.0, f64::from(i >> 1 & 1) * 3.0, f64::from(i >> 2 & 1) * 2.0]
        })
        .collect();
    // Variances in the ratio 36 : 9 : 4.
    for (share, n) in [(0.5, 1), (0.74, 2), (45.0 / 49.0, 2), (0.95, 3), (1.0, 3)] {
        assert_eq!(
            fit(&rows, Scale::None, Components::Share(share)).components.len(),
            n,
            "{share}"
        );
    }
}

#[test]
fn many_features_are_feasible() {
    let rows = blobs(6, 60, 300, 3);
    let pca = fit(&rows, Scale::Standard, Components::Count(2));
    assert!(pca.explained_variance[0] > 0.0);
}
