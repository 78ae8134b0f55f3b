//! Exact sums of doubles: a small superaccumulator that covers only the exponents it has met.
//!
//! R. M. Neal, "Fast exact summation using small and large superaccumulators", arXiv:1505.05571
//! (2015). The sum is an integer in signed limbs of 32 bits, each held in 64 bits, so that carries
//! wait. Since integer addition is associative, a sum is the same whatever the order of its terms
//! and however it was merged.

use super::fixed_point::Cut;
use super::simd::vectorize;

/// Bits of a limb.
const LIMB: u32 = 32;
const LIMB_MASK: i64 = (1 << LIMB) - 1;
/// Terms that may be added before carries must move on: each adds less than 2^32 to a limb of 63
/// bits.
const MAX_PENDING: u32 = 1 << 29;

/// The exact sum of finite doubles and of products of two of them.
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    /// Limb `i` has the weight 2^(32 (first + i)).
    limbs: Vec<i64>,
    first: i32,
    pending: u32,
}

impl ExactSum {
    /// The empty sum, 0.
    pub const fn new() -> Self {
        Self { limbs: Vec::new(), first: 0, pending: 0 }
    }

    /// Adds a finite `x`.
    #[inline]
    pub fn add(&mut self, x: f64) {
        let (mantissa, exponent) = decompose(x);
        self.deposit(mantissa, exponent, x.is_sign_negative());
    }

    /// Adds the exact product of two finite doubles; it can neither overflow nor underflow.
    #[inline]
    pub fn add_product(&mut self, x: f64, y: f64) {
        let (x_mantissa, x_exponent) = decompose(x);
        let (y_mantissa, y_exponent) = decompose(y);
        let mantissa = u128::from(x_mantissa) * u128::from(y_mantissa);
        let exponent = x_exponent + y_exponent;
        let negative = x.is_sign_negative() != y.is_sign_negative();
        self.deposit(mantissa as u64, exponent, negative);
        self.deposit((mantissa >> 64) as u64, exponent + 64, negative);
    }

    /// Adds the exact product of three finite doubles; it can neither overflow nor underflow.
    pub(super) fn add_product_times(&mut self, x: f64, y: f64, times: f64) {
        let (x_mantissa, x_exponent) = decompose(x);
        let (y_mantissa, y_exponent) = decompose(y);
        let (times_mantissa, times_exponent) = decompose(times);
        let product = u128::from(x_mantissa) * u128::from(y_mantissa);
        let negative = x.is_sign_negative() ^ y.is_sign_negative() ^ times.is_sign_negative();
        for (part, bits) in [(product as u64, 0), ((product >> 64) as u64, 64)] {
            let mantissa = u128::from(part) * u128::from(times_mantissa);
            let exponent = x_exponent + y_exponent + times_exponent + bits;
            self.deposit(mantissa as u64, exponent, negative);
            self.deposit((mantissa >> 64) as u64, exponent + 64, negative);
        }
    }

    /// Adds finite doubles: the same sum as one by one, several times as fast.
    pub fn add_all(&mut self, terms: &[f64]) {
        for part in terms.chunks(CUT_TERMS) {
            match vectorize(
                #[inline(always)]
                || cut_sums(part),
            ) {
                Some(sums) => sums.into_iter().for_each(|sum| self.add(sum)),
                None => part.iter().for_each(|&x| self.add(x)),
            }
        }
    }

    /// Adds `integer` * 2^exponent.
    pub(super) fn add_integer(&mut self, integer: i128, exponent: i32) {
        let magnitude = integer.unsigned_abs();
        self.deposit(magnitude as u64, exponent, integer < 0);
        self.deposit((magnitude >> 64) as u64, exponent + 64, integer < 0);
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.limbs.is_empty()
    }

    /// Adds all terms of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.combine(other, 1);
    }

    /// Takes all terms of `other` away.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, -1);
    }

    /// The double nearest to the sum, ties to even; infinite where the sum exceeds the largest
    /// double.
    pub fn round(&self) -> f64 {
        self.quotient(1.0)
    }

    /// The sum, rounded to 53 bits, divided by `divisor`; the sum itself may exceed the range of
    /// doubles.
    pub fn quotient(&self, divisor: f64) -> f64 {
        let (fraction, exponent) = self.parts();
        scale_by_power(fraction / divisor, exponent)
    }

    /// The sum divided by `divisor` and 2^exponent.
    pub(super) fn quotient_at(&self, divisor: f64, exponent: i32) -> f64 {
        let (fraction, own) = self.parts();
        scale_by_power(fraction / divisor, own - exponent)
    }

    /// The sum times an integer, exactly.
    pub fn times(&self, factor: u64) -> Self {
        let (limbs, negative) = self.magnitude();
        let mut carry = 0_u128;
        let mut product: Vec<i64> = Vec::with_capacity(limbs.len() + 2);
        for &limb in &limbs {
            carry += u128::from(limb) * u128::from(factor);
            product.push(signed(carry as u32, negative));
            carry >>= LIMB;
        }
        while carry != 0 {
            product.push(signed(carry as u32, negative));
            carry >>= LIMB;
        }
        Self { limbs: product, first: self.first, pending: 0 }
    }

    /// The square of the sum, exactly.
    pub fn square(&self) -> Self {
        self.product(self)
    }

    /// The product of two sums, exactly.
    pub fn product(&self, other: &Self) -> Self {
        let ((x_limbs, x_negative), (y_limbs, y_negative)) = (self.magnitude(), other.magnitude());
        let mut product = vec![0_u32; x_limbs.len() + y_limbs.len()];
        for (i, &x) in x_limbs.iter().enumerate() {
            let mut carry = 0_u64;
            for (j, &y) in y_limbs.iter().enumerate() {
                carry += u64::from(product[i + j]) + u64::from(x) * u64::from(y);
                product[i + j] = carry as u32;
                carry >>= LIMB;
            }
            product[i + y_limbs.len()] = carry as u32;
        }
        let negative = x_negative != y_negative;
        let limbs = product.into_iter().map(|limb| signed(limb, negative)).collect();
        Self { limbs, first: self.first + other.first, pending: 0 }
    }

    /// The square root of the sum divided by `divisor`; the sum itself may exceed the range of
    /// doubles. 0 where the sum is not positive.
    pub fn root_quotient(&self, divisor: f64) -> f64 {
        let (fraction, exponent) = self.parts();
        let odd = exponent.rem_euclid(2);
        let fraction = fraction.max(0.0) * f64::from(1 + odd);
        scale_by_power(fraction.sqrt() / divisor, (exponent - odd) / 2)
    }

    /// The sum as (`first`, limbs): the sum of limb i times 2^(32 (first + i)). All limbs have the
    /// sign of the sum and magnitudes below 2^32, and neither the first nor the last is 0, so that
    /// equal sums have equal limbs; 0 has none.
    pub fn limbs(&self) -> (i32, Vec<i64>) {
        let (limbs, negative) = self.magnitude();
        let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else {
            return (0, Vec::new());
        };
        let low = limbs.iter().position(|&limb| limb != 0).unwrap_or(0);
        let limbs = limbs[low..=top].iter().map(|&limb| signed(limb, negative)).collect();
        (self.first + low as i32, limbs)
    }

    /// The sum with these limbs, as [`ExactSum::limbs`] gives them; `None` where they are not of
    /// that form.
    pub fn from_limbs(first: i32, limbs: Vec<i64>) -> Option<Self> {
        /// Beyond the products of three doubles, summed 2^64 times.
        const MOST: i32 = 128;
        if limbs.is_empty() {
            return (first == 0).then(Self::new);
        }
        let negative = limbs.last().is_some_and(|&last| last < 0);
        let is_limb = |limb: &i64| {
            limb.unsigned_abs() <= LIMB_MASK as u64 && (*limb == 0 || (*limb < 0) == negative)
        };
        let ends = [limbs.first(), limbs.last()];
        let is_canonical = limbs.iter().all(is_limb) && !ends.contains(&Some(&0));
        let in_range = first >= -MOST && i64::from(first) + limbs.len() as i64 <= i64::from(MOST);
        (is_canonical && in_range).then_some(Self { limbs, first, pending: 1 })
    }

    /// Adds `mantissa` * 2^exponent.
    #[inline]
    fn deposit(&mut self, mantissa: u64, exponent: i32, negative: bool) {
        if mantissa == 0 {
            return;
        }
        let at = self.reserve(exponent >> 5, 3);
        let wide = u128::from(mantissa) << (exponent & 31);
        let sign = -i64::from(negative);
        let limbs = &mut self.limbs[at..at + 3];
        limbs[0] += (i64::from(wide as u32) ^ sign) - sign;
        limbs[1] += (i64::from((wide >> 32) as u32) ^ sign) - sign;
        limbs[2] += (i64::from((wide >> 64) as u32) ^ sign) - sign;
        self.pending += 1;
        if self.pending >= MAX_PENDING {
            self.propagate();
        }
    }

    /// Makes room for `n` limbs from the one of weight 2^(32 `limb`) and returns its index.
    #[inline]
    fn reserve(&mut self, limb: i32, n: usize) -> usize {
        let at = limb.wrapping_sub(self.first) as usize;
        if at.saturating_add(n) > self.limbs.len() {
            return self.grow(limb, n);
        }
        at
    }

    #[cold]
    fn grow(&mut self, limb: i32, n: usize) -> usize {
        if self.limbs.is_empty() {
            self.first = limb;
        }
        if limb < self.first {
            let missing = (self.first - limb) as usize;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = limb;
        }
        let at = (limb - self.first) as usize;
        if at + n > self.limbs.len() {
            self.limbs.resize(at + n, 0);
        }
        at
    }

    fn combine(&mut self, other: &Self, sign: i64) {
        if other.limbs.is_empty() {
            return;
        }
        // A carried sum still has up to 2^32 in a limb, as one pending term has.
        if self.pending + other.pending + 2 >= MAX_PENDING {
            self.propagate();
        }
        let at = self.reserve(other.first, other.limbs.len());
        for (limb, term) in self.limbs[at..].iter_mut().zip(&other.limbs) {
            *limb += sign * term;
        }
        self.pending += other.pending + 1;
    }

    /// Moves carries on: afterwards all limbs but the last, which carries the sign, are in 0..2^32.
    fn propagate(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs {
            let value = *limb + carry;
            *limb = value & LIMB_MASK;
            carry = value >> LIMB;
        }
        if let Some(last) = self.limbs.last_mut() {
            let value = *last | (carry << LIMB);
            if i32::try_from(value).is_ok() {
                *last = value;
            } else {
                self.limbs.push(carry);
            }
        }
        self.pending = 0;
    }

    /// The absolute value as limbs of 32 bits, from the least on, and whether the sum is negative.
    fn magnitude(&self) -> (Vec<u32>, bool) {
        let mut sum = self.clone();
        sum.propagate();
        let negative = sum.limbs.last().is_some_and(|&last| last < 0);
        if negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.propagate();
        }
        (sum.limbs.iter().map(|&limb| limb as u32).collect(), negative)
    }

    /// The sum as `fraction * 2^exponent`, the fraction rounded to nearest, ties to even.
    fn parts(&self) -> (f64, i32) {
        let (limbs, negative) = self.magnitude();
        let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else {
            return (0.0, 0);
        };
        // Four limbs hold at least 97 significant bits; what is below decides a tie only.
        let low = top as i32 - 3;
        let leading = (low..=top as i32).rev().fold(0_u128, |leading, i| {
            leading << LIMB | u128::from(usize::try_from(i).map_or(0, |i| limbs[i]))
        });
        let sticky = low > 0 && limbs[..low as usize].iter().any(|&limb| limb != 0);
        let fraction = (leading | u128::from(sticky)) as f64;
        (if negative { -fraction } else { fraction }, (self.first + low) * LIMB as i32)
    }
}

/// Terms that [`cut_sums`] takes.
const CUT_TERMS: usize = 1 << 11;
/// Bits of a slice of a term: with those of the number of terms and the sign they fill a double.
const CUT_BITS: i32 = 40;

/// The sum of up to 2,048 terms in three parts, or `None` where it does not fit them.
///
/// Each term is cut into three slices of 40 bits, the highest just below the greatest magnitude (J.
/// Demmel, H. D. Nguyen, "Fast reproducible floating-point summation", 2013). The slices of one
/// height have an exact sum in a double, whatever the order, so lanes may add on their own.
#[inline(always)]
fn cut_sums(terms: &[f64]) -> Option<[f64; 3]> {
    const LANES: usize = 8;
    let (lanes, rest) = terms.as_chunks::<LANES>();
    let mut greatest = [0.0_f64; LANES];
    for x in lanes {
        for (greatest, x) in greatest.iter_mut().zip(x) {
            *greatest = if x.abs() > *greatest { x.abs() } else { *greatest };
        }
    }
    let greatest = greatest.iter().chain(rest).fold(0.0_f64, |greatest, x| greatest.max(x.abs()));
    if greatest == 0.0 {
        return Some([0.0; 3]);
    }
    // Beyond these the quanta, or the doubles that cut, would leave the range.
    if !(1e-200..1e200).contains(&greatest) {
        return None;
    }
    let (_, exponent) = decompose(greatest);
    let quantum = exponent + 53 - CUT_BITS;
    let cuts = [0, 1, 2].map(|slice| Cut::to(quantum - slice * (CUT_BITS + 1)));
    let mut sums = [[0.0; LANES]; 3];
    let mut left = [0_u64; LANES];
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    for x in lanes.iter().chain([&last]) {
        let mut x = *x;
        for (cut, sum) in cuts.iter().zip(&mut sums) {
            for lane in 0..LANES {
                let slice = cut.multiple(x[lane]);
                sum[lane] += slice;
                x[lane] -= slice;
            }
        }
        for lane in 0..LANES {
            left[lane] |= x[lane].to_bits() << 1;
        }
    }
    (left == [0; LANES]).then(|| sums.map(|lanes| lanes.iter().sum()))
}

/// `x` as an integer mantissa and a power of two, without the sign. What is infinite counts as
/// 2^1024, and so makes a sum that rounds to infinity.
#[inline]
fn decompose(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) }
}

/// The exponent of the power of two just above the magnitude of a normal `x`.
pub(super) fn exponent_above(x: f64) -> i32 {
    (x.to_bits() >> 52 & 0x7ff) as i32 - 1022
}

fn signed(limb: u32, negative: bool) -> i64 {
    if negative { -i64::from(limb) } else { i64::from(limb) }
}

/// `x * 2^exponent`, in steps, because the power alone may be out of range.
pub(super) fn scale_by_power(x: f64, exponent: i32) -> f64 {
    let (mut x, mut exponent) = (x, exponent);
    while exponent != 0 && x != 0.0 && x.is_finite() {
        // Only the last step may end in the subnormal range, so that there is one rounding.
        let step = if exponent < -1000 { -900 } else { exponent.min(1000) };
        x *= f64::powi(2.0, step);
        exponent -= step;
    }
    x
}

#[cfg(test)]
mod tests;
