//! Texts that are a value and nothing else: what a cast would round, trim or guess is none.

use crate::calendar::first_day;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// The number that digits write, with leading zeros or without; `None` above `i64::MAX`.
pub fn bigint(text: &[u8]) -> Option<i64> {
    digits(text)
}

/// Hundredths: an optional minus, digits and, behind a point, one or two digits and any number of zeros; `None` above
/// 18 digits.
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
    let value = digits(whole)?.checked_mul(100)?.checked_add(cents).filter(|value| *value <= MAX)?;
    Some(if negative { -value } else { value })
}

/// Microseconds since 1970 of `YYYY-MM-DD hh:mm:ss`, also with `T` between date and time and with ` UTC` or `Z` behind.
pub fn timestamp(text: &[u8]) -> Option<i64> {
    let (stamp, zone) = text.split_at_checked(19)?;
    let accepted = matches!((stamp[10], zone), (b' ', b"" | b" UTC") | (b'T', b"" | b"Z"));
    let separated = (stamp[4], stamp[7], stamp[13], stamp[16]) == (b'-', b'-', b':', b':');
    if !(accepted && separated) {
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
    let days = first_day(year, month as u32) + day - 1;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * SECOND)
}

/// The 128 bits of 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, with a hyphen between them.
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
        for text in
            ["", "9223372036854775808", "18446744073709551616", "-1", "+1", "1.", " 1", "1\0", "/", ":"]
        {
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
        for text in
            ["", "-", ".1", "1.", "1.001", "1.0.0", "--1", "10000000000000000", "92233720368547758.08"]
        {
            assert_eq!(hundredths(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn each_second_of_four_centuries_of_days_is_a_time() {
        for day in -200_000..200_000i64 {
            let (year, month, date) = crate::calendar::date(day);
            let second = day.rem_euclid(86_400);
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            let text = format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{:02}", second % 60);
            assert_eq!(timestamp(text.as_bytes()), Some((day * 86_400 + second) * SECOND), "{text}");
        }
        for text in
            ["2019-02-29 00:00:00", "2019-10-01 00:00:0", "2019-10-01 00:00:00Z", "20191001 000000    "]
        {
            assert_eq!(timestamp(text.as_bytes()), None, "{text:?}");
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
