//! Random numbers that the generators share: hashes of (seed, stream, index), unit intervals,
//! permutations, quantiles of the normal law.

use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

/// 64 well-mixed bits of (seed, stream, index). A stream is a purpose: two purposes never share
/// their bits.
pub(super) fn hash(seed: i64, stream: u64, index: u64) -> u64 {
    let stream =
        SplitMix64::seed_from_u64(seed.cast_unsigned() ^ stream.rotate_left(32)).next_u64();
    SplitMix64::seed_from_u64(stream ^ index).next_u64()
}

/// The generator of one block: independent of every other block's.
pub(super) fn block_rng(seed: i64, stream: u64, block: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(hash(seed, stream, block))
}

/// The upper 53 bits as a number in [0, 1).
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A permutation of 0..n that scatters neighbours.
#[derive(Clone, Debug)]
pub(super) struct Permutation {
    pub(super) n: u64,
    factor: u64,
    inverse: u64,
}

impl Permutation {
    pub(super) fn new(n: u64) -> Self {
        assert!((1..=1 << 31).contains(&n), "a product of two indices must fit 64 bits");
        let mut factor = (n as f64 * 0.618_033_988_749_894_9) as u64 | 1;
        loop {
            if let Some(inverse) = inverse(factor, n) {
                return Self { n, factor, inverse };
            }
            factor += 2;
        }
    }

    pub(super) fn map(&self, index: u64) -> u64 {
        index * self.factor % self.n
    }

    pub(super) fn unmap(&self, image: u64) -> u64 {
        image * self.inverse % self.n
    }
}

/// The inverse of `a` modulo `n` (extended Euclid), if they have no common divisor.
fn inverse(a: u64, n: u64) -> Option<u64> {
    let (mut r, mut t) = ((n.cast_signed(), (a % n).cast_signed()), (0i64, 1i64));
    while r.1 != 0 {
        let quotient = r.0 / r.1;
        r = (r.1, r.0 - quotient * r.1);
        t = (t.1, t.0 - quotient * t.1);
    }
    (r.0 == 1).then(|| t.0.rem_euclid(n.cast_signed()).cast_unsigned())
}

/// The quantile of the standard normal law at `p` in (0, 1); relative error below 1.2e-9.
///
/// P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function"
/// (2003).
pub(super) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.38357751867269e+02,
        -3.066479806614716e+01,
        2.506628277459239e+00,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e+00,
        -2.549732539343734e+00,
        4.374664141464968e+00,
        2.938163982698783e+00,
    ];
    const D: [f64; 5] = [
        7.784695709041462e-03,
        3.224671290700398e-01,
        2.445134137142996e+00,
        3.754408661907416e+00,
        1.0,
    ];
    const TAIL: f64 = 0.02425;
    let polynomial =
        |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    assert!(p > 0.0 && p < 1.0, "a quantile needs a probability inside (0, 1), not {p}");
    if p < TAIL {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    } else if p > 1.0 - TAIL {
        -normal_quantile(1.0 - p)
    } else {
        let q = p - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_permutation_reaches_every_index_and_can_be_undone() {
        for n in [1, 2, 3, 4, 6, 97, 1_000] {
            let permutation = Permutation::new(n);
            let images: HashSet<u64> = (0..n).map(|index| permutation.map(index)).collect();
            assert_eq!(images.len() as u64, n);
            assert!((0..n).all(|index| permutation.unmap(permutation.map(index)) == index));
        }
    }

    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959963984540054),
            (0.0013498980316300933, -3.0),
            (0.999, 3.090232306167813),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-8, "{p}");
        }
    }

    #[test]
    fn hashes_of_neighbours_are_uniform() {
        let mean = (0..10_000).map(|index| unit(hash(1, 2, index))).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_ne!(hash(1, 2, 3), hash(1, 3, 2));
        assert_ne!(hash(1, 2, 3), hash(2, 1, 3));
    }
}
