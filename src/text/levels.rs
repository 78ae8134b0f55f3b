//! The levels of all paths of a vocabulary, each once, and how alike those of a text are.

use std::borrow::Cow;

use rapidfuzz::distance::osa;

use super::canonical::fold;
use super::letters::normalised;
use super::name::{
    Outline, Phrase, Word, mean_of_letters_and_words, spelled, word_parts_of, words_in,
};
use super::texts::{Full, Index};

/// The distinct levels of paths, with an index of their words. A level is known by the number of
/// its canonical text.
#[derive(Default)]
pub(super) struct Levels {
    canonical: Index,
    folded: Index,
    outlines: Vec<Outline>,
    /// The number of each level's folded text, and by that number the levels that have it: such are
    /// equal however their words are written.
    folded_of: Vec<u32>,
    equal: Grouped,
    /// The distinct words, their shapes, the words of each level and the levels of each word.
    words: Index,
    shapes: Vec<WordShape>,
    words_of: Grouped,
    levels_of: Grouped,
    /// The levels where words tell nothing.
    without_words: Vec<u32>,
}

/// Numbers in groups, one group behind another.
#[derive(Default)]
pub(super) struct Grouped {
    ends: Vec<u32>,
    numbers: Vec<u32>,
}

impl Grouped {
    /// The positions of `groups` by group, of which there are `n`.
    fn by(groups: impl Iterator<Item = (u32, u32)> + Clone, n: usize) -> Self {
        let mut ends = vec![0_u32; n];
        groups.clone().for_each(|(group, _)| ends[group as usize] += 1);
        let mut n_before = 0;
        for end in &mut ends {
            // First where the group begins: filling it moves that to its end.
            (*end, n_before) = (n_before, n_before + *end);
        }
        let mut numbers = vec![0; n_before as usize];
        for (group, number) in groups {
            let end = &mut ends[group as usize];
            numbers[*end as usize] = number;
            *end += 1;
        }
        Self { ends, numbers }
    }

    /// Adds a group and tells its number.
    pub(super) fn push(&mut self, numbers: impl Iterator<Item = u32>) -> u32 {
        self.numbers.extend(numbers);
        self.ends.push(self.numbers.len() as u32);
        self.ends.len() as u32 - 1
    }

    pub(super) fn bytes(&self) -> usize {
        4 * (self.ends.capacity() + self.numbers.capacity())
    }

    pub(super) fn get(&self, group: u32) -> &[u32] {
        let group = group as usize;
        let start = if group == 0 { 0 } else { self.ends[group - 1] as usize };
        &self.numbers[start..self.ends[group] as usize]
    }

    /// Numbers with their groups, in order.
    fn inverted(&self) -> impl Iterator<Item = (u32, u32)> + Clone {
        (0..self.ends.len() as u32)
            .flat_map(|group| self.get(group).iter().map(move |&number| (number, group)))
    }
}

/// What tells most pairs of words apart at once.
struct WordShape {
    n_letters: u32,
    kinds: u32,
}

/// A bit for each kind of letter in a word.
fn kinds(word: &[char]) -> u32 {
    word.iter().fold(0, |kinds, &c| kinds | 1 << (c as u32 % 32))
}

impl Levels {
    /// The number of a level, added where it is new.
    pub(super) fn add(&mut self, canonical: &str) -> Result<u32, Full> {
        if let Some(level) = self.canonical.find(canonical) {
            return Ok(level);
        }
        let folded = fold(canonical).expect("a level has a folded text");
        let level = self.canonical.add(canonical)?;
        let words = words_in(canonical, &folded);
        self.folded_of.push(self.folded.number(&folded)?);
        self.outlines.push(Outline::new(&folded, &words));
        if words.is_empty() {
            self.without_words.push(level);
        }
        for word in words {
            let number = self.words.number(&word)?;
            if number as usize == self.shapes.len() {
                let letters: Vec<char> = word.chars().collect();
                self.shapes
                    .push(WordShape { n_letters: letters.len() as u32, kinds: kinds(&letters) });
            }
            self.words_of.numbers.push(number);
        }
        self.words_of.push([].into_iter());
        Ok(level)
    }

    /// To be called once, when all levels are added.
    pub(super) fn finish(&mut self) {
        self.levels_of = Grouped::by(self.words_of.inverted(), self.shapes.len());
        let by_folded = self.folded_of.iter().zip(0..).map(|(&folded, level)| (folded, level));
        self.equal = Grouped::by(by_folded, self.folded.len());
        [&mut self.canonical, &mut self.folded, &mut self.words]
            .into_iter()
            .for_each(Index::shrink);
        self.outlines.shrink_to_fit();
        self.shapes.shrink_to_fit();
        self.words_of.numbers.shrink_to_fit();
    }

    /// About the bytes that all this takes.
    pub(super) fn bytes(&self) -> usize {
        [&self.canonical, &self.folded, &self.words].into_iter().map(Index::bytes).sum::<usize>()
            + self.outlines.capacity() * size_of::<Outline>()
            + self.shapes.capacity() * size_of::<WordShape>()
            + 4 * (self.folded_of.capacity() + self.without_words.capacity())
            + [&self.equal, &self.words_of, &self.levels_of]
                .into_iter()
                .map(Grouped::bytes)
                .sum::<usize>()
    }

    fn folded(&self, level: u32) -> &str {
        self.folded.get(self.folded_of[level as usize])
    }

    fn words(&self, level: u32) -> Vec<Word> {
        spelled(self.words_of.get(level).iter().map(|&word| self.words.get(word)))
    }

    /// Into `of_words` of each level the similarity that `text` and the level would have with the
    /// same letters, and into `parts` the sum of [`word_parts_of`] over the words of both, each
    /// with its most similar one.
    fn compare_words(&self, text: &Phrase, parts: &mut [u32], of_words: &mut [f64]) {
        if text.words().is_empty() {
            return of_words.fill(1.0);
        }
        of_words.fill(0.5);
        // By word of the vocabulary: how alike the most similar word of the text is.
        let mut best: Vec<(u32, u32)> = Vec::new();
        let mut alike: Vec<(u32, u32)> = Vec::new();
        let mut counted = vec![0_u8; parts.len()];
        for (nth, word) in (1..).zip(text.words()) {
            let own_kinds = kinds(word);
            let comparator = osa::BatchComparator::new(word.iter().copied());
            alike.clear();
            for (number, other) in (0..).zip(&self.shapes) {
                // Three letters in ten may differ at most, and an edit changes two kinds at most.
                let n_letters = other.n_letters as usize;
                let longer = word.len().max(n_letters);
                if 10 * word.len().abs_diff(n_letters) > 3 * longer
                    || 5 * (own_kinds ^ other.kinds).count_ones() as usize > 3 * longer
                {
                    continue;
                }
                let distance = || comparator.distance(self.words.get(number).chars());
                match word_parts_of(word.len(), n_letters, distance) {
                    0 => {}
                    parts => alike.push((parts, number)),
                }
            }
            alike.sort_unstable_by(|a, b| b.cmp(a));
            for &(of_word, number) in &alike {
                for &level in self.levels_of.get(number) {
                    if counted[level as usize] != nth {
                        counted[level as usize] = nth;
                        parts[level as usize] += of_word;
                    }
                }
            }
            best.extend(alike.iter().map(|&(parts, number)| (number, parts)));
        }
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.dedup_by_key(|(number, _)| *number);
        for &(number, of_word) in &best {
            self.levels_of.get(number).iter().for_each(|&level| parts[level as usize] += of_word);
        }
        let n_words = text.words().len() as u32;
        for &level in best.iter().flat_map(|(number, _)| self.levels_of.get(*number)) {
            let level = level as usize;
            let n_words = n_words + u32::from(self.outlines[level].n_words);
            of_words[level] = mean_of_letters_and_words(1.0, parts[level], n_words);
        }
        let equal = self.folded.find(&text.letters.chars.iter().collect::<String>());
        let equal = equal.map_or(&[][..], |folded| self.equal.get(folded));
        equal.iter().chain(&self.without_words).for_each(|&level| of_words[level as usize] = 1.0);
    }

    /// Prepares the comparison of the levels of one path with all these.
    pub(super) fn compare<'l>(&'l self, path: &'l [Phrase]) -> Comparison<'l> {
        let n_levels = self.outlines.len();
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
            bounds: vec![0.0; n],
            known: vec![0.0; n],
        }
    }
}

/// How alike the levels of one path and those of a vocabulary are, each pair computed only if asked
/// for, and once unless it is not alike at all.
pub(super) struct Comparison<'l> {
    levels: &'l Levels,
    path: &'l [Phrase],
    comparators: Vec<osa::BatchComparator<char>>,
    parts: Vec<u32>,
    of_words: Vec<f64>,
    /// 0 where it is not known: memory that is never written costs nothing.
    bounds: Vec<f64>,
    known: Vec<f64>,
}

impl Comparison<'_> {
    fn at(&self, i: usize, level: u32) -> usize {
        i * self.levels.outlines.len() + level as usize
    }

    fn of_letters(&self, i: usize, level: u32, distance: f64) -> f64 {
        let (own, other) = (&self.path[i], &self.levels.outlines[level as usize]);
        let letters = normalised(distance, own.letters.len().max(other.n_letters as usize));
        let is_equal = || own.letters.chars.iter().copied().eq(self.levels.folded(level).chars());
        own.similarity_of_levels(letters, usize::from(other.n_words), is_equal, || {
            self.parts[self.at(i, level)]
        })
    }

    /// The similarity is never above this, which the words alone tell.
    pub(super) fn at_most_by_words(&self, i: usize, level: u32) -> f64 {
        self.of_words[self.at(i, level)]
    }

    /// The similarity is never above this.
    pub(super) fn at_most(&mut self, i: usize, level: u32) -> f64 {
        let at = self.at(i, level);
        if self.bounds[at] == 0.0 {
            let least = self.path[i].distance_at_least(&self.levels.outlines[level as usize]);
            self.bounds[at] = self.of_letters(i, level, least as f64);
        }
        self.bounds[at]
    }

    /// [`Phrase::similarity`] of level `i` of the path and a level of the vocabulary.
    pub(super) fn similarity(&mut self, i: usize, level: u32) -> f64 {
        let at = self.at(i, level);
        if self.known[at] == 0.0 {
            let in_order = self.comparators[i].distance(self.levels.folded(level).chars());
            let outline = &self.levels.outlines[level as usize];
            let words = || Cow::Owned(self.levels.words(level));
            self.known[at] =
                self.of_letters(i, level, self.path[i].distance_from(in_order, outline, words));
        }
        self.known[at]
    }
}
