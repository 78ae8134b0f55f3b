//! Axes: the range that a set of numbers is drawn in, and ticks at 1-2-5 steps.

use super::figures::{label, plain, unit};

/// A range of numbers that is drawn, wide enough to be divided.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    /// Both ends are multiplied by this before they are subtracted, so that no difference
    /// overflows.
    shrink: f64,
    /// The ends of the data where they lie outside the axis.
    pub beyond: (Option<f64>, Option<f64>),
}

/// A tail this many times longer than the range of the central 98 % of the points is cut.
const TAIL: f64 = 10.0;
/// Fewer points than this are all shown.
const FEWEST_WITH_TAIL: usize = 20;
/// Free space at either end, as a share of the range.
const PADDING: f64 = 0.04;
/// Narrower ranges, relative to the numbers themselves or in absolute terms, are drawn as if they
/// were this wide.
const NARROWEST: (f64, f64) = (1e-12, 1e-300);

impl Axis {
    /// An axis for finite numbers that reach from `min` to `max`, of which `sample` (sorted) is
    /// drawn.
    ///
    /// It shows the whole sample, unless one side is a tail more than ten times as long as the
    /// range between the 1 % and 99 % quantiles: that side then ends at most one such range beyond
    /// the quantile, or one extreme point would press all others into a dot.
    pub fn new(min: f64, max: f64, sample: &[f64]) -> Self {
        let shrink = if min.abs().max(max.abs()) > 1e300 { 0.1 } else { 1.0 };
        let mut low = sample.first().unwrap_or(&min) * shrink;
        let mut high = sample.last().unwrap_or(&max) * shrink;
        let mut beyond = (None, None);
        if sample.len() >= FEWEST_WITH_TAIL {
            let tail = (sample.len() / 100).max(1);
            let (first, last) = (sample[tail] * shrink, sample[sample.len() - 1 - tail] * shrink);
            let central = last - first;
            if central > 0.0 && first - min * shrink > TAIL * central {
                low = low.max(first - central);
                beyond.0 = Some(min);
            }
            if central > 0.0 && max * shrink - last > TAIL * central {
                high = high.min(last + central);
                beyond.1 = Some(max);
            }
        }
        let magnitude = low.abs().max(high.abs());
        if high == low {
            let half = if magnitude == 0.0 { 1.0 } else { (magnitude * 0.1).max(NARROWEST.1) };
            (low, high) = (low - half, high + half);
        }
        let missing = (magnitude * NARROWEST.0).max(NARROWEST.1) - (high - low);
        if missing > 0.0 {
            (low, high) = (low - missing / 2.0, high + missing / 2.0);
        }
        let padding = (high - low) * PADDING;
        Self { low: low - padding, high: high + padding, shrink, beyond }
    }

    /// Where a number lies between the ends, 0 to 1; numbers beyond an end lie on it.
    pub fn place(&self, value: f64) -> f64 {
        ((value * self.shrink - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The axis of figures from `min` to `max`, without free space on the other side of zero.
    pub fn grounded(mut self, min: f64, max: f64) -> Self {
        if min >= 0.0 && max > 0.0 {
            self.low = 0.0;
        } else if max <= 0.0 && min < 0.0 {
            self.high = 0.0;
        }
        self
    }

    /// Both ends; infinite where they lie beyond the largest number.
    pub fn ends(&self) -> (f64, f64) {
        (self.low / self.shrink, self.high / self.shrink)
    }

    /// At most about `n` ticks, with steps of 1, 2 or 5 times a power of ten: place and label.
    pub fn ticks(&self, n: usize) -> Vec<(f64, String)> {
        self.labelled(n, label)
    }

    /// Ticks whose labels are in thousands (k), millions (M), billions (B) or trillions (T).
    pub fn short_ticks(&self, n: usize) -> Vec<(f64, String)> {
        self.labelled(n, |value, step, largest| match unit(largest) {
            Some((size, name)) if value.abs() >= step / 2.0 => {
                // An axis is at least a millionth of a millionth as wide as its numbers are large.
                let decimals = (-(step / size * 1.000_001).log10().floor()).clamp(0.0, 13.0);
                plain(value / size, decimals as usize).replace('-', "\u{2212}") + name
            }
            _ => label(value, step, largest),
        })
    }

    fn labelled(&self, n: usize, label: impl Fn(f64, f64, f64) -> String) -> Vec<(f64, String)> {
        let raw = (self.high - self.low) / n.max(2) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|&step| step >= raw * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step).ceil();
        let count = ((self.high / step).floor() - first) as usize;
        let largest = self.low.abs().max(self.high.abs()) / self.shrink;
        (0..=count)
            .map(|i| {
                let value = (first + i as f64) * step;
                let place = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
                (place, value / self.shrink)
            })
            .filter(|(_, value)| value.is_finite())
            .map(|(place, value)| (place, label(value, step / self.shrink, largest)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::{exact, rounded, short};
    use super::*;

    fn labels(min: f64, max: f64) -> Vec<String> {
        Axis::new(min, max, &[]).ticks(6).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(0.0, 10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(-1.0, 1.0), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(
            labels(0.0, 250_000.0),
            ["0", "50,000", "100,000", "150,000", "200,000", "250,000"]
        );
        assert_eq!(labels(0.0, 3e9), ["0", "1e9", "2e9", "3e9"]);
        assert_eq!(labels(0.0, 3e-7), ["0", "1e−7", "2e−7", "3e−7"]);
    }

    #[test]
    fn short_labels_have_one_unit() {
        let labels = |max: f64| -> Vec<String> {
            Axis::new(0.0, max, &[])
                .grounded(0.0, max)
                .short_ticks(5)
                .into_iter()
                .map(|(_, label)| label)
                .collect()
        };
        assert_eq!(labels(9_000.0), ["0", "2,000", "4,000", "6,000", "8,000"]);
        assert_eq!(labels(40_000.0), ["0", "10k", "20k", "30k", "40k"]);
        assert_eq!(labels(1_200_000.0), ["0", "0.5M", "1.0M"]);
        assert_eq!(labels(7e9), ["0", "2B", "4B", "6B"]);
        assert_eq!(labels(7e17), ["0", "2e17", "4e17", "6e17"]);
        assert_eq!(labels(0.04), ["0", "0.01", "0.02", "0.03", "0.04"]);
    }

    #[test]
    fn ticks_of_any_finite_range_are_few_distinct_and_inside() {
        let ends = [
            0.0,
            5e-324,
            1e-300,
            1e-9,
            0.1,
            1.0,
            1.0 + f64::EPSILON,
            3.7,
            1e8,
            1e8 + 1.0,
            1e300,
            f64::MAX,
        ];
        let ends: Vec<f64> = ends.iter().flat_map(|&x| [x, -x]).collect();
        for &min in &ends {
            for &max in ends.iter().filter(|&&max| max >= min) {
                let axis = Axis::new(min, max, &[]);
                let ticks = axis.ticks(6);
                // Next to the largest number there is room for one tick only.
                let fewest = if max == f64::MAX || min == f64::MIN { 1 } else { 2 };
                assert!((fewest..=8).contains(&ticks.len()), "{min:e} {max:e}: {ticks:?}");
                assert!(
                    ticks.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1),
                    "{ticks:?}"
                );
                assert!(axis.place(min) > 0.0 && axis.place(max) < 1.0, "{min:e} {max:e}");
                assert!(axis.place(min) <= axis.place(max));
            }
        }
    }

    /// Numbers of all magnitudes, and those beside powers of ten.
    fn wild(random: &mut u64) -> f64 {
        let mut bits = || {
            *random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *random >> 33
        };
        let sign = if bits() % 2 == 0 { 1.0 } else { -1.0 };
        let power = 10f64.powi((bits() % 40) as i32 - 12);
        sign * match bits() % 6 {
            0 => f64::from_bits(bits() << 32 | bits()),
            1 => power * (1.0 - (bits() % 1000) as f64 * 1e-9),
            2 => power * (1.0 + (bits() % 1000) as f64 * 1e-9),
            3 => (bits() % 100_000) as f64 / 100.0,
            4 => f64::from_bits(bits()),
            _ => power * (bits() % 10_000) as f64 / 1000.0,
        }
    }

    #[test]
    fn every_number_has_a_label_and_every_range_some() {
        let mut random = 14;
        for _ in 0..50_000 {
            let (a, b) = (wild(&mut random), wild(&mut random));
            if !(a.is_finite() && b.is_finite()) {
                continue;
            }
            for text in [short(a), exact(a), rounded(a)] {
                assert!(!text.is_empty() && text.len() < 30, "{a:e}: {text}");
                assert!(text.chars().any(|c| c.is_ascii_digit()), "{a:e}: {text}");
            }
            // The same three digits, in another unit.
            let units = [("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)];
            let text = short(a).replace('−', "-").replace(',', "");
            let (number, size) = units
                .iter()
                .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)))
                .unwrap_or((&text, 1.0));
            let told = number.parse::<f64>().expect("a number") * size;
            assert!((told - a).abs() <= a.abs() * 5.1e-3 + 1e-300, "{a:e}: {text}");
            let (min, max) = (a.min(b), a.max(b));
            for axis in [
                Axis::new(min, max, &[]),
                Axis::new(min.min(0.0), max.max(0.0), &[]).grounded(min, max),
            ] {
                for n in [2, 5, 9] {
                    for ticks in [axis.ticks(n), axis.short_ticks(n)] {
                        let fewest = usize::from(min > -1e307 && max < 1e307);
                        assert!(
                            (fewest..=2 * n + 2).contains(&ticks.len()),
                            "{min:e} {max:e} {n}: {ticks:?}"
                        );
                        assert!(
                            ticks
                                .windows(2)
                                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1),
                            "{min:e} {max:e} {n}: {ticks:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn equal_numbers_are_drawn_in_the_middle() {
        for value in [0.0, 5.0, -3.0, 1e300, -f64::MAX, 1e-310] {
            let place = Axis::new(value, value, &[value]).place(value);
            assert!((place - 0.5).abs() < 1e-6, "{value:e} {place}");
        }
    }

    #[test]
    fn one_extreme_number_does_not_set_the_axis() {
        let mut sample: Vec<f64> = (0..1_000).map(|i| f64::from(i) / 1_000.0).collect();
        sample.push(1e9);
        let axis = Axis::new(0.0, 1e9, &sample);
        assert_eq!(axis.beyond, (None, Some(1e9)));
        assert!(axis.place(0.9) - axis.place(0.1) > 0.3);
        assert_eq!(axis.place(1e9), 1.0);
    }

    #[test]
    fn moderate_tails_are_shown_whole() {
        let sample: Vec<f64> = (0..1_000).map(|i| f64::from(i) / 1_000.0).collect();
        assert_eq!(Axis::new(0.0, 9.0, &sample).beyond, (None, None));
    }
}
