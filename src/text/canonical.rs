//! The forms of a text in which spellings of one thing are equal: canonical and folded.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A dash at the end of a longer word is punctuation, at the end of a shorter one a sign (`A-`,
/// `BBB-`, `18-`).
const MAX_SIGNED: usize = 3;

/// Canonical text: Unicode NFKC (UAX #15), lower case, without control and zero-width characters
/// and without the marks of a trade behind a name (`LEGO™`); each run of white space, dashes and
/// `_` is one `_`. Such runs vanish at both ends and beside a dot, so `category.sub.code` paths
/// keep their dots alone.
///
/// A dash that is a sign stays one, written `-`: alone directly before a number, where no other
/// number precedes (`-5`, `at -5`, but not `18-25`), and alone directly behind a word of at most
/// three letters or digits, where no other word follows (`A-`, `18-`).
///
/// `None` when nothing remains. Idempotent.
pub fn canonical(value: &str) -> Option<String> {
    let text = if value.is_ascii() { Cow::Borrowed(value) } else { Cow::Owned(composed(value)) };
    let mut out = String::with_capacity(text.len());
    let (mut run, mut last, mut n_in_word) = (Run::default(), '.', 0);
    for c in text.chars() {
        // Letters and digits first: nearly all characters are.
        if !c.is_ascii_alphanumeric() && c != '.' {
            if c.is_whitespace() || c == '_' {
                run.add_blank();
                continue;
            } else if is_dash(c) {
                run.add_dash();
                continue;
            } else if is_invisible(c) {
                continue;
            }
        }
        if !run.is_empty() {
            run.write(last, n_in_word, c, &mut out);
            run = Run::default();
            // Beside a dot a run vanishes, and the word goes on.
            if last != '.' && c != '.' {
                n_in_word = 0;
            }
        }
        n_in_word = if c.is_ascii_alphanumeric() { n_in_word + 1 } else { in_word(n_in_word, c) };
        last = c;
        out.push(c.to_ascii_lowercase());
    }
    if run.is_sign_behind(last, n_in_word) {
        out.push('-');
    }
    (!out.is_empty()).then_some(out)
}

/// The letters and digits of a word up to `c`, as many as [`fold`] leaves.
fn in_word(n_before: usize, c: char) -> usize {
    match c {
        'ß' | 'æ' | 'œ' | 'þ' => n_before + 2,
        _ if c.is_alphanumeric() => n_before + 1,
        _ if c == '.' || is_apostrophe(c) => n_before,
        _ => 0,
    }
}

/// White space, dashes and `_` between two other characters.
#[derive(Default)]
struct Run {
    n_dashes: usize,
    has_blank_before: bool,
    has_blank_behind: bool,
}

impl Run {
    fn is_empty(&self) -> bool {
        self.n_dashes == 0 && !self.has_blank_before
    }

    fn add_blank(&mut self) {
        if self.n_dashes == 0 {
            self.has_blank_before = true;
        } else {
            self.has_blank_behind = true;
        }
    }

    fn add_dash(&mut self) {
        self.n_dashes += 1;
    }

    /// What stays of the run between `last`, at the end of a word of so many letters and digits,
    /// and `next`.
    fn write(&self, last: char, n_in_word: usize, next: char, out: &mut String) {
        if self.is_sign_behind(last, n_in_word) && !next.is_alphanumeric() && next != '.' {
            out.push_str(if self.has_blank_behind { "-_" } else { "-" });
            return;
        }
        let is_sign = self.is_sign_before(next, last, out.is_empty());
        let is_inside = last != '.' && next != '.';
        if is_inside && (!is_sign || self.has_blank_before) {
            out.push('_');
        }
        if is_sign {
            out.push('-');
        }
    }

    /// Whether the dash belongs to the word before it, if no other word follows.
    fn is_sign_behind(&self, last: char, n_in_word: usize) -> bool {
        self.n_dashes == 1
            && !self.has_blank_before
            && last.is_alphanumeric()
            && (1..=MAX_SIGNED).contains(&n_in_word)
    }

    /// Whether the dash belongs to the number that begins with `next`.
    fn is_sign_before(&self, next: char, last: char, is_first: bool) -> bool {
        self.n_dashes == 1
            && !self.has_blank_behind
            && next.is_numeric()
            && (is_first
                || (last != '.'
                    && if self.has_blank_before {
                        !last.is_numeric()
                    } else {
                        !last.is_alphanumeric()
                    }))
    }
}

/// Compatible characters as one, in lower case, without invisible ones.
fn composed(value: &str) -> String {
    let (mut is_named, mut is_number) = (false, false);
    let mut visible = String::with_capacity(value.len());
    for c in value.chars().filter(|&c| c.is_whitespace() || !is_invisible(c)) {
        // Compatible with the letters TM and SM.
        if is_mark_of_trade(c) && is_named {
            continue;
        }
        // Compatible with the digits of another number: `10²` is not 102, and `1½` not eleven
        // halves.
        if is_number && is_raised_or_fraction(c) {
            visible.push(' ');
        }
        is_named |= c.is_alphanumeric() || is_mark_of_trade(c);
        is_number = c.is_numeric();
        visible.push(c);
    }
    // Decomposed first, so that a removed character never stands between a letter and its accent.
    let visible: String =
        visible.nfkd().filter(|&c| c.is_whitespace() || !is_invisible(c)).collect();
    visible.to_lowercase().nfkc().collect()
}

/// `©`, `®`, `℗`, `℠` and `™`.
pub(super) fn is_mark_of_trade(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{2117}' | '\u{2120}' | '\u{2122}')
}

/// Digits above or below the line, and fractions.
fn is_raised_or_fraction(c: char) -> bool {
    matches!(c,
        '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{bc}'..='\u{be}' | '\u{2070}'..='\u{2089}'
        | '\u{2150}'..='\u{215f}' | '\u{2189}')
}

/// The apostrophes that people type.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2bc}')
}

/// Canonical text without accents and separators: `Café-Bar` and `cafebar` are equal. Signs stay,
/// and dots (`a.bc` is not `ab.c`), except at the end (`Ltd.`) and between the letters of an
/// acronym (`U.S.A.`), and so does a separator between two digits (`18-25` is not `1825`).
///
/// Marks are dropped from Latin, Greek, Cyrillic, Hebrew and Arabic letters only: elsewhere (the
/// vowel signs of India, the voicing marks of Japan) they make another word. Letters that Unicode
/// does not decompose become their plain Latin ones (`ß` = `ss`, `ı` = `i`, `ø` = `o`), as in
/// PostgreSQL's `unaccent`.
///
/// `None` when nothing remains. Idempotent.
pub fn folded(value: &str) -> Option<String> {
    canonical(value).and_then(|text| fold(&text))
}

/// [`folded`] of a text that is canonical already.
pub(super) fn fold(canonical: &str) -> Option<String> {
    let mut plain = plain(canonical);
    let n_without_end = plain.trim_end_matches('.').len();
    if (1..plain.len()).contains(&n_without_end) {
        plain.to_mut().truncate(n_without_end);
    }
    if !plain.contains('_') {
        return (!plain.is_empty()).then(|| plain.into_owned());
    }
    let has_signs = plain.contains('-');
    let mut out = String::with_capacity(plain.len());
    let mut before_is_digit = false;
    for (i, c) in plain.char_indices() {
        let rest = &plain[i + c.len_utf8()..];
        // What makes a dash a sign stays.
        let is_of_sign = || has_signs && rest.trim_start_matches(is_in_word).starts_with('-');
        if c != '_' || (before_is_digit && rest.starts_with(char::is_numeric)) || is_of_sign() {
            out.push(c);
        }
        before_is_digit = c.is_numeric();
    }
    (!out.is_empty()).then_some(out)
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || is_apostrophe(c)
}

/// A canonical text without accents, and acronyms without their dots.
pub(super) fn plain(canonical: &str) -> Cow<'_, str> {
    let text = without_accents(canonical);
    let is_between_letters =
        |i: usize| is_lone_letter(text[..i].chars().rev()) && is_lone_letter(text[i + 1..].chars());
    if !text.match_indices('.').any(|(i, _)| is_between_letters(i)) {
        return text;
    }
    let kept = text.char_indices().filter(|&(i, c)| c != '.' || !is_between_letters(i));
    Cow::Owned(kept.map(|(_, c)| c).collect())
}

/// Whether one letter stands before the next dot or the end of the word; only scripts with cases
/// have acronyms.
fn is_lone_letter(mut chars: impl Iterator<Item = char>) -> bool {
    chars.next().is_some_and(char::is_lowercase)
        && chars.next().is_none_or(|c| c == '.' || !(c.is_alphanumeric() || is_combining_mark(c)))
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
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5c7}'
            | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
        && is_combining_mark(c)
}

/// The hyphens, dashes and the minus sign that people type for `-`.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Control characters and Unicode's Default_Ignorable_Code_Point, save the tags that tell flags
/// apart (`U+E0020` to `U+E007F`).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e001f}' | '\u{e0080}'..='\u{e0fff}')
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
        for value in [
            "",
            " ",
            "\t\r\n",
            "-",
            " _-_ ",
            "\u{200b}\u{feff}",
            "\u{3000}",
            "\0",
            "\u{3164}",
            "\u{ad}",
        ] {
            assert_eq!(canonical(value), None, "{value:?}");
            assert_eq!(folded(value), None, "{value:?}");
            assert_eq!(crate::text::fingerprint(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_dash_that_is_a_sign_is_kept() {
        for (value, expected) in [
            ("-5", "-5"),
            (" −5", "-5"),
            ("- 5", "5"),
            ("_5", "5"),
            ("--5", "5"),
            ("at -5", "at_-5"),
            ("(-5)", "(-5)"),
            ("18 -25", "18_25"),
            ("18-25", "18_25"),
            ("level-5", "level_5"),
            ("A-", "a-"),
            ("A -", "a"),
            ("A--", "a"),
            ("A_", "a"),
            ("BBB- ", "bbb-"),
            ("rating A-", "rating_a-"),
            ("start-", "start"),
            ("18-", "18-"),
            ("(A-)", "(a-)"),
            ("A- > B", "a-_>_b"),
            ("e- mail", "e_mail"),
            ("tv-.x", "tv.x"),
            ("eda .ae-", "eda.ae"),
        ] {
            assert_eq!(form(value), expected, "{value:?}");
        }
        assert_ne!(folded("-5"), folded("5"));
        assert_ne!(folded("A-"), folded("A"));
    }

    #[test]
    fn what_stands_above_the_line_is_no_digit_of_the_number_before_it() {
        assert_ne!(form("10²"), form("102"));
        assert_ne!(form("1½"), form("11⁄2"));
        assert_eq!(form("m²"), "m2");
        assert_eq!(form("½"), "1⁄2");
    }

    #[test]
    fn marks_of_a_trade_are_no_letters() {
        assert_eq!(form("LEGO™"), "lego");
        assert_eq!(form("Lego ® Duplo"), "lego_duplo");
        assert_eq!(form("©"), "©");
        assert_eq!(form("™"), "tm");
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
    fn folding_drops_dots_that_divide_no_path() {
        assert_eq!(folded("U.S.A."), folded("usa"));
        assert_eq!(folded("Ltd."), folded("ltd"));
        assert_eq!(folded("Т.В."), folded("тв"));
        assert_ne!(folded("a.bc"), folded("abc"));
        assert_ne!(folded("v1.5"), folded("v15"));
        assert_ne!(folded("女.男"), folded("女男"));
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
}
