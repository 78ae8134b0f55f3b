//! Words that look alike and mean the opposite, or another thing of the same kind: no typo makes
//! one of the other.
//!
//! The affixes of English follow Quirk, Greenbaum, Leech and Svartvik, *A Comprehensive Grammar of
//! the English Language* (1985), appendix I.20 to I.30: negative, reversative, of degree, attitude,
//! place, time and number. Those of other languages are the common ones of their school grammars.
//! All are folded: lower case, without accents.

#[cfg(test)]
mod tests;
mod words;

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::canonical::{is_apostrophe, plain};
use super::letters::{distance, normalised};

use words::{
    IDEOGRAPHS, NEGATING_IDEOGRAPHS, NEGATORS, PREFIXES, SMALL_WORDS, SWAPPED_PREFIXES,
    SWAPPED_SUFFIXES, WORDS,
};

/// With fewer ideographs, each of which is a word, none may be another one.
const MIN_IDEOGRAPHS: usize = 8;

/// Two affixes or words, as letters. The first is not empty.
struct Pair {
    a: Word,
    b: Word,
    /// Edits between both.
    apart: usize,
}

/// Pairs by the letter that tells nearly all words apart: the first one (of suffixes: the last one)
/// of `a`.
struct Pairs {
    by_letter: [Vec<Pair>; Self::N_LETTERS],
    letter: fn(&[char]) -> Option<&char>,
}

impl Pairs {
    const N_LETTERS: usize = 64;

    fn new<'p>(
        pairs: impl Iterator<Item = (&'p str, &'p str)>,
        letter: fn(&[char]) -> Option<&char>,
    ) -> Self {
        let mut by_letter = [const { Vec::new() }; Self::N_LETTERS];
        for (a, b) in pairs {
            let (a, b) = if a.is_empty() { (b, a) } else { (a, b) };
            let (a, b): (Word, Word) = (a.chars().collect(), b.chars().collect());
            let apart = distance(&a, &b);
            by_letter[*letter(&a).expect("not empty") as usize % Self::N_LETTERS].push(Pair {
                a,
                b,
                apart,
            });
        }
        Self { by_letter, letter }
    }

    /// Whether one of the pairs, which differ by at most so many edits, is that of two words in any
    /// order.
    fn any(
        &self,
        word: &[char],
        other: &[char],
        apart: usize,
        is: impl Fn(&[char], &[char], &Pair) -> bool,
    ) -> bool {
        [(word, other), (other, word)].into_iter().any(|(word, other)| {
            let (Some(&letter), of_other) = ((self.letter)(word), (self.letter)(other)) else {
                return false;
            };
            self.by_letter[letter as usize % Self::N_LETTERS].iter().any(|pair| {
                let of_b = (self.letter)(&pair.b);
                pair.apart <= apart && (of_b.is_none() || of_b == of_other) && is(word, other, pair)
            })
        })
    }
}

struct Tables {
    prefixes: Pairs,
    suffixes: Pairs,
    words: Pairs,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let prefixes = PREFIXES.iter().map(|&prefix| (prefix, ""));
    Tables {
        prefixes: Pairs::new(SWAPPED_PREFIXES.iter().copied().chain(prefixes), <[char]>::first),
        suffixes: Pairs::new(SWAPPED_SUFFIXES.iter().copied(), <[char]>::last),
        words: Pairs::new(WORDS.iter().copied(), <[char]>::first),
    }
});

/// Whether one word is the opposite of the other, also with a letter or two mistyped. Both are
/// folded, and so many edits apart.
fn is_opposite(word: &[char], other: &[char], apart: usize) -> bool {
    // What an affix costs must be what tells both apart, or the affix is none.
    let is_rest = |rest: &[char], other_rest: &[char], pair: &Pair| {
        let longer = rest.len().max(other_rest.len());
        let most = apart - pair.apart;
        longer >= MIN_REST && rest.len().abs_diff(other_rest.len()) <= most && {
            // Equal rests are the usual ones.
            let edits = if rest == other_rest { 0 } else { distance(rest, other_rest) };
            edits <= most && (edits == 0 || normalised(edits as f64, longer) >= SAME_REST)
        }
    };
    let have_prefixes = |word: &[char], other: &[char], pair: &Pair| {
        let rests = strip_prefix(word, &pair.a).zip(strip_prefix(other, &pair.b));
        rests.is_some_and(|(rest, other_rest)| is_rest(rest, other_rest, pair))
    };
    let have_suffixes = |word: &[char], other: &[char], pair: &Pair| {
        let rests = strip_suffix(word, &pair.a).zip(strip_suffix(other, &pair.b));
        rests.is_some_and(|(rest, other_rest)| is_rest(rest, other_rest, pair))
    };
    let are_words =
        |word: &[char], other: &[char], pair: &Pair| word == &pair.a[..] && other == &pair.b[..];
    TABLES.words.any(word, other, apart, are_words)
        || TABLES.prefixes.any(word, other, apart, have_prefixes)
        || TABLES.suffixes.any(word, other, apart, have_suffixes)
}

/// Letters of a word without its affix, at least.
const MIN_REST: usize = 3;

/// How alike the words without their affixes are, at least: `color` is no opposite of `for`.
const SAME_REST: f64 = 0.75;

fn is(word: &[char], text: &str) -> bool {
    word.iter().copied().eq(text.chars())
}

/// The word without its prefix, which is not all of it.
fn strip_prefix<'w>(word: &'w [char], prefix: &[char]) -> Option<&'w [char]> {
    word.strip_prefix(prefix).filter(|rest| !rest.is_empty())
}

/// The word without its suffix, which is not all of it.
fn strip_suffix<'w>(word: &'w [char], suffix: &[char]) -> Option<&'w [char]> {
    word.strip_suffix(suffix).filter(|rest| !rest.is_empty())
}

/// Words that are less alike than this are different words at any threshold.
const SAME_WORD: f64 = 0.5;

/// How strictly the words of two texts must agree.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Words {
    /// Each must be close to one of the other text: a name is its words.
    All,
    /// Only opposites tell names apart: other rules compare the rest.
    Opposites,
}

/// Whether two canonical texts name different things, however alike their letters are: a word or an
/// ideograph is another one.
pub(super) fn are_different_things(
    text: &str,
    other: &str,
    words: Words,
    min_similarity: f64,
) -> bool {
    if have_different_ideographs(text, other) {
        return true;
    }
    let (text, other, is_part) = without_common_ends(text, other);
    let (own, others) = (words_of(text), words_of(other));
    let n_words = own.len().max(others.len()) + usize::from(is_part);
    let (mut own, mut others) = without_common(own, others);
    let joined = |words: &[Word]| -> Word { words.iter().flatten().copied().collect() };
    let is_close = |word: &[char], other: &[char]| {
        let (longer, edits) = (word.len().max(other.len()), distance(word, other));
        edits <= usize::from(longer > 2)
            || normalised(edits as f64, longer) >= min_similarity.max(SAME_WORD)
    };
    // Letters and syllables of their own are names: vitamin A, size M.
    let is_lone =
        |words: &[Word]| matches!(words, [word] if word.len() == 1 && word[0].is_alphabetic());
    if is_lone(&own) && is_lone(&others) {
        return true;
    }
    // A word that is closer to another one stands for that: `magnetisers & demagnetisers`.
    let has_opposites = |own: &[Word], others: &[Word]| {
        own.iter().any(|word| {
            let distances: Vec<usize> = others.iter().map(|other| distance(word, other)).collect();
            let least = distances.iter().copied().min();
            others
                .iter()
                .zip(distances)
                .any(|(other, apart)| Some(apart) == least && is_opposite(word, other, apart))
        })
    };
    if own.len() == others.len() {
        if has_opposites(&own, &others) {
            return true;
        }
        if words == Words::Opposites || n_words < 2 {
            return false;
        }
        return !can_be_paired(&own, &mut others, &is_close)
            && distance(&joined(&own), &joined(&others)) > 1;
    }
    let (own_joined, others_joined) = (joined(&own), joined(&others));
    if is_opposite(&own_joined, &others_joined, distance(&own_joined, &others_joined)) {
        return true;
    }
    // `non-food` is `nonfood`.
    let is_negation = |word: &Word, other: &Word| {
        NEGATORS.iter().any(|negator| is(word, negator))
            && !other.windows(word.len()).any(|part| part == &word[..])
    };
    if own.iter().any(|word| is_negation(word, &others_joined))
        || others.iter().any(|word| is_negation(word, &own_joined))
    {
        return true;
    }
    let is_same_joined = |own: &[Word], others: &[Word]| {
        let (own, others) = (joined(own), joined(others));
        !own.is_empty() && !others.is_empty() && is_close(&own, &others)
    };
    if is_same_joined(&own, &others) {
        return false;
    }
    if has_opposites(&own, &others) {
        return true;
    }
    if words == Words::Opposites {
        return false;
    }
    let is_small = |word: &Word| SMALL_WORDS.iter().any(|small| is(word, small));
    own.retain(|word| !is_small(word));
    others.retain(|word| !is_small(word));
    match own.len() == others.len() {
        true => !can_be_paired(&own, &mut others, &is_close),
        false => !is_same_joined(&own, &others),
    }
}

type Word = Vec<char>;

/// Two texts without the words at both ends that they have in common, and whether there are any.
fn without_common_ends<'t>(text: &'t str, other: &'t str) -> (&'t str, &'t str, bool) {
    let (own, others) = (text.as_bytes(), other.as_bytes());
    // Between two words, which is between two characters.
    let is_end = |c: &u8| matches!(c, b'_' | b'.' | b'>' | b'/');
    let shorter = own.len().min(others.len());
    let n_before = own.iter().zip(others).take_while(|(a, b)| a == b).count();
    let start = own[..n_before].iter().rposition(is_end).map_or(0, |at| at + 1);
    let n_behind = own
        .iter()
        .rev()
        .zip(others.iter().rev())
        .take(shorter - start)
        .take_while(|(a, b)| a == b)
        .count();
    let end = own[own.len() - n_behind..].iter().position(is_end).map_or(0, |at| n_behind - at);
    (&text[start..text.len() - end], &other[start..other.len() - end], start + end > 0)
}

/// What both have as often is taken out of both.
fn without_common<T: PartialEq>(own: Vec<T>, mut others: Vec<T>) -> (Vec<T>, Vec<T>) {
    let mut left = Vec::new();
    for item in own {
        match others.iter().position(|other| *other == item) {
            Some(at) => drop(others.remove(at)),
            None => left.push(item),
        }
    }
    (left, others)
}

/// The words of a canonical text, folded and in order.
fn words_of(canonical: &str) -> Vec<Word> {
    let is_inside = |c: char| c.is_alphanumeric() || is_apostrophe(c) || is_combining_mark(c);
    plain(canonical)
        .split(|c: char| !is_inside(c))
        .map(|word| word.chars().filter(|&c| !is_apostrophe(c)).collect::<Word>())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether each word is close to one of the others, one to one. There are as many of both.
fn can_be_paired(
    words: &[Word],
    others: &mut Vec<Word>,
    is_close: &dyn Fn(&[char], &[char]) -> bool,
) -> bool {
    let Some((first, rest)) = words.split_first() else { return true };
    // More words than this are compared in their order only: every pairing may have to be tried.
    if words.len() > 6 {
        return words.iter().zip(others.iter()).all(|(word, other)| is_close(word, other));
    }
    (0..others.len()).any(|at| {
        is_close(first, &others[at]) && {
            let other = others.remove(at);
            let is_paired = can_be_paired(rest, others, is_close);
            others.insert(at, other);
            is_paired
        }
    })
}

/// Whether an ideograph, or a syllable of Korean, is another one or missing where there are few, or
/// turns the meaning around.
fn have_different_ideographs(text: &str, other: &str) -> bool {
    if text.is_ascii() || other.is_ascii() {
        return false;
    }
    let of = |text: &str| -> Vec<char> { text.chars().filter(|&c| is_ideograph(c)).collect() };
    let (own, others) = (of(text), of(other));
    let n_ideographs = own.len().max(others.len());
    let (left, others) = without_common(own, others);
    if left.is_empty() && others.is_empty() {
        return false;
    }
    if let ([own], [other]) = (left.as_slice(), others.as_slice())
        && is_syllable(*own)
        && is_syllable(*other)
    {
        let letters = |c: char| -> Vec<char> { std::iter::once(c).nfd().collect() };
        return distance(&letters(*own), &letters(*other)) > 1;
    }
    let are_opposite = |a: char, b: char| {
        let pairs: Vec<char> = IDEOGRAPHS.chars().collect();
        pairs
            .chunks_exact(2)
            .any(|pair| matches!(pair, [c, d] if (a, b) == (*c, *d) || (a, b) == (*d, *c)))
    };
    let is_negating = |&c: &char| NEGATING_IDEOGRAPHS.contains(c);
    n_ideographs < MIN_IDEOGRAPHS
        || left.iter().any(|&a| others.iter().any(|&b| are_opposite(a, b)))
        || left.iter().chain(&others).any(is_negating)
}

/// Han, or a syllable of Korean.
fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    ) || is_syllable(c)
}

fn is_syllable(c: char) -> bool {
    matches!(c, '\u{ac00}'..='\u{d7a3}')
}
