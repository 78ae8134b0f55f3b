//! When people play: the platform's growth, seasons and incidents day by day, and the hours of a
//! day.

use crate::calendar::date;

/// First day of the period, 2022-01-01, counted from 1970-01-01.
pub(super) const FIRST_DAY: i64 = 18_993;
/// Three whole years: 2022, 2023, 2024.
pub(super) const N_DAYS: usize = 1_096;
pub(super) const DAY: i64 = 86_400;

/// How much busier the platform gets over the period for the same users.
const GROWTH: f64 = 1.4;
/// Relative activity of the months January to December: winter and summer holidays are high.
const MONTHS: [f64; 12] = [1.18, 1.05, 0.97, 0.92, 0.88, 0.94, 1.10, 1.12, 0.90, 0.94, 1.04, 1.28];
/// Relative activity from Thursday, the weekday of 1970-01-01, on.
const WEEKDAYS: [f64; 7] = [0.93, 1.05, 1.22, 1.20, 0.90, 0.88, 0.90];
/// Year, month, day.
type Date = (i64, u32, u32);
/// What happened once: first day, last day, and how many times the usual activity: an outage,
/// a release, a championship.
const INCIDENTS: [(Date, Date, f64); 3] = [
    ((2022, 10, 4), (2022, 10, 19), 0.25),
    ((2023, 3, 3), (2023, 3, 31), 1.9),
    ((2024, 5, 10), (2024, 6, 2), 1.7),
];
/// Relative activity of each hour: lunch and evening.
const HOURS: [f64; 24] = [
    0.45, 0.22, 0.12, 0.08, 0.08, 0.12, 0.30, 0.60, 0.75, 0.70, 0.72, 0.85, 1.20, 1.15, 0.85, 0.85,
    1.00, 1.25, 1.55, 1.90, 2.20, 2.10, 1.55, 0.90,
];
const HOUR_QUANTILES: usize = 1_024;

/// Activity over the period.
#[derive(Clone, Debug)]
pub(super) struct TimeCourse {
    /// Activity before each day of the period, and the total.
    before: Vec<f64>,
    /// The second of the day before which each of equal shares of its activity is over.
    seconds: Vec<f64>,
}

impl TimeCourse {
    pub fn new() -> Self {
        let mut before = vec![0.0];
        let mut total = 0.0;
        for i in 0..N_DAYS {
            let day = FIRST_DAY + i as i64;
            let today = date(day);
            let growth = 1.0 + (GROWTH - 1.0) * i as f64 / N_DAYS as f64;
            let incident = INCIDENTS
                .iter()
                .find(|(from, to, _)| (*from..=*to).contains(&today))
                .map_or(1.0, |incident| incident.2);
            let weekday = WEEKDAYS[day.rem_euclid(7) as usize];
            total += growth * MONTHS[today.1 as usize - 1] * weekday * incident;
            before.push(total);
        }
        let hours: f64 = HOURS.iter().sum();
        let mut seconds = Vec::with_capacity(HOUR_QUANTILES + 1);
        let (mut hour, mut over) = (0, 0.0);
        for i in 0..HOUR_QUANTILES {
            let share = i as f64 / HOUR_QUANTILES as f64 * hours;
            while over + HOURS[hour] <= share {
                over += HOURS[hour];
                hour += 1;
            }
            seconds.push((hour as f64 + (share - over) / HOURS[hour]) * 3_600.0);
        }
        seconds.push(DAY as f64);
        Self { before, seconds }
    }

    /// Activity over days `from..to` of the period.
    pub fn between(&self, (from, to): (usize, usize)) -> f64 {
        self.before[to] - self.before[from]
    }

    /// The day on which `activity` more than up to the beginning of `from` is reached, at the
    /// latest `to - 1`.
    pub fn day(&self, activity: f64, (from, to): (usize, usize)) -> usize {
        let target = self.before[from] + activity;
        from + self.before[from + 1..to].partition_point(|&before| before <= target)
    }

    /// The second of a day by which a share in [0, 1) of its activity is over.
    pub fn second(&self, share: f64) -> i64 {
        let place = share * HOUR_QUANTILES as f64;
        let (i, rest) = (place as usize, place.fract());
        (self.seconds[i] + rest * (self.seconds[i + 1] - self.seconds[i])) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_three_calendar_years() {
        assert_eq!(date(FIRST_DAY), (2022, 1, 1));
        assert_eq!(date(FIRST_DAY + N_DAYS as i64 - 1), (2024, 12, 31));
    }

    #[test]
    fn a_day_is_found_by_the_activity_before_it() {
        let course = TimeCourse::new();
        for day in [0, 1, 500, N_DAYS - 1] {
            let activity = course.between((0, day));
            assert_eq!(course.day(activity + 1e-6, (0, N_DAYS)), day);
        }
        assert_eq!(course.day(1e9, (3, 8)), 7);
        assert_eq!(course.day(0.0, (3, 4)), 3);
    }

    #[test]
    fn seconds_of_a_day_rise_and_the_evening_is_busy() {
        let course = TimeCourse::new();
        let seconds: Vec<i64> = (0..10_000).map(|i| course.second(f64::from(i) / 1e4)).collect();
        assert!(seconds.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(seconds[0] == 0 && seconds[9_999] < DAY);
        let in_hour = |hour: i64| seconds.iter().filter(|&&second| second / 3_600 == hour).count();
        assert!(in_hour(20) > 20 * in_hour(3));
    }
}
