//! Traffic over the period: the hours of a day, the days, the sale of November.

use super::{Parameters, SECOND, SECONDS_OF_DAY, stream};
use crate::calendar;
use crate::synth::random::{hash, unit};

const HOUR: f64 = 3_600.0;
/// Relative number of events in each hour of a day (UTC).
const HOURS: [f64; 24] = [
    0.19, 0.26, 0.62, 0.90, 1.05, 1.10, 1.12, 1.12, 1.12, 1.10, 1.08, 1.08, 1.10, 1.15, 1.25, 1.38,
    1.35, 1.15, 0.85, 0.60, 0.48, 0.38, 0.23, 0.17,
];
/// The sale: how many times the usual traffic comes on the 14th to the 17th of November.
const SALE: [f64; 4] = [2.2, 3.0, 4.0, 2.6];

/// Traffic over the period: what share of all events has come by which second.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    /// Share before the start of each hour of the period, and 1.
    shares: Vec<f64>,
}

impl Traffic {
    pub fn new(parameters: &Parameters) -> Self {
        let start = parameters.start.div_euclid(SECOND);
        let mut shares = vec![0.0];
        let mut total = 0.0;
        for hour in 0..i64::from(parameters.days) * 24 {
            let second = start + hour * 3_600;
            let day = second.div_euclid(SECONDS_OF_DAY.cast_signed());
            let wobble =
                0.94 + 0.12 * unit(hash(parameters.seed, stream::DAY, day.cast_unsigned()));
            let hour_of_day = second.rem_euclid(SECONDS_OF_DAY.cast_signed()) / 3_600;
            total += HOURS[hour_of_day as usize] * wobble * sale(day);
            shares.push(total);
        }
        shares.iter_mut().for_each(|share| *share /= total);
        Self { shares }
    }

    /// The hour of the period in which `share` of all events has come.
    pub fn hour(&self, share: f64) -> usize {
        (self.shares.partition_point(|&s| s <= share) - 1).min(self.shares.len() - 2)
    }

    /// The second, counted from the start, by which `share` of all events has come; searched
    /// between two hours.
    pub fn second(&self, share: f64, hours: (usize, usize)) -> f64 {
        let inside = &self.shares[hours.0 + 1..=hours.1];
        let hour = hours.0 + inside.partition_point(|&s| s <= share);
        let (before, after) = (self.shares[hour], self.shares[hour + 1]);
        (hour as f64 + (share - before) / (after - before)) * HOUR
    }
}

/// How much more traffic than usual a day has, days counted from 1970-01-01.
fn sale(day: i64) -> f64 {
    match calendar::date(day) {
        (_, 11, day_of_month @ 14..=17) => SALE[(day_of_month - 14) as usize],
        _ => 1.0,
    }
}

/// A block's share of the period, and the hours in which it lies.
pub(super) struct Slice {
    pub shares: (f64, f64),
    pub hours: (usize, usize),
}

impl Slice {
    pub fn new(traffic: &Traffic, from: f64, to: f64) -> Self {
        Self { shares: (from, to), hours: (traffic.hour(from), traffic.hour(to)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::marketplace::test_data::{each_event, parameters};

    #[test]
    fn nights_are_quiet_and_the_sale_of_november_is_not() {
        let november = Parameters { start: 1_572_566_400_000_000, days: 30, ..parameters(300_000) };
        let (mut hours, mut days) = ([0u32; 24], [0u32; 30]);
        each_event(november.clone(), |events, row| {
            let second =
                (events.event_time[row].expect("there is no dirt") - november.start) / SECOND;
            hours[(second / 3_600 % 24) as usize] += 1;
            days[(second / 86_400) as usize] += 1;
        });
        assert!(hours[15] > 5 * hours[23] && hours[15] > hours[10]);
        assert!(
            days[13..17].iter().all(|&day| f64::from(day) > 1.9 * f64::from(days[5])),
            "{days:?}"
        );
        assert!(days[17] < days[13]);
    }
}
