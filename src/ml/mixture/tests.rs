use super::*;
use crate::simd::tests::on_each;
use crate::test_data::{MEMORY, Random, append, blobs, observe, options};
use crate::{Nulls, Scale};

fn fit(rows: &[Vec<f64>], covariance: Covariance, k: usize) -> GaussianMixture {
    GaussianMixture::fit(observe(rows), covariance, &options(k))
        .expect("rows for a fit")
        .expect("usable rows")
}

/// Stretched and turned clouds, of which k-means cuts the long ones.
fn clouds(seed: u64, n: usize) -> Vec<Vec<f64>> {
    let mut random = Random::new(seed);
    let cloud = |_| {
        let (x, y) = (random.normal(), random.normal());
        match random.below(3) {
            0 => vec![8.0 * x, 8.0 * x + 0.3 * y],
            1 => vec![8.0 * x + 6.0, -2.0 * x - 14.0 + 0.3 * y],
            _ => vec![x - 15.0, y + 9.0],
        }
    };
    (0..n).map(cloud).collect()
}

#[test]
fn a_mixture_of_one_component_is_the_mean_and_covariance_of_the_rows() {
    let rows = [[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]].map(Vec::from);
    let mixture = fit(&rows, Covariance::Full, 1);
    assert_eq!((mixture.means, mixture.weights), (vec![vec![1.0, 2.0]], vec![1.0]));
    assert_eq!(mixture.covariances, [[[1.0 + FLOOR, 0.0], [0.0, 4.0 + FLOOR]].map(Vec::from)]);
    let expected = -4.0 * (std::f64::consts::TAU.ln() + 4.0_f64.ln() / 2.0 + 1.0);
    assert!((mixture.log_likelihood - expected).abs() < 1e-4, "{}", mixture.log_likelihood);
    assert!((mixture.aic - (10.0 - 2.0 * mixture.log_likelihood)).abs() < 1e-12);
    assert!((mixture.bic - (5.0 * 4.0_f64.ln() - 2.0 * mixture.log_likelihood)).abs() < 1e-12);
}

#[test]
fn stretched_clouds_are_told_apart_where_spheres_cut_them() {
    let rows = clouds(1, 3000);
    let [full, spherical] =
        [Covariance::Full, Covariance::Spherical].map(|kind| fit(&rows, kind, 3));
    assert!(full.converged && full.bic < spherical.bic - 1000.0);
    let own = |row: &[f64]| {
        let columns: Vec<Vec<f64>> = row.iter().map(|x| vec![*x]).collect();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let mut own = Vec::new();
        let scaled = full.transform.apply(&slices).expect("usable rows");
        full.probabilities(&scaled, |_, row| own = row.expect("usable rows").to_vec())
            .expect("usable rows");
        assert!((own.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        own.iter().position(|p| *p > 0.99)
    };
    let (first, second) = (own(&[-20.0, -20.0]), own(&[20.0, 20.0]));
    assert!(first.is_some() && first == second, "both ends of a cloud are one component");
    assert_ne!(own(&[-15.0, 9.0]), first);
}

#[test]
fn the_bits_depend_on_neither_order_nor_chunks_nor_threads_nor_registers() {
    let mut rows = clouds(2, 9000);
    rows.extend(rows[..500].to_vec());
    for covariance in Covariance::ALL {
        let options = KMeansOptions { scale: Scale::Standard, max_iter: 15, ..options(4) };
        let fit = |rows: &[Vec<f64>], chunk: usize, n_threads: usize| {
            let mut observations = Observations::new(2, false, false, MEMORY, 42);
            append(&mut observations, rows, None, chunk);
            let options = KMeansOptions { n_threads, ..options.clone() };
            GaussianMixture::fit(observations, covariance, &options)
                .expect("rows for a fit")
                .expect("usable rows")
        };
        let expected = fit(&rows, 2048, 1);
        let mut shuffled = rows.clone();
        Random::new(3).shuffle(&mut shuffled);
        assert_eq!(fit(&shuffled, 77, 3), expected);
        for mixture in on_each(|| fit(&rows, 2048, 1)) {
            assert_eq!(mixture, expected);
        }
    }
}

#[test]
fn a_weight_is_as_good_as_so_many_rows() {
    let rows = clouds(4, 300);
    let weights: Vec<f64> = (0..300).map(|i| f64::from(i % 3 + 1)).collect();
    let copies = rows.iter().zip(&weights).flat_map(|(row, n)| vec![row.clone(); *n as usize]);
    let copies: Vec<Vec<f64>> = copies.collect();
    let mut weighted = Observations::new(2, true, false, MEMORY, 42);
    append(&mut weighted, &rows, Some(&weights), 100);
    let weighted = GaussianMixture::fit(weighted, Covariance::Full, &options(3))
        .expect("rows for a fit")
        .expect("usable rows");
    let repeated = fit(&copies, Covariance::Full, 3);
    assert_eq!(weighted.means, repeated.means);
    assert_eq!(weighted.covariances, repeated.covariances);
    assert_eq!(
        (weighted.log_likelihood, weighted.bic, weighted.aic),
        (repeated.log_likelihood, repeated.bic, repeated.aic)
    );
    assert_eq!((weighted.rows, repeated.rows), (300, 600));
}

#[test]
fn many_rows_end_where_few_would() {
    let rows = blobs(5, 300_000, 2, 3);
    let options = KMeansOptions { n_threads: 2, ..options(3) };
    let mixture = GaussianMixture::fit(observe(&rows), Covariance::Full, &options)
        .expect("rows for a fit")
        .expect("usable rows");
    assert!(mixture.converged && mixture.iterations <= 5, "{}", mixture.iterations);
    for covariance in &mixture.covariances {
        assert!((covariance[0][0] - 1.0).abs() < 0.02 && covariance[0][1].abs() < 0.02);
    }
    assert_eq!(mixture.sizes.iter().sum::<u64>(), 300_000);
}

#[test]
fn few_rows_are_an_error_or_have_a_finite_density() {
    let error = GaussianMixture::fit(observe(&[vec![1.0]]), Covariance::Full, &options(2));
    assert!(matches!(error, Err(Error::TooFewDistinctRows { n_distinct: 1, .. })), "{error:?}");
    let rows = Observations::new(2, false, false, MEMORY, 42);
    assert_eq!(GaussianMixture::fit(rows, Covariance::Full, &options(2)), Ok(None));
    for covariance in Covariance::ALL {
        let one = fit(&[vec![3.0, 4.0]], covariance, 1);
        assert!(one.log_likelihood.is_finite());
        // Two features that are one, far from 0.
        let rows: Vec<Vec<f64>> = (0..50).map(|i| vec![1e9 + f64::from(i); 2]).collect();
        assert!(fit(&rows, covariance, 3).log_likelihood.is_finite());
    }
}

#[test]
fn so_many_products_that_a_fit_would_take_hours_are_refused() {
    let mut random = Random::new(6);
    let rows: Vec<Vec<f64>> =
        (0..4000).map(|_| (0..400).map(|_| random.uniform()).collect()).collect();
    let options = KMeansOptions { n_init: 1, max_iter: 2, ..options(200) };
    let error = GaussianMixture::fit(observe(&rows), Covariance::Full, &options);
    assert!(matches!(error, Err(Error::TooManyProducts { rows: 4000, .. })), "{error:?}");
}

#[test]
fn an_evaluation_has_the_fits_of_each_number_and_kind() {
    let rows = clouds(7, 500);
    let kinds = [Covariance::Full, Covariance::Diag];
    let fits = GaussianMixture::evaluate(observe(&rows), 1..=3, &kinds, &options(1));
    let fits = fits.expect("rows for a fit").expect("usable rows");
    let expected: Vec<_> = (1..=3).flat_map(|k| kinds.map(|kind| fit(&rows, kind, k))).collect();
    assert_eq!(fits, expected);
    let few = observe(&[vec![1.0, 2.0], vec![2.0, 1.0]]);
    let fits = GaussianMixture::evaluate(few, 1..=3, &kinds, &options(1))
        .expect("rows for a fit")
        .expect("usable rows");
    assert_eq!(fits.len(), 4);
    assert_eq!(fits[0].transform.nulls, Nulls::Skip);
}
