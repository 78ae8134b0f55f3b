//! The structure of a name: the words of a phrase, the levels of a path, and the similarity that
//! follows.

use std::borrow::Cow;

use super::canonical::fold;
use super::letters::{
    Letters, Part, distance, equal_but_for_accents, is_no_typo_by_parts, normalised,
};

/// More words than this are compared in their order only: the cheapest pairing is found over all
/// subsets.
const MAX_WORDS: usize = 8;

/// Paths with more levels than this are compared as one text.
const MAX_LEVELS: usize = 16;

/// What stands between the levels of a path; blanks are `_` in a canonical text.
const SEPARATORS: [&str; 7] = [">", "›", "»", "::", "_/_", "_|_", "_\\_"];

/// Words that are less alike than this are different words.
const SAME_WORD: f64 = 0.7;

/// Similarities of words are counted in such parts: sums of whole numbers are the same in any
/// order.
const WORD_PARTS: f64 = 65_536.0;

/// A canonical text with its words and levels.
///
/// A path is levels with `>` (or `›`, `»`, `::`, or blanks around `/`, `|` or `\`) between them,
/// the most general first. The last level names the thing and the levels above tell where it
/// stands, so each level weighs half of the one below it and the first two the same: the agreement
/// of two paths is the mean of the similarities of their levels with these weights, where a level
/// that one of them lacks has similarity 0. Other texts are one phrase.
pub(super) struct Name {
    pub(super) whole: Phrase,
    /// Canonical texts of the levels of a path; nothing for other texts.
    pub(super) levels: Vec<String>,
}

impl Name {
    /// Of a canonical text; `None` when its folded text is empty.
    pub(super) fn new(canonical: &str) -> Option<Self> {
        Some(Self::of(canonical, fold(canonical)?))
    }

    /// Of a canonical text and its folded one.
    pub(super) fn of(canonical: &str, folded: String) -> Self {
        let levels = levels_in(canonical).into_iter().map(str::to_string).collect();
        Self { whole: Phrase::of(canonical, folded), levels }
    }

    pub(super) fn len(&self) -> usize {
        self.whole.letters.len()
    }

    pub(super) fn is_path(&self) -> bool {
        !self.levels.is_empty()
    }

    /// The levels of a path as phrases.
    pub(super) fn phrases(&self) -> Vec<Phrase> {
        self.levels.iter().filter_map(|level| Phrase::new(level)).collect()
    }

    /// Similarity of two names with different folded texts, always below 1.
    pub(super) fn similarity(&self, other: &Self) -> f64 {
        let longer = self.len().max(other.len());
        if !(self.is_path() && other.is_path()) {
            return normalised(self.whole.distance(&other.whole), longer);
        }
        let (levels, other_levels) = (self.phrases(), other.phrases());
        let agreement = agreement(levels.len(), other_levels.len(), |i, j| {
            levels[i].similarity(&other_levels[j])
        });
        similarity_of_paths(agreement).min(equal_but_for_accents(longer))
    }
}

/// The levels of a canonical text that is a path; nothing for other texts.
pub(super) fn levels_in(canonical: &str) -> Vec<&str> {
    // Most texts have no such character at all.
    let is_plain = canonical.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.'));
    let separator = SEPARATORS.iter().find(|&separator| !is_plain && canonical.contains(separator));
    let levels: Vec<&str> = separator
        .map_or_else(Vec::new, |separator| canonical.split(separator).collect())
        .into_iter()
        .map(|level| level.trim_matches('_'))
        .filter(|level| if level.is_ascii() { !level.is_empty() } else { fold(level).is_some() })
        .collect();
    if (2..=MAX_LEVELS).contains(&levels.len()) { levels } else { Vec::new() }
}

/// Similarity of two paths by their agreement. The root puts paths on the scale of phrases: where a
/// path agrees by half, such as in the last level with other words above it, chance is far less
/// likely than in half of the letters of two words.
pub(super) fn similarity_of_paths(agreement: f64) -> f64 {
    agreement.cbrt()
}

/// The agreement of two paths of this similarity.
pub(super) fn agreement_of_paths(similarity: f64) -> f64 {
    similarity.max(0.0).powi(3)
}

/// Agreement of two paths of `n` and `n_other` levels from the similarity of their levels; 1 where
/// all agree.
pub(super) fn agreement(
    n: usize,
    n_other: usize,
    mut level: impl FnMut(usize, usize) -> f64,
) -> f64 {
    // Row i, column j: the best of the first i levels of one path and the first j of the other.
    let mut above = [0.0; MAX_LEVELS + 1];
    for i in 1..=n {
        let mut row = [0.0; MAX_LEVELS + 1];
        for j in 1..=n_other {
            let own = if i == 1 && j == 1 { 1.0 } else { 0.5 };
            let paired = own * level(i - 1, j - 1) + 0.5 * above[j - 1];
            row[j] = f64::max(paired, 0.5 * f64::max(above[j], row[j - 1]));
        }
        above = row;
    }
    above[n_other]
}

/// A canonical text as letters and as words.
pub(super) struct Phrase {
    pub(super) letters: Letters,
    /// Folded, each once; "and" and "&" only join words and are left out. Empty where the order of
    /// words decides.
    words: Vec<Word>,
    outline: Outline,
}

pub(super) type Word = Box<[char]>;

/// What tells most pairs of phrases apart at once.
pub(super) struct Outline {
    /// A bit for each word by its hash: no common bit, no common word.
    word_mask: u64,
    counts: [u8; 32],
    pub(super) n_letters: u32,
    pub(super) n_dots: u32,
    /// Letters that no word has.
    n_left_out: u32,
    pub(super) n_words: u8,
}

impl Outline {
    /// Of a folded text with these words.
    pub(super) fn new(folded: &str, words: &[Cow<'_, str>]) -> Self {
        let mut counts = [0_u8; 32];
        let (mut n_letters, mut n_dots) = (0, 0);
        for c in folded.chars() {
            let count = &mut counts[c as usize % 32];
            *count = count.saturating_add(1);
            n_letters += 1;
            n_dots += u32::from(c == '.');
        }
        let (mut word_mask, mut n_in_words) = (0, 0);
        for word in words {
            let mut hash = 0_u32;
            for c in word.chars() {
                hash = hash.wrapping_mul(31).wrapping_add(c as u32);
                n_in_words += 1;
            }
            word_mask |= 1 << (hash % 64);
        }
        let n_left_out =
            if words.is_empty() { 0 } else { u32::saturating_sub(n_letters, n_in_words) };
        Self { word_mask, counts, n_letters, n_dots, n_left_out, n_words: words.len() as u8 }
    }
}

/// The words of a canonical text and its folded one: folded, each once. None where their order
/// decides: where there are dots, or many words.
pub(super) fn words_in<'t>(canonical: &'t str, folded: &str) -> Vec<Cow<'t, str>> {
    if folded.contains('.') {
        return Vec::new();
    }
    let written =
        canonical.split(['_', ',', ';', '/', '(', ')', '&']).filter(|word| *word != "and");
    // Folding leaves plain words as they are.
    let mut words: Vec<Cow<'_, str>> = if canonical.is_ascii() && !canonical.contains('.') {
        written.filter(|word| !word.is_empty()).map(Cow::Borrowed).collect()
    } else {
        written.filter_map(|word| fold(word).map(Cow::Owned)).collect()
    };
    words.sort_unstable();
    words.dedup();
    if words.len() > MAX_WORDS {
        words.clear();
    }
    words
}

/// Words as their letters.
pub(super) fn spelled<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<Word> {
    words.into_iter().map(|word| word.chars().collect()).collect()
}

impl Phrase {
    pub(super) fn new(canonical: &str) -> Option<Self> {
        Some(Self::of(canonical, fold(canonical)?))
    }

    /// Of a canonical text and its folded one.
    pub(super) fn of(canonical: &str, folded: String) -> Self {
        let words = words_in(canonical, &folded);
        let outline = Outline::new(&folded, &words);
        let words = spelled(words.iter().map(|word| &**word));
        Self { letters: Letters::new(folded), words, outline }
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }

    /// Whether bounds alone forbid [`Phrase::may_be_typo_of`] where there are dots.
    pub(super) fn is_no_typo_of(
        &self,
        other: &Outline,
        parts: &[Part],
        min_similarity: f64,
    ) -> bool {
        self.letters.n_dots > 0
            && self.letters.n_dots == other.n_dots as usize
            && is_no_typo_by_parts(&self.letters.parts, parts, min_similarity)
    }

    /// Whether this can be a mistyped or reworded `other`, given their distance; see
    /// [`Letters::may_be_typo_of`].
    pub(super) fn may_be_typo_of(
        &self,
        other: &Outline,
        folded: &str,
        distance: f64,
        min_similarity: f64,
    ) -> bool {
        let longer = self.letters.len().max(other.n_letters as usize);
        if self.letters.n_dots == 0 && other.n_dots == 0 {
            return distance <= 1.0 || normalised(distance, longer) >= min_similarity;
        }
        // Words are not told apart where there are dots, so this is the distance of the letters.
        let chars: Vec<char> = folded.chars().collect();
        self.letters.may_be_typo_of(
            &chars,
            other.n_dots as usize,
            distance as usize,
            min_similarity,
        )
    }

    /// The distance is never below this.
    pub(super) fn distance_at_least(&self, other: &Outline) -> usize {
        let left_out = if self.words.is_empty() || other.n_words == 0 {
            0
        } else {
            (self.outline.n_left_out + other.n_left_out) as usize
        };
        self.letters
            .distance_at_least(&other.counts, other.n_letters as usize)
            .saturating_sub(left_out)
    }

    /// Edits between both: of all letters in order, or where they share a word half an edit more
    /// than the edits between the words that they do not share.
    pub(super) fn distance(&self, other: &Self) -> f64 {
        let in_order = self.letters.distance(&other.letters);
        self.distance_from(in_order, &other.outline, || Cow::Borrowed(&other.words))
    }

    /// [`Phrase::distance`] to a phrase with this outline, given the edits of all letters in order.
    pub(super) fn distance_from<'w>(
        &self,
        in_order: usize,
        other: &Outline,
        words: impl FnOnce() -> Cow<'w, [Word]>,
    ) -> f64 {
        if in_order < 2 || self.outline.word_mask & other.word_mask == 0 {
            return in_order as f64;
        }
        let other_words = words();
        let words: Vec<&Word> =
            self.words.iter().filter(|word| !other_words.contains(word)).collect();
        let others: Vec<&Word> =
            other_words.iter().filter(|word| !self.words.contains(word)).collect();
        let len = |words: &[&Word]| -> usize { words.iter().map(|word| word.len()).sum() };
        // Each word costs an edit at least, and so does each letter that one side has more.
        let at_least = words.len().max(others.len()).max(len(&words).abs_diff(len(&others)));
        if words.len() == self.words.len() || at_least >= in_order {
            return in_order as f64;
        }
        let (few, many) =
            if words.len() <= others.len() { (words, others) } else { (others, words) };
        f64::min(in_order as f64, edits_in_words(&few, &many) as f64 + 0.5)
    }

    /// Similarity as levels of a path; 1 where the folded texts are equal.
    ///
    /// The mean of the similarity of the letters and the share of words that both have: letters
    /// tell a word that is written otherwise, words keep two things apart whose names happen to
    /// share letters.
    pub(super) fn similarity(&self, other: &Self) -> f64 {
        let letters = normalised(self.distance(other), self.letters.len().max(other.letters.len()));
        let is_equal = || self.letters.chars == other.letters.chars;
        self.similarity_of_levels(letters, other.words.len(), is_equal, || {
            let best = |word: &Word, words: &[Word]| {
                words.iter().map(|other| word_parts(word, other)).max()
            };
            let of_words = |words: &[Word], others: &[Word]| -> u32 {
                words.iter().filter_map(|word| best(word, others)).sum()
            };
            of_words(&self.words, &other.words) + of_words(&other.words, &self.words)
        })
    }

    /// [`Phrase::similarity`] to a phrase of so many words, given that of the letters (or a bound
    /// of it), whether all are equal, and the sum of [`word_parts`] over the words of both, each
    /// with its most similar one.
    pub(super) fn similarity_of_levels(
        &self,
        letters: f64,
        n_words: usize,
        is_equal: impl FnOnce() -> bool,
        parts: impl FnOnce() -> u32,
    ) -> f64 {
        if self.words.is_empty() || n_words == 0 || is_equal() {
            return letters;
        }
        mean_of_letters_and_words(letters, parts(), (self.words.len() + n_words) as u32)
    }
}

/// Similarity of two levels by that of their letters and the [`word_parts`] of all their words.
pub(super) fn mean_of_letters_and_words(letters: f64, parts: u32, n_words: u32) -> f64 {
    0.5 * letters + 0.5 * f64::from(parts) / (WORD_PARTS * f64::from(n_words))
}

/// How alike two words are, in 65,536ths; 0 where they are different words.
fn word_parts(word: &[char], other: &[char]) -> u32 {
    word_parts_of(word.len(), other.len(), || distance(word, other))
}

/// [`word_parts`] of words of so many letters.
pub(super) fn word_parts_of(n: usize, n_other: usize, distance: impl FnOnce() -> usize) -> u32 {
    let longer = n.max(n_other);
    if normalised(n.abs_diff(n_other) as f64, longer) < SAME_WORD {
        return 0;
    }
    match normalised(distance() as f64, longer) {
        alike if alike >= SAME_WORD => (alike * WORD_PARTS) as u32,
        _ => 0,
    }
}

/// The least edits between words that are paired one to one, where a word without a partner costs
/// its length. `words` are no more than `others`. Pairing never costs more than a deletion and an
/// insertion.
fn edits_in_words(words: &[&Word], others: &[&Word]) -> usize {
    if let ([word], [other]) = (words, others) {
        return distance(word, other);
    }
    let alone: Vec<usize> = others.iter().map(|other| other.len()).collect();
    // By the set of others that are paired with the words so far; sets of another size stay out of
    // reach.
    let mut least = vec![usize::MAX; 1 << others.len()];
    least[0] = 0;
    for (i, word) in words.iter().enumerate() {
        let costs: Vec<usize> = others.iter().map(|other| distance(word, other)).collect();
        for set in (0..least.len()).rev() {
            if set.count_ones() as usize != i || least[set] == usize::MAX {
                continue;
            }
            for (j, cost) in costs.iter().enumerate().filter(|(j, _)| set >> j & 1 == 0) {
                least[set | 1 << j] = least[set | 1 << j].min(least[set] + cost);
            }
        }
    }
    let unpaired = |set: usize| -> usize {
        alone.iter().enumerate().filter(|(j, _)| set >> j & 1 == 0).map(|(_, len)| len).sum()
    };
    let complete = (0..least.len()).filter(|set| set.count_ones() as usize == words.len());
    complete.map(|set| least[set] + unpaired(set)).min().expect("no more words than others")
}

#[cfg(test)]
mod tests {
    use super::super::canonical::canonical;
    use super::*;

    #[test]
    fn a_level_is_as_alike_as_its_letters_and_its_words_in_the_mean() {
        let is = |a: &str, b: &str, expected: f64| {
            let phrase =
                |text: &str| Phrase::new(&canonical(text).expect("text")).expect("letters");
            let (forward, back) =
                (phrase(a).similarity(&phrase(b)), phrase(b).similarity(&phrase(a)));
            assert_eq!(forward, back, "{a}, {b}");
            assert!((forward - expected).abs() < 1e-4, "{a}, {b}: {forward} for {expected}");
        };
        is("toilet tank covers", "toilet seat covers", 0.5 * 12.0 / 16.0 + 0.5 * 2.0 / 3.0);
        is("dog beds", "dog bed", 0.5 * 6.0 / 7.0 + 0.5 * 3.5 / 4.0);
        is("necklaces", "bracelets", 0.5 * 2.0 / 9.0);
        is("vases & bowls", "bowls and vases", 0.5 * (1.0 - 0.5 / 13.0) + 0.5);
        is("bird cage", "birdcage", 1.0);
        is("a.cpu", "a.cpx", 0.8);
    }
}
