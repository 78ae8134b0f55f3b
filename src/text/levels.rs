//! The levels of all paths of a vocabulary, each once, and how alike those of a text are.

use rapidfuzz::distance::osa;

use super::map::Map;
use super::name::{Phrase, Word, mean_of_letters_and_words, word_parts};
use super::similarity::normalised;

/// The distinct levels of paths, with an index of their words.
#[derive(Default)]
pub(super) struct Levels {
    phrases: Vec<Phrase>,
    /// Positions in `phrases`, by canonical text.
    position_of: Map<String, usize>,
    /// Positions in `phrases`, by folded text: such levels are equal however their words are written.
    equal_to: Map<String, Vec<usize>>,
    /// The distinct words: their shapes, their letters, the levels that have them, and their positions in these.
    words: Vec<WordShape>,
    spelled: Vec<Word>,
    levels_of: Vec<Vec<u32>>,
    position_of_word: Map<String, usize>,
    /// The number of words of each level, and the levels where words tell nothing.
    n_words: Vec<u32>,
    without_words: Vec<usize>,
}

/// What tells most pairs of words apart at once.
struct WordShape {
    n_letters: usize,
    kinds: u32,
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
                self.words.push(WordShape { n_letters: word.len(), kinds: kinds(word) });
                self.spelled.push(word.clone());
                self.levels_of.push(Vec::new());
            }
            self.levels_of[of_word].push(position as u32);
        }
        if phrase.words().is_empty() {
            self.without_words.push(position);
        }
        self.n_words.push(phrase.words().len() as u32);
        self.equal_to.entry(phrase.letters.chars.iter().collect()).or_default().push(position);
        self.position_of.insert(canonical.to_string(), position);
        self.phrases.push(phrase);
        position
    }

    /// Into `of_words` of each level the similarity that `text` and the level would have with the same letters, and
    /// into `parts` the sum of [`word_parts`] over the words of both, each with its most similar one.
    fn compare_words(&self, text: &Phrase, parts: &mut [u32], of_words: &mut [f64]) {
        if text.words().is_empty() {
            return of_words.fill(1.0);
        }
        of_words.fill(0.5);
        // By word of the vocabulary: how alike the most similar word of the text is.
        let mut best: Vec<(usize, u32)> = Vec::new();
        let mut alike: Vec<(u32, usize)> = Vec::new();
        let mut counted = vec![0_u8; parts.len()];
        for (nth, word) in (1..).zip(text.words()) {
            let own_kinds = kinds(word);
            alike.clear();
            for (position, other) in self.words.iter().enumerate() {
                // Three letters in ten may differ at most, and an edit changes two kinds at most.
                let longer = word.len().max(other.n_letters);
                if 10 * word.len().abs_diff(other.n_letters) > 3 * longer
                    || 5 * (own_kinds ^ other.kinds).count_ones() as usize > 3 * longer
                {
                    continue;
                }
                match word_parts(word, &self.spelled[position]) {
                    0 => {}
                    parts => alike.push((parts, position)),
                }
            }
            alike.sort_unstable_by(|a, b| b.cmp(a));
            for &(of_word, position) in &alike {
                for &level in &self.levels_of[position] {
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
        for &(position, of_word) in &best {
            self.levels_of[position].iter().for_each(|&level| parts[level as usize] += of_word);
        }
        let n_words = text.words().len() as u32;
        for &level in best.iter().flat_map(|(position, _)| &self.levels_of[*position]) {
            let level = level as usize;
            of_words[level] = mean_of_letters_and_words(1.0, parts[level], n_words + self.n_words[level]);
        }
        let equal = self.equal_to.get(&text.letters.chars.iter().collect::<String>());
        equal.into_iter().flatten().chain(&self.without_words).for_each(|&level| of_words[level] = 1.0);
    }

    /// Prepares the comparison of the levels of one path with all these.
    pub(super) fn compare<'l>(&'l self, path: &'l [Phrase]) -> Comparison<'l> {
        let n_levels = self.phrases.len();
        let n = path.len() * n_levels;
        let (mut parts, mut of_words) = (vec![0; n], vec![0.0; n]);
        // A vocabulary without paths has no level, and chunks of none are not to be had.
        let of_level = n_levels.max(1);
        let rows = parts.chunks_exact_mut(of_level).zip(of_words.chunks_exact_mut(of_level));
        for (level, (parts, of_words)) in path.iter().zip(rows) {
            self.compare_words(level, parts, of_words);
        }
        Comparison {
            levels: self,
            path,
            comparators: path
                .iter()
                .map(|level| osa::BatchComparator::new(level.letters.chars.iter().copied()))
                .collect(),
            parts,
            of_words,
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
    of_words: Vec<f64>,
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
        self.of_words[i * self.levels.phrases.len() + level]
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
