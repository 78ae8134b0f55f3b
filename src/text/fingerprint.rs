//! Keys of texts: the fingerprint that variants of one thing share, and the numbers that a text
//! names.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::canonical::{canonical, is_apostrophe, is_mark_of_trade, plain};

/// Longer texts (in bytes of the canonical form) are documents: each is its own fingerprint.
const MAX_FINGERPRINTED: usize = 1 << 16;

/// Key that is equal for variants of one thing: the numbers of a text in their order, and the
/// sorted distinct words of its canonical form without accents, as in OpenRefine's "fingerprint"
/// key collision. Punctuation separates words, an apostrophe does not (`Men's` = `mens`); a dotted
/// path (`electronics.audio`) is one word.
///
/// What stands between two digits stays (`1,000`, `16:9`), and so do signs (`A-`, `C++`, `18+`,
/// `-5`, `100%`), `<`, and what compares with a number (`>18`).
///
/// `None` when the canonical text is empty; that text itself when it has no word, or more than
/// 65,536 bytes. Idempotent.
pub fn fingerprint(value: &str) -> Option<String> {
    let whole = canonical(value)?;
    if whole.len() > MAX_FINGERPRINTED {
        return Some(whole);
    }
    let Some(text) = canonical(&without_full_stops(value)) else { return Some(whole) };
    let chars = of_words(&plain(&text));
    let is_number = |i: usize| chars.get(i).is_some_and(|c| c.is_numeric());
    let is_word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
    let mut spaced = String::with_capacity(text.len());
    let mut behind = 0;
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| &chars[i]);
        match c {
            _ if is_comparison(c) => {
                // Looked for once in a run of such signs.
                if i >= behind {
                    behind =
                        (i..chars.len()).find(|&i| !is_comparison(chars[i])).unwrap_or(chars.len());
                }
                let is_of_number =
                    is_number(behind) || (chars.get(behind) == Some(&'-') && is_number(behind + 1));
                if !before.is_some_and(|&c| is_comparison(c)) || !is_of_number {
                    spaced.push(' ');
                }
                // `>` also joins the levels of paths.
                match is_of_number {
                    true => spaced.push(c),
                    false if c == '<' => spaced.push_str("< "),
                    false => {}
                }
            }
            '.' if is_word(before) && is_word(chars.get(i + 1)) => spaced.push(c),
            '.' if !is_word(before) && before != Some(&'.') && is_number(i + 1) => {
                spaced.push_str(" .")
            }
            '-' => spaced.push(c),
            '_' => spaced.push(' '),
            _ if !(is_punctuation(c) || is_apostrophe(c) || is_mark_of_trade(c))
                || (before.is_some_and(|c| c.is_numeric()) && is_number(i + 1)) =>
            {
                spaced.push(c)
            }
            _ => spaced.push(' '),
        }
    }
    let (numbers, words): (Vec<&str>, BTreeSet<&str>) = {
        let (numbers, words): (Vec<_>, Vec<_>) =
            spaced.split_whitespace().partition(|word| word.contains(char::is_numeric));
        (numbers, words.into_iter().collect())
    };
    let mut out = String::with_capacity(spaced.len());
    for word in numbers.into_iter().chain(words) {
        if !out.is_empty() {
            // A blank alone would make another text of a sign or a dot at the edge of a word.
            let is_joined = out.ends_with('-') || word.starts_with(['-', '.']);
            out.push_str(if is_joined { ", " } else { " " });
        }
        out.push_str(word);
    }
    Some(if out.is_empty() { whole } else { out })
}

/// A dot between a word and a blank ends an abbreviation or a sentence (`St. Louis`) and divides no
/// path.
fn without_full_stops(value: &str) -> Cow<'_, str> {
    let is_full_stop = |i: usize| {
        value[..i].chars().next_back().is_some_and(char::is_alphanumeric)
            && value[i + 1..].chars().next().is_some_and(|c| c.is_whitespace() || c == '_')
    };
    if !value.match_indices('.').any(|(i, _)| is_full_stop(i)) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(
        value
            .char_indices()
            .filter(|&(i, c)| c != '.' || !is_full_stop(i))
            .map(|(_, c)| c)
            .collect(),
    )
}

/// The characters of a text without the apostrophes in its words, and without the blanks in
/// comparisons and ratios of numbers.
fn of_words(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let before = |i: usize| (0..i).rev().find(|&i| chars[i] != '_');
    let behind = |i: usize| (i + 1..chars.len()).find(|&i| chars[i] != '_');
    let is_number = |at: Option<usize>| at.is_some_and(|at| chars[at].is_numeric());
    let is_ratio = |at: Option<usize>| {
        at.is_some_and(|at| is_ratio(chars[at]) && is_number(before(at)) && is_number(behind(at)))
    };
    let is_kept = |&i: &usize| match chars[i] {
        '_' => {
            let (before, behind) = (before(i), behind(i));
            let is_compared = is_number(behind)
                || behind.is_some_and(|at| {
                    chars[at] == '-' && is_number(Some(at + 1).filter(|&at| at < chars.len()))
                });
            !(before.is_some_and(|at| is_comparison(chars[at])) && is_compared
                || is_ratio(before)
                || is_ratio(behind))
        }
        c if is_apostrophe(c) => {
            let is_in_word = |at: Option<usize>| {
                at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric())
            };
            let (before, behind) = (i.checked_sub(1), Some(i + 1).filter(|&at| at < chars.len()));
            !(is_in_word(before) && is_in_word(behind)) || (is_number(before) && is_number(behind))
        }
        _ => true,
    };
    (0..chars.len()).filter(is_kept).map(|i| chars[i]).collect()
}

/// Signs that compare with the number behind them.
fn is_comparison(c: char) -> bool {
    matches!(
        c,
        '<' | '>' | '=' | '~' | '\u{b1}' | '\u{2248}' | '\u{2260}' | '\u{2264}' | '\u{2265}'
    )
}

/// Signs between the two numbers of a ratio.
fn is_ratio(c: char) -> bool {
    matches!(c, ':' | '/' | '\u{d7}')
}

/// The numbers of a canonical text and all signs that carry meaning: texts name the same numbers
/// exactly when these are equal. Signs are the dashes that are (see [`canonical`]), `+` and `#` at
/// the end of a word (`C++`), `+` before a number, and what compares, divides or measures numbers
/// (`<18`, `16:9`, `1.5`, `5%`).
pub(super) fn digits(canonical: &str) -> String {
    let mut out = String::new();
    // Most texts have neither numbers nor signs.
    if canonical.bytes().all(|c| c.is_ascii_lowercase() || matches!(c, b'_' | b'.' | b'&' | b'\''))
    {
        return out;
    }
    let mut chars = vec!['_'; 2];
    chars.extend(canonical.chars());
    let end = chars.len();
    chars.extend(['_'; 2]);
    let mut pushed = 0;
    for i in 2..end {
        let (c, before, behind) = (chars[i], chars[i - 1], chars[i + 1]);
        let number_before = before.is_numeric() || (before == '_' && chars[i - 2].is_numeric());
        let number_behind = behind.is_numeric() || (behind == '_' && chars[i + 2].is_numeric());
        let is_sign = match c {
            '-' => true,
            '+' if !behind.is_alphanumeric() => {
                before.is_alphanumeric()
                    || matches!(before, '+' | '#')
                    || (number_before && i + 1 == end)
            }
            '+' => behind.is_numeric() && !before.is_alphanumeric(),
            '#' => before.is_alphanumeric() && !behind.is_alphanumeric(),
            '%' | '\u{2030}' | '\u{b0}' | '$' | '\u{20ac}' | '\u{a3}' | '\u{a5}' => {
                number_before || number_behind
            }
            '.' | ',' | '\'' | '*' | '^' | '\u{2044}' => before.is_numeric() && behind.is_numeric(),
            _ if is_ratio(c) => number_before && number_behind,
            _ if is_comparison(c) => {
                number_before || number_behind || is_comparison(before) || is_comparison(behind)
            }
            _ => false,
        };
        if c.is_numeric() {
            if out.ends_with(char::is_numeric) && pushed + 1 != i {
                out.push(' ');
            }
        } else if !is_sign {
            continue;
        } else if before.is_alphabetic() {
            // The sign of a word is not that of a number behind it.
            out.push('a');
        }
        out.push(c);
        pushed = i;
    }
    out
}

/// Punctuation between words; `+ # $ % @` may be what tells two names apart (`C`, `C++`, `C#`).
fn is_punctuation(c: char) -> bool {
    match c {
        '+' | '#' | '$' | '%' | '@' => false,
        '«'
        | '»'
        | '¡'
        | '¿'
        | '·'
        | '\u{2010}'..='\u{205e}'
        | '\u{3001}'..='\u{3003}'
        | '\u{3008}'..='\u{3011}' => true,
        _ => c.is_ascii_punctuation(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::properties::Random;
    use super::*;

    #[test]
    fn digits_are_compared_run_by_run() {
        assert_eq!(digits("18_25"), digits("18 to 25"));
        assert_ne!(digits("18_25"), digits("1825"));
        assert_ne!(digits("v1"), digits("v"));
        assert_eq!(digits("abc"), "");
    }

    #[test]
    fn fingerprint_ignores_order_case_accents_and_punctuation() {
        assert_eq!(fingerprint("Smith, John"), fingerprint("john SMITH"));
        assert_eq!(fingerprint("Apple Inc."), fingerprint("apple inc"));
        assert_eq!(fingerprint("Men's  Café"), fingerprint("cafe mens"));
        assert_eq!(fingerprint("Start_Game"), Some("game start".into()));
        assert_eq!(fingerprint("tv/video, TV"), Some("tv video".into()));
    }

    #[test]
    fn fingerprint_keeps_different_things_apart() {
        assert_ne!(fingerprint("18-25"), fingerprint("25-18"));
        assert_ne!(fingerprint("a.bc"), fingerprint("ab.c"));
        assert_ne!(fingerprint("electronics.audio"), fingerprint("audio.electronics"));
        assert_ne!(fingerprint("C"), fingerprint("C++"));
        assert_ne!(fingerprint("!!!"), fingerprint("???"));
        assert_ne!(fingerprint("-5"), fingerprint("5"));
    }

    #[test]
    fn fingerprint_keeps_numbers_in_order_and_signs() {
        for (a, b) in [
            ("1,000", "1,000,000"),
            ("1,5 l", "5,1 l"),
            ("16:9", "9:16"),
            ("<18", ">18"),
            ("< 18", "18"),
            ("> 18", "18"),
            ("18+", "18"),
            ("100%", "100"),
            ("A-", "A"),
            ("A+", "A-"),
            ("2 of 3", "3 of 2"),
            ("2 of 2", "2"),
            ("1/2", "1 2"),
            ("-18", "18"),
            ("at -5", "at 5"),
            ("1.5", "15"),
            ("1.5", "1,5"),
            (".5", "5"),
            ("5'10", "510"),
            ("10²", "102"),
            ("a < b", "a > b"),
            (">=18", "<=18"),
            ("1000", "1,000"),
            ("version 1 2", "version 2 1"),
            ("±5", "5"),
        ] {
            assert_ne!(fingerprint(a), fingerprint(b), "{a} and {b}");
        }
        for (a, b) in [
            ("16 : 9", "16:9"),
            ("< 18", "<18"),
            ("18-25", "18 – 25"),
            ("１，０００", "1,000"),
            ("Size 42, Men's", "mens SIZE 42"),
            ("U.S.A.", "usa"),
            ("Category 7", "7 category"),
            ("St. Louis", "st louis"),
            ("x>18", "X > 18"),
        ] {
            assert_eq!(fingerprint(a), fingerprint(b), "{a} and {b}");
        }
        assert_eq!(fingerprint("Pack of 12, 5 l"), Some("12 5 l of pack".into()));
    }

    #[test]
    fn fingerprint_is_that_of_every_variant() {
        let mut random = Random(59);
        let words = [
            "Home",
            "Café",
            "Appliances",
            "men's",
            "Играть",
            "straße",
            "tv",
            "C++",
            "R.E.M.",
            "L\u{2019}eau",
        ];
        let numbers = ["18+", "<18", "16:9", "1,000", "2", "64gb", "100%"];
        for _ in 0..3000 {
            let mut chosen: Vec<&str> =
                (0..1 + random.below(4)).map(|_| random.of(&words)).collect();
            let number = random.of(&numbers);
            let at = random.below(chosen.len() + 1);
            let mut text = chosen.clone();
            text.insert(at, number);
            let key = fingerprint(&text.join(" "));
            (1..chosen.len()).for_each(|i| chosen.swap(i, random.below(i + 1)));
            chosen.insert(random.below(chosen.len() + 1), number);
            let separators = [" ", "  ", "_", " - ", ", ", "; ", " | ", "\u{3000}"];
            let variant: String =
                chosen.iter().map(|word| format!("{word}{}", random.of(&separators))).collect();
            for variant in
                [variant.to_lowercase(), variant.to_uppercase(), format!("\u{200b} {variant}")]
            {
                assert_eq!(fingerprint(&variant), key, "{variant:?} of {text:?}");
            }
        }
    }

    #[test]
    fn signs_of_comparison_may_come_in_runs() {
        let run = ">=".repeat(1 << 14);
        assert_eq!(fingerprint(&format!("a {run}18")), Some(format!("{run}18 a")));
        assert_eq!(fingerprint(&format!("a {run} b")), Some("a b".into()));
        assert_eq!(fingerprint(&run), Some(run));
    }

    #[test]
    fn a_document_is_its_own_fingerprint() {
        let text = "b a ".repeat(20_000);
        assert_eq!(fingerprint(&text), canonical(&text));
    }

    #[test]
    fn signs_are_numbers_of_a_text() {
        for (text, expected) in [
            ("18_25", "18 25"),
            ("18_to_25", "18 25"),
            ("v1", "1"),
            ("abc", ""),
            ("c++", "a++"),
            ("disney+", "a+"),
            ("<_18", "<18"),
            ("16:9", "16:9"),
            ("16_:_9", "16:9"),
            ("5%", "5%"),
            ("a-", "a-"),
            ("-5", "-5"),
            ("at_-5", "-5"),
            ("food_+_drink", ""),
            ("a/b", ""),
            ("1.5", "1.5"),
            ("electronics.tv", ""),
        ] {
            assert_eq!(digits(text), expected, "{text}");
        }
    }
}
