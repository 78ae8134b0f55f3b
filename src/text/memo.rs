//! A memo of the matches of a vocabulary, per distinct value and in bounded memory.

use super::map::Map;
use super::vocabulary::{Match, Vocabulary};

/// Remembers the matches of one vocabulary and threshold per distinct value, in bounded memory. It
/// does not hold the vocabulary, which may be far larger.
///
/// Values are kept in two generations: when the younger one is full it becomes the older, whose
/// values are forgotten unless asked for again. Where hardly a value repeats the memo rests for a
/// while, for remembering costs more than a match.
pub struct Memo {
    min_similarity: f64,
    young: Map<Box<str>, Match>,
    old: Map<Box<str>, Match>,
    young_bytes: usize,
    generation_bytes: usize,
    /// Values asked for since the last trial began, and how many of them were known.
    n_asked: usize,
    n_known: usize,
    /// Values to be matched without the memo.
    n_resting: usize,
}

impl Memo {
    /// Bytes that a memo holds at most, give or take the allocator's own.
    const CAPACITY_BYTES: usize = 16 << 20;

    /// After so many values it is seen whether the memo is of use: if fewer than one in 16 was
    /// known it is not, and is left out for 15 times as many.
    const TRIAL: usize = 1 << 15;
    const LEAST_KNOWN: usize = Self::TRIAL / 16;
    const REST: usize = 15 * Self::TRIAL;

    /// An empty memo.
    pub fn new(min_similarity: f64) -> Self {
        Self::with_capacity(min_similarity, Self::CAPACITY_BYTES)
    }

    fn with_capacity(min_similarity: f64, bytes: usize) -> Self {
        Self {
            min_similarity,
            young: Map::default(),
            old: Map::default(),
            young_bytes: 0,
            generation_bytes: bytes / 2,
            n_asked: 0,
            n_known: 0,
            n_resting: 0,
        }
    }

    /// The least similarity of the matches.
    pub fn min_similarity(&self) -> f64 {
        self.min_similarity
    }

    /// [`Vocabulary::best_match`] of the vocabulary, always the same one, computed once per
    /// distinct value where values repeat.
    pub fn best_match(&mut self, vocabulary: &Vocabulary, value: &str) -> Match {
        if self.n_resting > 0 {
            self.n_resting -= 1;
            return vocabulary.best_match(value, self.min_similarity);
        }
        if self.n_asked == Self::TRIAL {
            self.n_resting = if self.n_known < Self::LEAST_KNOWN { Self::REST } else { 0 };
            (self.n_asked, self.n_known) = (0, 0);
        }
        self.n_asked += 1;
        if let Some(&known) = self.young.get(value) {
            self.n_known += 1;
            return known;
        }
        let (value, found) = match self.old.remove_entry(value) {
            Some(known) => {
                self.n_known += 1;
                known
            }
            None => (value.into(), vocabulary.best_match(value, self.min_similarity)),
        };
        self.remember(value, found);
        found
    }

    fn remember(&mut self, value: Box<str>, found: Match) {
        // A table grows by doubling, so half of it may stand empty.
        let bytes = value.len() + 2 * size_of::<(Box<str>, Match)>();
        if bytes > self.generation_bytes {
            return;
        }
        if self.young_bytes + bytes > self.generation_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(value, found);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::Rule;
    use super::super::vocabulary::tests::{CODES, single_typos, vocabulary};
    use super::*;

    #[test]
    fn a_memo_answers_as_its_vocabulary_and_stays_within_its_bytes() {
        let codes = vocabulary(&CODES);
        let bytes = 20_000;
        let mut memo = Memo::with_capacity(0.75, bytes);
        for round in 0..3 {
            for (i, typo) in CODES.iter().flat_map(|code| single_typos(code)).enumerate().step_by(7)
            {
                assert_eq!(
                    memo.best_match(&codes, &typo),
                    codes.best_match(&typo, 0.75),
                    "round {round}, value {i}"
                );
                assert_eq!(
                    memo.best_match(&codes, "Sport Bicycle"),
                    codes.best_match("Sport Bicycle", 0.75)
                );
                let slot = size_of::<(Box<str>, Match)>();
                let held: usize =
                    memo.young.keys().chain(memo.old.keys()).map(|key| key.len() + slot).sum();
                assert!(held <= bytes && memo.young.contains_key("Sport Bicycle"));
            }
        }
        let long = "x".repeat(bytes);
        assert_eq!(memo.best_match(&codes, &long).rule, Rule::None);
        assert!(!memo.young.contains_key(long.as_str()));
    }

    #[test]
    fn a_memo_rests_where_no_value_repeats_and_answers_the_same() {
        let codes = vocabulary(&CODES);
        let mut memo = Memo::new(0.75);
        let value =
            |i: usize| format!("{}sport.bicycl{}", " ".repeat(i % 200), "e ".repeat(i / 200));
        (0..=Memo::TRIAL).for_each(|i| {
            assert_eq!(memo.best_match(&codes, &value(i)), codes.best_match(&value(i), 0.75))
        });
        assert_eq!(memo.n_resting, Memo::REST);
        let mut awake = Memo::new(0.75);
        for i in 0..=Memo::TRIAL {
            assert_eq!(
                awake.best_match(&codes, &value(i % 2000)),
                codes.best_match(&value(i % 2000), 0.75)
            );
        }
        assert_eq!(awake.n_resting, 0);
    }
}
