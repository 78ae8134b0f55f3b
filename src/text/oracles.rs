//! Texts that are exactly a value, and dates, beside well-kept crates that read them too.

use super::exact::{timestamp, uuid};
use super::properties::Random;
use crate::calendar::{date, first_day};
use jiff::{Timestamp, ToSpan, civil};
use uuid::Uuid;

/// Microseconds of a time as jiff reads it; what is finer is dropped.
fn by_jiff(text: &str) -> Option<i64> {
    let read: Timestamp = text.parse().ok()?;
    i64::try_from(read.as_nanosecond().div_euclid(1000)).ok()
}

#[test]
fn times_are_those_of_jiff() {
    let mut random = Random(1);
    let mut valid = 0;
    for _ in 0..200_000 {
        // Every field is sometimes out of its range by one.
        let mut number = |low: usize, high: usize| low + random.below(high - low + 1);
        let (year, month, day) = (number(2, 9998), number(0, 13), number(0, 32));
        let (hour, minute, second) = (number(0, 24), number(0, 60), number(0, 59));
        let length = number(0, 10);
        let digits: String = (0..length).map(|_| char::from(b'0' + number(0, 9) as u8)).collect();
        let fraction = if length == 0 { digits } else { format!(".{digits}") };
        let zone = match number(0, 3) {
            0 => "Z".to_string(),
            1 => "z".to_string(),
            2 => format!("+{:02}:{:02}", number(0, 15), number(0, 60)),
            _ => format!("-{:02}{:02}", number(0, 15), number(0, 60)),
        };
        let between = if number(0, 1) == 0 { 'T' } else { 't' };
        let text = format!(
            "{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{}",
            fraction + &zone
        );
        let ours = timestamp(text.as_bytes());
        assert_eq!(ours, by_jiff(&text), "{text}");
        valid += usize::from(ours.is_some());
    }
    assert!((100_000..190_000).contains(&valid), "{valid}");
}

#[test]
fn dates_are_those_of_jiff() {
    let mut random = Random(2);
    let epoch = civil::date(1970, 1, 1);
    for _ in 0..100_000 {
        let day = random.below(3_650_000) as i64 - 719_000;
        let theirs = epoch.checked_add(day.days()).expect("a date of this calendar");
        let (year, month, of_month) = date(day);
        assert_eq!(
            (year, month, of_month),
            (i64::from(theirs.year()), theirs.month() as u32, theirs.day() as u32)
        );
        let first = theirs.first_of_month().since(epoch).expect("a span").get_days();
        assert_eq!(first_day(year, month), i64::from(first));
    }
}

#[test]
fn uuids_are_those_of_the_crate_uuid() {
    let mut random = Random(3);
    for _ in 0..200_000 {
        let mut half =
            || u128::from((random.below(1 << 32) as u64) << 32 | random.below(1 << 32) as u64);
        let bits = half() << 64 | half();
        let mut text = Uuid::from_u128(bits).hyphenated().to_string().into_bytes();
        if random.below(2) == 0 {
            text.make_ascii_uppercase();
        }
        assert_eq!(uuid(&text), Some(bits));
        let place = random.below(36);
        text[place] = random.below(128) as u8;
        let theirs = Uuid::try_parse_ascii(&text).ok().map(|read| read.as_u128());
        assert_eq!(uuid(&text), theirs, "{}", String::from_utf8_lossy(&text));
    }
}
