//! Log-gamma with its first two derivatives, and logarithms of rising factorials.
//!
//! Crates have the values, but their derivatives are good for eight to twelve digits, and a
//! difference of two values loses what the two have in common.

use crate::ln_1p;

/// From here on Stirling's series has all digits of a double.
const LARGE: f64 = 16.0;
/// ln sqrt(2 pi)
pub(super) const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;
/// Factors of a rising factorial that are multiplied one by one.
const FACTORS: u32 = 32;

/// A function of one number, and its first two derivatives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Derivatives {
    pub(super) value: f64,
    pub(super) first: f64,
    pub(super) second: f64,
}

/// ln Γ(z), ψ(z) and ψ'(z) for z > 0: the recurrence up to 16, then Stirling's series (Abramowitz
/// and Stegun, 6.1.40, 6.3.18, 6.4.12).
pub(super) fn ln_gamma(z: f64) -> Derivatives {
    let (mut z, mut factors, mut inverses, mut squares) = (z, 1.0, 0.0, 0.0);
    while z < LARGE {
        factors *= z;
        inverses += 1.0 / z;
        squares += 1.0 / (z * z);
        z += 1.0;
    }
    let (ln_z, rest) = (libm::log(z), stirling(z));
    Derivatives {
        value: (z - 0.5) * ln_z - z + HALF_LN_TAU + rest.value - libm::log(factors),
        first: ln_z + rest.first - inverses,
        second: rest.second + squares,
    }
}

/// ln Γ(z) - (z - 1/2) ln z + z - ln sqrt(2 pi), ψ(z) - ln z and ψ'(z) for z > 0: small where z is
/// large, so that nothing is lost where the rest cancels.
pub(super) fn beyond_logarithms(z: f64) -> Derivatives {
    if z >= LARGE {
        return stirling(z);
    }
    let (ln_z, Derivatives { value, first, second }) = (libm::log(z), ln_gamma(z));
    let value = value - (z - 0.5) * ln_z + z - HALF_LN_TAU;
    Derivatives { value, first: first - ln_z, second }
}

/// The same by Stirling's series, for z of at least 16.
fn stirling(z: f64) -> Derivatives {
    const VALUE: [f64; 6] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    const FIRST: [f64; 6] =
        [-1.0 / 12.0, 1.0 / 120.0, -1.0 / 252.0, 1.0 / 240.0, -1.0 / 132.0, 691.0 / 32_760.0];
    const SECOND: [f64; 6] =
        [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2730.0];
    let inverse = 1.0 / z;
    let square = inverse * inverse;
    let series = |coefficients: &[f64]| {
        coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * square + coefficient)
    };
    Derivatives {
        value: inverse * series(&VALUE),
        first: square * series(&FIRST) - 0.5 * inverse,
        second: inverse + 0.5 * square + square * inverse * series(&SECOND),
    }
}

/// The sum of ln(1 + j / z) over whole j from 0 to n - 1, which is the logarithm of
/// z (z + 1) ... (z + n - 1) / z^n, and the first two derivatives of the logarithm of that product
/// by z without its divisor: the sums of 1 / (z + j) and -1 / (z + j)^2.
pub(super) fn rising(z: f64, n: u32) -> Derivatives {
    let (mut product, mut inverses, mut squares) = (1.0, 0.0, 0.0);
    for j in 0..n.min(FACTORS) {
        let inverse = 1.0 / (z + f64::from(j));
        product *= 1.0 + f64::from(j) / z;
        inverses += inverse;
        squares += inverse * inverse;
    }
    let head = Derivatives { value: libm::log(product), first: inverses, second: -squares };
    if n <= FACTORS {
        return head;
    }
    // Stirling's series at both ends of the rest; what the two have in common is never computed.
    let (from, more) = (z + f64::from(FACTORS), f64::from(n - FACTORS));
    let (grown, to) = (ln_1p(more / from), from + more);
    let (below, above) = (stirling(from), stirling(to));
    let scaled = ln_1p(f64::from(FACTORS) / z);
    Derivatives {
        value: head.value
            + ((to - 0.5) * grown - more)
            + (above.value - below.value)
            + more * scaled,
        first: head.first + grown + (above.first - below.first),
        second: head.second + (above.second - below.second),
    }
}

/// ln(1 + e^x).
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + ln_1p(libm::exp(-x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(x: f64, expected: f64, digits: f64) {
        assert!((x - expected).abs() <= digits * expected.abs().max(1.0), "{x:e} {expected:e}");
    }

    #[test]
    fn log_gamma_and_its_derivatives_are_those_of_the_tables() {
        // ln sqrt(pi), -gamma - 2 ln 2, pi^2 / 2; -gamma, pi^2 / 6.
        let half = ln_gamma(0.5);
        close(half.value, 0.572_364_942_924_700_1, 1e-13);
        close(half.first, -1.963_510_026_021_423_5, 1e-13);
        close(half.second, 4.934_802_200_544_679, 1e-13);
        let one = ln_gamma(1.0);
        close(one.value, 0.0, 1e-13);
        close(one.first, -0.577_215_664_901_532_9, 1e-13);
        close(one.second, 1.644_934_066_848_226_4, 1e-13);
        close(ln_gamma(10.0).value, 12.801_827_480_081_469, 1e-13);
        close(ln_gamma(10.0).first, 2.251_752_589_066_721, 1e-13);
        close(ln_gamma(1e6).value, 12_815_504.569_147_878, 1e-13);
    }

    #[test]
    fn rising_factorials_are_products() {
        for z in [0.01, 0.25, 3.0, 1e3, 1e6] {
            for n in [0_u32, 1, 2, 31, 32, 33, 100, 5000] {
                let terms = || (0..n).map(f64::from);
                let (sum, rising) = (terms().map(|j| (j / z).ln_1p()).sum::<f64>(), rising(z, n));
                assert!((rising.value - sum).abs() < 1e-12 * (1.0 + sum), "{z} {n}");
                let (first, second) =
                    (terms().map(|j| 1.0 / (z + j)), terms().map(|j| (z + j).powi(-2)));
                close(rising.first, first.sum(), 1e-12);
                close(rising.second, -second.sum::<f64>(), 1e-12);
            }
        }
    }
}
