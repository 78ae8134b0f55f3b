//! Gamma-Gamma: what purchases are worth (Fader and Hardie, "The Gamma-Gamma model of monetary
//! value", 2013).
//!
//! Purchases of a customer are worth Gamma(p, ν) each, ν ~ Gamma(q, γ), independent of how many
//! there are.

use nalgebra::{SMatrix, SVector};

use super::Pair;
use super::newton::{Evaluation, Maximum, maximize};
use super::special::{HALF_LN_TAU, beyond_logarithms};
use crate::threads::{map_parts, worth};

/// Pairs whose terms are added one after the other: a part, whatever the threads.
const PART: usize = 4096;
/// Simple operations that a pair takes.
const WORK: usize = 32;

/// The parameters that are searched: ln p, ln q, ln(p γ / q). What data may leave open, purchases
/// that are all worth the same or customers who are all alike, is one parameter at its bound.
type Point = SVector<f64, 3>;

struct Data {
    parts: Vec<Vec<Term>>,
    /// Customers by frequency.
    frequencies: Vec<(u32, f64)>,
    n_threads: usize,
}

/// Customers with one mean m of x purchases.
struct Term {
    frequency: f64,
    ln_value: f64,
    count: f64,
}

/// The most likely parameters; `pairs` are distinct and sorted, and there is one at least.
pub(super) fn fit(pairs: &[(Pair, u64)], max_iter: u32, n_threads: usize) -> Maximum<3> {
    let data = Data::new(pairs, n_threads);
    // The mean of logarithms, which no value leads.
    let (sum, n) = pairs.iter().fold((0.0, 0.0), |(sum, n), (pair, count)| {
        (sum + *count as f64 * libm::log(pair.value()), n + *count as f64)
    });
    let middle = sum / n;
    let bounds = [(-7.0, 9.0), (-4.0, 9.0), (middle - 20.0, middle + 20.0)];
    let starts = [1.0_f64, 6.0, 40.0].into_iter().flat_map(|p| [1.5, 4.0, 20.0].map(|q| (p, q)));
    let starts = starts.map(|(p, q)| Point::from([libm::log(p), libm::log(q), middle]));
    let best = starts.map(|start| (data.evaluate(&start).value, start));
    let best =
        best.max_by(|a, b| a.0.total_cmp(&b.0)).map_or_else(Point::zeros, |(_, start)| start);
    maximize(best, &bounds, max_iter, |point| data.evaluate(point))
}

/// The parameters p, q and γ at a point, and the derivatives of their logarithms by the point.
pub(super) fn parameters(point: &Point) -> ([f64; 3], SMatrix<f64, 3, 3>) {
    let [p, q] = [point[0], point[1]].map(libm::exp);
    let gamma = libm::exp(point[2] + point[1] - point[0]);
    ([p, q, gamma], SMatrix::from_row_slice(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 1.0, 1.0]))
}

impl Data {
    fn new(pairs: &[(Pair, u64)], n_threads: usize) -> Self {
        let mut frequencies: Vec<(u32, f64)> = Vec::new();
        for (pair, count) in pairs {
            match frequencies.last_mut() {
                Some((frequency, n)) if *frequency == pair.frequency => *n += *count as f64,
                _ => frequencies.push((pair.frequency, *count as f64)),
            }
        }
        let term = |(pair, count): &(Pair, u64)| {
            let ln_value = libm::log(pair.value());
            Term { frequency: f64::from(pair.frequency), ln_value, count: *count as f64 }
        };
        let parts = pairs.chunks(PART).map(|part| part.iter().map(term).collect()).collect();
        Data { parts, frequencies, n_threads: worth(pairs.len() * WORK, n_threads) }
    }

    /// The log-likelihood and its derivatives: sums of parts, in their order.
    fn evaluate(&self, point: &Point) -> Evaluation<3> {
        let (p, q) = (libm::exp(point[0]), libm::exp(point[1]));
        let mut all = Evaluation::zero();
        let of_q = beyond_logarithms(q);
        for (frequency, count) in &self.frequencies {
            let px = p * f64::from(*frequency);
            let (of_px, of_both) = (beyond_logarithms(px), beyond_logarithms(px + q));
            let root = 0.5 * (libm::log(px) + libm::log(q / (px + q))) - HALF_LN_TAU;
            all.value += count * (root + of_both.value - of_px.value - of_q.value);
            let (by_px, by_q) = (of_both.first - of_px.first, of_both.first - of_q.first);
            all.gradient[0] += count * px * by_px;
            all.gradient[1] += count * q * by_q;
            let (second, of_both) = (of_both.second - of_px.second, of_both.second);
            all.hessian[(0, 0)] += count * px * (by_px + px * second);
            all.hessian[(1, 1)] += count * q * (by_q + q * (of_both - of_q.second));
            all.hessian[(0, 1)] += count * px * q * of_both;
        }
        let mut parts: Vec<&[Term]> = self.parts.iter().map(Vec::as_slice).collect();
        let sums = map_parts(&mut parts, self.n_threads, |parts| {
            let sum = |part: &[Term]| {
                let mut sum = Evaluation::zero();
                part.iter().for_each(|term| term.add(point, p, q, &mut sum));
                sum
            };
            parts.iter().map(|part| sum(part)).collect::<Vec<_>>()
        });
        sums.iter().flatten().for_each(|sum| all.add(sum));
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            all.hessian[(j, i)] = all.hessian[(i, j)];
        }
        all
    }
}

impl Term {
    /// What depends on the mean m, with y = m / M and M = p γ / q:
    /// `px ln y - (px + q) ln(1 + px (y - 1) / (px + q)) - ln m`. Stirling's logarithms of the
    /// gamma functions are in it, because both parts are large where the whole is small.
    fn add(&self, point: &Point, p: f64, q: f64, sum: &mut Evaluation<3>) {
        let (px, count) = (p * self.frequency, self.count);
        let ln_y = self.ln_value - point[2];
        let beyond = libm::expm1(ln_y);
        let grown = libm::log1p(px * beyond / (px + q));
        // The shares of px y and q in their sum.
        let whole = px + q + px * beyond;
        let (share, rest) = ((px + px * beyond) / whole, q / whole);
        let slope = -px * rest * beyond;
        let bend = (px + q) * share * rest;
        sum.value += count * (px * (ln_y - grown) - q * grown - self.ln_value);
        sum.gradient[0] += count * (px * (ln_y - grown) + slope);
        sum.gradient[1] -= count * (q * grown + slope);
        sum.gradient[2] -= count * slope;
        sum.hessian[(0, 0)] += count * (px * (ln_y - grown) + 2.0 * px * rest - bend);
        sum.hessian[(0, 1)] += count * (bend - px * rest - q * share);
        sum.hessian[(0, 2)] += count * (bend - px * rest);
        sum.hessian[(1, 1)] += count * (2.0 * q * share - q * grown - bend);
        sum.hessian[(1, 2)] += count * (q * share - bend);
        sum.hessian[(2, 2)] -= count * bend;
    }
}

#[cfg(test)]
mod tests {
    use super::super::special::ln_gamma;
    use super::*;

    /// The log-likelihood as the paper has it.
    fn plain(pairs: &[(Pair, u64)], point: &Point) -> f64 {
        let ([p, q, gamma], _) = parameters(point);
        let term = |(pair, count): &(Pair, u64)| {
            let (x, m) = (f64::from(pair.frequency), pair.value());
            let gammas = [p * x + q, p * x, q].map(|z| ln_gamma(z).value);
            let powers = q * gamma.ln() + (p * x - 1.0) * m.ln() + p * x * x.ln();
            let ln = gammas[0] - gammas[1] - gammas[2] + powers;
            (ln - (p * x + q) * (gamma + m * x).ln()) * *count as f64
        };
        pairs.iter().map(term).sum()
    }

    #[test]
    fn the_likelihood_is_that_of_the_paper_and_its_derivatives_are_slopes() {
        let mut pairs =
            vec![(Pair::new(1, 20.0), 3), (Pair::new(2, 35.5), 2), (Pair::new(12, 8.25), 1)];
        pairs.sort_unstable();
        let data = Data::new(&pairs, 1);
        for point in [[1.8, 1.3, 3.0], [-1.0, 0.2, 4.0], [4.0, 3.0, 1.0]] {
            let point = Point::from(point);
            let here = data.evaluate(&point);
            let plain = plain(&pairs, &point);
            assert!((here.value - plain).abs() < 1e-10 * plain.abs(), "{point}");
            let h = 1e-5;
            for i in 0..3 {
                let mut step = Point::zeros();
                step[i] = h;
                let (up, down) = (data.evaluate(&(point + step)), data.evaluate(&(point - step)));
                let slope = (up.value - down.value) / (2.0 * h);
                assert!(
                    (here.gradient[i] - slope).abs() < 1e-5 * (1.0 + slope.abs()),
                    "{i} {point}"
                );
                let slopes = (up.gradient - down.gradient) / (2.0 * h);
                for j in 0..3 {
                    let given = here.hessian[(j, i)];
                    assert!(
                        (given - slopes[j]).abs() < 1e-5 * (1.0 + given.abs()),
                        "{j} {i} {point}"
                    );
                }
            }
        }
    }
}
