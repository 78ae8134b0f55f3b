//! What is kept of an entry to compare a value with.

use super::super::name::Outline;
use super::super::texts::{Full, Index};
use super::{MIN_LEAD, Match, ROUNDING, Rule};

/// Where the candidates and the paths of a group end; they begin where those of the group before
/// end.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) candidates: usize,
    pub(super) paths: usize,
}

/// Forms of spellings and the entries that they belong to.
#[derive(Default)]
pub(super) struct Forms {
    pub(super) texts: Index,
    pub(super) owners: Vec<Owner>,
}

#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) entry: u32,
    /// The first of the other entries with this form, in the order of texts.
    pub(super) rival: Option<u32>,
    pub(super) by_synonym: bool,
}

pub(super) struct Candidate {
    pub(super) outline: Outline,
    pub(super) entry: u32,
    /// Numbers of the canonical and the folded text.
    pub(super) canonical: u32,
    pub(super) folded: u32,
    pub(super) group: u32,
    /// Where its parts begin, if it has dots.
    pub(super) parts: u32,
    /// `NO_PATH` for other texts.
    pub(super) above: u32,
    pub(super) last: u32,
    pub(super) is_repairable: bool,
}

pub(super) const NO_PATH: u32 = u32::MAX;

/// A path among the candidates: what is above its last level, that level, and its position.
pub(super) struct Path {
    pub(super) above: u32,
    pub(super) last: u32,
    pub(super) position: u32,
}

/// The candidates whose length alone does not put them below the similarity that still matters.
pub(super) fn candidates_near(
    group: &[Candidate],
    len: usize,
    min_similarity: f64,
) -> &[Candidate] {
    let share = least_share(min_similarity);
    let start = group.partition_point(|candidate| (candidate.len() as f64) < len as f64 * share);
    let end = group.partition_point(|candidate| candidate.len() as f64 * share <= len as f64);
    &group[start..end]
}

pub(super) fn is_near(candidate: &Candidate, len: usize, share: f64) -> bool {
    candidate.len() as f64 >= len as f64 * share && candidate.len() as f64 * share <= len as f64
}

/// The share of its letters that the longer text has in common with the shorter one, at least.
pub(super) fn least_share(min_similarity: f64) -> f64 {
    (min_similarity - MIN_LEAD - ROUNDING).max(0.0)
}

impl Candidate {
    pub(super) fn is_path(&self) -> bool {
        self.above != NO_PATH
    }

    pub(super) fn len(&self) -> usize {
        self.outline.n_letters as usize
    }
}

impl Forms {
    pub(super) fn owner(&self, form: &str) -> Option<&Owner> {
        self.texts.find(form).map(|number| &self.owners[number as usize])
    }

    /// Records that `entry` has this form: its number, and whether the entry had it not before. Of
    /// several entries the first two in the order of texts are told.
    pub(super) fn claim(
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
    pub(super) fn matched(&self, rule: Rule, similarity: f64) -> Match {
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

/// How much of a path must agree in its last level alone: from `LAST_LEVEL_FROM` on
/// `LAST_LEVEL_GROWTH` for each unit of `min_similarity`, at least what any two words share by
/// chance, and never more than `LAST_LEVEL_MOST`.
const LAST_LEVEL_FROM: f64 = 0.75;

const LAST_LEVEL_GROWTH: f64 = 6.0;

const LAST_LEVEL_LEAST: f64 = 0.2;

const LAST_LEVEL_MOST: f64 = 0.75;

/// The least similarity of the last level of a path, which names the thing, to that of its entry.
pub(super) fn least_last_level(min_similarity: f64) -> f64 {
    (LAST_LEVEL_GROWTH * (min_similarity - LAST_LEVEL_FROM))
        .clamp(LAST_LEVEL_LEAST, LAST_LEVEL_MOST)
}
