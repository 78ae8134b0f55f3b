//! ln(1 + x) of whole columns.
//!
//! The logarithm of the system's library takes one value at a time, a tenth of a second for a
//! million rows of eight features, and differs in its last bit from system to system. This one has
//! no branches, so that it runs on wide registers, and is the same everywhere.

use super::simd::vectorize;

/// Replaces each x by ln(1 + x); 0 <= x, finite. The error is less than one unit in the last place.
pub(super) fn ln_1p_all(values: &mut [f64]) {
    vectorize(
        #[inline(always)]
        || values.iter_mut().for_each(|x| *x = ln_1p(*x)),
    );
}

/// ln(1 + x) of a finite x of at least 0; the same bits as [`ln_1p_all`] has.
///
/// 1 + x = 2^k m with m from sqrt(1/2) to sqrt(2); ln(m) = 2 atanh(s), s = (m - 1) / (m + 1), by a
/// polynomial in s^2 whose coefficients are those of Sun's fdlibm (`s_log1p.c`, 1993); what
/// rounding of 1 + x lost is added back.
#[inline(always)]
pub fn ln_1p(x: f64) -> f64 {
    /// The bits of sqrt(1/2), without its lower half.
    const HALF_ROOT: u64 = 0x3fe6_a09e << 32;
    const ONE: u64 = 0x3ff0_0000 << 32;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// Coefficients of z, z^2, ...
    const C: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    let u = 1.0 + x;
    let back = u - x;
    let lost = (x - (u - back)) + (1.0 - back);
    // Wrapping: what is no number has no logarithm, and need not end the process.
    let bits = u.to_bits().wrapping_add(ONE - HALF_ROOT);
    // A whole number of at most 11 bits as a double: 2^52 + k, minus 2^52.
    let k = f64::from_bits((bits >> 52) + (0x4330_0000 << 32)) - (4_503_599_627_370_496.0 + 1023.0);
    let m = f64::from_bits((bits & ((1 << 52) - 1)) + HALF_ROOT);
    let f = m - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (C[1] + w * (C[3] + w * C[5]));
    let odd = z * (C[0] + w * (C[2] + w * (C[4] + w * C[6])));
    s * (half_square + (even + odd)) + (k * LN2_LOW + lost / u) - half_square + f + k * LN2_HIGH
}

#[cfg(test)]
mod tests {
    use super::super::test_data::Random;
    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_library_to_one_unit_in_the_last_place() {
        let mut random = Random::new(1);
        let mut values: Vec<f64> = (0..200_000)
            .map(|i| random.uniform() * 10_f64.powi(i % 40 - 20))
            .chain([0.0, 1.0, 0.414_213_562_373_095_1, 1e15, 1e16, 1e300, f64::MAX, 5e-324, 1e-300])
            .collect();
        let expected: Vec<f64> = values.iter().map(|x| x.ln_1p()).collect();
        let one_by_one: Vec<f64> = values.iter().map(|&x| ln_1p(x)).collect();
        ln_1p_all(&mut values);
        assert_eq!(values, one_by_one);
        for (x, expected) in values.iter().zip(expected) {
            assert!(x.to_bits().abs_diff(expected.to_bits()) <= 1, "{x:e} is not {expected:e}");
        }
        assert_eq!(ln_1p(0.0).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn what_is_no_number_has_no_logarithm() {
        for x in [f64::NAN, -f64::NAN] {
            assert!(ln_1p(x).is_nan());
        }
    }
}
