//! The best entry of a search, and the one that comes after it.

use super::super::texts::Index;
use super::forms::Candidate;

#[derive(Clone, Copy)]
pub(super) struct Ranked<'v> {
    pub(super) similarity: f64,
    /// Of a path with a path.
    pub(super) agreement: Option<f64>,
    pub(super) is_repairable: bool,
    pub(super) candidate: &'v Candidate,
}

/// The two most similar entries so far.
pub(super) struct TopTwo<'v> {
    pub(super) entries: &'v Index,
    pub(super) first: Option<Ranked<'v>>,
    pub(super) second: Option<Ranked<'v>>,
    /// What is below neither wins nor forbids.
    pub(super) least: f64,
    pub(super) least_agreement: f64,
}

impl<'v> TopTwo<'v> {
    pub(super) fn add(&mut self, found: Ranked<'v>) {
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

    /// Whether `found` is the more similar one; of equals the one that may be an answer, then the
    /// first in the order of texts, so that neither the order of the vocabulary nor that of
    /// comparison matters.
    pub(super) fn is_better(&self, found: &Ranked<'v>, known: &Ranked<'v>) -> bool {
        let text = |ranked: &Ranked<'v>| self.entries.get(ranked.candidate.entry);
        found
            .similarity
            .total_cmp(&known.similarity)
            .then(found.is_repairable.cmp(&known.is_repairable))
            .then_with(|| text(known).cmp(text(found)))
            .is_gt()
    }
}
