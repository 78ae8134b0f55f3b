//! BG/NBD: how many purchases customers make who may leave after any of them (Fader, Hardie and
//! Lee, "Counting your customers the easy way", Marketing Science 24, 2005).
//!
//! While a customer is one, purchases come at a rate λ, and after each repeat purchase he leaves
//! with the probability p; λ ~ Gamma(r, α), p ~ Beta(a, b).

use nalgebra::{SMatrix, SVector};

use super::newton::{Evaluation, Maximum, maximize};
use super::special::{Derivatives, rising, softplus};
use super::{Purchasing, Triple};
use crate::ln_1p;
use crate::threads::{map_parts, worth};

/// Triples whose terms are added one after the other: a part, whatever the threads.
const PART: usize = 4096;
/// Simple operations that a triple takes.
const WORK: usize = 64;

/// The parameters that are searched: ln r, ln(r / α), ln(a / b), ln(a + b). What data may leave
/// open, a rate or a probability that is the same for all customers, is one parameter at its bound.
type Point = SVector<f64, 4>;

/// What the likelihood needs of the triples.
struct Data {
    /// Parts of triples of customers who came back.
    repeaters: Vec<Vec<(Triple, f64)>>,
    /// Ages of all others.
    others: Vec<(f64, f64)>,
    /// Customers by frequency.
    frequencies: Vec<(u32, f64)>,
    n_threads: usize,
}

/// The most likely parameters; `triples` are distinct and sorted, and one at least came back.
pub(super) fn fit(triples: &[(Triple, u64)], max_iter: u32, n_threads: usize) -> Maximum<4> {
    let data = Data::new(triples, n_threads);
    let (purchases, time) =
        triples.iter().fold((0.0, 0.0), |(purchases, time), (triple, count)| {
            let count = *count as f64;
            (purchases + count * f64::from(triple.frequency), time + count * triple.age())
        });
    let rate = libm::log(purchases / time);
    let bounds = [(-7.0, 9.0), (rate - 12.0, rate + 16.0), (-14.0, 14.0), (-7.0, 12.0)];
    let starts = [0.3_f64, 2.0].into_iter().flat_map(|r| {
        let shares = [0.05_f64, 0.3].into_iter();
        shares.flat_map(move |share| [1.0_f64, 10.0].map(|size| (r, share, size)))
    });
    let starts = starts.map(|(r, share, size)| {
        Point::from([
            libm::log(r),
            rate + libm::log(1.0 + 2.0 * share),
            libm::log(share / (1.0 - share)),
            libm::log(size),
        ])
    });
    let best = starts.map(|start| (data.evaluate(&start).value, start));
    let best =
        best.max_by(|a, b| a.0.total_cmp(&b.0)).map_or_else(Point::zeros, |(_, start)| start);
    maximize(best, &bounds, max_iter, |point| data.evaluate(point))
}

/// The parameters of the model at a point, and the derivatives of their logarithms by the point.
pub(super) fn parameters(point: &Point) -> ([f64; 4], SMatrix<f64, 4, 4>) {
    let share = 1.0 / (1.0 + libm::exp(-point[2]));
    let (r, size) = (libm::exp(point[0]), libm::exp(point[3]));
    let alpha = libm::exp(point[0] - point[1]);
    let b = size / (1.0 + libm::exp(point[2]));
    let by_point = SMatrix::from_row_slice(&[
        1.0,
        0.0,
        0.0,
        0.0, //
        1.0,
        -1.0,
        0.0,
        0.0, //
        0.0,
        0.0,
        1.0 - share,
        1.0, //
        0.0,
        0.0,
        -share,
        1.0,
    ]);
    ([r, alpha, size * share, b], by_point)
}

impl Data {
    fn new(triples: &[(Triple, u64)], n_threads: usize) -> Self {
        let first = triples.partition_point(|(triple, _)| triple.frequency == 0);
        let weighted = |(triple, count): &(Triple, u64)| (*triple, *count as f64);
        let others = triples[..first].iter().map(|(triple, count)| (triple.age(), *count as f64));
        let mut frequencies: Vec<(u32, f64)> = Vec::new();
        for (triple, count) in &triples[first..] {
            match frequencies.last_mut() {
                Some((frequency, n)) if *frequency == triple.frequency => *n += *count as f64,
                _ => frequencies.push((triple.frequency, *count as f64)),
            }
        }
        let repeaters = triples[first..].chunks(PART);
        Data {
            repeaters: repeaters.map(|part| part.iter().map(weighted).collect()).collect(),
            others: others.collect(),
            frequencies,
            n_threads: worth(triples.len() * WORK, n_threads),
        }
    }

    /// The log-likelihood and its derivatives: sums of parts, in their order.
    fn evaluate(&self, point: &Point) -> Evaluation<4> {
        let terms = Terms::new(point);
        let mut all = Evaluation::zero();
        for (age, count) in &self.others {
            terms.add_age(*age, 0.0, *count, &mut all);
        }
        for (frequency, count) in &self.frequencies {
            terms.add_frequency(*frequency, *count, &mut all);
        }
        let mut parts: Vec<&[(Triple, f64)]> = self.repeaters.iter().map(Vec::as_slice).collect();
        let sums = map_parts(&mut parts, self.n_threads, |parts| {
            let sum = |part: &[(Triple, f64)]| {
                let mut sum = Evaluation::zero();
                part.iter().for_each(|(triple, count)| terms.add(triple, *count, &mut sum));
                sum
            };
            parts.iter().map(|part| sum(part)).collect::<Vec<_>>()
        });
        sums.iter().flatten().for_each(|sum| all.add(sum));
        all
    }
}

/// What all terms of the log-likelihood share at a point.
struct Terms {
    r: f64,
    alpha: f64,
    /// The logarithm of the mean rate, r / α.
    ln_rate: f64,
    b: f64,
    /// a + b, and a / (a + b).
    size: f64,
    share: f64,
    ln_a: f64,
    ln_stay: f64,
    /// Derivatives of b by ln(a / b) and ln(a + b), and the second ones.
    b_first: [f64; 2],
    b_second: [f64; 3],
}

impl Terms {
    fn new(point: &Point) -> Self {
        let ([r, alpha, _, b], _) = parameters(point);
        let (size, share) = (libm::exp(point[3]), 1.0 / (1.0 + libm::exp(-point[2])));
        Terms {
            r,
            alpha,
            ln_rate: point[1],
            b,
            size,
            share,
            ln_a: point[3] - softplus(-point[2]),
            ln_stay: -softplus(point[2]),
            b_first: [-b * share, b],
            b_second: [b * share * (2.0 * share - 1.0), -b * share, b],
        }
    }

    /// -(r + x) ln(1 + T / α), of an age T.
    fn add_age(&self, age: f64, frequency: f64, count: f64, sum: &mut Evaluation<4>) {
        let (r, n) = (self.r, self.r + frequency);
        let w = age / self.alpha;
        let (grown, h) = (ln_1p(w), w / (1.0 + w));
        let k = h / (1.0 + w);
        sum.value -= count * n * grown;
        sum.gradient[0] += count * (n * h - r * grown);
        sum.gradient[1] -= count * n * h;
        sum.hessian[(0, 0)] += count * (2.0 * r * h - r * grown - n * k);
        add_both(&mut sum.hessian, 0, 1, count * (n * k - r * h));
        sum.hessian[(1, 1)] -= count * n * k;
    }

    /// What depends on the frequency x alone: the logarithm of (r)_x (b)_x / (α^x (a + b)_x), where
    /// (z)_x is the product of z + j over j from 0 to x - 1.
    fn add_frequency(&self, frequency: u32, count: f64, sum: &mut Evaluation<4>) {
        let x = f64::from(frequency);
        let [of_r, of_b, of_size] = [self.r, self.b, self.size].map(|z| rising(z, frequency));
        let logs = of_r.value + of_b.value - of_size.value;
        sum.value += count * (x * (self.ln_rate + self.ln_stay) + logs);
        sum.gradient[0] += count * (self.r * of_r.first - x);
        sum.gradient[1] += count * x;
        sum.hessian[(0, 0)] += count * self.r * (of_r.first + self.r * of_r.second);
        let ([m, f], [mm, mf, ff]) = (self.b_first, self.b_second);
        let Derivatives { first, second, .. } = of_b;
        let size = self.size;
        sum.gradient[2] += count * m * first;
        sum.gradient[3] += count * (f * first - size * of_size.first);
        sum.hessian[(2, 2)] += count * (mm * first + m * m * second);
        add_both(&mut sum.hessian, 2, 3, count * (mf * first + m * f * second));
        let of_size = size * (of_size.first + size * of_size.second);
        sum.hessian[(3, 3)] += count * (ff * first + f * f * second - of_size);
    }

    /// The rest of the term of a customer who came back: his age, and ln(1 + e^d), where d is the
    /// logarithm of the odds that he has left.
    fn add(&self, triple: &Triple, count: f64, sum: &mut Evaluation<4>) {
        let x = f64::from(triple.frequency);
        self.add_age(triple.age(), x, count, sum);
        let (r, n) = (self.r, self.r + x);
        let (w, v) = (triple.age() / self.alpha, triple.recency() / self.alpha);
        let silence = ln_1p((w - v) / (1.0 + v));
        let (h, k) = {
            let (h, k) = (w / (1.0 + w), v / (1.0 + v));
            (h - k, h / (1.0 + w) - k / (1.0 + v))
        };
        let rest = self.b + x - 1.0;
        let [m, f] = self.b_first.map(|b| b / rest);
        let [mm, mf, ff] = self.b_second.map(|b| b / rest);
        let d = self.ln_a - libm::log(rest) + n * silence;
        let first = Point::from([r * silence - n * h, n * h, 1.0 - self.share - m, 1.0 - f]);
        let mut second = SMatrix::<f64, 4, 4>::zeros();
        second[(0, 0)] = r * silence - 2.0 * r * h + n * k;
        add_both(&mut second, 0, 1, r * h - n * k);
        second[(1, 1)] = n * k;
        second[(2, 2)] = m * m - mm - self.share * (1.0 - self.share);
        add_both(&mut second, 2, 3, m * f - mf);
        second[(3, 3)] = f * f - ff;
        let gone = 1.0 / (1.0 + libm::exp(-d));
        sum.value += count * softplus(d);
        sum.gradient += first * (count * gone);
        sum.hessian +=
            second * (count * gone) + first * first.transpose() * (count * gone * (1.0 - gone));
    }
}

fn add_both(matrix: &mut SMatrix<f64, 4, 4>, i: usize, j: usize, x: f64) {
    matrix[(i, j)] += x;
    matrix[(j, i)] += x;
}

impl Purchasing {
    /// ln of the odds that a customer who came back has left.
    pub(super) fn ln_odds_gone(&self, frequency: f64, recency: f64, age: f64) -> f64 {
        let silence = ln_1p((age - recency) / (self.alpha + recency));
        libm::log(self.a) - libm::log(self.b + frequency - 1.0) + (self.r + frequency) * silence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triples() -> Vec<(Triple, u64)> {
        let mut triples = vec![
            (Triple::new(0, 0.0, 38.0), 40),
            (Triple::new(0, 0.0, 12.5), 9),
            (Triple::new(1, 3.0, 30.0), 12),
            (Triple::new(2, 30.43, 38.86), 5),
            (Triple::new(7, 20.0, 20.0), 2),
            (Triple::new(40, 35.0, 38.0), 1),
        ];
        triples.sort_unstable();
        triples
    }

    /// The log-likelihood as the paper has it, by products.
    fn plain(point: &Point) -> f64 {
        let ([r, alpha, a, b], _) = parameters(point);
        let term = |(triple, count): &(Triple, u64)| {
            let (x, t, age) = (f64::from(triple.frequency), triple.recency(), triple.age());
            let product =
                |from: f64| (0..triple.frequency).map(|j| (from + f64::from(j)).ln()).sum::<f64>();
            let left = if x > 0.0 { a / (b + x - 1.0) * (alpha + t).powf(-(r + x)) } else { 0.0 };
            let either = (alpha + age).powf(-(r + x)) + left;
            let ln = product(r) + product(b) - product(a + b) + r * alpha.ln() + either.ln();
            ln * *count as f64
        };
        triples().iter().map(term).sum()
    }

    #[test]
    fn the_likelihood_is_that_of_the_paper_and_its_derivatives_are_slopes() {
        let data = Data::new(&triples(), 1);
        for point in [[-1.4, -3.0, -1.1, 1.2], [0.7, -2.0, 0.4, -1.0], [2.0, -4.0, -3.0, 4.0]] {
            let point = Point::from(point);
            let here = data.evaluate(&point);
            assert!((here.value - plain(&point)).abs() < 1e-9 * here.value.abs(), "{point}");
            let h = 1e-5;
            for i in 0..4 {
                let mut step = Point::zeros();
                step[i] = h;
                let (up, down) = (data.evaluate(&(point + step)), data.evaluate(&(point - step)));
                let slope = (up.value - down.value) / (2.0 * h);
                assert!(
                    (here.gradient[i] - slope).abs() < 1e-5 * (1.0 + slope.abs()),
                    "{i} {point}"
                );
                let slopes = (up.gradient - down.gradient) / (2.0 * h);
                for j in 0..4 {
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
