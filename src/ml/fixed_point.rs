//! Rounding to multiples of a power of two, and doubles as integers of 95 bits.

use crate::exact_sum::scale_by_power;
use pulp::Simd;

/// Rounds to the nearest multiple of a power of two, ties to even, without a branch: adding and
/// taking away 1.5 * 2^52 of these quanta leaves a multiple. That is exact for magnitudes below
/// 2^51 quanta.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    add: f64,
    /// Of the quantum, as a power of two.
    pub(crate) exponent: i32,
}

impl Cut {
    /// To whole numbers.
    pub(crate) const WHOLE: Self = Self { add: 6_755_399_441_055_744.0, exponent: 0 };

    /// To multiples of 2^exponent.
    pub(crate) fn to(exponent: i32) -> Self {
        Self { add: 1.5 * scale_by_power(1.0, exponent + 52), exponent }
    }

    /// The nearest multiple.
    #[inline(always)]
    pub(crate) fn multiple(self, x: f64) -> f64 {
        (x + self.add) - self.add
    }

    /// The nearest multiples of all values of a register.
    #[inline(always)]
    pub(crate) fn multiples<S: Simd>(self, simd: S, x: S::f64s) -> S::f64s {
        let add = simd.splat_f64s(self.add);
        simd.sub_f64s(simd.add_f64s(x, add), add)
    }

    /// How many quanta the nearest multiple is: it stands in the lowest bits of the sum. A
    /// conversion would be one at a time.
    #[inline(always)]
    pub(crate) fn units(self, x: f64) -> i64 {
        (x + self.add).to_bits().wrapping_sub(self.add.to_bits()) as i64
    }
}

/// Bits of a value's high and low part in fixed point.
const HIGH_BITS: i32 = 51;
pub(crate) const LOW_BITS: i32 = 44;

/// How the values of a feature become integers: multiples of a quantum 2^-95 of the greatest
/// magnitude.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedPoint {
    /// To multiples of 2^44 quanta, and of the quantum.
    high: Cut,
    low: Cut,
}

impl FixedPoint {
    pub(crate) fn new(greatest: f64) -> Self {
        let top = greatest.max(1e-250).log2().floor() as i32 + 2;
        Self { high: Cut::to(top - HIGH_BITS), low: Cut::to(top - HIGH_BITS - LOW_BITS) }
    }

    /// Of the quantum, as a power of two.
    pub(crate) fn exponent(&self) -> i32 {
        self.low.exponent
    }

    /// Cuts values into integers, a high one of 2^44 quanta and a low one, and what is left: 0 but
    /// for values below 2^-42 of the greatest. Whether anything is left.
    #[inline(always)]
    pub(crate) fn cut(&self, values: &[f64], parts: &mut [(i64, i64, f64)]) -> bool {
        let mut left = 0;
        for (part, &x) in parts.iter_mut().zip(values) {
            let below = x - self.high.multiple(x);
            let rest = below - self.low.multiple(below);
            left |= rest.to_bits() << 1;
            *part = (self.high.units(x), self.low.units(below), rest);
        }
        left != 0
    }

    /// The sums of the high and of the low parts of up to 2,048 values, and whether anything is
    /// left of one.
    #[inline(always)]
    pub(crate) fn sum(&self, values: &[f64]) -> (i64, i64, bool) {
        const LANES: usize = 8;
        let (lanes, rest) = values.as_chunks::<LANES>();
        let (mut highs, mut lows, mut left) = ([0; LANES], [0; LANES], [0; LANES]);
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for x in lanes.iter().chain([&last]) {
            for lane in 0..LANES {
                let below = x[lane] - self.high.multiple(x[lane]);
                highs[lane] += self.high.units(x[lane]);
                lows[lane] += self.low.units(below);
                left[lane] |= (below - self.low.multiple(below)).to_bits() << 1;
            }
        }
        (highs.iter().sum(), lows.iter().sum(), left != [0; LANES])
    }

    /// What is left of a value.
    pub(crate) fn rest(&self, x: f64) -> f64 {
        let mut part = [(0, 0, 0.0)];
        self.cut(&[x], &mut part);
        part[0].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::Random;

    #[test]
    fn multiples_and_units_are_those_of_whole_numbers() {
        let mut random = Random::new(1);
        for exponent in -900..900 {
            let cut = Cut::to(exponent);
            for _ in 0..20 {
                // Sixteenths of a quantum, of up to 2^51 quanta, rounded to nearest, ties to even.
                let sixteenths = (random.bits() >> random.below(52).max(12)) as i128 >> 1;
                let sixteenths = if random.below(2) == 0 { sixteenths } else { -sixteenths };
                let (whole, rest) = (sixteenths.div_euclid(16), sixteenths.rem_euclid(16));
                let up = rest > 8 || rest == 8 && whole % 2 != 0;
                let units = (whole + i128::from(up)) as i64;
                let x = scale_by_power(sixteenths as f64, exponent - 4);
                assert_eq!(cut.units(x), units, "{sixteenths} sixteenths of 2^{exponent}");
                assert_eq!(cut.multiple(x), scale_by_power(units as f64, exponent));
            }
        }
        assert_eq!([0.5, 1.5, 2.5, -0.5].map(|x| Cut::WHOLE.units(x)), [0, 2, 2, 0]);
    }

    #[test]
    fn high_low_and_rest_of_a_value_are_the_value() {
        let mut random = Random::new(2);
        for _ in 0..1000 {
            let greatest = random.uniform() * 1e9;
            let fixed_point = FixedPoint::new(greatest);
            let x = (random.uniform() * 2.0 - 1.0) * greatest;
            let mut part = [(0, 0, 0.0)];
            assert!(!fixed_point.cut(&[x], &mut part));
            let quanta = (i128::from(part[0].0) << LOW_BITS) + i128::from(part[0].1);
            assert_eq!(scale_by_power(quanta as f64, fixed_point.exponent()), x);
            assert_eq!(fixed_point.sum(&[x]), (part[0].0, part[0].1, false));
        }
    }
}
