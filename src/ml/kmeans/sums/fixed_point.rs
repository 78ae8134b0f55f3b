//! Values as integers of 95 bits.

use crate::exact_sum::scale_by_power;

/// Bits of a value's high and low part in fixed point.
const HIGH_BITS: i32 = 51;
pub(super) const LOW_BITS: i32 = 44;

/// How the values of a feature become integers: multiples of a quantum 2^-95 of the greatest magnitude.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixedPoint {
    /// Adding and taking away these leaves a multiple of 2^44 quanta, and of the quantum.
    high_cut: f64,
    low_cut: f64,
    /// Of the quantum, as a power of two.
    pub(super) exponent: i32,
}

impl FixedPoint {
    pub(super) fn new(greatest: f64) -> Self {
        let top = greatest.max(1e-250).log2().floor() as i32 + 2;
        let cut = |bits: i32| 1.5 * scale_by_power(1.0, top - bits + 52);
        Self {
            high_cut: cut(HIGH_BITS),
            low_cut: cut(HIGH_BITS + LOW_BITS),
            exponent: top - HIGH_BITS - LOW_BITS,
        }
    }

    /// Cuts values into integers, a high one of 2^44 quanta and a low one, and what is left: 0 but for values below
    /// 2^-42 of the greatest. Whether anything is left.
    #[inline(always)]
    pub(super) fn cut(&self, values: &[f64], parts: &mut [(i64, i64, f64)]) -> bool {
        let mut left = 0;
        for (part, &x) in parts.iter_mut().zip(values) {
            let high = x + self.high_cut;
            let rest = x - (high - self.high_cut);
            let low = rest + self.low_cut;
            let rest = rest - (low - self.low_cut);
            left |= rest.to_bits() << 1;
            *part = (difference(high, self.high_cut), difference(low, self.low_cut), rest);
        }
        left != 0
    }
}

impl FixedPoint {
    /// The sums of the high and of the low parts of up to 2,048 values, and whether anything is left of one.
    #[inline(always)]
    pub(super) fn sum(&self, values: &[f64]) -> (i64, i64, bool) {
        const LANES: usize = 8;
        let (lanes, rest) = values.as_chunks::<LANES>();
        let (mut highs, mut lows, mut left) = ([0; LANES], [0; LANES], [0; LANES]);
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for x in lanes.iter().chain([&last]) {
            for lane in 0..LANES {
                let high = x[lane] + self.high_cut;
                let rest = x[lane] - (high - self.high_cut);
                let low = rest + self.low_cut;
                highs[lane] += difference(high, self.high_cut);
                lows[lane] += difference(low, self.low_cut);
                left[lane] |= (rest - (low - self.low_cut)).to_bits() << 1;
            }
        }
        (highs.iter().sum(), lows.iter().sum(), left != [0; LANES])
    }

    /// What is left of a value.
    pub(super) fn rest(&self, x: f64) -> f64 {
        let mut part = [(0, 0, 0.0)];
        self.cut(&[x], &mut part);
        part[0].2
    }
}

/// How many units in the last place `x` is above `origin`; both have one exponent.
#[inline(always)]
pub(super) fn difference(x: f64, origin: f64) -> i64 {
    x.to_bits().wrapping_sub(origin.to_bits()) as i64
}
