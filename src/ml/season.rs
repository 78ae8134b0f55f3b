//! What recurs in a series of months, and which months are one-offs: a robust decomposition into
//! trend and season.
//!
//! A month's count is `level * seasonal index * (1 + deviation)`, so that on logarithms the parts
//! add up, as in STL (Cleveland, Cleveland, McRae and Terpenning, "STL: A Seasonal-Trend
//! Decomposition Procedure Based on Loess", 1990), whose backfitting this follows: the season is
//! estimated from what the trend leaves, the trend from what the season leaves, in turn. Where STL
//! smooths by weighted means, this takes medians, because two or three years give a calendar month
//! two or three values, of which one may be a one-off:
//!
//! - the first trend has the slope of the same months a year apart (Hirsch, Slack and Smith,
//!   "Techniques of Trend Analysis for Monthly Water Quality Data", 1982), which no season bends;
//! - the season of a calendar month is the mean of its values that agree with their median. Where
//!   there are two middle ones that do not agree, the one stays that is nearer to no season and to
//!   the months beside it;
//! - the trend is a line through the months around (Theil 1950, Sen 1968: the median of all
//!   slopes).

use std::cmp::Ordering;

/// Months of a year.
const YEAR: usize = 12;

/// Months that tell a season: two of each.
const MONTHS_NEEDED: usize = 2 * YEAR;

/// Turns of season and trend; a fourth changes the decision on one month of a thousand.
const TURNS: usize = 3;

/// Months on each side through which the line of the trend goes.
const NEIGHBOURS: usize = 9;

/// A value agrees with the median of its calendar month within this many standard deviations.
const AGREES: f64 = 3.0;

/// A one-off deviates by more than this many standard deviations ...
const OUTLYING: f64 = 4.0;

/// ... and by more than this share of what was expected.
const RELEVANT: f64 = 0.15;

/// Years apart in which values of one calendar month are compared for the noise.
const MAX_YEARS: usize = 5;

/// A month, taken apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Month {
    /// The trend, as a count of a month without season.
    pub level: f64,
    /// The factor of the calendar month, `None` where fewer than two years tell none.
    pub seasonal_index: Option<f64>,
    /// `level * seasonal_index`.
    pub expected: f64,
    /// `count / expected - 1`.
    pub deviation: f64,
    /// Whether the month is a one-off, `None` where it cannot be told.
    pub is_outlier: Option<bool>,
}

/// The parts of consecutive months' counts, which are finite and not negative.
pub fn decompose(counts: &[f64]) -> Vec<Month> {
    // A month without events is half an event, or its logarithm would have no end.
    let logs: Vec<f64> = counts.iter().map(|count| count.max(0.5).ln()).collect();
    if counts.len() < MONTHS_NEEDED {
        return counts
            .iter()
            .zip(lines(&logs))
            .map(|(count, trend)| {
                let level = trend.exp();
                let deviation = count / level - 1.0;
                Month { level, seasonal_index: None, expected: level, deviation, is_outlier: None }
            })
            .collect();
    }
    let mut trend = first_trend(&logs);
    let mut season = [0.0; YEAR];
    for _ in 0..TURNS {
        season = season_of(&difference(&logs, &trend));
        let without: Vec<f64> =
            logs.iter().enumerate().map(|(i, y)| y - season[i % YEAR]).collect();
        trend = lines(&without);
    }
    let rest: Vec<f64> = (0..logs.len()).map(|i| logs[i] - season[i % YEAR] - trend[i]).collect();
    // The fewer years, the more of the noise the season has taken up.
    let taken_up = match logs.len() / YEAR {
        2 => 1.5,
        3 => 1.25,
        4 => 1.15,
        _ => 1.1,
    };
    let noise = spread(rest.clone()) * taken_up;
    let mean_season = season.iter().sum::<f64>() / YEAR as f64;
    (0..logs.len())
        .map(|i| {
            let level = (trend[i] + mean_season).exp();
            let seasonal_index = (season[i % YEAR] - mean_season).exp();
            let expected = level * seasonal_index;
            // A count of events has its own noise.
            let scale = noise.max(1.0 / expected.max(1.0).sqrt());
            Month {
                level,
                seasonal_index: Some(seasonal_index),
                expected,
                deviation: counts[i] / expected - 1.0,
                is_outlier: Some(rest[i].abs() > (OUTLYING * scale).max(RELEVANT.ln_1p())),
            }
        })
        .collect()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// The level of the twelve months around each, which hold each calendar month once, on the slope of
/// years near by.
fn first_trend(logs: &[f64]) -> Vec<f64> {
    let n = logs.len();
    (0..n)
        .map(|i| {
            let ends = YEAR.max((i + 6).saturating_sub(YEAR))..n.min(i + 6 + YEAR + 1);
            let slope =
                median(ends.map(|end| (logs[end] - logs[end - YEAR]) / YEAR as f64).collect());
            let first = i.saturating_sub(6).min(n - YEAR);
            median((first..first + YEAR).map(|j| logs[j] - slope * (j as f64 - i as f64)).collect())
        })
        .collect()
}

/// The season of each calendar month, counted from the first month of the series.
fn season_of(values: &[f64]) -> [f64; YEAR] {
    let n = values.len();
    let differences = (0..n).flat_map(|i| {
        (i + YEAR..n)
            .step_by(YEAR)
            .take(MAX_YEARS)
            .map(move |j| (values[j] - values[i]) / 2f64.sqrt())
    });
    let noise = spread(differences.collect()).max(0.005);
    let mut of_month: [Vec<f64>; YEAR] = Default::default();
    for (i, value) in values.iter().enumerate() {
        of_month[i % YEAR].push(*value);
    }
    let medians: Vec<f64> = of_month.iter().map(|values| median(values.clone())).collect();
    std::array::from_fn(|month| {
        let values = &mut of_month[month];
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        let centre = if high - low > AGREES * noise * 2f64.sqrt() {
            let beside = [0.0, medians[(month + 1) % YEAR], medians[(month + YEAR - 1) % YEAR]];
            let likely = median(beside.to_vec());
            if (low - likely).abs() < (high - likely).abs() { low } else { high }
        } else {
            (low + high) / 2.0
        };
        let agreeing: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| (value - centre).abs() <= AGREES * noise)
            .collect();
        agreeing.iter().sum::<f64>() / agreeing.len() as f64
    })
}

/// At each place the line through the values around it.
fn lines(values: &[f64]) -> Vec<f64> {
    (0..values.len())
        .map(|i| {
            let around = i.saturating_sub(NEIGHBOURS)..values.len().min(i + NEIGHBOURS + 1);
            let slopes: Vec<f64> = around
                .clone()
                .flat_map(|a| {
                    (a + 1..around.end).map(move |b| (values[b] - values[a]) / (b - a) as f64)
                })
                .collect();
            let slope = if slopes.is_empty() { 0.0 } else { median(slopes) };
            median(around.map(|j| values[j] - slope * (j as f64 - i as f64)).collect())
        })
        .collect()
}

/// The standard deviation that normal values around 0 have, of which a quarter may be anything: by
/// their third quartile.
fn spread(mut values: Vec<f64>) -> f64 {
    const QUARTILE: f64 = 1.150_349_380_376_008;
    values.iter_mut().for_each(|value| *value = value.abs());
    quantile(values, 0.75) / QUARTILE
}

fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// Between two values in proportion, of at least one.
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    let place = q * (values.len() - 1) as f64;
    let below = place as usize;
    let order: fn(&f64, &f64) -> Ordering = f64::total_cmp;
    let (_, low, above) = values.select_nth_unstable_by(below, order);
    let low = *low;
    match above.iter().copied().min_by(order) {
        Some(high) => low + (high - low) * (place - below as f64),
        None => low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outliers(counts: &[f64]) -> Vec<usize> {
        decompose(counts)
            .iter()
            .enumerate()
            .filter(|(_, month)| month.is_outlier == Some(true))
            .map(|(i, _)| i)
            .collect()
    }

    /// A season with a low and a high, of counts around 1,000 that grow by `growth` a month.
    fn months(n: usize, growth: f64) -> Vec<f64> {
        let season = [0.7, 0.8, 0.9, 1.0, 1.0, 1.1, 1.2, 1.1, 1.0, 0.9, 1.1, 2.0];
        (0..n)
            .map(|i| (1_000.0 * season[i % YEAR] * (1.0 + growth).powi(i as i32)).round())
            .collect()
    }

    #[test]
    fn what_recurs_is_no_outlier_and_growth_is_none() {
        for n in 24..=60 {
            for growth in [-0.05, 0.0, 0.01, 0.05] {
                let counts = months(n, growth);
                assert_eq!(outliers(&counts), [], "{n} {growth}");
                for (month, count) in decompose(&counts).iter().zip(&counts) {
                    assert!(month.deviation.abs() < 0.02, "{n} {growth} {count} {month:?}");
                }
            }
        }
    }

    #[test]
    fn a_month_of_half_as_much_again_is_found_wherever_it_is() {
        for n in [36, 48, 50] {
            for at in 0..n {
                for (factor, growth) in [(1.5, 0.0), (1.5, 0.05), (0.6, 0.0)] {
                    let mut counts = months(n, growth);
                    counts[at] = (counts[at] * factor).round();
                    assert_eq!(outliers(&counts), [at], "{n} {factor} {growth}");
                }
            }
        }
    }

    #[test]
    fn below_two_years_there_is_no_season_and_no_judgement() {
        for n in 0..24 {
            let mut counts = months(n, 0.0);
            if let Some(last) = counts.last_mut() {
                *last *= 10.0;
            }
            let parts = decompose(&counts);
            assert_eq!(parts.len(), n);
            assert!(
                parts
                    .iter()
                    .all(|month| month.seasonal_index.is_none() && month.is_outlier.is_none())
            );
        }
        assert!(decompose(&months(24, 0.0)).iter().all(|month| month.is_outlier == Some(false)));
    }

    #[test]
    fn months_without_events_and_extreme_counts_are_finite() {
        for value in [0.0, 1.0, 1e300, 1e-300] {
            for n in [1, 2, 23, 24, 37] {
                let mut counts = vec![value; n];
                counts[n / 2] = 0.0;
                for month in decompose(&counts) {
                    assert!(
                        month.level.is_finite()
                            && month.expected > 0.0
                            && month.deviation.is_finite()
                    );
                }
            }
        }
    }
}
