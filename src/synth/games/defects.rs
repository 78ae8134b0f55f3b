//! Defects with a known truth: which rows and values get which, never touching the draws of what is
//! clean.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use super::words::Word;
use crate::synth::random::{block_rng, unit};

/// Share of the rows, in parts of `dirt`, that each kind of unusable row gets.
const UNUSABLE: f64 = 1.0 / 8.0;

/// What is wrong with a value, or with a whole row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A word in another case.
    Case,
    /// A word with one edit.
    Typo,
    /// No value.
    Empty,
    /// Another word for the same thing.
    Synonym,
    /// A duration below zero.
    Negative,
    /// The row is a copy of the clean row before.
    DuplicateId,
    /// A user that does not exist.
    UnknownUser,
    /// A game that does not exist.
    UnknownGame,
    /// Text that is no date or time.
    BadTime,
}

impl Kind {
    /// The kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Case => "case",
            Kind::Typo => "typo",
            Kind::Empty => "empty",
            Kind::Synonym => "synonym",
            Kind::Negative => "negative",
            Kind::DuplicateId => "duplicate id",
            Kind::UnknownUser => "unknown user",
            Kind::UnknownGame => "unknown game",
            Kind::BadTime => "bad time",
        }
    }
}

/// One defect, and what stands there without dirt.
#[derive(Clone, Debug, PartialEq)]
pub struct Defect {
    /// Row in the block.
    pub row: usize,
    /// Column; of a copied row that of the identifier.
    pub column: &'static str,
    /// What is wrong.
    pub kind: Kind,
    /// The value without dirt.
    pub clean_value: String,
}

/// What is wrong with a row as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RowDefect {
    /// Nothing: each of its values may get a defect.
    None,
    /// No value gets one: the next row is a copy of this.
    Copied,
    /// The row is a copy of the one before.
    Copy,
    /// The row gets this defect and no other.
    Unusable(Kind),
}

/// What puts defects into the rows and values of one block.
pub(super) struct Injector<'a> {
    share: f64,
    rng: Xoshiro256PlusPlus,
    in_pair: bool,
    defects: &'a mut Vec<Defect>,
}

impl<'a> Injector<'a> {
    /// `share` is that of the values that get a defect; `stream` belongs to the table.
    pub fn new(
        share: f64,
        seed: i64,
        stream: u64,
        block: u64,
        defects: &'a mut Vec<Defect>,
    ) -> Self {
        defects.clear();
        Self { share, rng: block_rng(seed, stream, block), in_pair: false, defects }
    }

    fn hits(&mut self, share: f64) -> bool {
        unit(self.rng.next_u64()) < share
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(unit(self.rng.next_u64()) * from.len() as f64) as usize]
    }

    /// Whether a value gets a defect.
    pub fn hits_value(&mut self) -> bool {
        self.hits(self.share)
    }

    /// The defect of the next row; rows are asked for in order. Copies are made in pairs of
    /// neighbours, so that a copied row is clean and its copy has no other defect. A copy replaces
    /// a row that nothing refers to: `spare` is the share of such rows, `next_is_spare` says
    /// whether the one behind `row` is.
    pub fn row_defect(
        &mut self,
        row: usize,
        n_rows: usize,
        kinds: &[Kind],
        spare: f64,
        next_is_spare: impl FnOnce() -> bool,
    ) -> RowDefect {
        let per_kind = self.share * UNUSABLE;
        if row.is_multiple_of(2) {
            self.in_pair = spare > 0.0
                && self.hits(2.0 * per_kind / spare)
                && row + 1 < n_rows
                && next_is_spare();
        }
        if self.in_pair {
            return if row.is_multiple_of(2) { RowDefect::Copied } else { RowDefect::Copy };
        }
        // Outside the pairs the other kinds are likelier, so that each has its share of all rows.
        let outside = 1.0 - (2.0 * per_kind).min(spare);
        if !kinds.is_empty() && self.hits(per_kind * kinds.len() as f64 / outside) {
            return RowDefect::Unusable(self.pick(kinds));
        }
        RowDefect::None
    }

    /// Keeps a defect for those who ask for the truth.
    pub fn record(&mut self, row: usize, column: &'static str, kind: Kind, clean_value: String) {
        self.defects.push(Defect { row, column, kind, clean_value });
    }

    /// A text that is no date or time.
    pub fn bad_time(&mut self, texts: &'static [&'static str]) -> &'static str {
        self.pick(texts)
    }

    /// Gives a duration a defect: none, or below zero.
    pub fn inject_duration(&mut self, row: usize, column: &'static str, seconds: &mut Option<i64>) {
        if self.hits_value() {
            let clean_value = seconds.map_or_else(String::new, |seconds| seconds.to_string());
            let kind = self.pick(&[Kind::Empty, Kind::Negative]);
            *seconds = (kind == Kind::Negative).then_some(NEGATIVE_SECONDS);
            self.record(row, column, kind, clean_value);
        }
    }

    /// The spelling of a word: the right one, or, at a share of them, one with a defect that the
    /// word can have.
    pub fn spell(&mut self, row: usize, column: &'static str, word: &Word) -> Option<&'static str> {
        if !self.hits_value() {
            return Some(word.text);
        }
        let mut kinds = [Kind::Empty; 4];
        let mut n_kinds = 1;
        for (kind, spellings) in
            [(Kind::Case, word.cases), (Kind::Typo, word.typos), (Kind::Synonym, word.synonyms)]
        {
            if !spellings.is_empty() {
                kinds[n_kinds] = kind;
                n_kinds += 1;
            }
        }
        let kind = self.pick(&kinds[..n_kinds]);
        self.record(row, column, kind, word.text.to_string());
        match kind {
            Kind::Case => Some(self.pick(word.cases)),
            Kind::Typo => Some(self.pick(word.typos)),
            Kind::Synonym => Some(self.pick(word.synonyms)),
            _ => None,
        }
    }
}

/// The duration below zero that devices report.
const NEGATIVE_SECONDS: i64 = -10;
