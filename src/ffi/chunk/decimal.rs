//! The DOUBLE that is nearest to a DECIMAL.

/// 10^`scale`; exact up to 22.
pub(super) fn power_of_ten(scale: u8) -> f64 {
    10_f64.powi(i32::from(scale))
}

/// The double nearest to `digits` / 10^`scale`, ties to even: what the text of the number is, as
/// DuckDB casts it.
#[inline]
pub(super) fn nearest_decimal(digits: i128, scale: u8) -> f64 {
    /// Whole numbers up to this are doubles.
    const EXACT: u128 = 1 << 53;
    const EXACT_POWER: u8 = 22;
    if digits.unsigned_abs() <= EXACT && scale <= EXACT_POWER {
        return digits as f64 / power_of_ten(scale);
    }
    nearest_long_decimal(digits, scale)
}

/// The same for many digits: the quotient to 64 bits behind the point, with a last bit that says
/// whether anything is left.
pub(super) fn nearest_long_decimal(digits: i128, scale: u8) -> f64 {
    /// Powers of ten below 2^60: of 2^53 and more, the quotient has bits enough for a rounding.
    const SHORT_POWER: u8 = 18;
    const FRACTION: u32 = 64;
    if scale == 0 {
        return digits as f64;
    }
    if scale > SHORT_POWER {
        return format!("{digits}e-{scale}").parse().expect("digits and an exponent are a number");
    }
    let divisor = 10_u128.pow(u32::from(scale));
    let magnitude = digits.unsigned_abs();
    let (whole, rest) = (magnitude / divisor, magnitude % divisor);
    let nearest = if whole >> FRACTION != 0 {
        (whole | u128::from(rest != 0)) as f64
    } else {
        let rest = rest << FRACTION;
        let quotient = (whole << FRACTION) | (rest / divisor);
        (quotient | u128::from(!rest.is_multiple_of(divisor))) as f64 / (1_u128 << FRACTION) as f64
    };
    if digits < 0 { -nearest } else { nearest }
}
