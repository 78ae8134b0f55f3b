//! Scales by hand, at the ends of the doubles, and under weights.

use super::*;
use crate::rows::{Block, Observations};
use crate::test_data::{MEMORY, Random, append, columns};

const NAN: f64 = f64::NAN;

fn column(values: &[f64]) -> Vec<Vec<f64>> {
    values.iter().map(|&x| vec![x]).collect()
}

fn observed(values: &[f64], nulls: Nulls, log: bool) -> Observations {
    let mut observations =
        Observations::new(1, false, nulls != Nulls::Skip, MEMORY, 42).with_log(&[log]);
    append(&mut observations, &column(values), None, 2048);
    observations
}

fn fit(values: &[f64], scale: Scale, nulls: Nulls, log: bool) -> Result<Transform, Error> {
    fit_transform(observed(values, nulls, log), scale, nulls, 1).map(|(transform, _)| transform)
}

fn fit_scale(values: &[f64], scale: Scale) -> (f64, f64) {
    let transform = fit(values, scale, Nulls::Skip, false).expect("values to scale");
    (transform.center[0], transform.spread[0])
}

#[test]
fn names_lead_back_to_what_they_name() {
    for name in Scale::NAMES {
        assert_eq!(Scale::from_name(name).map(Scale::name), Some(*name));
    }
    for name in Nulls::NAMES {
        assert_eq!(Nulls::from_name(name).map(Nulls::name), Some(*name));
    }
    assert_eq!((Scale::from_name("MinMax"), Nulls::from_name("")), (None, None));
}

#[test]
fn scales_agree_with_hand_work() {
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    assert_eq!(fit_scale(&values, Scale::Standard), (5.0, 2.0));
    assert_eq!(fit_scale(&values, Scale::MinMax), (2.0, 7.0));
    // numpy.percentile of these gives 4, 4.5 and 5.5.
    assert_eq!(fit_scale(&values, Scale::Robust), (4.5, 1.5));
    assert_eq!(fit_scale(&values, Scale::None), (0.0, 1.0));
    let transform = fit(&values, Scale::None, Nulls::Skip, false).expect("values to scale");
    assert_eq!((transform.mean[0], transform.stddev[0]), (5.0, 2.0));
}

#[test]
fn a_constant_has_a_spread_of_one() {
    for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
        assert_eq!(fit_scale(&[0.1; 7], scale), (0.1, 1.0));
        assert_eq!(fit_scale(&[0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2], scale).1, 1.0);
    }
}

#[test]
fn what_differs_by_rounding_has_no_deviation() {
    for scale in Scale::ALL {
        let transform = fit(&[14.62, 14.620000000000001, 14.62], scale, Nulls::Skip, false);
        assert_eq!(transform.expect("a fit").stddev, [0.0], "{scale:?}");
    }
    // Without scaling all digits count, however many rows there are.
    let offset: Vec<f64> = (0..3000).map(|i| 1e15 + f64::from(i % 10)).collect();
    assert!(fit(&offset, Scale::None, Nulls::Skip, false).expect("a fit").stddev[0] > 2.0);
}

#[test]
fn what_rounding_leaves_of_a_constant_is_constant_however_many_rows_and_whatever_their_weights() {
    let price = 14.62_f64;
    let means: Vec<f64> = (0..200).map(|i| price * (1.0 + f64::from(i % 7) * 1e-14)).collect();
    for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
        let transform = fit(&means, scale, Nulls::Skip, false).expect("values to scale");
        assert_eq!((transform.spread[0], transform.stddev[0]), (1.0, 0.0));
    }
    let large: Vec<f64> = means.iter().map(|mean| mean * 1e14).collect();
    let transform = fit(&large, Scale::Standard, Nulls::Skip, false).expect("values to scale");
    assert!(transform.spread[0] > 1e15 && transform.stddev[0] == 0.0);
    // Times in microseconds within seconds of each other, and a spread of a millionth, are
    // information.
    let times: Vec<f64> = (0..200).map(|i| 1.7e15 + f64::from(i % 7)).collect();
    let shares: Vec<f64> = (0..200).map(|i| 0.7 + f64::from(i % 7) * 1e-6).collect();
    for values in [times, shares] {
        for copies in [1, 1000] {
            let rows: Vec<f64> =
                values.iter().copied().cycle().take(copies * values.len()).collect();
            assert!(
                fit(&rows, Scale::Standard, Nulls::Skip, false).expect("values").stddev[0] > 0.0
            );
        }
    }
}

#[test]
fn the_least_doubles_have_a_spread() {
    for scale in [Scale::Standard, Scale::MinMax] {
        let (center, spread) = fit_scale(&[0.0, 5e-324], scale);
        assert_eq!(scaled(5e-324, center, spread) - scaled(0.0, center, spread), 1.0);
    }
}

#[test]
fn units_do_not_matter_however_small_or_large() {
    for unit in [1e-300, 1e-160, 1.0, 1e90] {
        let (center, spread) = fit_scale(&[unit, -unit], Scale::Standard);
        assert_eq!((center, spread), (0.0, unit));
    }
}

#[test]
fn a_spread_survives_a_large_offset() {
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].map(|x| x + 1e12);
    assert_eq!(fit_scale(&values, Scale::Standard), (1e12 + 5.0, 2.0));
}

#[test]
fn missing_values_become_the_mean_or_zero_or_an_error() {
    let values = [1.0, NAN, 3.0, f64::NEG_INFINITY];
    let of = |nulls| fit(&values, Scale::None, nulls, false);
    assert_eq!(of(Nulls::Mean).map(|t| (t.fill, t.mean)), Ok((vec![2.0], vec![2.0])));
    assert_eq!(of(Nulls::Zero).map(|t| (t.fill, t.mean)), Ok((vec![0.0], vec![1.0])));
    assert_eq!(of(Nulls::Skip).map(|t| (t.fill, t.mean)), Ok((vec![], vec![2.0])));
    assert_eq!(of(Nulls::Error), Err(Error::Missing { feature: 0 }));
    assert_eq!(fit(&[NAN; 3], Scale::Standard, Nulls::Mean, false).map(|t| t.fill), Ok(vec![0.0]));
}

#[test]
fn a_logarithm_is_taken_of_the_raw_value_and_inverted() {
    let e = std::f64::consts::E;
    let transform =
        fit(&[0.0, e * e - 1.0], Scale::Standard, Nulls::Skip, true).expect("values to scale");
    assert!((transform.center[0] - 1.0).abs() < 1e-15 && (transform.spread[0] - 1.0).abs() < 1e-15);
    assert!((transform.invert(0, 1.0) - (e * e - 1.0)).abs() < 1e-14);
    assert_eq!(
        fit(&[1.0, -0.5, -2.0], Scale::Standard, Nulls::Skip, true),
        Err(Error::NegativeLog { feature: 0, value: -2.0 })
    );
}

#[test]
fn a_value_too_large_is_an_error() {
    let too_large = |value| Err(Error::TooLarge { feature: 0, value });
    assert_eq!(fit(&[0.0, 1e99, -2e100], Scale::Standard, Nulls::Skip, false), too_large(-2e100));
    // Within bounds as it stands, but not in units of a spread of 1e-10.
    let values = [0.0, 1e-10, 2e-10, 3e-10, 1e95];
    assert_eq!(fit(&values, Scale::Robust, Nulls::Skip, false), too_large(1e95));
    assert!(fit(&[0.0, 1e300], Scale::Standard, Nulls::Skip, true).is_ok());
}

#[test]
fn a_weight_too_large_is_an_error() {
    let mut observations = Observations::new(1, true, false, MEMORY, 42);
    append(&mut observations, &column(&[1.0, 2.0]), Some(&[1.0, 1e200]), 2);
    let error = fit_transform(observations, Scale::None, Nulls::Skip, 1).map(|_| ());
    assert_eq!(error, Err(Error::WeightTooLarge { value: 1e200 }));
}

#[test]
fn apply_gives_what_the_fit_computed() {
    let rows = [vec![1.0, 10.0], vec![2.0, NAN], vec![4.0, 70.0], vec![9.0, 40.0]];
    let mut observations = Observations::new(2, false, false, MEMORY, 42).with_log(&[true, false]);
    append(&mut observations, &rows, None, 2048);
    for scale in Scale::ALL {
        let (transform, points) =
            fit_transform(observations.clone(), scale, Nulls::Skip, 2).expect("values to scale");
        let mut scratch = Block::scratch();
        let own = points.scaled(points.tiles()[0], &mut scratch);
        let columns = columns(&rows);
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let scaled = transform.apply(&columns).expect("values to scale");
        assert_eq!(scaled.usable, [true, false, true, true]);
        for (feature, column) in scaled.columns.iter().enumerate() {
            assert!(column[1].is_nan());
            assert_eq!([column[0], column[2], column[3]], own.column(feature));
            let back = transform.invert(feature, column[2]);
            assert!((back - rows[2][feature]).abs() < 1e-12, "{back}");
        }
    }
}

#[test]
fn apply_reports_what_it_cannot_scale() {
    let transform = fit(&[1.0, 2.0], Scale::Standard, Nulls::Error, true).expect("values to scale");
    let apply = |x: f64| transform.apply(&[&[1.0, x]]).map(|_| ());
    assert_eq!(apply(NAN), Err(Error::Missing { feature: 0 }));
    assert_eq!(apply(-0.5), Err(Error::NegativeLog { feature: 0, value: -0.5 }));
    let transform = Transform { log: vec![false], nulls: Nulls::Skip, ..transform };
    let apply = |x: f64| transform.apply(&[&[1.0, x]]).map(|scaled| scaled.usable);
    assert_eq!(apply(1e101), Err(Error::TooLarge { feature: 0, value: 1e101 }));
    assert_eq!(apply(NAN), Ok(vec![true, false]));
}

fn fit_weighted(values: &[f64], weights: &[f64], scale: Scale) -> Transform {
    let mut weighted = Observations::new(1, true, false, MEMORY, 42);
    append(&mut weighted, &column(values), Some(weights), 2048);
    fit_transform(weighted, scale, Nulls::Skip, 1).expect("values to scale").0
}

#[test]
fn weights_count_as_rows() {
    let mut random = Random::new(5);
    for case in 0..200 {
        let n = 1 + random.below(30);
        let values: Vec<f64> = (0..n).map(|_| (random.normal() * 10.0).round() / 8.0).collect();
        // Without a common factor, which would change nothing.
        let mut weights: Vec<f64> = (0..n).map(|_| (1 + random.below(6)) as f64).collect();
        weights[0] = 1.0;
        let copies = |(&x, &weight): (&f64, &f64)| vec![x; weight as usize];
        let repeated: Vec<f64> = values.iter().zip(&weights).flat_map(copies).collect();
        for scale in Scale::ALL {
            let expected = fit(&repeated, scale, Nulls::Skip, false);
            assert_eq!(Ok(fit_weighted(&values, &weights, scale)), expected, "case {case}");
        }
    }
    let transform = fit_weighted(&[1.0, 2.0, 10.0, 20.0], &[9.0, 1.0, 1.0, 1.0], Scale::Robust);
    assert_eq!((transform.center[0], transform.spread[0]), (1.0, 0.25));
}

#[test]
fn a_common_factor_of_weights_changes_no_scale() {
    let mut random = Random::new(6);
    for case in 0..200 {
        let n = 1 + random.below(30);
        let values: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let weight =
            |_| if case % 2 == 0 { (1 + random.below(6)) as f64 } else { random.uniform() + 0.01 };
        let weights: Vec<f64> = (0..n).map(weight).collect();
        let fit = |factor: f64, scale| {
            let scaled: Vec<f64> = weights.iter().map(|weight| weight * factor).collect();
            fit_weighted(&values, &scaled, scale)
        };
        for scale in Scale::ALL {
            let expected = fit(1.0, scale);
            for factor in
                [2.0, 0.125, f64::powi(2.0, -300), f64::powi(2.0, 300), f64::powi(2.0, -20)]
            {
                assert_eq!(fit(factor, scale), expected, "case {case}, factor {factor:e}");
            }
            for factor in [1e-6, 3.0, 0.1, 1e30, 7e-90] {
                let Transform { center, spread, .. } = fit(factor, scale);
                let near = |x: f64, y: f64| (x - y).abs() <= 1e-12 * (1.0 + y.abs());
                assert!(near(center[0], expected.center[0]) && near(spread[0], expected.spread[0]));
            }
        }
    }
}
