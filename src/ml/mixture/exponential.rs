//! exp(x) of whole columns: without a branch, so that it runs on wide registers, and the same
//! everywhere.

/// exp(x) of an x of at most 0; 0 below -708, and of minus infinity. The error is less than two
/// units in the last place.
///
/// x = k ln 2 + r with |r| of at most ln(2) / 2; exp(r) by its series.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    const LEAST: f64 = -708.0;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// Adding and taking away this rounds to a whole number, which stands in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// 1 / n!, from n = 13 down to n = 2.
    const C: [f64; 12] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ];
    let bounded = if x > LEAST { x } else { LEAST };
    let shifted = bounded * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (bounded - k * LN2_HIGH) - k * LN2_LOW;
    let series = C[1..].iter().fold(C[0], |sum, c| sum * r + c);
    let series = 1.0 + (r + r * r * series);
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let power = f64::from_bits(exponent.wrapping_add(1023) << 52);
    if x >= LEAST { series * power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::Random;

    #[test]
    fn the_exponential_is_that_of_the_library_to_two_units_in_the_last_place() {
        let mut random = Random::new(1);
        let draws = (0..100_000).map(|i| -random.uniform() * [1e-9, 1.0, 40.0, 708.0][i % 4]);
        for x in draws.chain([0.0, -0.0, -708.0, -f64::MIN_POSITIVE]) {
            let distance = exp(x).to_bits().abs_diff(x.exp().to_bits());
            assert!(distance <= 2, "exp({x:e}) is {distance} units off");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!([-708.5, -1e300, f64::NEG_INFINITY].map(exp), [0.0; 3]);
    }
}
