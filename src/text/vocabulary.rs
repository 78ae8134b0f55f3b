//! A vocabulary of category names and the entry that a dirty spelling stands for.

use std::borrow::{Borrow, Cow};
use std::cell::OnceCell;
use std::fmt;

use hashbrown::HashTable;
use rapidfuzz::distance::osa;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::canonical::{canonical, fold};
use super::fingerprint::digits;
use super::levels::{Grouped, Levels};
use super::name::{
    Name, Outline, Phrase, agreement, agreement_of_paths, levels_in, similarity_of_paths, spelled, words_in,
};
use super::opposites::{Words, are_different_things};
use super::similarity::{Letters, MAX_BYTES, Part, distance, equal_but_for_accents, is_document, normalised};
use super::texts::{Full, Index};

/// A runner-up this close to the winner makes a match ambiguous.
const MIN_LEAD: f64 = 0.05;

/// The same for the agreement of paths, see [`Name`]: their siblings share all levels but the last.
const MIN_PATH_LEAD: f64 = 0.02;

/// How much of a path must agree in its last level alone: from `LAST_LEVEL_FROM` on `LAST_LEVEL_GROWTH` for each unit of
/// `min_similarity`, at least what any two words share by chance, and never more than `LAST_LEVEL_MOST`.
const LAST_LEVEL_FROM: f64 = 0.75;
const LAST_LEVEL_GROWTH: f64 = 6.0;
const LAST_LEVEL_LEAST: f64 = 0.2;
const LAST_LEVEL_MOST: f64 = 0.75;

/// Texts with fewer letters are not repaired by similarity, and nothing is repaired into them.
const MIN_LETTERS: usize = 4;

/// Absorbs the rounding of quotients when similarities are compared with thresholds.
const ROUNDING: f64 = 1e-9;

/// Why a value has its entry, or has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Spelled as an entry.
    Exact,
    /// The canonical text of an entry: another case, white space, width or separator.
    Case,
    /// The text of an entry without accents and separators.
    Accent,
    /// Equal to a synonym, by the rules above.
    Synonym,
    /// The most similar entry.
    Typo,
    /// Two entries are equally good, or nearly so.
    Ambiguous,
    /// No entry is similar enough.
    None,
    /// No text: nothing but white space, separators and invisible characters.
    Empty,
}

impl Rule {
    /// The name of the rule, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Exact => "exact",
            Rule::Case => "case",
            Rule::Accent => "accent",
            Rule::Synonym => "synonym",
            Rule::Typo => "typo",
            Rule::Ambiguous => "ambiguous",
            Rule::None => "none",
            Rule::Empty => "empty",
        }
    }
}

/// What a vocabulary says about one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Index of the entry that the value stands for.
    pub entry: Option<usize>,
    /// Similarity to the nearest spelling (of the entry or a synonym of it), also of an ambiguous match.
    pub similarity: Option<f64>,
    /// Why.
    pub rule: Rule,
    /// Index of the second-best entry: of an ambiguous match always, of a typo where one is within 0.05 of
    /// the least similarity accepted, or better.
    pub runner_up: Option<usize>,
}

impl Match {
    fn without_entry(rule: Rule) -> Self {
        Self { entry: None, similarity: None, rule, runner_up: None }
    }
}

/// Why entries make no vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VocabularyError {
    /// There is no entry.
    NoEntries,
    /// An entry has no text; its position counts from 1.
    EmptyEntry {
        /// Position, from 1.
        position: usize,
        /// The entry as written.
        entry: String,
    },
    /// A synonym has no text, so it would never match.
    EmptySynonym {
        /// The entry of the synonym.
        entry: String,
        /// The synonym as written.
        synonym: String,
    },
    /// A synonym that two entries claim.
    SharedSynonym {
        /// The synonym as written at the later entry.
        synonym: String,
        /// The entries that claim it.
        entries: [String; 2],
    },
    /// A synonym that is itself another entry, so it would never match.
    SynonymIsEntry {
        /// The synonym as written.
        synonym: String,
        /// The entry of the synonym.
        entry: String,
        /// The entry that the synonym is equal to.
        other: String,
    },
    /// An entry or a synonym is no name.
    TooLong {
        /// Its bytes.
        n_bytes: usize,
        /// Its beginning.
        text: String,
    },
    /// All forms of the entries and synonyms take more than can be held.
    TooLarge {
        /// How many entries there are, or were read so far.
        n_entries: usize,
    },
}

impl fmt::Display for VocabularyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntries => write!(f, "the vocabulary has no entries"),
            Self::EmptyEntry { position, entry } => {
                write!(f, "vocabulary entry {position} has no text: {}", quoted(entry))
            }
            Self::EmptySynonym { entry, synonym } => {
                write!(f, "a synonym of {} has no text: {}", quoted(entry), quoted(synonym))
            }
            Self::SharedSynonym { synonym, entries: [first, second] } => {
                write!(f, "{} is a synonym of both {} and {}", quoted(synonym), quoted(first), quoted(second))
            }
            Self::SynonymIsEntry { synonym, entry, other } => {
                write!(
                    f,
                    "{}, a synonym of {}, is the entry {} itself",
                    quoted(synonym),
                    quoted(entry),
                    quoted(other)
                )
            }
            Self::TooLong { n_bytes, text } => write!(
                f,
                "an entry or synonym of the vocabulary has {n_bytes} bytes, at most {MAX_BYTES} are allowed: {}",
                quoted(text)
            ),
            Self::TooLarge { n_entries } => write!(
                f,
                "the vocabulary takes 4 GiB of text or more than the memory there is, after {n_entries} entries; match \
                 with fewer or shorter ones"
            ),
        }
    }
}

impl std::error::Error for VocabularyError {}

/// Other forms of a long text would be made in many seconds.
fn check_length(text: &str) -> Result<(), VocabularyError> {
    match text.len() {
        n_bytes if n_bytes > MAX_BYTES => {
            Err(VocabularyError::TooLong { n_bytes, text: text.chars().take(100).collect() })
        }
        _ => Ok(()),
    }
}

fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}...\"", &text[..end]),
        None => format!("\"{text}\""),
    }
}

/// Entries that values are matched with, prepared once for many of them.
///
/// An entry that occurs twice counts once, at its first index. Entries with one canonical text but different
/// spellings (`Web`, `WEB`) stay apart: each is found by its exact spelling, any other spelling is ambiguous.
///
/// Their texts stand one behind another and are known by number, so that a million entries take few allocations; what
/// tells most pairs apart at once is kept beside them, their letters are read when they are compared.
pub struct Vocabulary {
    entries: Index,
    canonical: Forms,
    folded: Forms,
    /// Spellings by group, then by length.
    candidates: Vec<Candidate>,
    /// Those that are paths: by group, by what is above their last levels, then as they stand in `candidates`.
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

/// Where the candidates and the paths of a group end; they begin where those of the group before end.
#[derive(Clone, Copy, Default)]
struct Ends {
    candidates: usize,
    paths: usize,
}

/// The spellings of a group.
struct Group<'v> {
    all: &'v [Candidate],
    paths: &'v [Path],
}

/// Forms of spellings and the entries that they belong to.
#[derive(Default)]
struct Forms {
    texts: Index,
    owners: Vec<Owner>,
}

#[derive(Clone, Copy)]
struct Owner {
    entry: u32,
    /// The first of the other entries with this form, in the order of texts.
    rival: Option<u32>,
    by_synonym: bool,
}

struct Candidate {
    outline: Outline,
    entry: u32,
    /// Numbers of the canonical and the folded text.
    canonical: u32,
    folded: u32,
    group: u32,
    /// Where its parts begin, if it has dots.
    parts: u32,
    /// `NO_PATH` for other texts.
    above: u32,
    last: u32,
    is_repairable: bool,
}

const NO_PATH: u32 = u32::MAX;

/// A path among the candidates: what is above its last level, that level, and its position.
struct Path {
    above: u32,
    last: u32,
    position: u32,
}

#[derive(Clone, Copy)]
struct Ranked<'v> {
    similarity: f64,
    /// Of a path with a path.
    agreement: Option<f64>,
    is_repairable: bool,
    candidate: &'v Candidate,
}

impl Vocabulary {
    /// Entries in order, each with its synonyms.
    ///
    /// # Errors
    /// No entries; an entry or synonym without text (see [`canonical`]); a synonym with the canonical text of
    /// another entry or of another entry's synonym; more than 4 GiB of text.
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
                return Err(VocabularyError::EmptySynonym { entry: name(entry), synonym: synonym.into() });
            };
            match vocabulary.canonical.owner(&text) {
                Some(owner) if owner.entry == entry => {}
                Some(owner) if owner.by_synonym => {
                    let entries = [name(owner.entry), name(entry)];
                    return Err(VocabularyError::SharedSynonym { synonym: synonym.into(), entries });
                }
                Some(owner) => {
                    let (entry, other) = (name(entry), name(owner.entry));
                    return Err(VocabularyError::SynonymIsEntry { synonym: synonym.into(), entry, other });
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
        let (number_of_canonical, _) = self.canonical.claim(canonical, entry, by_synonym, &self.entries)?;
        let Some(folded) = fold(canonical) else { return Ok(()) };
        let (number_of_folded, is_new) = self.folded.claim(&folded, entry, by_synonym, &self.entries)?;
        if !is_new || is_document(&folded) {
            return Ok(());
        }
        let levels = levels_in(canonical);
        let (above, last) = match levels.split_last() {
            None => (NO_PATH, NO_PATH),
            Some((last, above)) => {
                let above =
                    above.iter().map(|level| self.levels.add(level)).collect::<Result<Vec<_>, _>>()?;
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
        let indexes =
            [&mut self.entries, &mut self.canonical.texts, &mut self.folded.texts, &mut self.numbers];
        indexes.into_iter().for_each(Index::shrink);
    }

    /// About the bytes that the vocabulary takes.
    pub fn bytes(&self) -> usize {
        let forms = |forms: &Forms| forms.texts.bytes() + forms.owners.capacity() * size_of::<Owner>();
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

    /// The entry that `value` stands for: the first that applies of exact spelling, equal canonical text
    /// (entry before synonym), equal text without accents and separators (entry before synonym), and the most
    /// similar spelling at or above `min_similarity`.
    ///
    /// Similarity decides only where both texts have at least 4 letters and the same runs of digits, and for
    /// paths part by part; a tie or a runner-up within 0.05 gives no entry.
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
        let mut podium = Podium {
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

    /// Compares as whole texts: all candidates, or for a path those that are none. What the value may not stand for is
    /// `refused`, unless it is less similar than anything that matters.
    fn rank_phrases<'v>(
        &'v self,
        canonical: &str,
        text: &Name,
        group: &Group<'v>,
        min_similarity: f64,
        podium: &mut Podium<'v>,
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
            let comparator =
                comparator.get_or_init(|| osa::BatchComparator::new(phrase.letters.chars.iter().copied()));
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
                phrase.may_be_typo_of(outline, self.folded_text(candidate), distance, min_similarity)
                    && (text.is_path() == candidate.is_path() || digits(canonical) == digits(other))
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

    /// Whether a spelling that a value may not stand for is more similar to it than the best that it may: then there is
    /// no answer, for nothing less similar may be one. `refused` are such spellings with their distances, all but those
    /// that their parts alone forbid.
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
                && candidates_near(group.all, text.len(), best + MIN_LEAD).iter().any(is_nearer_by_letters))
    }

    /// Compares paths level by level; each level of the text with each level of the vocabulary at most once.
    fn rank_paths<'v>(
        &'v self,
        text: &Name,
        group: &Group<'v>,
        least_last_level: f64,
        podium: &mut Podium<'v>,
    ) {
        let levels = text.phrases();
        let mut comparison = self.levels.compare(&levels);
        let last = levels.len() - 1;
        // Paths by what stands above their last levels, where the bounds promise most first.
        let mut families: Vec<(f64, &[u32], &[Path])> = Vec::new();
        for paths in group.paths.chunk_by(|a, b| a.above == b.above) {
            let above = self.above.get(paths[0].above);
            let bound = agreement(last, above.len(), |i, j| comparison.at_most_by_words(i, above[j]));
            families.push((bound, above, paths));
        }
        families.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (bound, above, paths) in families {
            // All later ones are below this. Paths whose last levels are not paired reach half at most.
            if f64::max(0.5 * (bound + 1.0), 0.5) + ROUNDING < podium.least_agreement {
                return;
            }
            // More exactly: the last level of one of them stands beside a level above of the other, or beside none.
            let may_be_unpaired = podium.least_agreement <= 0.5;
            let (beside, not_paired) = if may_be_unpaired {
                let of = |n| agreement(n, above.len(), |i, j| comparison.at_most_by_words(i, above[j]));
                (of(last - 1), f64::max(0.5 * of(levels.len()), 0.25))
            } else {
                (0.0, 0.0)
            };
            let (mut bound_of_above, mut of_above) = (None, None);
            for &Path { last: end, position, .. } in paths {
                let not_paired = if may_be_unpaired {
                    f64::max(not_paired, 0.25 * (comparison.at_most_by_words(last - 1, end) + beside))
                } else {
                    0.0
                };
                let least = podium.least_agreement - ROUNDING;
                let is_hopeless =
                    |of_above: f64, of_last: f64| f64::max(0.5 * (of_above + of_last), not_paired) < least;
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
                    is_repairable: candidate.is_repairable && of_last + ROUNDING >= least_last_level,
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

/// The least similarity of the last level of a path, which names the thing, to that of its entry.
fn least_last_level(min_similarity: f64) -> f64 {
    (LAST_LEVEL_GROWTH * (min_similarity - LAST_LEVEL_FROM)).clamp(LAST_LEVEL_LEAST, LAST_LEVEL_MOST)
}

/// The two most similar entries so far.
struct Podium<'v> {
    entries: &'v Index,
    first: Option<Ranked<'v>>,
    second: Option<Ranked<'v>>,
    /// What is below neither wins nor forbids.
    least: f64,
    least_agreement: f64,
}

impl<'v> Podium<'v> {
    fn add(&mut self, found: Ranked<'v>) {
        match self.first {
            Some(first) if first.candidate.entry == found.candidate.entry => {
                self.first = Some(if self.is_better(&found, &first) { found } else { first });
            }
            Some(first) if self.is_better(&found, &first) => {
                (self.first, self.second) = (Some(found), self.first);
            }
            Some(_) if self.second.is_none_or(|second| self.is_better(&found, &second)) => {
                self.second = Some(found);
            }
            Some(_) => {}
            None => self.first = Some(found),
        }
        if let Some(second) = self.second {
            self.least = self.least.max(second.similarity);
            self.least_agreement = self.least_agreement.max(second.agreement.unwrap_or_default());
        }
    }

    /// Whether `found` is the more similar one; of equals the one that may be an answer, then the first in the order of
    /// texts, so that neither the order of the vocabulary nor that of comparison matters.
    fn is_better(&self, found: &Ranked<'v>, known: &Ranked<'v>) -> bool {
        let text = |ranked: &Ranked<'v>| self.entries.get(ranked.candidate.entry);
        found
            .similarity
            .total_cmp(&known.similarity)
            .then(found.is_repairable.cmp(&known.is_repairable))
            .then_with(|| text(known).cmp(text(found)))
            .is_gt()
    }
}

/// The candidates whose length alone does not put them below the similarity that still matters.
fn candidates_near(group: &[Candidate], len: usize, min_similarity: f64) -> &[Candidate] {
    let share = least_share(min_similarity);
    let start = group.partition_point(|candidate| (candidate.len() as f64) < len as f64 * share);
    let end = group.partition_point(|candidate| candidate.len() as f64 * share <= len as f64);
    &group[start..end]
}

fn is_near(candidate: &Candidate, len: usize, share: f64) -> bool {
    candidate.len() as f64 >= len as f64 * share && candidate.len() as f64 * share <= len as f64
}

/// The share of its letters that the longer text has in common with the shorter one, at least.
fn least_share(min_similarity: f64) -> f64 {
    (min_similarity - MIN_LEAD - ROUNDING).max(0.0)
}

impl Candidate {
    fn is_path(&self) -> bool {
        self.above != NO_PATH
    }

    fn len(&self) -> usize {
        self.outline.n_letters as usize
    }
}

impl Forms {
    fn owner(&self, form: &str) -> Option<&Owner> {
        self.texts.find(form).map(|number| &self.owners[number as usize])
    }

    /// Records that `entry` has this form: its number, and whether the entry had it not before. Of several entries the
    /// first two in the order of texts are told.
    fn claim(
        &mut self,
        form: &str,
        entry: u32,
        by_synonym: bool,
        entries: &Index,
    ) -> Result<(u32, bool), Full> {
        let number = self.texts.number(form)?;
        let Some(owner) = self.owners.get_mut(number as usize) else {
            self.owners.try_reserve(1).map_err(|_| Full)?;
            self.owners.push(Owner { entry, rival: None, by_synonym });
            return Ok((number, true));
        };
        if owner.entry == entry || owner.by_synonym != by_synonym {
            return Ok((number, owner.entry != entry));
        }
        let is_before = |other: u32| entries.get(entry) < entries.get(other);
        if is_before(owner.entry) {
            (owner.entry, owner.rival) = (entry, Some(owner.entry));
        } else if owner.rival.is_none_or(is_before) {
            owner.rival = Some(entry);
        }
        Ok((number, true))
    }
}

impl Owner {
    fn matched(&self, rule: Rule, similarity: f64) -> Match {
        let rule = match (self.rival, self.by_synonym) {
            (Some(_), _) => Rule::Ambiguous,
            (None, true) => Rule::Synonym,
            (None, false) => rule,
        };
        Match {
            entry: self.rival.is_none().then_some(self.entry as usize),
            similarity: Some(similarity),
            rule,
            runner_up: self.rival.map(|rival| rival as usize),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::canonical::folded;
    use super::super::similarity::similarity;
    use super::*;

    pub(in super::super) const CODES: [&str; 24] = [
        "garden.tools.rake",
        "garden.tools.spade",
        "garden.tools.hose",
        "garden.furniture.bench",
        "garden.furniture.swing_seat",
        "kitchen.oven",
        "kitchen.oven.accessories",
        "kitchen.cutlery.knife",
        "kitchen.cutlery.spoon",
        "electronics.smartphone",
        "electronics.audio.speaker",
        "electronics.audio.amplifier",
        "electronics.video.tv",
        "computers.parts.gpu",
        "computers.parts.fan",
        "computers.parts.mainboard",
        "computers.laptop",
        "toys.board_games",
        "toys.building_bricks",
        "sport.tennis.racket",
        "sport.ski.boots",
        "sport.bicycle",
        "clothing.shirt",
        "clothing.skirt",
    ];

    pub(in super::super) fn vocabulary(entries: &[&str]) -> Vocabulary {
        Vocabulary::new(entries.iter().map(|&entry| (entry, vec![]))).expect("valid vocabulary")
    }

    fn repair<'a>(entries: &'a [&str], value: &str) -> (Option<&'a str>, &'static str) {
        let found = vocabulary(entries).best_match(value, 0.75);
        (found.entry.map(|index| entries[index]), found.rule.name())
    }

    pub(in super::super) fn single_typos(word: &str) -> Vec<String> {
        let chars: Vec<char> = word.chars().collect();
        let mut typos = Vec::new();
        for i in 0..=chars.len() {
            let (before, after) = chars.split_at(i);
            let join = |middle: &[char], after: &[char]| {
                before.iter().chain(middle).chain(after).collect::<String>()
            };
            for letter in ('a'..='z').chain(['.', '_', 'é']) {
                typos.push(join(&[letter], after));
                if !after.is_empty() {
                    typos.push(join(&[letter], &after[1..]));
                }
            }
            if !after.is_empty() {
                typos.push(join(&[], &after[1..]));
            }
            if after.len() > 1 {
                typos.push(join(&[after[1], after[0]], &after[2..]));
            }
        }
        typos
    }

    #[test]
    fn spellings_of_the_contract_find_their_entries() {
        assert_eq!(repair(&["action", "puzzle"], "Actionn"), (Some("action"), "typo"));
        assert_eq!(repair(&["action", "puzzle"], "PuzZle"), (Some("puzzle"), "case"));
        assert_eq!(repair(&["Android", "iOS", "Web"], "androiid"), (Some("Android"), "typo"));
        assert_eq!(repair(&["Android", "iOS", "Web"], "WEB"), (Some("Web"), "case"));
        assert_eq!(repair(&["start_game", "end_game"], "Start_Game"), (Some("start_game"), "case"));
        assert_eq!(repair(&["start_game", "end_game"], "startgame"), (Some("start_game"), "accent"));
        assert_eq!(repair(&["mobile", "desktop"], "mobile"), (Some("mobile"), "exact"));
        assert_eq!(repair(&["mobile", "desktop"], ""), (None, "empty"));
        assert_eq!(repair(&["mobile", "desktop"], " \u{200b}-"), (None, "empty"));
        assert_eq!(repair(&["mobile", "desktop"], "tablet"), (None, "none"));
        assert_eq!(repair(&["mobile", "desktop"], "xyz"), (None, "none"));
    }

    #[test]
    fn a_synonym_stands_for_its_entry() {
        let devices = Vocabulary::new([("mobile", vec!["tablet", "Téléphone"]), ("tv", vec!["television"])])
            .expect("valid vocabulary");
        let found = |value| {
            let found = devices.best_match(value, 0.75);
            (found.entry.map(|index| devices.entry(index)), found.rule)
        };
        assert_eq!(found("tablet"), (Some("mobile"), Rule::Synonym));
        assert_eq!(found("TABLET "), (Some("mobile"), Rule::Synonym));
        assert_eq!(found("telephone"), (Some("mobile"), Rule::Synonym));
        assert_eq!(found("televison"), (Some("tv"), Rule::Typo));
        assert_eq!(found("tvv"), (None, Rule::None));
    }

    #[test]
    fn spellings_of_one_entry_do_not_compete() {
        let colours = [("grey", vec!["greyish", "grayish"]), ("green", vec!["greenish"])];
        let found = Vocabulary::new(colours).expect("valid vocabulary").best_match("griyish", 0.75);
        assert_eq!((found.entry, found.rule), (Some(0), Rule::Typo));
        assert_eq!((found.similarity, found.runner_up), (Some(6.0 / 7.0), None));
    }

    #[test]
    fn digits_must_agree() {
        let ranges = ["18-25 years", "26-35 years", "36-45 years"];
        assert_eq!(repair(&ranges, "26-35 yeers"), (Some("26-35 years"), "typo"));
        assert_eq!(repair(&ranges, "18–25 Years"), (Some("18-25 years"), "case"));
        assert_eq!(repair(&ranges, "28-35 years"), (None, "none"));
        assert_eq!(repair(&ranges, "1825 years"), (None, "none"));
        assert_eq!(repair(&["18-25", "26-35"], "18-26"), (None, "none"));
        assert_eq!(repair(&["-5 degrees"], "5 degrees"), (None, "none"));
    }

    #[test]
    fn short_texts_are_not_repaired() {
        assert_eq!(repair(&["web"], "webb"), (None, "none"));
        assert_eq!(repair(&["mobi"], "mob"), (None, "none"));
        assert_eq!(repair(&["12345a"], "12345b"), (None, "none"));
    }

    #[test]
    fn a_near_tie_is_not_guessed() {
        let found = vocabulary(&["shirt", "skirt"]).best_match("sirt", 0.75);
        assert_eq!((found.entry, found.rule), (None, Rule::Ambiguous));
        assert_eq!((found.similarity, found.runner_up), (Some(0.8), Some(1)));
        let long = ["a".repeat(30) + "b", "a".repeat(30) + "cc"];
        let found = vocabulary(&[&long[0], &long[1]]).best_match(&("a".repeat(30) + "x"), 0.75);
        assert_eq!(found.rule, Rule::Ambiguous, "one edit against two is within 0.05");
    }

    #[test]
    fn a_short_entry_is_never_the_answer_but_may_forbid_one() {
        for entries in [["web", "webs"], ["webs", "web"]] {
            assert_eq!(repair(&entries, "webx"), (None, "ambiguous"));
        }
        for entries in [["rake", "rak"], ["rak", "rake"]] {
            assert_eq!(repair(&entries, "rakx"), (None, "ambiguous"));
        }
        assert_eq!(repair(&["web", "webshop"], "webx"), (None, "none"));
    }

    #[test]
    fn entries_with_one_canonical_text_need_the_exact_spelling() {
        let entries = ["Web", "WEB", "Web"];
        assert_eq!(repair(&entries, "WEB"), (Some("WEB"), "exact"));
        assert_eq!(repair(&entries, "Web"), (Some("Web"), "exact"));
        let found = vocabulary(&entries).best_match("web", 0.75);
        assert_eq!(
            (found.rule, found.runner_up),
            (Rule::Ambiguous, Some(0)),
            "the second in the order of texts"
        );
        assert_eq!(repair(&["Café", "Cafe"], "cafe"), (Some("Cafe"), "case"));
        assert_eq!(repair(&["Café", "Cafè"], "cafe"), (None, "ambiguous"));
    }

    #[test]
    fn equality_wins_whatever_is_similar_and_whatever_the_threshold() {
        let close = ["garden chair", "garden chairs", "garden chain"];
        for entry in close {
            assert_eq!(repair(&close, entry), (Some(entry), "exact"));
            assert_eq!(repair(&close, &entry.to_uppercase()), (Some(entry), "case"));
        }
        let strict = vocabulary(&["crème brûlée"]).best_match("Creme-Brulee", 1.0);
        assert_eq!((strict.entry, strict.rule), (Some(0), Rule::Accent));
        assert_eq!(vocabulary(&["puzzle"]).best_match("puzzel", 1.0).rule, Rule::None);
        let named = Vocabulary::new([("café", vec![]), ("bistro", vec!["cafe"])]).expect("valid vocabulary");
        assert_eq!(named.best_match("CAFE", 0.75).entry, Some(1), "a written synonym beats a lost accent");
    }

    #[test]
    fn every_script_is_matched_by_its_own_rules() {
        assert_eq!(repair(&["İstanbul", "Isparta"], "istanbul"), (Some("İstanbul"), "accent"));
        assert_eq!(repair(&["İstanbul", "Isparta"], "ISTANBUL"), (Some("İstanbul"), "accent"));
        assert_eq!(repair(&["İstanbul", "Isparta"], "ısparta"), (Some("Isparta"), "accent"));
        assert_eq!(repair(&["Straße"], "STRASSE"), (Some("Straße"), "accent"));
        assert_eq!(repair(&["Straße"], "STRAẞE"), (Some("Straße"), "case"));
        assert_eq!(repair(&["Телефон", "Планшет"], "телефно"), (Some("Телефон"), "typo"));
        assert_eq!(repair(&["Android"], "ＡＮＤＲＯＩＤ"), (Some("Android"), "case"));
        assert_eq!(repair(&["Crème"], "cre\u{300}me"), (Some("Crème"), "case"));
        assert_eq!(repair(&["mobile"], "mo\u{200b}bile\u{feff}"), (Some("mobile"), "case"));
        assert_eq!(repair(&["🎮", "🎲"], "🎮\u{fe0f}"), (Some("🎮"), "case"));
        assert_eq!(repair(&["🎮", "🎲"], "🎯"), (None, "none"));
        assert_eq!(repair(&["智能手机", "平板电脑"], "智能手几"), (None, "none"), "one of few ideographs");
        assert_eq!(repair(&["智能手机", "平板电脑"], "智手能机"), (Some("智能手机"), "typo"));
    }

    #[test]
    fn a_sign_that_carries_meaning_is_not_dropped() {
        for (entry, value) in [
            ("A", "A-"),
            ("A", "A+"),
            ("O+", "O-"),
            ("C++", "C#"),
            ("C", "C++"),
            ("18", "18+"),
            ("18", "-18"),
            ("50", "50+"),
            ("BBB", "BBB-"),
            ("Disney", "Disney+"),
            ("children 18", "children 18+"),
            ("children 18+", "children 18-"),
            ("over 100", "over 100%"),
            ("temperature 5", "temperature -5"),
            ("adults >18", "adults <18"),
            ("format 16:9", "format 16.9"),
            ("liter 1.5", "liter 15"),
            ("Notepad", "Notepad++"),
            ("square 10", "square 10²"),
        ] {
            assert_eq!(repair(&[entry], value).0, None, "{value}");
            assert_eq!(repair(&[value], entry).0, None, "{entry}");
            assert_eq!(repair(&[entry, value], &value.to_uppercase()).0, Some(value));
        }
        let games = ["-18", "18-24", "25-34", "50+"];
        for value in games {
            assert_eq!(repair(&games, &format!(" {value} ")), (Some(value), "case"));
        }
        assert_eq!(repair(&games, "18"), (None, "none"));
        assert_eq!(repair(&games, "50"), (None, "none"));
        assert_eq!(repair(&["Disney+", "Netflix"], "Disny+"), (Some("Disney+"), "typo"));
    }

    #[test]
    fn nothing_is_repaired_to_its_opposite() {
        for (entry, value) in [
            ("active", "inactive"),
            ("subscribed", "unsubscribed"),
            ("premium", "freemium"),
            ("internal", "external"),
            ("men's shoes", "women's shoes"),
            ("North Korea", "South Korea"),
            ("男子篮球", "女子篮球"),
            ("apparel.mens_shoes", "apparel.womens_shoes"),
            ("Apparel > Men > Winter Shoes", "Apparel > Women > Winter Shoes"),
            ("alcoholic drinks", "non alcoholic drinks"),
            ("vitamin A", "vitamin B"),
            ("prescription food", "non-prescription food"),
        ] {
            for min_similarity in [0.0, 0.6, 0.75] {
                for (entry, value) in [(entry, value), (value, entry)] {
                    let found = vocabulary(&[entry, "something else"]).best_match(value, min_similarity);
                    assert_eq!(found.entry, None, "{value} at {min_similarity}");
                }
            }
        }
    }

    #[test]
    fn marks_and_dots_around_a_name_are_dropped() {
        assert_eq!(repair(&["LEGO"], "LEGO™"), (Some("LEGO"), "case"));
        assert_eq!(repair(&["LEGO"], "Lego ®"), (Some("LEGO"), "case"));
        assert_eq!(repair(&["USA", "UK"], "U.S.A."), (Some("USA"), "accent"));
        assert_eq!(repair(&["U.S.A.", "UK"], "usa"), (Some("U.S.A."), "accent"));
        assert_eq!(repair(&["Ltd", "Inc"], "Ltd."), (Some("Ltd"), "accent"));
        assert_eq!(repair(&["©", "®"], "©"), (Some("©"), "exact"));
    }

    #[test]
    fn a_code_that_lost_its_dots_falls_into_its_parts() {
        let entries = ["phone > electronics", "puzzle.electronics", "computers.components"];
        assert_eq!(vocabulary(&entries).best_match("upzzleelectonics", 0.6).entry, Some(1));
        assert_eq!(repair(&entries, "computers.components.cpu"), (None, "none"));
        assert_eq!(repair(&["computers.components.cpu"], "computers.components"), (None, "none"));
    }

    #[test]
    fn every_single_typo_of_a_code_is_repaired_unless_another_is_as_close() {
        let codes = vocabulary(&CODES);
        let mut refused = 0;
        let mut total = 0;
        for (index, code) in CODES.iter().enumerate() {
            for typo in single_typos(code).into_iter().filter(|typo| !CODES.contains(&typo.as_str())) {
                total += 1;
                let found = codes.best_match(&typo, 0.75);
                if found.rule == Rule::Ambiguous {
                    let rival = found.runner_up.expect("an ambiguous match has a runner-up");
                    let own = similarity(&typo, code);
                    let others = CODES.iter().filter(|other| *other != code);
                    let nearest = others.map(|other| similarity(&typo, other)).fold(0.0, f64::max);
                    assert!((own - nearest).abs() <= 0.05 + 1e-9, "{typo} of {code}, not {}", CODES[rival]);
                    refused += 1;
                } else {
                    assert_eq!(found.entry, Some(index), "{typo} of {code}: {found:?}");
                }
            }
        }
        assert!(total > 20_000 && refused * 100 < total, "{refused} of {total}");
    }

    #[test]
    fn a_code_that_is_absent_is_not_replaced_by_its_sibling() {
        assert_eq!(repair(&CODES, "computers.parts.psu"), (None, "none"));
        assert_eq!(repair(&CODES, "electronics.audio.microphone"), (None, "none"));
        assert_eq!(repair(&CODES, "garden.tools.shovel"), (None, "none"));
    }

    /// The rule as it reads, over every spelling, without index, bounds or early end.
    fn reference_match(entries: &[&str], value: &str, min_similarity: f64) -> (Option<usize>, Option<usize>) {
        let of = |text: &str| canonical(text).expect("text");
        let text = fold(&of(value)).expect("text");
        let letters = Letters::new(text.clone());
        let mut ranked: Vec<(f64, usize, usize)> = Vec::new();
        let mut nearest = 0.0;
        for (index, entry) in entries.iter().enumerate() {
            let folded = fold(&canonical(entry).expect("text")).expect("text");
            let other = Letters::new(folded.clone());
            let distance = osa::distance(text.chars(), folded.chars());
            let alike = normalised(distance as f64, letters.len().max(other.len()));
            if digits(&text) != digits(&folded) {
                continue;
            }
            nearest = f64::max(nearest, alike);
            let has_dots = text.contains('.') || folded.contains('.');
            let words = if has_dots { Words::Opposites } else { Words::All };
            let agrees = letters.may_be_typo_of(&other.chars, other.n_dots, distance, min_similarity)
                && !are_different_things(&of(value), &of(entry), words, min_similarity);
            if agrees && alike + ROUNDING >= min_similarity - MIN_LEAD {
                ranked.push((alike, index, other.n_alphabetic()));
            }
        }
        let is_short = |ranked: &(f64, usize, usize)| ranked.2 < MIN_LETTERS;
        ranked.sort_by(|a, b| {
            b.0.total_cmp(&a.0).then(is_short(a).cmp(&is_short(b))).then(entries[a.1].cmp(entries[b.1]))
        });
        match ranked.as_slice() {
            _ if letters.n_alphabetic() < MIN_LETTERS => (None, None),
            [] => (None, None),
            [first, ..] if first.0 + ROUNDING < min_similarity || first.2 < MIN_LETTERS => (None, None),
            [first, ..] if first.0 + ROUNDING < nearest => (None, None),
            [first] => (Some(first.1), None),
            [first, second, ..] => {
                let clear = second.0 + MIN_LEAD + ROUNDING < first.0;
                (clear.then_some(first.1), Some(second.1))
            }
        }
    }

    #[test]
    fn no_shortcut_changes_a_match() {
        let mut state = 3_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let mut word = |max_len: usize| -> String {
            (0..=next(max_len)).map(|_| ['a', 'b', 'c', 'd', '.', '1'][next(600) % (5 + next(2))]).collect()
        };
        let mut decided = 0;
        for round in 0..400 {
            let words: std::collections::BTreeSet<String> = (0..40).map(|_| word(6 + round % 8)).collect();
            let entries: Vec<&str> = words.iter().map(String::as_str).collect();
            let prepared = vocabulary(&entries);
            for _ in 0..20 {
                let value = word(6 + round % 8);
                // Equal texts need no similarity.
                if entries.iter().any(|entry| folded(entry) == folded(&value)) {
                    continue;
                }
                for min_similarity in [0.0, 0.6, 0.75, 0.9] {
                    let found = prepared.best_match(&value, min_similarity);
                    if matches!(found.rule, Rule::Exact | Rule::Case | Rule::Accent) {
                        continue;
                    }
                    decided += usize::from(found.entry.is_some());
                    let expected = reference_match(&entries, &value, min_similarity);
                    assert_eq!(
                        (found.entry, found.runner_up),
                        expected,
                        "{value} in {entries:?} at {min_similarity}"
                    );
                }
            }
        }
        assert!(decided > 500, "{decided}");
    }

    #[test]
    fn a_path_is_matched_by_its_levels_the_last_one_first() {
        let paths = [
            "Apparel & Accessories > Jewelry > Bracelets",
            "Apparel & Accessories > Jewelry > Rings",
            "Apparel & Accessories > Shoes > Rain Boots",
            "Animals & Pet Supplies > Dog Supplies > Dog Food",
            "Animals & Pet Supplies > Dog Supplies",
            "Home & Garden > Decor > Vases & Bowls",
            "Vehicles & Parts > Aluminum Tires",
        ];
        let repaired = |value| repair(&paths, value).0;
        assert_eq!(repaired("Clothing & Accessories > Jewellery > Bracelets"), Some(paths[0]));
        assert_eq!(repaired("apparel and accessories > jewellery > rngs"), Some(paths[1]));
        assert_eq!(repaired("Home & Garden > Décor > Bowls and Vases"), Some(paths[5]));
        assert_eq!(repaired("Home & Garden > Vases & Bowls"), Some(paths[5]));
        assert_eq!(repaired("Vehicles & Parts › Aluminium Tyres"), Some(paths[6]));
        assert_eq!(repaired("Animals & Pet Supplies > Dog Supplies > Bird Cages"), None);
        assert_eq!(repaired("Apparel & Accessories > Jewelry"), None);
    }

    #[test]
    fn min_similarity_says_how_much_the_last_level_must_tell() {
        let paths = [
            "Apparel > Jewelry > Bracelets",
            "Apparel > Jewelry > Rings",
            "Hardware > Tools > Flashlights & Headlamps",
            "Hardware > Tools > Spirit Levels",
        ];
        let prepared = vocabulary(&paths);
        let at = |value, min_similarity| {
            let found = prepared.best_match(value, min_similarity);
            (found.entry.map(|index| paths[index]), found.rule)
        };
        assert_eq!(at("Apparel > Jewelry > Necklaces", 0.75), (None, Rule::None), "another thing");
        let reworded = "Hardware > Tools > Torches & Headlamps";
        assert_eq!(at(reworded, 0.75).0, Some(paths[2]));
        assert_eq!(at(reworded, 0.8).0, Some(paths[2]));
        assert_eq!(at(reworded, 0.9).0, None);
        assert_eq!(at("DIY > Tools > Spirit Level", 0.8).0, Some(paths[3]));
        let levels = [0.0, 0.75, 0.8, 0.85, 0.875, 1.0].map(least_last_level);
        let expected = [0.2, 0.2, 0.3, 0.6, 0.75, 0.75];
        assert!(levels.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{levels:?}");
    }

    #[test]
    fn no_shortcut_changes_the_match_of_a_path() {
        let mut state = 5_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let words =
            ["tire", "tyre", "tyres", "color", "colour", "mold", "colormold", "and", "&", "jewel", "box"];
        let mut path = || -> String {
            let n_levels = 2 + next(3);
            let mut level = || (0..=next(2)).map(|_| words[next(words.len())]).collect::<Vec<_>>().join(" ");
            (0..n_levels).map(|_| level() + " ware").collect::<Vec<_>>().join(" > ")
        };
        let phrases = |text: &str| Name::new(&canonical(text).expect("text")).expect("letters").phrases();
        // The rule as it reads: all entries, the most similar first.
        let reference = |value: &str, entries: &[&str], min_similarity: f64| {
            let own = phrases(value);
            let mut ranked: Vec<(f64, usize, f64, f64)> = Vec::new();
            for (i, entry) in entries.iter().enumerate() {
                let other = phrases(entry);
                let agreement = agreement(own.len(), other.len(), |i, j| own[i].similarity(&other[j]));
                let of_last = own[own.len() - 1].similarity(&other[other.len() - 1]);
                ranked.push((similarity(value, entry), i, agreement, of_last));
            }
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let (first, second) = (ranked[0], ranked[1]);
            let is_far = first.0 + ROUNDING < min_similarity;
            let is_last_far = first.3 + ROUNDING < least_last_level(min_similarity);
            match second.2 + MIN_PATH_LEAD + ROUNDING >= first.2 {
                _ if is_far || is_last_far => (None, Rule::None),
                true => (None, Rule::Ambiguous),
                false => (Some(first.1), Rule::Typo),
            }
        };
        let mut decided = 0;
        for _ in 0..150 {
            let entries: std::collections::BTreeSet<String> = (0..30).map(|_| path()).collect();
            let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
            let prepared = vocabulary(&entries);
            for value in (0..10).map(|_| path()) {
                for min_similarity in [0.0, 0.6, 0.75, 0.8, 0.85, 0.9, 0.95] {
                    let found = prepared.best_match(&value, min_similarity);
                    if matches!(found.rule, Rule::Exact | Rule::Case | Rule::Accent) {
                        continue;
                    }
                    let expected = reference(&value, &entries, min_similarity);
                    let told = format!("{value} in {entries:?} at {min_similarity}");
                    assert_eq!((found.entry, found.rule), expected, "{told}");
                    if let Some(entry) = found.entry {
                        decided += 1;
                        assert_eq!(found.similarity, Some(similarity(&value, entries[entry])), "{told}");
                    }
                }
            }
        }
        assert!(decided > 300, "{decided}");
    }

    #[test]
    fn a_megabyte_of_text_is_equal_or_nothing() {
        let codes = vocabulary(&CODES);
        for filler in ["x", "é", "e\u{301}", "1-", ".", "\u{301}\u{316}", "ﷺ"] {
            let found = codes.best_match(&filler.repeat((1 << 20) / filler.len()), 0.0);
            assert_eq!((found.entry, found.rule), (None, Rule::None), "{filler:?}");
        }
        let padded = format!("{}Sport.Bicycle{}", " ".repeat(1 << 19), "\u{200b}".repeat(1 << 18));
        assert_eq!(codes.best_match(&padded, 0.75).rule, Rule::Case);
    }

    #[test]
    fn a_vocabulary_says_what_is_wrong_with_its_entries() {
        let error =
            |entries: Vec<(&str, Vec<&str>)>| Vocabulary::new(entries).err().expect("refused").to_string();
        assert_eq!(error(vec![]), "the vocabulary has no entries");
        assert_eq!(error(vec![("web", vec![]), (" \t", vec![])]), "vocabulary entry 2 has no text: \" \t\"");
        let long = "x".repeat(MAX_BYTES + 1);
        for entries in [vec![("web", vec![]), (long.as_str(), vec![])], vec![("web", vec![long.as_str()])]] {
            assert!(
                error(entries)
                    .starts_with("an entry or synonym of the vocabulary has 2097153 bytes, at most 2097152")
            );
        }
        assert!(Vocabulary::new([(&long[1..], vec![])]).is_ok());
        assert_eq!(error(vec![("unknown", vec![""])]), "a synonym of \"unknown\" has no text: \"\"");
        assert_eq!(
            error(vec![("mobile", vec!["tablet"]), ("desktop", vec!["Tablet"])]),
            "\"Tablet\" is a synonym of both \"mobile\" and \"desktop\""
        );
        assert_eq!(
            error(vec![("mobile", vec!["WEB"]), ("web", vec![])]),
            "\"WEB\", a synonym of \"mobile\", is the entry \"web\" itself"
        );
        assert!(
            error(vec![("a", vec!["b"]), ("c", vec![&"b".repeat(9)]), ("d", vec![&"b".repeat(9)])]).len()
                < 80
        );
        assert!(Vocabulary::new([("mobile", vec!["Mobile", "tablet", "TABLET"])]).is_ok());
    }
}
