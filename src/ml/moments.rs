//! Extremes, sum and sum of squares of columns, exactly: one pass over a tile while it is in the
//! cache.

use super::exact_sum::{ExactSum, exponent_above};
use super::fixed_point::Cut;
use super::simd::dispatch;
use pulp::{Simd, WithSimd};

/// Values of one call at most.
pub(super) const TILE_ROWS: usize = 2048;
/// Bits of a slice: those of a product of two slices, of [`TILE_ROWS`] rows and the sign fill a
/// double.
pub(super) const SLICE_BITS: i32 = 21;

/// Moments of the values of one feature in a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) min: f64,
    pub(super) max: f64,
    /// `None` where the values do not fit [`MAX_SLICES`] slices.
    sums: Option<Sums>,
}

/// Slices that are tried: 84 bits from the greatest value down.
const MAX_SLICES: usize = 4;

/// Sums in fixed point.
#[derive(Clone, Copy, Debug)]
struct Sums {
    /// All values are below 2^exponent.
    exponent: i32,
    /// In quanta of 2^-84 of that.
    sum: i128,
    /// In quanta of the square of 2^-42 of that, and of 2^-84.
    squares: [i128; 2],
}

impl Moments {
    /// Of finite values, at most [`TILE_ROWS`].
    pub(super) fn of(values: &[f64]) -> Self {
        assert!(values.len() <= TILE_ROWS, "sums of a tile are exact");
        let (min, max) = dispatch(Extremes(values));
        let greatest = max.abs().max(min.abs());
        let sums = if values.is_empty() || greatest == 0.0 {
            Some(Sums { exponent: 0, sum: 0, squares: [0; 2] })
        } else if (1e-120..1e120).contains(&greatest) {
            let exponent = exponent_above(greatest);
            dispatch(Slices::<3> { values, exponent })
                .or_else(|| dispatch(Slices::<4> { values, exponent }))
        } else {
            // Beyond these the quanta of a square would leave the range of doubles.
            None
        };
        Self { min, max, sums }
    }
}

/// Moments of a feature over many tiles.
#[derive(Clone, Debug)]
pub(super) struct TotalMoments {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) sum: ExactSum,
    pub(super) squares: ExactSum,
}

impl TotalMoments {
    pub(super) fn new() -> Self {
        Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: ExactSum::new(),
            squares: ExactSum::new(),
        }
    }

    /// Adds a tile, of which `values` are the values.
    pub(super) fn add(&mut self, moments: &Moments, values: &[f64]) {
        self.min = self.min.min(moments.min);
        self.max = self.max.max(moments.max);
        let unit = SLICE_BITS * MAX_SLICES as i32;
        match moments.sums {
            Some(Sums { exponent, sum, squares }) => {
                self.sum.add_integer(sum, exponent - unit);
                self.squares.add_integer(squares[0], 2 * exponent - unit);
                self.squares.add_integer(squares[1], 2 * exponent - 2 * unit);
            }
            None => {
                for &x in values {
                    self.sum.add(x);
                    self.squares.add_product(x, x);
                }
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }
}

/// The least and the greatest of some values; infinite where there is none.
pub(super) struct Extremes<'a>(pub(super) &'a [f64]);

impl WithSimd for Extremes<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f64) {
        let (registers, rest) = S::as_simd_f64s(self.0);
        let (mut min, mut max) =
            (simd.splat_f64s(f64::INFINITY), simd.splat_f64s(f64::NEG_INFINITY));
        for &x in registers {
            min = simd.min_f64s(min, x);
            max = simd.max_f64s(max, x);
        }
        let least = rest.iter().copied().fold(simd.reduce_min_f64s(min), f64::min);
        (least, rest.iter().copied().fold(simd.reduce_max_f64s(max), f64::max))
    }
}

/// Sums of values below 2^exponent by cutting each into N slices, the highest first; `None` where
/// something is left.
///
/// All products of two slices have an exact sum in a double, whatever its order (K. Ozaki, T.
/// Ogita, S. Oishi, S. M. Rump, "Error-free transformations of matrix multiplication", 2012).
struct Slices<'a, const N: usize> {
    values: &'a [f64],
    exponent: i32,
}

impl<const N: usize> WithSimd for Slices<'_, N> {
    type Output = Option<Sums>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<Sums> {
        let zero = simd.splat_f64s(0.0);
        let cuts: [Cut; N] =
            std::array::from_fn(|slice| Cut::to(self.exponent - SLICE_BITS * (slice as i32 + 1)));
        let mut sums = [zero; N];
        let mut products = [[zero; N]; N];
        let mut left = zero;
        let (registers, rest) = S::as_simd_f64s(self.values);
        let last = simd.partial_load_f64s(rest);
        for mut x in registers.iter().copied().chain([last]) {
            let mut slices = [zero; N];
            for i in 0..N {
                slices[i] = cuts[i].multiples(simd, x);
                x = simd.sub_f64s(x, slices[i]);
                sums[i] = simd.add_f64s(sums[i], slices[i]);
                for (product, slice) in products[i].iter_mut().zip(&slices[..=i]) {
                    *product = simd.mul_add_e_f64s(slices[i], *slice, *product);
                }
            }
            left = simd.max_f64s(left, simd.abs_f64s(x));
        }
        if simd.reduce_max_f64s(left) != 0.0 {
            return None;
        }

        // The quantum of slice i, counted from 1, is 2^(exponent - 21 i).
        let in_quanta = |sum: f64, exponent: i32| (sum * f64::powi(2.0, -exponent)) as i64;
        let mut result = Sums { exponent: self.exponent, sum: 0, squares: [0; 2] };
        for i in 0..N {
            let bits = SLICE_BITS * (i as i32 + 1);
            let sum = in_quanta(simd.reduce_sum_f64s(sums[i]), self.exponent - bits);
            result.sum += i128::from(sum) << (SLICE_BITS * MAX_SLICES as i32 - bits);
            for (j, product) in products[i].into_iter().enumerate().take(i + 1) {
                let bits = bits + SLICE_BITS * (j as i32 + 1);
                let product = in_quanta(simd.reduce_sum_f64s(product), 2 * self.exponent - bits);
                let product = i128::from(product) * (1 + i128::from(i != j));
                // The products of four slices and more below the first go to the lower part.
                let part = usize::from(bits > SLICE_BITS * MAX_SLICES as i32);
                let unit = SLICE_BITS * MAX_SLICES as i32 * (1 + part as i32);
                result.squares[part] += product << (unit - bits);
            }
        }
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::on_each;
    use super::super::test_data::Random;
    use super::*;

    fn total(values: &[f64]) -> TotalMoments {
        let mut total = TotalMoments::new();
        values.chunks(TILE_ROWS).for_each(|tile| total.add(&Moments::of(tile), tile));
        total
    }

    fn one_by_one(values: &[f64]) -> TotalMoments {
        let mut total = TotalMoments::new();
        for &x in values {
            total.sum.add(x);
            total.squares.add_product(x, x);
            (total.min, total.max) = (total.min.min(x), total.max.max(x));
        }
        total
    }

    #[test]
    fn moments_are_exact_whatever_the_values_and_the_registers() {
        let mut random = Random::new(3);
        for case in 0..200 {
            let n = random.below(3 * TILE_ROWS);
            let unit = [1.0, 1e-30, 1e100, 1e-140, 3.0][case % 5];
            let offset = [0.0, 1e8, -5.0][case % 3];
            let spread = [0, 10, 80, 400][case / 5 % 4];
            let values: Vec<f64> = (0..n)
                .map(|_| {
                    let small = 10_f64.powi(-(random.below(spread + 1) as i32));
                    (random.normal() * small + offset) * unit
                })
                .collect();
            let expected = one_by_one(&values);
            for total in on_each(|| total(&values)) {
                assert_eq!((total.min, total.max), (expected.min, expected.max));
                assert_eq!(
                    total.sum.round().to_bits(),
                    expected.sum.round().to_bits(),
                    "case {case}"
                );
                let mut rest = total.squares;
                rest.subtract(&expected.squares);
                assert_eq!(rest.round(), 0.0, "case {case}");
            }
        }
    }

    #[test]
    fn ordinary_values_need_no_slow_sum() {
        let mut random = Random::new(4);
        let values: Vec<f64> = (0..TILE_ROWS).map(|_| random.normal()).collect();
        assert!(Moments::of(&values).sums.is_some());
        assert!(Moments::of(&[0.0; 7]).sums.is_some());
        assert!(Moments::of(&[1.0, 1e-30]).sums.is_none());
    }
}
