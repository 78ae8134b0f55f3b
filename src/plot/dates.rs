//! Dates and times on an axis: ticks at whole years, months, days, hours, and their names.
//!
//! A moment is microseconds since 1970-01-01 UTC as a number.

use crate::calendar::{date, first_day};

/// Microseconds of a day.
pub(super) const DAY: f64 = 86_400e6;
const SECOND: f64 = 1e6;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Steps below a month, in seconds.
const STEPS: [f64; 16] = [
    1.0,
    5.0,
    15.0,
    30.0,
    60.0,
    300.0,
    900.0,
    1_800.0,
    3_600.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    1_209_600.0,
];
/// A Monday, in days: steps of weeks begin there.
const MONDAY: f64 = 4.0;

/// How exactly moments must be told to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Second,
    Minute,
    Day,
    Month,
    Year,
}

impl Unit {
    /// The coarsest unit that all moments are whole in.
    pub fn of(moments: &[f64]) -> Self {
        let all = moments.iter().map(|&moment| unit(moment)).min().unwrap_or(Unit::Second);
        // One first of January may stand for its month as well.
        if moments.len() < 2 { all.min(Unit::Month) } else { all }
    }

    fn length(self) -> f64 {
        match self {
            Unit::Second => SECOND,
            Unit::Minute => 60.0 * SECOND,
            Unit::Day => DAY,
            Unit::Month => 28.0 * DAY,
            Unit::Year => 365.0 * DAY,
        }
    }
}

fn unit(moment: f64) -> Unit {
    let day = (moment / DAY).floor();
    if moment != day * DAY {
        return if moment % (60.0 * SECOND) == 0.0 { Unit::Minute } else { Unit::Second };
    }
    match date(day as i64) {
        (_, 1, 1) => Unit::Year,
        (_, _, 1) => Unit::Month,
        _ => Unit::Day,
    }
}

/// A moment in words: `2019`, `Oct 2019`, `5 Oct 2019`, `5 Oct 2019 06:30`, `5 Oct 2019 06:30:15`.
pub(super) fn name(moment: f64, unit: Unit) -> String {
    let (year, month, day) = date((moment / DAY).floor() as i64);
    let month = MONTHS[month as usize - 1];
    match unit {
        Unit::Year => format!("{year}"),
        Unit::Month => format!("{month} {year}"),
        Unit::Day => format!("{day} {month} {year}"),
        Unit::Minute | Unit::Second => format!("{day} {month} {year} {}", clock(moment, unit)),
    }
}

fn clock(moment: f64, unit: Unit) -> String {
    let second = (moment.rem_euclid(DAY) / SECOND) as u32;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    if unit == Unit::Second {
        format!("{hour:02}:{minute:02}:{second:02}")
    } else {
        format!("{hour:02}:{minute:02}")
    }
}

/// At most about `n` ticks between two moments, none finer than `finest`: moment and label.
pub(super) fn ticks(low: f64, high: f64, n: usize, finest: Unit) -> Vec<(f64, String)> {
    let least = ((high - low) / n.max(1) as f64).max(finest.length());
    if let Some(step) =
        STEPS.into_iter().map(|seconds| seconds * SECOND).find(|&step| step >= least)
    {
        let origin = if step > DAY { MONDAY * DAY } else { 0.0 };
        let (first, last) =
            (((low - origin) / step).ceil() as i64, ((high - origin) / step).floor() as i64);
        let label = |moment: f64| match step {
            step if step >= DAY => name(moment, Unit::Day),
            step => {
                let (_, month, day) = date((moment / DAY).floor() as i64);
                let unit = if step < 60.0 * SECOND { Unit::Second } else { Unit::Minute };
                format!("{day} {} {}", MONTHS[month as usize - 1], clock(moment, unit))
            }
        };
        return (first..=last).map(|i| i as f64 * step + origin).map(|m| (m, label(m))).collect();
    }
    let months = whole_months(least / (30.5 * DAY));
    let month_of = |moment: f64| {
        let (year, month, _) = date((moment / DAY).floor() as i64);
        year * 12 + i64::from(month) - 1
    };
    let unit = if months % 12 == 0 { Unit::Year } else { Unit::Month };
    (month_of(low).div_euclid(months)..=month_of(high).div_euclid(months))
        .map(|i| i * months)
        .map(|month| first_day(month.div_euclid(12), month.rem_euclid(12) as u32 + 1) as f64 * DAY)
        .filter(|moment| (low..=high).contains(moment))
        .map(|moment| (moment, name(moment, unit)))
        .collect()
}

/// The round number of months that is at least `least`: 1, 3 or 6, or years.
fn whole_months(least: f64) -> i64 {
    let below_a_year = [1, 3, 6, 12].into_iter().find(|&months| months as f64 >= least);
    below_a_year.unwrap_or_else(|| {
        let years = least / 12.0;
        let power = 10f64.powf(years.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .find(|factor| factor * power >= years)
            .unwrap_or(10.0);
        (factor * power) as i64 * 12
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i64, month: u32, day: i64) -> f64 {
        (first_day(year, month) + day - 1) as f64 * DAY
    }

    fn labels(low: f64, high: f64, n: usize, finest: Unit) -> Vec<String> {
        ticks(low, high, n, finest).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_at_whole_units() {
        let (low, high) = (day(2019, 9, 20), day(2019, 12, 5));
        assert_eq!(labels(low, high, 4, Unit::Day), ["Oct 2019", "Nov 2019", "Dec 2019"]);
        assert_eq!(labels(day(2019, 1, 1), day(2021, 1, 1), 4, Unit::Day).len(), 5);
        assert_eq!(labels(day(2019, 1, 1), day(2024, 6, 1), 6, Unit::Day)[0], "2019");
        assert_eq!(labels(day(1900, 1, 1), day(2019, 1, 1), 6, Unit::Day)[1], "1920");
        assert_eq!(
            labels(day(2019, 10, 5), day(2019, 10, 6), 4, Unit::Minute),
            ["5 Oct 00:00", "5 Oct 06:00", "5 Oct 12:00", "5 Oct 18:00", "6 Oct 00:00"]
        );
        assert_eq!(
            labels(day(2019, 10, 1), day(2019, 10, 15), 2, Unit::Day),
            ["7 Oct 2019", "14 Oct 2019"]
        );
    }

    #[test]
    fn ticks_of_any_range_are_few_and_inside() {
        for range in [1e6, 1e8, 1e10, 1e12, 1e14, 1e16, 1e19] {
            for low in [-1e19, -5e15, 0.0, 1.57e15] {
                for n in [2, 5, 10] {
                    let ticks = ticks(low, low + range, n, Unit::Second);
                    assert!(ticks.len() <= n + 2, "{low:e} {range:e} {n}: {}", ticks.len());
                    assert!(ticks.iter().all(|tick| (low..=low + range).contains(&tick.0)));
                }
            }
        }
    }

    #[test]
    fn moments_are_named_as_exactly_as_they_need() {
        let months = [day(2019, 12, 1), day(2020, 1, 1)];
        assert_eq!(name(months[1], Unit::of(&months)), "Jan 2020");
        assert_eq!(name(months[1], Unit::of(&months[1..])), "Jan 2020");
        assert_eq!(name(months[1], Unit::of(&[day(2019, 1, 1), months[1]])), "2020");
        assert_eq!(name(day(2019, 10, 5), Unit::of(&[day(2019, 10, 5)])), "5 Oct 2019");
        let half_past = day(1969, 12, 31) + 1_800e6;
        assert_eq!(name(half_past, Unit::of(&[half_past])), "31 Dec 1969 00:30");
        assert_eq!(name(half_past + 1e6, Unit::of(&[half_past + 1e6])), "31 Dec 1969 00:30:01");
    }
}
