//! What is expected of a customer: whether he is one still, how often he will buy, what that is
//! worth.

use super::{History, Purchasing, Result, Spending, checked_value};
use crate::ln_1p;

/// A time in units of a customer's age from which on time is up: with [`super::MAX_FREQUENCY`], a
/// double holds their product.
const FAR: f64 = 1e290;

impl Purchasing {
    /// The probability that a customer has not left. Who bought once cannot have: the model has
    /// customers leave after a repeat purchase.
    pub fn alive(&self, history: History) -> f64 {
        if history.frequency == 0 {
            return 1.0;
        }
        let odds = self.ln_odds_gone(f64::from(history.frequency), history.recency, history.age);
        1.0 / (1.0 + libm::exp(odds))
    }

    /// The purchases that are expected within a time from now.
    pub fn purchases(&self, history: History, horizon: f64) -> f64 {
        self.alive(history) * self.purchases_while_alive(history, horizon)
    }

    /// The purchases that are expected within a time from now, one after a time t counted as (1 +
    /// `discount`)^-t.
    pub fn discounted_purchases(&self, history: History, horizon: f64, discount: f64) -> f64 {
        /// What comes later counts less than any digit.
        const LAST: f64 = 45.0;
        let rate = ln_1p(discount);
        if rate == 0.0 {
            return self.purchases(history, horizon);
        }
        let horizon = horizon.min(LAST / rate);
        // By parts: the integral of e^(-rate t) dE(t) is one of E(t) itself. E bends on the scale
        // of alpha + age, so the nodes are uniform in ln(1 + t / (alpha + age)).
        let scale = self.alpha + history.age;
        let end = ln_1p(horizon / scale);
        let panels = end.max(rate * horizon / 8.0).ceil().max(1.0);
        let width = end / panels;
        let mut integral = 0.0;
        for panel in 0..panels as u32 {
            for (node, weight) in GAUSS {
                for side in [0.5 - node, 0.5 + node] {
                    let grown = libm::exp((f64::from(panel) + side) * width);
                    let (time, slope) = (scale * (grown - 1.0), scale * grown);
                    let counted = libm::exp(-rate * time);
                    let expected = self.purchases_while_alive(history, time);
                    integral += weight * width * slope * counted * expected;
                }
            }
        }
        let at_end = libm::exp(-rate * horizon) * self.purchases_while_alive(history, horizon);
        self.alive(history) * (at_end + rate * integral)
    }

    /// The mean of (1 - (1 + p u)^-s) / p over the probabilities p to leave, u = t / (alpha + age),
    /// s = r + x: the purchases within t of a customer who has not left.
    fn purchases_while_alive(&self, history: History, horizon: f64) -> f64 {
        let x = f64::from(history.frequency);
        let u = (horizon / (self.alpha + history.age)).min(FAR);
        let (s, b) = (self.r + x, self.b + x);
        if u <= 16.0 && s * u <= 500.0 {
            series(u, s, self.a, b)
        } else {
            quadrature(u, s, self.a, b)
        }
    }
}

/// The mean over n, the purchases of one who never leaves, of those before he does. n is negative
/// binomial, and the j-th comes with the probability that he stayed after all before it:
///
/// (1 + p u)^-s = sum of NB(n; s, u / (1 + u)) (1 - p)^n, so (1 - (1 + p u)^-s) / p is the mean of
/// 1 + (1 - p) + ... + (1 - p)^(n - 1).
///
/// All terms are positive, unlike those of the paper's expression, which has a pole at a = 1.
fn series(u: f64, s: f64, a: f64, b: f64) -> f64 {
    let z = u / (1.0 + u);
    let mut probability = libm::exp(-s * ln_1p(u));
    let (mut stays, mut made, mut sum) = (1.0, 0.0, 0.0);
    let mut n = 0.0;
    loop {
        made += stays;
        stays *= (b + n) / (a + b + n);
        probability *= z * (s + n) / (n + 1.0);
        n += 1.0;
        let term = probability * made;
        sum += term;
        if n > s * u && term <= 1e-18 * sum {
            return sum;
        }
    }
}

/// The same mean as an integral over y = ln(p / (1 - p)) by the trapezoidal rule, whose error falls
/// exponentially for such an integrand; both tails are geometric series.
fn quadrature(u: f64, s: f64, a: f64, b: f64) -> f64 {
    /// Share of a sum that does not count.
    const NOTHING: f64 = 1e-18;
    let mode = libm::log(a) - libm::log(b);
    let step = (0.5 * ((a + b) / (a * b)).sqrt()).min(0.25);
    // The logarithm of the density of y, and p.
    let at = |y: f64| {
        let small = libm::exp(-y.abs());
        let (grown, less) = (ln_1p(small), small / (1.0 + small));
        let (ln_p, ln_rest) = (y.min(0.0) - grown, -y.max(0.0) - grown);
        (a * ln_p + b * ln_rest, less, y < 0.0)
    };
    let (peak, ..) = at(mode);
    let gain = |p: f64| {
        if p * u * (s + 1.0) < 1e-17 { s * u } else { -libm::expm1(-s * ln_1p(p * u)) / p }
    };
    let (mut weights, mut sum) = (0.0, 0.0);
    for direction in [-1.0, 1.0] {
        let decay = -libm::expm1(-step * if direction < 0.0 { a } else { b });
        // The mode belongs to the left.
        let mut k = if direction < 0.0 { 0.0 } else { 1.0 };
        loop {
            let (ln_weight, less, is_low) = at(mode + direction * k * step);
            let p = if is_low { less } else { 1.0 - less };
            let (weight, gain) = (libm::exp(ln_weight - peak), gain(p));
            // From here on the density falls by a constant factor, and the gain is constant.
            let is_tail = is_low == (direction < 0.0)
                && less * if is_low { b.max(u * (s + 1.0)) } else { a.max(s + 1.0) } < 1e-17;
            let rest = weight / decay;
            if is_tail || rest <= NOTHING * weights && rest * s * u <= NOTHING * sum {
                weights += rest;
                sum += rest * gain;
                break;
            }
            weights += weight;
            sum += weight * gain;
            k += 1.0;
        }
    }
    sum / weights
}

/// Nodes of the Gauss-Legendre rule of 16 points on [0, 1], as distances from the middle, and their
/// weights.
const GAUSS: [(f64, f64); 8] = [
    (0.047_506_254_918_818_72, 0.094_725_305_227_534_25),
    (0.140_801_775_389_629_46, 0.091_301_707_522_461_79),
    (0.229_008_388_828_613_7, 0.084_578_259_697_501_27),
    (0.308_938_122_201_321_9, 0.074_797_994_408_288_37),
    (0.377_702_204_177_501_5, 0.062_314_485_627_766_94),
    (0.432_815_601_193_915_9, 0.047_579_255_841_246_39),
    (0.472_287_511_536_616_3, 0.031_126_761_969_323_946),
    (0.494_700_467_495_825, 0.013_576_229_705_877_047),
];

impl Spending {
    /// The expected value of a purchase of a customer whose repeat purchases were worth `value` on
    /// average; `None` where the mean of all customers is infinite, and nothing is known of this
    /// one.
    pub fn value(&self, history: History, value: Option<f64>) -> Result<Option<f64>> {
        let x = f64::from(history.frequency);
        let total = match value {
            Some(value) if x > 0.0 => x * checked_value(value)?,
            _ => 0.0,
        };
        let divisor = self.p * x + self.q - 1.0;
        Ok((divisor > 0.0).then(|| self.p * (self.gamma + total) / divisor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_and_the_integral_agree() {
        let sizes = [1e-3, 0.2, 0.7, 1.0, 3.0, 40.0, 2000.0];
        for a in sizes {
            for b in sizes {
                for s in [0.01, 0.24, 1.0, 7.3, 60.0] {
                    for u in [1e-9, 0.01, 0.8, 5.0, 8.0] {
                        let (one, other) = (series(u, s, a, b), quadrature(u, s, a, b));
                        assert!(
                            (one - other).abs() < 1e-11 * one,
                            "u {u} s {s} a {a} b {b}: {one:e} {other:e}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn extremes_have_their_limits() {
        // Nobody leaves: s u. Everybody does after the first purchase: its probability.
        assert!((quadrature(100.0, 30.0, 1e-7, 1e3) / 3000.0 - 1.0).abs() < 1e-5);
        let one = quadrature(100.0, 2.0, 1e6, 1e-6);
        assert!((one - (1.0 - 101.0_f64.powi(-2))).abs() < 1e-5, "{one}");
        // For ever: the mean of 1 / p, which is (a + b - 1) / (a - 1).
        let forever = quadrature(FAR, 5.0, 3.0, 4.0);
        assert!((forever - 3.0).abs() < 1e-9, "{forever}");
        assert!(quadrature(FAR, 1e9, 1e-6, 1e9).is_finite());
        assert!(quadrature(FAR, 1e-3, 1e-6, 1e-6).is_finite());
    }
}
