//! A vocabulary of category names and the entry that a dirty spelling stands for.

mod error;
mod forms;
mod rule;
#[cfg(test)]
pub(super) mod tests;
mod top_two;

pub use error::VocabularyError;
pub use rule::{Match, Rule};

use std::borrow::{Borrow, Cow};
use std::cell::OnceCell;

use hashbrown::HashTable;
use rapidfuzz::distance::osa;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::canonical::{canonical, fold};
use super::fingerprint::digits;
use super::letters::{
    Letters, MAX_BYTES, Part, distance, equal_but_for_accents, is_document, normalised,
};
use super::levels::{Grouped, Levels};
use super::name::{
    Name, Outline, Phrase, agreement, agreement_of_paths, levels_in, similarity_of_paths, spelled,
    words_in,
};
use super::opposites::{Words, are_different_things};
use super::texts::{Full, Index};
use error::check_length;
use forms::{
    Candidate, Ends, Forms, NO_PATH, Owner, Path, candidates_near, is_near, least_last_level,
    least_share,
};
use top_two::{Ranked, TopTwo};

/// A runner-up this close to the winner makes a match ambiguous.
const MIN_LEAD: f64 = 0.05;

/// The same for the agreement of paths, see [`Name`]: their siblings share all levels but the last.
const MIN_PATH_LEAD: f64 = 0.02;

/// Texts with fewer letters are not repaired by similarity, and nothing is repaired into them.
const MIN_LETTERS: usize = 4;

/// Absorbs the rounding of quotients when similarities are compared with thresholds.
const ROUNDING: f64 = 1e-9;

/// Entries that values are matched with, prepared once for many of them.
///
/// An entry that occurs twice counts once, at its first index. Entries with one canonical text but
/// different spellings (`Web`, `WEB`) stay apart: each is found by its exact spelling, any other
/// spelling is ambiguous.
///
/// Their texts stand one behind another and are known by number, so that a million entries take few
/// allocations; what tells most pairs apart at once is kept beside them, their letters are read
/// when they are compared.
pub struct Vocabulary {
    entries: Index,
    canonical: Forms,
    folded: Forms,
    /// Spellings by group, then by length.
    candidates: Vec<Candidate>,
    /// Those that are paths: by group, by what is above their last levels, then as they stand in
    /// `candidates`.
    paths: Vec<Path>,
    /// The parts of spellings with dots.
    parts: Vec<Part>,
    /// Groups are spellings with the same digits and signs, since these must agree.
    numbers: Index,
    groups: Vec<Ends>,
    levels: Levels,
    /// What is above the last levels of paths, each once, as numbers of levels.
    above: Grouped,
}

/// The spellings of a group.
struct Group<'v> {
    all: &'v [Candidate],
    paths: &'v [Path],
}

impl Vocabulary {
    /// Entries in order, each with its synonyms.
    ///
    /// # Errors
    /// No entries; an entry or synonym without text (see [`canonical`]); a synonym with the
    /// canonical text of another entry or of another entry's synonym; more than 4 GiB of text.
    pub fn new<'a>(
        entries: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>,
    ) -> Result<Self, VocabularyError> {
        let mut vocabulary = Self {
            entries: Index::default(),
            canonical: Forms::default(),
            folded: Forms::default(),
            candidates: Vec::new(),
            paths: Vec::new(),
            parts: Vec::new(),
            numbers: Index::default(),
            groups: Vec::new(),
            levels: Levels::default(),
            above: Grouped::default(),
        };
        let mut aboves = HashTable::new();
        let mut synonyms = Vec::new();
        for (position, (entry, entry_synonyms)) in (1..).zip(entries) {
            let full = |_| VocabularyError::TooLarge { n_entries: position };
            let first = vocabulary.entries.find(entry);
            let number = match first {
                Some(first) => vocabulary.entries.push(entry).map(|_| first),
                None => vocabulary.entries.add(entry),
            };
            let number = number.map_err(full)?;
            synonyms.extend(entry_synonyms.into_iter().map(|synonym| (number, synonym)));
            if first.is_none() {
                check_length(entry)?;
                let Some(text) = canonical(entry) else {
                    return Err(VocabularyError::EmptyEntry { position, entry: entry.into() });
                };
                vocabulary.add(&text, number, false, &mut aboves).map_err(full)?;
            }
        }
        let n_entries = vocabulary.entries.len();
        if n_entries == 0 {
            return Err(VocabularyError::NoEntries);
        }
        for (entry, synonym) in synonyms {
            let name = |number: u32| vocabulary.entries.get(number).to_string();
            check_length(synonym)?;
            let Some(text) = canonical(synonym) else {
                return Err(VocabularyError::EmptySynonym {
                    entry: name(entry),
                    synonym: synonym.into(),
                });
            };
            match vocabulary.canonical.owner(&text) {
                Some(owner) if owner.entry == entry => {}
                Some(owner) if owner.by_synonym => {
                    let entries = [name(owner.entry), name(entry)];
                    return Err(VocabularyError::SharedSynonym {
                        synonym: synonym.into(),
                        entries,
                    });
                }
                Some(owner) => {
                    let (entry, other) = (name(entry), name(owner.entry));
                    return Err(VocabularyError::SynonymIsEntry {
                        synonym: synonym.into(),
                        entry,
                        other,
                    });
                }
                None => vocabulary
                    .add(&text, entry, true, &mut aboves)
                    .map_err(|_| VocabularyError::TooLarge { n_entries })?,
            }
        }
        vocabulary.finish();
        Ok(vocabulary)
    }

    /// Entries come before all synonyms, so that an entry owns a form that both have.
    fn add(
        &mut self,
        canonical: &str,
        entry: u32,
        by_synonym: bool,
        aboves: &mut HashTable<u32>,
    ) -> Result<(), Full> {
        let (number_of_canonical, _) =
            self.canonical.claim(canonical, entry, by_synonym, &self.entries)?;
        let Some(folded) = fold(canonical) else { return Ok(()) };
        let (number_of_folded, is_new) =
            self.folded.claim(&folded, entry, by_synonym, &self.entries)?;
        if !is_new || is_document(&folded) {
            return Ok(());
        }
        let levels = levels_in(canonical);
        let (above, last) = match levels.split_last() {
            None => (NO_PATH, NO_PATH),
            Some((last, above)) => {
                let above = above
                    .iter()
                    .map(|level| self.levels.add(level))
                    .collect::<Result<Vec<_>, _>>()?;
                (self.number_of_above(&above, aboves), self.levels.add(last)?)
            }
        };
        let outline = Outline::new(&folded, &words_in(canonical, &folded));
        let parts = u32::try_from(self.parts.len()).map_err(|_| Full)?;
        if outline.n_dots > 0 {
            self.parts.extend(&Letters::new(folded.clone()).parts);
        }
        self.candidates.try_reserve(1).map_err(|_| Full)?;
        self.candidates.push(Candidate {
            outline,
            entry,
            canonical: number_of_canonical,
            folded: number_of_folded,
            group: self.numbers.number(&numbers(&levels, canonical))?,
            parts,
            above,
            last,
            is_repairable: folded.chars().filter(|c| c.is_alphabetic()).count() >= MIN_LETTERS,
        });
        Ok(())
    }

    fn number_of_above(&mut self, levels: &[u32], known: &mut HashTable<u32>) -> u32 {
        let hash = |levels: &[u32]| {
            levels.iter().fold(0, |hash, level| xxh3_64_with_seed(&level.to_le_bytes(), hash))
        };
        let of = hash(levels);
        if let Some(&number) = known.find(of, |&number| self.above.get(number) == levels) {
            return number;
        }
        let number = self.above.push(levels.iter().copied());
        known.insert_unique(of, number, |&number| hash(self.above.get(number)));
        number
    }

    /// To be called once, when all spellings are added.
    fn finish(&mut self) {
        self.candidates.sort_by_key(|candidate| (candidate.group, candidate.outline.n_letters));
        let paths = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.is_path());
        self.paths.extend(paths.map(|(position, candidate)| Path {
            above: candidate.above,
            last: candidate.last,
            position: position as u32,
        }));
        let group = |path: &Path| self.candidates[path.position as usize].group;
        self.paths.sort_by_key(|path| (group(path), path.above));
        self.groups = vec![Ends::default(); self.numbers.len()];
        for (position, candidate) in (1..).zip(&self.candidates) {
            self.groups[candidate.group as usize].candidates = position;
        }
        for (position, path) in (1..).zip(&self.paths) {
            self.groups[group(path) as usize].paths = position;
        }
        // A group without paths ends where the one before it does.
        for i in 1..self.groups.len() {
            self.groups[i].paths = self.groups[i].paths.max(self.groups[i - 1].paths);
        }
        self.levels.finish();
        self.candidates.shrink_to_fit();
        self.parts.shrink_to_fit();
        let indexes = [
            &mut self.entries,
            &mut self.canonical.texts,
            &mut self.folded.texts,
            &mut self.numbers,
        ];
        indexes.into_iter().for_each(Index::shrink);
    }

    /// About the bytes that the vocabulary takes.
    pub fn bytes(&self) -> usize {
        let forms =
            |forms: &Forms| forms.texts.bytes() + forms.owners.capacity() * size_of::<Owner>();
        self.entries.bytes()
            + forms(&self.canonical)
            + forms(&self.folded)
            + self.candidates.capacity() * size_of::<Candidate>()
            + self.paths.capacity() * size_of::<Path>()
            + self.parts.capacity() * size_of::<Part>()
            + self.numbers.bytes()
            + self.groups.capacity() * size_of::<Ends>()
            + self.levels.bytes()
            + self.above.bytes()
    }

    /// The spellings with these digits and signs.
    fn group(&self, numbers: &str) -> Option<Group<'_>> {
        let group = self.numbers.find(numbers)? as usize;
        let start = if group == 0 { Ends::default() } else { self.groups[group - 1] };
        let end = self.groups[group];
        Some(Group {
            all: &self.candidates[start.candidates..end.candidates],
            paths: &self.paths[start.paths..end.paths],
        })
    }

    fn folded_text(&self, candidate: &Candidate) -> &str {
        self.folded.texts.get(candidate.folded)
    }

    fn canonical_text(&self, candidate: &Candidate) -> &str {
        self.canonical.texts.get(candidate.canonical)
    }

    fn parts(&self, candidate: &Candidate) -> &[Part] {
        let n_parts = match candidate.outline.n_dots as usize {
            0 => 0,
            n_dots => n_dots + 1,
        };
        &self.parts[candidate.parts as usize..][..n_parts]
    }

    /// The entry at `index`, as written.
    pub fn entry(&self, index: usize) -> &str {
        self.entries.get(index as u32)
    }

    /// The entry that `value` stands for: the first that applies of exact spelling, equal canonical
    /// text (entry before synonym), equal text without accents and separators (entry before
    /// synonym), and the most similar spelling at or above `min_similarity`.
    ///
    /// Similarity decides only where both texts have at least 4 letters and the same runs of
    /// digits, and for paths part by part; a tie or a runner-up within 0.05 gives no entry.
    pub fn best_match(&self, value: &str, min_similarity: f64) -> Match {
        assert!((0.0..=1.0).contains(&min_similarity), "min_similarity {min_similarity}");
        if let Some(entry) = self.entries.find(value) {
            return Match {
                entry: Some(entry as usize),
                similarity: Some(1.0),
                rule: Rule::Exact,
                runner_up: None,
            };
        }
        if value.len() > MAX_BYTES {
            return Match::without_entry(Rule::None);
        }
        let Some(canonical) = canonical(value) else { return Match::without_entry(Rule::Empty) };
        if let Some(owner) = self.canonical.owner(&canonical) {
            return owner.matched(Rule::Case, 1.0);
        }
        let Some(folded) = fold(&canonical) else { return Match::without_entry(Rule::None) };
        if let Some(owner) = self.folded.owner(&folded) {
            return owner.matched(Rule::Accent, equal_but_for_accents(folded.chars().count()));
        }
        self.most_similar(&canonical, folded, min_similarity)
    }

    fn most_similar(&self, canonical: &str, folded: String, min_similarity: f64) -> Match {
        let none = Match::without_entry(Rule::None);
        if is_document(&folded) {
            return none;
        }
        let text = Name::of(canonical, folded);
        let Some(group) = self.group(&numbers(&text.levels, canonical)) else { return none };
        if text.whole.letters.n_alphabetic() < MIN_LETTERS {
            return none;
        }
        let least_agreement = agreement_of_paths(min_similarity) - MIN_LEAD;
        let mut podium = TopTwo {
            entries: &self.entries,
            first: None,
            second: None,
            least: min_similarity - MIN_LEAD,
            least_agreement: least_agreement.min(agreement_of_paths(min_similarity - MIN_LEAD)),
        };
        let mut refused = Vec::new();
        self.rank_phrases(canonical, &text, &group, min_similarity, &mut podium, &mut refused);
        if text.is_path() && !group.paths.is_empty() {
            self.rank_paths(&text, &group, least_last_level(min_similarity), &mut podium);
        }
        let Some(best) = podium.first else { return none };
        if best.similarity + ROUNDING < min_similarity || !best.is_repairable {
            return none;
        }
        if best.agreement.is_some()
            && are_different_things(
                canonical,
                self.canonical_text(best.candidate),
                Words::Opposites,
                min_similarity,
            )
        {
            return none;
        }
        if self.is_passed_over(&text, &group, best.similarity, min_similarity, &refused) {
            return none;
        }
        let second = podium.second;
        let is_ambiguous = second.is_some_and(|second| match (best.agreement, second.agreement) {
            (Some(own), Some(other)) => other + MIN_PATH_LEAD + ROUNDING >= own,
            _ => second.similarity + MIN_LEAD + ROUNDING >= best.similarity,
        });
        Match {
            entry: (!is_ambiguous).then_some(best.candidate.entry as usize),
            similarity: Some(best.similarity),
            rule: if is_ambiguous { Rule::Ambiguous } else { Rule::Typo },
            runner_up: second.map(|second| second.candidate.entry as usize),
        }
    }

    /// Compares as whole texts: all candidates, or for a path those that are none. What the value
    /// may not stand for is `refused`, unless it is less similar than anything that matters.
    fn rank_phrases<'v>(
        &'v self,
        canonical: &str,
        text: &Name,
        group: &Group<'v>,
        min_similarity: f64,
        podium: &mut TopTwo<'v>,
        refused: &mut Vec<(&'v Candidate, f64)>,
    ) {
        let phrase = &text.whole;
        let comparator = OnceCell::new();
        for candidate in candidates_near(group.all, text.len(), min_similarity) {
            if text.is_path() && candidate.is_path() {
                continue;
            }
            let outline = &candidate.outline;
            let longer = candidate.len().max(text.len());
            let max_distance = (1.0 - podium.least + ROUNDING) * longer as f64;
            if phrase.is_no_typo_of(outline, self.parts(candidate), min_similarity)
                || phrase.distance_at_least(outline) as f64 > max_distance
            {
                continue;
            }
            let comparator = comparator
                .get_or_init(|| osa::BatchComparator::new(phrase.letters.chars.iter().copied()));
            let in_order = comparator.distance(self.folded_text(candidate).chars());
            let distance = self.distance(phrase, in_order, candidate);
            if distance > max_distance {
                continue;
            }
            let is_typo = || {
                let has_dots = phrase.letters.n_dots > 0 || outline.n_dots > 0;
                let words = if has_dots || text.is_path() || candidate.is_path() {
                    Words::Opposites
                } else {
                    Words::All
                };
                let other = self.canonical_text(candidate);
                phrase.may_be_typo_of(
                    outline,
                    self.folded_text(candidate),
                    distance,
                    min_similarity,
                ) && (text.is_path() == candidate.is_path() || digits(canonical) == digits(other))
                    && !are_different_things(canonical, other, words, min_similarity)
            };
            if !is_typo() {
                refused.push((candidate, distance));
                continue;
            }
            podium.add(Ranked {
                similarity: normalised(distance, longer),
                agreement: None,
                is_repairable: candidate.is_repairable,
                candidate,
            });
        }
    }

    /// The distance of both, given the edits of all letters in order.
    fn distance(&self, phrase: &Phrase, in_order: usize, candidate: &Candidate) -> f64 {
        let words = || {
            let words = words_in(self.canonical_text(candidate), self.folded_text(candidate));
            Cow::Owned(spelled(words.iter().map(|word| &**word)))
        };
        phrase.distance_from(in_order, &candidate.outline, words)
    }

    /// Whether a spelling that a value may not stand for is more similar to it than the best that
    /// it may: then there is no answer, for nothing less similar may be one. `refused` are such
    /// spellings with their distances, all but those that their parts alone forbid.
    fn is_passed_over(
        &self,
        text: &Name,
        group: &Group<'_>,
        best: f64,
        min_similarity: f64,
        refused: &[(&Candidate, f64)],
    ) -> bool {
        let phrase = &text.whole;
        let max_distance = |candidate: &Candidate| {
            let longer = candidate.len().max(text.len());
            (1.0 - best - ROUNDING) * longer as f64
        };
        let share = least_share(best + MIN_LEAD);
        let is_nearer = |&(candidate, distance): &(&Candidate, f64)| {
            is_near(candidate, text.len(), share) && distance < max_distance(candidate)
        };
        let is_forbidden = |candidate: &Candidate| {
            !(text.is_path() && candidate.is_path())
                && phrase.is_no_typo_of(&candidate.outline, self.parts(candidate), min_similarity)
        };
        let is_nearer_by_letters = |candidate: &Candidate| {
            let letters = || self.folded_text(candidate).chars().collect::<Vec<_>>();
            (phrase.distance_at_least(&candidate.outline) as f64) < max_distance(candidate)
                && is_forbidden(candidate)
                && (distance(&phrase.letters.chars, &letters()) as f64) < max_distance(candidate)
        };
        refused.iter().any(is_nearer)
            || (phrase.letters.n_dots > 0
                && candidates_near(group.all, text.len(), best + MIN_LEAD)
                    .iter()
                    .any(is_nearer_by_letters))
    }

    /// Compares paths level by level; each level of the text with each level of the vocabulary at
    /// most once.
    fn rank_paths<'v>(
        &'v self,
        text: &Name,
        group: &Group<'v>,
        least_last_level: f64,
        podium: &mut TopTwo<'v>,
    ) {
        let levels = text.phrases();
        let mut comparison = self.levels.compare(&levels);
        let last = levels.len() - 1;
        // Paths by what stands above their last levels, where the bounds promise most first.
        let mut families: Vec<(f64, &[u32], &[Path])> = Vec::new();
        for paths in group.paths.chunk_by(|a, b| a.above == b.above) {
            let above = self.above.get(paths[0].above);
            let bound =
                agreement(last, above.len(), |i, j| comparison.at_most_by_words(i, above[j]));
            families.push((bound, above, paths));
        }
        families.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (bound, above, paths) in families {
            // All later ones are below this. Paths whose last levels are not paired reach half at
            // most.
            if f64::max(0.5 * (bound + 1.0), 0.5) + ROUNDING < podium.least_agreement {
                return;
            }
            // More exactly: the last level of one of them stands beside a level above of the other,
            // or beside none.
            let may_be_unpaired = podium.least_agreement <= 0.5;
            let (beside, not_paired) = if may_be_unpaired {
                let of =
                    |n| agreement(n, above.len(), |i, j| comparison.at_most_by_words(i, above[j]));
                (of(last - 1), f64::max(0.5 * of(levels.len()), 0.25))
            } else {
                (0.0, 0.0)
            };
            let (mut bound_of_above, mut of_above) = (None, None);
            for &Path { last: end, position, .. } in paths {
                let not_paired = if may_be_unpaired {
                    f64::max(
                        not_paired,
                        0.25 * (comparison.at_most_by_words(last - 1, end) + beside),
                    )
                } else {
                    0.0
                };
                let least = podium.least_agreement - ROUNDING;
                let is_hopeless = |of_above: f64, of_last: f64| {
                    f64::max(0.5 * (of_above + of_last), not_paired) < least
                };
                if is_hopeless(of_above.unwrap_or(bound), comparison.at_most_by_words(last, end)) {
                    continue;
                }
                let bound_of_above = *bound_of_above.get_or_insert_with(|| {
                    agreement(last, above.len(), |i, j| comparison.at_most(i, above[j]))
                });
                let bound_of_last = comparison.at_most(last, end);
                if is_hopeless(of_above.unwrap_or(bound_of_above), bound_of_last) {
                    continue;
                }
                let of_above = *of_above.get_or_insert_with(|| {
                    agreement(last, above.len(), |i, j| comparison.similarity(i, above[j]))
                });
                if is_hopeless(of_above, bound_of_last) {
                    continue;
                }
                let of_last = comparison.similarity(last, end);
                if is_hopeless(of_above, of_last) {
                    continue;
                }
                let candidate = &self.candidates[position as usize];
                let agreement = agreement(levels.len(), above.len() + 1, |i, j| {
                    comparison.similarity(i, above.get(j).copied().unwrap_or(end))
                });
                if agreement + ROUNDING < podium.least_agreement {
                    continue;
                }
                let longer = candidate.len().max(text.len());
                podium.add(Ranked {
                    similarity: similarity_of_paths(agreement).min(equal_but_for_accents(longer)),
                    agreement: Some(agreement),
                    is_repairable: candidate.is_repairable
                        && of_last + ROUNDING >= least_last_level,
                    candidate,
                });
            }
        }
    }
}

/// The numbers and signs of a name. Those that join the levels of a path are none of it.
fn numbers(levels: &[impl Borrow<str>], canonical: &str) -> String {
    if levels.is_empty() { digits(canonical) } else { digits(&levels.join("_")) }
}
