//! Numbers as text: ticks, figures above bars, remarks, counts, coordinates.

/// The unit of figures up to `largest`, unless they are short or beyond all units.
pub(super) fn unit(largest: f64) -> Option<(f64, &'static str)> {
    let units = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")];
    units.into_iter().find(|(size, _)| largest >= *size && (1e4..1e16).contains(&largest))
}

/// A figure above a bar: three significant digits in its own unit.
pub(super) fn short(value: f64) -> String {
    // Rounding may lead into the next unit: 999,999.95 is 1M.
    let three_digits: f64 = format!("{value:.2e}").parse().expect("a number");
    match unit(value.abs()).and(unit(three_digits.abs())) {
        Some((size, name)) => {
            let decimals =
                (2 - (three_digits.abs() / size).log10().floor() as i32).clamp(0, 2) as usize;
            let text = plain(three_digits / size, decimals);
            let text =
                if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            text.replace('-', "\u{2212}") + name
        }
        None => rounded(value),
    }
}

/// The text of a tick: plain with separated thousands where that is short, else with an exponent.
pub(super) fn label(value: f64, step: f64, largest: f64) -> String {
    let exponent = |x: f64| x.abs().log10().floor() as i32;
    let step_exponent = exponent(step * 1.000_001);
    let text = if value.abs() < step / 2.0 {
        "0".to_owned()
    } else if largest < 1e7 && step_exponent >= -4 {
        plain(value, step_exponent.min(0).unsigned_abs() as usize)
    } else {
        let digits =
            exponent(value * 1.000_000_000_000_1).saturating_sub(step_exponent).clamp(0, 15);
        format!("{value:.*e}", digits as usize)
    };
    text.replace('-', "\u{2212}")
}

/// A number with `decimals` digits after the point and commas between thousands.
pub(super) fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    out.push_str(&separated(whole));
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Digits with commas between thousands.
pub(super) fn separated(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number for a remark, with four significant digits.
pub(super) fn rounded(value: f64) -> String {
    let text = if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        let text = format!("{value:.3e}");
        let (mantissa, exponent) = text.split_once('e').expect("the format has an exponent");
        format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
    } else {
        let decimals =
            if value == 0.0 { 0 } else { (3 - value.abs().log10().floor() as i32).max(0) as usize };
        let text = plain(value, decimals);
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    text.replace('-', "\u{2212}")
}

/// A number as a table would show it: whole, or with two decimals; very small and large ones with
/// four digits.
pub(super) fn exact(value: f64) -> String {
    if value.abs() >= 1e15 || value != 0.0 && value.abs() < 0.1 {
        return rounded(value);
    }
    plain(value, if value.fract() == 0.0 { 0 } else { 2 }).replace('-', "\u{2212}")
}

/// A coordinate with at most one decimal.
pub(super) fn number(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A count with commas between thousands.
pub(super) fn grouped(count: u64) -> String {
    separated(&count.to_string())
}

/// `1 point`, `2 points`.
pub(super) fn counted(count: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(count), if count == 1 || word == "series" { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_bars_have_three_digits() {
        for (figure, text) in [
            (0.0, "0"),
            (732.5, "732.5"),
            (9_999.0, "9,999"),
            (500_000.0, "500k"),
            (-992_848.05, "−993k"),
            (1_234_567.0, "1.23M"),
            (1e9, "1B"),
            (1e20, "1e20"),
            (999_999.95, "1M"),
            (-999_499.0, "−999k"),
            (9_999.95, "10,000"),
            (1e15, "1,000T"),
            (9.9e15, "9,900T"),
            (9.9999e15, "1e16"),
            (1e300, "1e300"),
            (5e-324, "4.941e−324"),
        ] {
            assert_eq!(short(figure), text);
        }
    }

    #[test]
    fn figures_are_exact_where_they_are_short() {
        assert_eq!(exact(992_848.05), "992,848.05");
        assert_eq!(exact(-5.0), "−5");
        assert_eq!(exact(0.0123), "0.0123");
        assert_eq!(exact(0.0), "0");
        assert_eq!(exact(1e300), "1e300");
    }

    #[test]
    fn remarks_have_four_digits() {
        assert_eq!(rounded(1_234_567.0), "1,234,567");
        assert_eq!(rounded(-0.012345), "−0.01235");
        assert_eq!(rounded(2.5), "2.5");
        assert_eq!(rounded(1e12), "1e12");
        assert_eq!(rounded(0.0), "0");
    }
}
