//! Texts in a picture: their width, what is left of them where room is scarce, and their form in
//! XML.

use super::figures::number;

/// Estimated width of a character in the tick and legend font, in pixels.
pub(super) const CHARACTER: f64 = 7.2;

/// An element of text.
pub(super) fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<text x=\"{}\" y=\"{}\"{class}>{}</text>\n", number(x), number(y), escape(content))
}

/// Estimated columns of a text in a fixed grid: Asian scripts and emoji take two.
pub(super) fn columns(text: &str) -> usize {
    let narrow = |c: char| matches!(c, ..'\u{1100}' | '\u{1e00}'..'\u{2e80}');
    text.chars().map(|c| if narrow(c) { 1 } else { 2 }).sum()
}

/// The text itself, or its start and an ellipsis, in at most `limit` columns.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let mut used = 1;
    let start = text.chars().take_while(|&c| {
        used += columns(c.encode_utf8(&mut [0; 4]));
        used <= limit
    });
    start.chain(['…']).collect()
}

/// The text itself, or its start, an ellipsis and its end: names of one family differ at either
/// end.
pub(super) fn shortened_inside(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let end = shortened(&reversed(text), limit / 2);
    shortened(text, limit + 1 - columns(&end)) + reversed(&end).trim_start_matches('…')
}

/// The text in XML 1.0: markup escaped, white space as blanks, characters outside the standard's
/// `Char` replaced.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_keep_both_ends() {
        assert_eq!(shortened_inside("appliances.kitchen.refrigerators", 15), "applianc…rators");
        assert_eq!(shortened_inside("short", 15), "short");
        assert_eq!(shortened("日本語日本語", 5), "日本…");
    }
}
