//! Exact sums are those of integers, whatever the order and the parts.

use super::*;
use crate::test_data::Random;

fn sum(terms: &[f64]) -> ExactSum {
    let mut sum = ExactSum::new();
    terms.iter().for_each(|&x| sum.add(x));
    sum
}

#[test]
fn an_infinite_term_makes_an_infinite_sum() {
    assert_eq!(sum(&[1.0, f64::INFINITY]).round(), f64::INFINITY);
    assert_eq!(sum(&[-1e308, f64::NEG_INFINITY]).round(), f64::NEG_INFINITY);
    let mut all = ExactSum::new();
    all.add_all(&[f64::INFINITY; 20]);
    all.add_product(f64::INFINITY, 2.0);
    assert_eq!(all.round(), f64::INFINITY);
}

#[test]
fn terms_at_once_have_the_sum_of_terms_one_by_one() {
    let mut random = Random::new(7);
    for case in 0..300 {
        let n = random.below(5000);
        let spread = [1, 10, 60, 300][case % 4];
        let mut terms: Vec<f64> = wild(&mut random, n)
            .iter()
            .map(|x| {
                scale_by_power(x.signum() * (1.0 + random.uniform()), random.below(spread) as i32)
            })
            .collect();
        if case % 5 == 0 {
            terms = wild(&mut random, n).iter().map(|x| x * 1e-10).collect();
        }
        let mut at_once = ExactSum::new();
        at_once.add_all(&terms);
        assert_eq!(at_once.round().to_bits(), sum(&terms).round().to_bits(), "case {case}");
    }
    let mut none = ExactSum::new();
    none.add_all(&[]);
    none.add_all(&[0.0, -0.0]);
    assert_eq!(none.round(), 0.0);
}

#[test]
fn equal_sums_have_equal_limbs_and_come_back_from_them() {
    let mut random = Random::new(11);
    for case in 0..300 {
        let n = 1 + random.below(40);
        let mut terms = wild(&mut random, n);
        if case % 3 == 0 {
            // All but one cancel.
            let negatives: Vec<f64> = terms[1..].iter().map(|x| -x).collect();
            terms.extend(negatives);
        }
        let (left, right) = terms.split_at(random.below(terms.len()));
        let whole = sum(&terms).limbs();
        let mut parts = sum(right);
        parts.merge(&sum(left));
        assert_eq!(parts.limbs(), whole, "case {case}");
        let mut back = ExactSum::from_limbs(whole.0, whole.1.clone()).expect("own limbs");
        assert_eq!(back.round().to_bits(), (parts.round() + 0.0).to_bits());
        back.merge(&sum(left));
        back.subtract(&sum(left));
        assert_eq!(back.limbs(), whole);
        back.subtract(&parts);
        assert_eq!(back.limbs(), (0, Vec::new()));
    }
    assert_eq!(sum(&[-1.0]).limbs(), (0, vec![-1]));
    assert_eq!(sum(&[4_294_967_296.0]).limbs(), (1, vec![1]));
}

#[test]
fn other_limbs_are_refused() {
    for (first, limbs) in [
        (1, vec![]),
        (0, vec![0]),
        (0, vec![1, 0]),
        (0, vec![0, 1]),
        (0, vec![1, -1]),
        (0, vec![1 << 32]),
        (0, vec![i64::MIN]),
        (129, vec![1]),
        (i32::MIN, vec![1]),
        (i32::MAX, vec![1]),
        (-1, vec![1; 400]),
    ] {
        assert!(ExactSum::from_limbs(first, limbs.clone()).is_none(), "{first}, {limbs:?}");
    }
}

#[test]
fn an_integer_is_added_at_its_place() {
    let mut sum = ExactSum::new();
    sum.add_integer(-(1 << 100), -98);
    sum.add_integer(3, 2);
    assert_eq!(sum.round(), 8.0);
}

/// Finite doubles of all magnitudes, subnormal ones too.
fn wild(random: &mut Random, n: usize) -> Vec<f64> {
    std::iter::repeat_with(|| f64::from_bits(random.bits()))
        .filter(|x| x.is_finite())
        .take(n)
        .collect()
}

#[test]
fn a_sum_does_not_depend_on_order_or_merging() {
    let mut random = Random::new(1);
    for _ in 0..50 {
        let mut terms = wild(&mut random, 300);
        let expected = sum(&terms).quotient(300.0);
        random.shuffle(&mut terms);
        let mut merged = sum(&terms[..77]);
        merged.merge(&sum(&terms[77..78]));
        merged.merge(&sum(&terms[78..]));
        assert_eq!(merged.quotient(300.0).to_bits(), expected.to_bits());
    }
}

#[test]
fn cancellation_leaves_the_exact_rest() {
    assert_eq!(sum(&[1e300, 1.0, 1e-300, -1e300, -1.0]).round(), 1e-300);
    assert_eq!(sum(&[1e16, 1.0, -1e16]).round(), 1.0);
    let mut random = Random::new(2);
    let mut terms = wild(&mut random, 400);
    terms.extend(terms.clone().iter().map(|x| -x));
    terms.push(0.1);
    random.shuffle(&mut terms);
    assert_eq!(sum(&terms).round(), 0.1);
}

#[test]
fn rounding_is_to_nearest_and_ties_to_even() {
    let unit = 9_007_199_254_740_992.0;
    assert_eq!(sum(&[unit, 1.0]).round(), unit);
    assert_eq!(sum(&[unit, 1.0, 1e-200]).round(), unit + 2.0);
    assert_eq!(sum(&[unit + 2.0, 1.0]).round(), unit + 4.0);
    assert_eq!(sum(&[unit + 2.0, 1.0, -1e-200]).round(), unit + 2.0);
    assert_eq!(sum(&[-unit, -1.0, -1e-200]).round(), -unit - 2.0);
}

#[test]
fn a_single_term_comes_back() {
    for x in wild(&mut Random::new(3), 2000).into_iter().chain([
        0.0,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
    ]) {
        assert_eq!(sum(&[x]).round(), x);
    }
}

#[test]
fn the_empty_sum_is_zero() {
    assert_eq!(ExactSum::new().round(), 0.0);
    assert_eq!(ExactSum::new().square().times(3).root_quotient(2.0), 0.0);
}

#[test]
fn products_are_exact() {
    let mut random = Random::new(4);
    for _ in 0..1000 {
        let (x, y) = (random.normal(), random.normal());
        let mut rest = ExactSum::new();
        rest.add_product(x, y);
        rest.add(-(x * y));
        assert_eq!(rest.round(), x.mul_add(y, -(x * y)));
    }
    let mut square = ExactSum::new();
    square.add_product_times(3e-200, 1e-200, 6.0);
    square.add_product_times(-1e-200, 3e-200, 6.0);
    square.add_product_times(1e-200, -1e-200, 0.0);
    assert_eq!(square.round(), 0.0);
    square.add_product_times(134_217_729.0, 134_217_729.0, 3.0);
    square.add_integer(-54_043_196_333_752_323, 0);
    assert_eq!(square.round(), 0.0, "3 (2^27 + 1)^2 needs 56 bits");
    let mut tiny = ExactSum::new();
    tiny.add_product(1e-200, 1e-200);
    assert_eq!(tiny.root_quotient(1.0), 1e-200, "an underflow");
    let mut large = ExactSum::new();
    large.add_product(1e200, 1e200);
    assert_eq!(large.root_quotient(1.0), 1e200, "an overflow");
}

#[test]
fn sums_beyond_the_doubles_still_have_a_mean() {
    let large = sum(&[f64::MAX; 8]);
    assert_eq!(large.round(), f64::INFINITY);
    assert_eq!(large.quotient(8.0), f64::MAX);
    assert_eq!(large.square().root_quotient(8.0), f64::MAX);
}

#[test]
fn carries_survive_more_terms_than_a_limb_holds() {
    let mut doubled = sum(&[f64::from_bits(0x3fef_ffff_ffff_ffff), 1.0]);
    let start = doubled.round();
    for _ in 0..80 {
        let copy = doubled.clone();
        doubled.merge(&copy);
        doubled.add(0.0);
    }
    assert_eq!(doubled.round(), start * 2f64.powi(80));
    let copy = doubled.clone();
    doubled.subtract(&copy);
    assert_eq!(doubled.round(), 0.0);
}

#[test]
fn times_and_square_agree_with_integers() {
    let x = sum(&[-123_456_789_012.0, -0.5]);
    assert_eq!(x.times(1_000_000).round(), -123_456_789_012_500_000.0);
    assert_eq!(x.square().root_quotient(1.0), 123_456_789_012.5);
    assert_eq!(x.product(&sum(&[-2.0])).round(), 246_913_578_025.0);
    assert_eq!(x.product(&sum(&[3e300, -3e300])).round(), 0.0);
}

/// An exact sum by another algorithm: Y. K. Zhu, W. B. Hayes, "Algorithm 908", 2010.
#[test]
fn sums_are_those_of_the_crate_accurate() {
    use accurate::sum::OnlineExactSum;
    use accurate::traits::SumAccumulator;
    let mut random = Random::new(21);
    for case in 0..400 {
        let n = 1 + random.below(3000);
        let exponents = [4, 60, 600][case % 3];
        let mut terms: Vec<f64> = (0..n)
            .map(|_| {
                let exponent = random.below(exponents) as i32 - exponents as i32 / 2;
                scale_by_power(random.uniform() - 0.5, exponent)
            })
            .collect();
        if case % 4 == 0 {
            // Most of it cancels.
            let negatives: Vec<f64> = terms[1..].iter().map(|x| -x).collect();
            terms.extend(negatives);
            random.shuffle(&mut terms);
        }
        let accumulator = terms.iter().fold(OnlineExactSum::zero(), |sum, &x| sum + x);
        let expected = (accumulator.sum() + 0.0).to_bits();
        assert_eq!((sum(&terms).round() + 0.0).to_bits(), expected, "case {case}");
        let mut at_once = ExactSum::new();
        at_once.add_all(&terms);
        assert_eq!((at_once.round() + 0.0).to_bits(), expected, "case {case}");
    }
}
