//! The levels of all paths of a vocabulary, each once, and how alike those of a text are.

use rapidfuzz::distance::osa;

use super::map::Map;
use super::name::{Phrase, Word, word_parts};
use super::similarity::normalised;

/// The distinct levels of paths, with an index of their words.
#[derive(Default)]
pub(super) struct Levels {
    phrases: Vec<Phrase>,
    /// Positions in `phrases`, by canonical text.
    position_of: Map<String, usize>,
    words: Vec<IndexedWord>,
    position_of_word: Map<String, usize>,
}

/// A word with the levels that have it.
struct IndexedWord {
    letters: Word,
    kinds: u32,
    levels: Vec<u32>,
}

/// A bit for each kind of letter in a word.
fn kinds(word: &[char]) -> u32 {
    word.iter().fold(0, |kinds, &c| kinds | 1 << (c as u32 % 32))
}

impl Levels {
    /// The position of a level, added where it is new.
    pub(super) fn add(&mut self, canonical: &str, phrase: Phrase) -> usize {
        if let Some(&position) = self.position_of.get(canonical) {
            return position;
        }
        let position = self.phrases.len();
        for word in phrase.words() {
            let n_words = self.words.len();
            let of_word = *self.position_of_word.entry(word.iter().collect()).or_insert(n_words);
            if of_word == n_words {
                self.words.push(IndexedWord { letters: word.clone(), kinds: kinds(word), levels: Vec::new() });
            }
            self.words[of_word].levels.push(position as u32);
        }
        self.position_of.insert(canonical.to_string(), position);
        self.phrases.push(phrase);
        position
    }

    /// For each level the sum of [`word_parts`] over the words of `text` and its own, each with its most similar one.
    fn parts(&self, text: &Phrase) -> Vec<u32> {
        let mut parts = vec![0; self.phrases.len()];
        // By word of the vocabulary: how alike the most similar word of the text is.
        let mut best: Vec<(usize, u32)> = Vec::new();
        let mut alike: Vec<(u32, usize)> = Vec::new();
        let mut counted = vec![0_u8; if text.words().is_empty() { 0 } else { parts.len() }];
        for (nth, word) in (1..).zip(text.words()) {
            let own_kinds = kinds(word);
            alike.clear();
            for (position, other) in self.words.iter().enumerate() {
                // Three letters in ten may differ at most, and an edit changes two kinds at most.
                let longer = word.len().max(other.letters.len());
                if 10 * word.len().abs_diff(other.letters.len()) > 3 * longer
                    || 5 * (own_kinds ^ other.kinds).count_ones() as usize > 3 * longer
                {
                    continue;
                }
                match word_parts(word, &other.letters) {
                    0 => {}
                    parts => alike.push((parts, position)),
                }
            }
            alike.sort_unstable_by(|a, b| b.cmp(a));
            for &(of_word, position) in &alike {
                for &level in &self.words[position].levels {
                    if counted[level as usize] != nth {
                        counted[level as usize] = nth;
                        parts[level as usize] += of_word;
                    }
                }
            }
            best.extend(alike.iter().map(|&(parts, position)| (position, parts)));
        }
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.dedup_by_key(|(position, _)| *position);
        for (position, of_word) in best {
            self.words[position].levels.iter().for_each(|&level| parts[level as usize] += of_word);
        }
        parts
    }

    /// Prepares the comparison of the levels of one path with all these.
    pub(super) fn compare<'l>(&'l self, path: &'l [Phrase]) -> Comparison<'l> {
        let n = path.len() * self.phrases.len();
        Comparison {
            levels: self,
            path,
            comparators: path
                .iter()
                .map(|level| osa::BatchComparator::new(level.letters.chars.iter().copied()))
                .collect(),
            parts: path.iter().flat_map(|level| self.parts(level)).collect(),
            bounds: vec![f64::NAN; n],
            known: vec![f64::NAN; n],
        }
    }
}

/// How alike the levels of one path and those of a vocabulary are, each pair computed once and only if asked for.
pub(super) struct Comparison<'l> {
    levels: &'l Levels,
    path: &'l [Phrase],
    comparators: Vec<osa::BatchComparator<char>>,
    parts: Vec<u32>,
    bounds: Vec<f64>,
    known: Vec<f64>,
}

impl Comparison<'_> {
    fn of_letters(&self, i: usize, level: usize, distance: f64) -> f64 {
        let (own, other) = (&self.path[i], &self.levels.phrases[level]);
        let letters = normalised(distance, own.letters.len().max(other.letters.len()));
        own.similarity_of_levels(letters, other, || self.parts[i * self.levels.phrases.len() + level])
    }

    /// The similarity is never above this, which the words alone tell.
    pub(super) fn at_most_by_words(&self, i: usize, level: usize) -> f64 {
        self.of_letters(i, level, 0.0)
    }

    /// The similarity is never above this.
    pub(super) fn at_most(&mut self, i: usize, level: usize) -> f64 {
        let at = i * self.levels.phrases.len() + level;
        if self.bounds[at].is_nan() {
            let least = self.path[i].distance_at_least(&self.levels.phrases[level]);
            self.bounds[at] = self.of_letters(i, level, least as f64);
        }
        self.bounds[at]
    }

    /// [`Phrase::similarity`] of level `i` of the path and a level of the vocabulary.
    pub(super) fn similarity(&mut self, i: usize, level: usize) -> f64 {
        let at = i * self.levels.phrases.len() + level;
        if self.known[at].is_nan() {
            let other = &self.levels.phrases[level];
            let in_order = self.comparators[i].distance(other.letters.chars.iter().copied());
            self.known[at] = self.of_letters(i, level, self.path[i].distance_from(in_order, other));
        }
        self.known[at]
    }
}
