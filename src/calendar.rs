//! Dates of the Gregorian calendar from counts of days, and back.

/// Year, month and day of a day counted from 1970-01-01.
pub fn date(day: i64) -> (i64, u32, u32) {
    // H. Hinnant, "chrono-compatible low-level date algorithms": the date from a count of days.
    // A day that no calendar has is some day, not the end of the process.
    let shifted = day.saturating_add(719_468);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + shifted.div_euclid(146_097) * 400 + i64::from(month <= 2);
    (year, month as u32, day_of_month as u32)
}

/// The first day of a month, counted from 1970-01-01; the inverse of [`date`] for the day 1.
pub fn first_day(year: i64, month: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (day, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (18_993, (2022, 1, 1)),
            (19_782, (2024, 2, 29)),
            (20_088, (2024, 12, 31)),
            (-719_162, (1, 1, 1)),
            (i64::from(i32::MAX), (5_881_580, 7, 11)),
            (i64::from(i32::MIN), (-5_877_641, 6, 23)),
        ] {
            assert_eq!(date(day), expected);
        }
    }

    #[test]
    fn every_count_of_days_has_a_date() {
        for day in [i64::MIN, i64::MAX, i64::MAX - 719_468, 0] {
            let (_, month, day) = date(day);
            assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }
    }

    #[test]
    fn the_first_day_of_a_month_is_its_day_one() {
        for day in (-800_000..800_000).filter(|&day| date(day).2 == 1) {
            let (year, month, _) = date(day);
            assert_eq!(first_day(year, month), day);
        }
    }
}
