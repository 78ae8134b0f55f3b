//! The forms of a text in which spellings of one thing are equal: canonical, folded, fingerprint.

use std::borrow::Cow;
use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Canonical text: Unicode NFKC (UAX #15), lower case, without control and zero-width characters; each run of
/// white space, dashes and `_` is one `_`. Such runs vanish at both ends and beside a dot, so
/// `category.sub.code` paths keep their dots alone; only a dash or `_` directly before the first digit stays,
/// for it may be a sign.
///
/// `None` when nothing remains. Idempotent.
pub fn canonical(value: &str) -> Option<String> {
    let text = if value.is_ascii() {
        Cow::Borrowed(value)
    } else {
        // Decomposed first, so that a removed character never stands between a letter and its accent.
        let visible: String = value.nfkd().filter(|&c| c.is_whitespace() || !is_invisible(c)).collect();
        Cow::Owned(visible.to_lowercase().nfkc().collect())
    };
    let mut out = String::with_capacity(text.len());
    let (mut separated, mut signed, mut last) = (false, false, '.');
    for c in text.chars() {
        // Letters and digits first: nearly all characters are.
        if !c.is_ascii_alphanumeric() && c != '.' {
            if c.is_whitespace() {
                (separated, signed) = (true, false);
                continue;
            } else if is_dash(c) || c == '_' {
                (separated, signed) = (true, true);
                continue;
            } else if is_invisible(c) {
                continue;
            }
        }
        let inside = last != '.' && c != '.';
        if separated && (inside || (out.is_empty() && signed && c.is_numeric())) {
            out.push('_');
        }
        separated = false;
        last = c;
        out.push(c.to_ascii_lowercase());
    }
    (!out.is_empty()).then_some(out)
}

/// Canonical text without accents and separators: `Café-Bar` and `cafebar` are equal. Dots stay (`a.bc` is
/// not `ab.c`), and so does a separator between two digits or before the first one (`18-25` is not `1825`).
///
/// Marks are dropped from Latin, Greek, Cyrillic, Hebrew and Arabic letters only: elsewhere (the vowel signs
/// of India, the voicing marks of Japan) they make another word. Letters that Unicode does not decompose
/// become their plain Latin ones (`ß` = `ss`, `ı` = `i`, `ø` = `o`), as in PostgreSQL's `unaccent`.
///
/// `None` when nothing remains. Idempotent.
pub fn folded(value: &str) -> Option<String> {
    canonical(value).and_then(|text| fold(&text))
}

/// [`folded`] of a text that is canonical already.
pub(super) fn fold(canonical: &str) -> Option<String> {
    let plain = without_accents(canonical);
    if !plain.contains('_') {
        return (!plain.is_empty()).then(|| plain.into_owned());
    }
    let mut out = String::with_capacity(plain.len());
    let mut chars = plain.chars().peekable();
    let mut before_is_digit = true;
    while let Some(c) = chars.next() {
        if c != '_' || (before_is_digit && chars.peek().is_some_and(|next| next.is_numeric())) {
            out.push(c);
        }
        before_is_digit = c.is_numeric();
    }
    (!out.is_empty()).then_some(out)
}

/// Key that is equal for variants of one thing: the sorted distinct words of the canonical text without
/// accents, as in OpenRefine's "fingerprint" key collision. Punctuation separates words, an apostrophe does
/// not (`Men's` = `mens`); a dotted path (`electronics.audio`) and a range of numbers (`18-25`) are one word.
///
/// `None` when the canonical text is empty; that text itself when it has no word.
pub fn fingerprint(value: &str) -> Option<String> {
    let canonical = canonical(value)?;
    let plain = without_accents(&canonical);
    let chars: Vec<char> = plain.chars().filter(|c| !matches!(c, '\'' | '\u{2019}' | '\u{2bc}')).collect();
    let is_inside = |i: usize| {
        let before = i.checked_sub(1).map(|i| chars[i]);
        match (chars[i], before, chars.get(i + 1)) {
            ('_', before, Some(after)) => before.is_none_or(char::is_numeric) && after.is_numeric(),
            ('.', Some(before), Some(after)) => before.is_alphanumeric() && after.is_alphanumeric(),
            _ => false,
        }
    };
    let words: String = (0..chars.len())
        .map(|i| if !is_punctuation(chars[i]) || is_inside(i) { chars[i] } else { ' ' })
        .collect();
    let distinct: BTreeSet<&str> = words.split_whitespace().collect();
    if distinct.is_empty() {
        return Some(canonical);
    }
    Some(distinct.into_iter().collect::<Vec<_>>().join(" "))
}

/// The runs of digits of a folded text, one space after each, with a leading sign: texts name the same
/// numbers exactly when these are equal.
pub(super) fn digits(folded: &str) -> String {
    let mut out = String::new();
    for c in folded.chars() {
        if c.is_numeric() || (c == '_' && out.is_empty() && folded.starts_with('_')) {
            out.push(c);
        } else if out.ends_with(char::is_numeric) {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn without_accents(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.nfd() {
        match c {
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'þ' => plain.push_str("th"),
            'ı' => plain.push('i'),
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' | 'ð' => plain.push('d'),
            'ħ' => plain.push('h'),
            'ŧ' => plain.push('t'),
            'ς' => plain.push('σ'),
            _ if is_accent(c) => {}
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain.nfc().collect())
}

fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
        && is_combining_mark(c)
}

/// The hyphens, dashes and the minus sign that people type for `-`.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Control characters and Unicode's Default_Ignorable_Code_Point, save the tags that tell flags apart
/// (`U+E0020` to `U+E007F`).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e001f}' | '\u{e0080}'..='\u{e0fff}')
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
    use super::*;

    fn form(value: &str) -> String {
        canonical(value).unwrap_or_default()
    }

    #[test]
    fn case_white_space_and_separators_have_one_canonical_form() {
        for value in [
            "Start_Game",
            "start game",
            "  START - GAME ",
            "start\u{a0}game",
            "start\t\n-_ game",
            "--start–game__",
        ] {
            assert_eq!(form(value), "start_game", "{value:?}");
        }
        assert_eq!(form("Electronics.Audio.Head Phone"), "electronics.audio.head_phone");
        assert_eq!(form("electronics . audio ._x"), "electronics.audio.x");
    }

    #[test]
    fn nothing_but_space_separators_and_invisible_characters_is_empty() {
        for value in
            ["", " ", "\t\r\n", "-", " _-_ ", "\u{200b}\u{feff}", "\u{3000}", "\0", "\u{3164}", "\u{ad}"]
        {
            assert_eq!(canonical(value), None, "{value:?}");
            assert_eq!(folded(value), None, "{value:?}");
            assert_eq!(fingerprint(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_sign_before_a_number_is_kept() {
        assert_eq!(form("-5"), "_5");
        assert_eq!(form(" −5"), "_5");
        assert_eq!(form("- 5"), "5");
        assert_ne!(folded("-5"), folded("5"));
        assert_eq!(digits("_5a"), "_5");
    }

    #[test]
    fn compatibility_and_composed_forms_are_one() {
        assert_eq!(form("Ｗｅｂ　Ｓｈｏｐ"), "web_shop");
        assert_eq!(form("１８－２５"), "18_25");
        assert_eq!(form("cafe\u{301}"), "caf\u{e9}");
        assert_eq!(form("e\u{200d}\u{301}"), "\u{e9}");
        assert_eq!(form("ﬁlm №²"), "film_no2");
        assert_eq!(form("Мобильный ТЕЛЕФОН"), "мобильный_телефон");
        assert_eq!(form("ΟΔΟΣ"), "οδος");
        assert_eq!(form("한국"), form("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"));
    }

    #[test]
    fn zero_width_and_control_characters_vanish() {
        assert_eq!(form("\u{feff}we\u{200b}b\u{0}\u{ad}"), "web");
        assert_eq!(form("❤\u{fe0f}"), "❤");
        assert_eq!(form("🎮"), "🎮");
        let (england, scotland) = (
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        );
        assert_ne!(form(england), form(scotland));
    }

    #[test]
    fn folding_drops_accents_and_separators_but_never_dots() {
        assert_eq!(folded("Café-Bar"), folded("cafebar"));
        assert_eq!(folded("İSTANBUL"), folded("istanbul"));
        assert_eq!(folded("ısparta"), folded("ISPARTA"));
        assert_eq!(folded("STRASSE"), folded("Straße"));
        assert_eq!(folded("ёлка"), folded("ЕЛКА"));
        assert_eq!(folded("Øre Ægir Łódź"), Some("oreaegirlodz".into()));
        assert_ne!(folded("a.bc"), folded("ab.c"));
        assert_ne!(folded("a.bc"), folded("abc"));
    }

    #[test]
    fn folding_keeps_what_makes_another_number_or_word() {
        assert_ne!(folded("18-25"), folded("1825"));
        assert_ne!(folded("1.5"), folded("15"));
        assert_eq!(folded("level-5-up"), folded("level5up"));
        assert_ne!(folded("की"), folded("का"));
        assert_ne!(folded("か"), folded("が"));
    }

    #[test]
    fn all_forms_are_idempotent_on_every_character() {
        let assigned = ('\0'..='\u{33fff}').chain('\u{e0000}'..='\u{e0fff}');
        for c in assigned.flat_map(|c| [c.to_string(), format!("a{c}b"), format!("1{c}2")]) {
            if let Some(once) = canonical(&c) {
                assert_eq!(canonical(&once).as_deref(), Some(once.as_str()), "canonical of {c:?}");
            }
            if let Some(once) = folded(&c) {
                assert_eq!(folded(&once).as_deref(), Some(once.as_str()), "folded of {c:?}");
            }
        }
    }

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
}
