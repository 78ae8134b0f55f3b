//! Texts that are a value and nothing else: what a cast would round, trim or guess is none.

use crate::calendar::first_day;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// The number that digits write, with leading zeros or without; `None` above `i64::MAX`.
pub fn bigint(text: &[u8]) -> Option<i64> {
    digits(text)
}

/// Hundredths: an optional minus, digits and, behind a point, one or two digits and any number of
/// zeros; `None` above 18 digits.
pub fn hundredths(text: &[u8]) -> Option<i64> {
    const MAX: i64 = 999_999_999_999_999_999;
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let (whole, cents) = match text.iter().position(|&byte| byte == b'.') {
        None => (text, 0),
        Some(point) => {
            let behind = &text[point + 1..];
            let (cents, zeros) = behind.split_at(behind.len().min(2));
            if zeros.iter().any(|&byte| byte != b'0') {
                return None;
            }
            (&text[..point], digits(cents)? * if cents.len() == 1 { 10 } else { 1 })
        }
    };
    let value =
        digits(whole)?.checked_mul(100)?.checked_add(cents).filter(|value| *value <= MAX)?;
    Some(if negative { -value } else { value })
}

/// Microseconds since 1970 of a time that is written as ISO 8601 and RFC 3339 do, and as databases
/// print it: `YYYY-MM-DD`, a blank or `T`, `hh:mm:ss`, maybe a fraction, and nothing, `Z`, ` UTC`
/// or the offset from UTC behind.
///
/// Of a fraction of up to nine digits, those beyond the microsecond are dropped. There is no hour
/// 24 and no second 60.
pub fn timestamp(text: &[u8]) -> Option<i64> {
    let (stamp, behind) = text.split_at_checked(19)?;
    let separated = (stamp[4], stamp[7], stamp[13], stamp[16]) == (b'-', b'-', b':', b':');
    if !(separated && matches!(stamp[10], b' ' | b'T' | b't')) {
        return None;
    }
    let number = |from: usize, to: usize| digits(&stamp[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = match behind.strip_prefix(b".") {
        None => (0, behind),
        Some(rest) => {
            let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
            let (fraction, zone) = rest.split_at(length);
            (microseconds(fraction)?, zone)
        }
    };
    let days = first_day(year, month as u32) + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - offset(zone)?;
    Some(seconds * SECOND + fraction)
}

/// Microseconds since 1970 of what columns of times hold that came as text: a [`timestamp`], also
/// without its seconds or as a date alone, which is its midnight; `infinity` and `-infinity`, as
/// DuckDB stores them. Blanks around it do not count.
pub fn moment(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let written = match text.get(10..) {
        Some(b"") => timestamp(&[text, b" 00:00:00"].concat()),
        Some(_) if text.len() >= 16 && text.get(16) != Some(&b':') => {
            timestamp(&[&text[..16], b":00", &text[16..]].concat())
        }
        _ => timestamp(text),
    };
    written
        .or_else(|| text.eq_ignore_ascii_case(b"infinity").then_some(i64::MAX))
        .or_else(|| text.eq_ignore_ascii_case(b"-infinity").then_some(-i64::MAX))
}

/// The microseconds of the digits behind a point, from one digit to nine.
fn microseconds(digits_behind: &[u8]) -> Option<i64> {
    let nanoseconds = digits(digits_behind).filter(|_| digits_behind.len() <= 9)?;
    Some(nanoseconds * 10i64.pow(9 - digits_behind.len() as u32) / 1_000)
}

/// Seconds that a time is ahead of UTC: `+hh:mm`, `+hhmm` or `+hh`, also with a blank before it.
fn offset(zone: &[u8]) -> Option<i64> {
    if matches!(zone, b"" | b" UTC" | b"Z" | b"z") {
        return Some(0);
    }
    let (sign, number) = zone.strip_prefix(b" ").unwrap_or(zone).split_first()?;
    let sign = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match number {
        [_, _] => (number, &b"00"[..]),
        [_, _, b':', _, _] => (&number[..2], &number[3..]),
        [_, _, _, _] => (&number[..2], &number[2..]),
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    // No place was ever farther from UTC than this.
    (hours <= 15 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// The 128 bits of 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, with a hyphen between
/// them.
pub fn uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut bits = 0u128;
    let mut wrong = 0;
    for (i, &byte) in text.iter().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            wrong |= u8::from(byte != b'-');
        } else {
            let value = HEXADECIMAL[usize::from(byte)];
            wrong |= value & 0xf0;
            bits = bits << 4 | u128::from(value & 0xf);
        }
    }
    (wrong == 0).then_some(bits)
}

/// The value of each byte that is a hexadecimal digit, 0xff for the others.
const HEXADECIMAL: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0i64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(i64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_number_up_to_the_largest() {
        assert_eq!(bigint(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(bigint(b"0000000000000000000000009"), Some(9));
        for text in [
            "",
            "9223372036854775808",
            "18446744073709551616",
            "-1",
            "+1",
            "1.",
            " 1",
            "1\0",
            "/",
            ":",
        ] {
            assert_eq!(bigint(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn amounts_have_two_decimals_that_count() {
        for (text, expected) in [
            ("12", 1200),
            ("12.3", 1230),
            ("12.34", 1234),
            ("12.3400", 1234),
            ("-0.01", -1),
            ("-0", 0),
            ("9999999999999999.99", 999_999_999_999_999_999),
        ] {
            assert_eq!(hundredths(text.as_bytes()), Some(expected), "{text}");
        }
        for text in [
            "",
            "-",
            ".1",
            "1.",
            "1.001",
            "1.0.0",
            "--1",
            "10000000000000000",
            "92233720368547758.08",
        ] {
            assert_eq!(hundredths(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn each_second_of_four_centuries_of_days_is_a_time() {
        for day in -200_000..200_000i64 {
            let (year, month, date) = crate::calendar::date(day);
            let second = day.rem_euclid(86_400);
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            let text =
                format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{:02}", second % 60);
            assert_eq!(
                timestamp(text.as_bytes()),
                Some((day * 86_400 + second) * SECOND),
                "{text}"
            );
        }
        for text in ["2019-02-29 00:00:00", "2019-10-01 00:00:0", "20191001 000000    "] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn one_moment_is_one_time_in_every_spelling() {
        let moment = timestamp(b"2019-10-01 10:30:05").expect("a time");
        for zone in ["", "Z", "z", " UTC", "+00", "+0000", "+00:00", "-00:00", " +00:00"] {
            for separator in [" ", "T", "t"] {
                for (fraction, expected) in
                    [("", 0), (".0", 0), (".25", 250_000), (".000001", 1), (".123456789", 123_456)]
                {
                    let text = format!("2019-10-01{separator}10:30:05{fraction}{zone}");
                    assert_eq!(timestamp(text.as_bytes()), Some(moment + expected), "{text}");
                }
            }
        }
        for text in [
            "2019-10-01T12:30:05+02:00",
            "2019-10-01 05:00:05-0530",
            "2019-10-02 02:15:05 +15:45",
            "2019-09-30T22:30:05-12",
        ] {
            assert_eq!(timestamp(text.as_bytes()), Some(moment), "{text}");
        }
        for behind in [
            ".",
            ".Z",
            ".1234567890",
            ",5",
            "UTC",
            "  UTC",
            " utc",
            " Z",
            " PST",
            "+",
            "+1",
            "+123",
            "+1:00",
            "+01:0",
            "+16:00",
            "+01:60",
            "+01:00:00",
            "+-1:00",
            "Z ",
            " ",
        ] {
            let text = format!("2019-10-01T10:30:05{behind}");
            assert_eq!(timestamp(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_moment_may_lack_what_is_zero() {
        let expected = timestamp(b"2024-05-01 10:30:00");
        for text in [
            "2024-05-01 10:30",
            " 2024-05-01T10:30 ",
            "2024-05-01 12:30+02",
            "2024-05-01 10:30 UTC",
            "2024-05-01T10:30Z",
        ] {
            assert_eq!(moment(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(moment(b"2024-05-01"), timestamp(b"2024-05-01 00:00:00"));
        assert_eq!((moment(b"infinity"), moment(b"-Infinity")), (Some(i64::MAX), Some(-i64::MAX)));
        for text in [
            "",
            "2024",
            "2024-05",
            "2024-05-01 ",
            "2024-05-01 10",
            "01.05.2024",
            "2024-05-0110:30",
            "2024-05-32",
        ] {
            let is_date = text.trim() == "2024-05-01";
            assert_eq!(moment(text.as_bytes()).is_some(), is_date, "{text}");
        }
        for text in [
            "2024-05-01 10:30:",
            "2024-05-01 10:3000",
            "2024-05-01 10:30.5.5",
            "2024-05-01 25:00",
            "epoch",
        ] {
            assert_eq!(moment(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_uuid_has_its_digits_and_hyphens_in_place() {
        let text = "c0508547-7917-4d14-ACE0-54eff507e570";
        assert_eq!(uuid(text.as_bytes()), Some(0xc050_8547_7917_4d14_ace0_54ef_f507_e570));
        for at in 0..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = b'g';
            assert_eq!(uuid(&wrong), None, "{at}");
            wrong.remove(at);
            assert_eq!(uuid(&wrong), None, "{at}");
        }
    }
}
