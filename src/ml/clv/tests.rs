//! Models of whole sets of customers.

use super::*;
use crate::test_data::Random;

fn history(frequency: f64, recency: f64, age: f64) -> History {
    History::new(frequency, recency, age).expect("good figures")
}

/// The estimates of the paper for the customers of CDNOW.
const CDNOW: Purchasing = Purchasing { r: 0.242593, alpha: 4.413532, a: 0.792886, b: 2.425754 };
const CDNOW_VALUES: Spending = Spending { p: 6.25, q: 3.74, gamma: 15.44 };

/// A number that is Gamma(shape, 1), by sums of exponentials: shapes are whole or a half.
fn gamma(shape: f64, random: &mut Random) -> f64 {
    let whole: f64 = (0..shape as u32).map(|_| -(1.0 - random.uniform()).ln()).sum();
    let normal = random.normal();
    whole + if shape.fract() > 0.0 { normal * normal / 2.0 } else { 0.0 }
}

/// Customers with r = 1/2, alpha = 4, a = 1, b = 2, p = 3, q = 4, gamma = 20, seen for a year.
fn customers(n: usize, seed: u64) -> Vec<(History, Option<f64>)> {
    let random = &mut Random::new(seed);
    let customer = |_| {
        let rate = gamma(0.5, random) / 4.0;
        let (stays, leaves) = (gamma(2.0, random), gamma(1.0, random));
        let leaves = leaves / (leaves + stays);
        let age = 26.0 + random.below(27) as f64;
        let (mut time, mut frequency, mut recency) = (0.0, 0.0, 0.0);
        loop {
            time -= (1.0 - random.uniform()).ln() / rate;
            if time > age {
                break;
            }
            (frequency, recency) = (frequency + 1.0, time);
            if random.uniform() < leaves {
                break;
            }
        }
        let nu = gamma(4.0, random) / 20.0;
        let spent: f64 = (0..frequency as u32).map(|_| gamma(3.0, random) / nu).sum();
        (history(frequency, recency, age), (frequency > 0.0).then(|| spent / frequency))
    };
    (0..n).map(customer).collect()
}

fn collect(customers: &[(History, Option<f64>)]) -> Customers {
    let mut all = Customers::default();
    for (history, value) in customers {
        all.add(*history, *value).expect("a good value");
    }
    all
}

fn fit(customers: &[(History, Option<f64>)]) -> Fit {
    Fit::new(collect(customers), 100, 1).expect("somebody came back").expect("customers")
}

#[test]
fn the_customer_of_the_paper() {
    let customer = history(2.0, 30.43, 38.86);
    assert!((CDNOW.alive(customer) - 0.726609).abs() < 5e-6, "{}", CDNOW.alive(customer));
    let purchases = CDNOW.purchases(customer, 39.0);
    assert!((purchases - 1.225911).abs() < 5e-6, "{purchases}");
    assert_eq!(CDNOW.alive(history(0.0, 0.0, 38.86)), 1.0);
    assert_eq!(CDNOW.purchases(customer, 0.0), 0.0);
}

#[test]
fn a_discount_counts_each_purchase_at_its_time() {
    for customer in [history(2.0, 30.43, 38.86), history(0.0, 0.0, 1.0), history(29.0, 30.0, 31.0)]
    {
        for (horizon, discount) in [(52.0, 0.001_f64), (52.0, 0.1), (500.0, 3.0), (3.0, 1e-9)] {
            const STEPS: usize = 20_000;
            let mut expected = 0.0;
            let mut before = 0.0;
            for i in 1..=STEPS {
                let part = horizon / STEPS as f64;
                let after = CDNOW.purchases(customer, part * i as f64);
                expected += (after - before) * (1.0 + discount).powf(-part * (i as f64 - 0.5));
                before = after;
            }
            let given = CDNOW.discounted_purchases(customer, horizon, discount);
            assert!((given - expected).abs() < 2e-4 * expected, "{given} {expected} {horizon}");
        }
    }
    let customer = history(2.0, 30.43, 38.86);
    let forever = CDNOW.discounted_purchases(customer, MAX_MAGNITUDE, 0.01);
    let long = CDNOW.discounted_purchases(customer, 1e5, 0.01);
    assert!((forever - long).abs() < 1e-9 * long, "{forever} {long}");
}

#[test]
fn a_value_lies_between_that_of_all_and_that_of_the_customer() {
    let all = CDNOW_VALUES.value(history(0.0, 0.0, 9.0), None).expect("no value").expect("a mean");
    assert!((all - 6.25 * 15.44 / 2.74).abs() < 1e-12);
    let often =
        CDNOW_VALUES.value(history(50.0, 8.0, 9.0), Some(90.0)).expect("good").expect("a mean");
    assert!(often > 85.0 && often < 90.0, "{often}");
    let infinite = Spending { q: 0.9, ..CDNOW_VALUES };
    assert_eq!(infinite.value(history(0.0, 0.0, 9.0), None), Ok(None));
    assert_eq!(infinite.value(history(1.0, 2.0, 9.0), Some(-1.0)), Err(Error::Value(-1.0)));
}

#[test]
fn the_truth_of_generated_customers_is_found() {
    let fit = fit(&customers(20_000, 1));
    assert!(fit.converged && fit.customers == 20_000 && fit.repeaters > 5_000, "{fit:?}");
    let Fit { purchasing: Purchasing { r, alpha, a, b }, spending: Some(values), .. } = fit else {
        panic!("{fit:?}");
    };
    let found = [r, alpha, a, b, values.p, values.q, values.gamma];
    for (i, truth) in [0.5, 4.0, 1.0, 2.0, 3.0, 4.0, 20.0].into_iter().enumerate() {
        let error = fit.standard_errors[i];
        assert!(error < 0.2 * truth, "{i}: {error}");
        assert!((found[i] - truth).abs() < 3.0 * error, "{i}: {} of {truth}, {error}", found[i]);
    }
}

#[test]
fn bits_depend_neither_on_order_nor_on_parts_nor_on_threads() {
    let mut customers = customers(60_000, 2);
    let expected = fit(&customers);
    Random::new(3).shuffle(&mut customers);
    let mut merged = collect(&customers[..1]);
    merged.merge(&collect(&customers[1..40_000]));
    merged.merge(&collect(&customers[40_000..]));
    for threads in [1, 2, 3, 7] {
        let fit = Fit::new(merged.clone(), 100, threads).expect("a fit").expect("customers");
        assert_eq!(fit, expected, "{threads}");
    }
}

#[test]
fn customers_who_all_stay_leave_open_when_they_leave() {
    let customers: Vec<_> = (1..200)
        .map(|i| {
            (history(f64::from(1 + i % 7), 10.0 + f64::from(i % 9), 10.0 + f64::from(i % 9)), None)
        })
        .collect();
    let fit = fit(&customers);
    assert!(fit.converged, "{fit:?}");
    assert!(fit.standard_errors[2].is_nan() && fit.standard_errors[3].is_nan(), "{fit:?}");
    assert!(fit.purchasing.alive(customers[0].0) > 0.999, "{fit:?}");
    assert!(fit.spending.is_none() && fit.value_log_likelihood.is_nan());
}

#[test]
fn few_customers_are_fitted_but_determine_little() {
    let one = fit(&[(history(2.0, 30.43, 38.86), Some(22.35))]);
    assert!(one.standard_errors.iter().all(|error| error.is_nan()), "{one:?}");
    let rate = one.purchasing.r / one.purchasing.alpha;
    assert!(rate > 0.04 && rate < 0.08, "{rate}");
    let mean = one.spending.expect("a value");
    assert!((mean.p * mean.gamma / (mean.q - 1.0) / 22.35 - 1.0).abs() < 0.01, "{mean:?}");
}

#[test]
fn figures_that_cannot_be_are_refused() {
    assert_eq!(Fit::new(Customers::default(), 100, 1), Ok(None));
    let once = collect(&[(history(0.0, 0.0, 3.0), None), (history(0.0, 0.0, 0.0), Some(-5.0))]);
    assert_eq!(Fit::new(once, 100, 1), Err(Error::NobodyCameBack { customers: 2 }));
    assert_eq!(History::new(1.5, 1.0, 2.0), Err(Error::Frequency(1.5)));
    assert_eq!(History::new(-1.0, 1.0, 2.0), Err(Error::Frequency(-1.0)));
    assert_eq!(History::new(1e300, 1.0, 2.0), Err(Error::Frequency(1e300)));
    assert_eq!(History::new(1.0, 3.0, 2.0), Err(Error::Recency { recency: 3.0, age: 2.0 }));
    assert_eq!(History::new(1.0, 3.0, 1e300), Err(Error::Age(1e300)));
    assert_eq!(History::new(0.0, 3.0, 4.0), Err(Error::RecencyWithoutRepeat(3.0)));
    assert_eq!(History::new(2.0, 0.0, 4.0), Err(Error::RepeatWithoutRecency(2)));
    let nan = History::new(f64::NAN, 0.0, 4.0);
    assert!(matches!(nan, Err(Error::Frequency(given)) if given.is_nan()));
    let mut customers = Customers::default();
    for value in [0.0, -3.0, 1e300, 1e-300, f64::INFINITY] {
        assert_eq!(customers.add(history(1.0, 2.0, 3.0), Some(value)), Err(Error::Value(value)));
    }
    assert!(matches!(customers.check(10), Err(Error::OverMemory { memory: 10, .. })));
    assert!(Error::NobodyCameBack { customers: 2 }.to_string().starts_with("none of 2 customers"));
}

#[test]
fn figures_at_the_ends_of_their_ranges_have_a_fit() {
    let extremes = [
        (history(f64::from(MAX_FREQUENCY), MAX_MAGNITUDE, MAX_MAGNITUDE), Some(MAX_MAGNITUDE)),
        (history(1.0, 1e-300, 1e-300), Some(1.0 / MAX_MAGNITUDE)),
        (history(3.0, 5e-324, 1.0), Some(1.0)),
        (history(0.0, 0.0, MAX_MAGNITUDE), None),
    ];
    let fit = fit(&extremes);
    let Purchasing { r, alpha, a, b } = fit.purchasing;
    assert!([r, alpha, a, b].iter().all(|x| *x > 0.0 && x.is_finite()), "{fit:?}");
    for (history, _) in extremes {
        assert!((0.0..=1.0).contains(&fit.purchasing.alive(history)));
        let purchases = fit.purchasing.discounted_purchases(history, MAX_MAGNITUDE, 1e-3);
        assert!(purchases.is_finite() && purchases >= 0.0, "{purchases}");
    }
}
