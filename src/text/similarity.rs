//! How alike two texts are: edits in letters, words and levels of a path, and the cheap bounds around them.

use rapidfuzz::distance::osa;

use super::canonical::{canonical, fold};
use super::name::Name;

/// Longer texts (in characters of the folded form) are documents, not names: they are equal or not alike at
/// all.
pub(super) const MAX_CHARS: usize = 4096;

/// Longer texts (in bytes, as they are written) are equal only where they are written alike: other forms of them would be
/// made in many seconds, for a character may stand for 18.
pub const MAX_BYTES: usize = 2 << 20;

/// Similarity of two texts, 0 to 1, symmetric; 1 only where their canonical texts are equal.
///
/// `1 - d / n`, where `n` is the length of the longer folded text and `d` the optimal string alignment
/// distance between both: the least number of insertions, deletions, substitutions and transpositions of
/// neighbours (Hyyrö 2003, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances").
/// Where it is less, `d` is half an edit more than the edits inside words that are paired in the cheapest way,
/// whatever their order. Levels of a path (`a > b > c`) are compared one by one, see [`Name`]. Texts that
/// differ in accents or separators only are half an edit apart. Texts above 4,096 characters have 0 unless
/// equal, and above 2 MiB unless written alike.
pub fn similarity(a: &str, b: &str) -> f64 {
    if a.len().max(b.len()) > MAX_BYTES {
        return f64::from(u8::from(a == b));
    }
    let (a, b) = (canonical(a), canonical(b));
    if a == b {
        return 1.0;
    }
    let (Some(a), Some(b)) = (a, b) else { return 0.0 };
    let (Some(own), Some(other)) = (fold(&a), fold(&b)) else { return 0.0 };
    if own == other {
        return equal_but_for_accents(own.chars().count());
    }
    // Before anything is made of their words: there may be millions.
    if is_document(&own) || is_document(&other) {
        return 0.0;
    }
    match (Name::new(&a), Name::new(&b)) {
        (Some(a), Some(b)) => a.similarity(&b),
        _ => 0.0,
    }
}

/// Whether a folded text is too long to be a name.
pub(super) fn is_document(folded: &str) -> bool {
    folded.len() > MAX_CHARS && folded.chars().nth(MAX_CHARS).is_some()
}

/// Similarity of two texts with the same folded text of `len` characters, but another canonical text.
pub(super) fn equal_but_for_accents(len: usize) -> f64 {
    1.0 - 0.5 / len as f64
}

/// Similarity of texts that are `distance` edits apart, the longer one of `len` characters.
pub(super) fn normalised(distance: f64, len: usize) -> f64 {
    (len as f64 - distance) / len as f64
}

/// The characters of a folded text, prepared for many comparisons.
pub(super) struct Letters {
    pub(super) chars: Box<[char]>,
    pub(super) counts: [u8; 32],
    pub(super) n_dots: usize,
    /// The parts between dots; nothing where there is no dot.
    pub(super) parts: Box<[Part]>,
}

/// Length of a part, and a bit for each kind of character in it.
#[derive(Clone, Copy)]
pub(super) struct Part {
    len: u32,
    kinds: u32,
}

impl Part {
    fn new(chars: &[char]) -> Self {
        Self {
            len: chars.len() as u32,
            kinds: chars.iter().fold(0, |kinds, &c| kinds | 1 << (c as u32 % 32)),
        }
    }

    /// The distance is never below this, for an edit changes two kinds at most.
    fn distance_at_least(&self, other: &Self) -> usize {
        let n_kinds = (self.kinds ^ other.kinds).count_ones() as usize;
        (self.len.abs_diff(other.len) as usize).max(n_kinds.div_ceil(2))
    }
}

impl Letters {
    pub(super) fn new(folded: String) -> Self {
        let chars: Box<[char]> = folded.chars().collect();
        let mut counts = [0_u8; 32];
        for &c in &chars {
            let count = &mut counts[c as usize % 32];
            *count = count.saturating_add(1);
        }
        let n_dots = chars.iter().filter(|&&c| c == '.').count();
        let parts = match n_dots {
            0 => Box::default(),
            _ => chars.split(|&c| c == '.').map(Part::new).collect(),
        };
        Self { chars, counts, n_dots, parts }
    }

    pub(super) fn len(&self) -> usize {
        self.chars.len()
    }

    pub(super) fn n_alphabetic(&self) -> usize {
        self.chars.iter().filter(|c| c.is_alphabetic()).count()
    }

    /// Optimal string alignment distance.
    pub(super) fn distance(&self, other: &Self) -> usize {
        distance(&self.chars, &other.chars)
    }

    /// The distance is never below this: an edit changes the counts of two characters at most (cf. Navarro
    /// 2001, "A guided tour to approximate string matching"). Counts that saturate or share a bucket only
    /// lower it.
    #[inline]
    pub(super) fn distance_at_least(&self, counts: &[u8; 32], len: usize) -> usize {
        let surplus: u16 = self.counts.iter().zip(counts).map(|(a, b)| u16::from(a.abs_diff(*b))).sum();
        usize::from(surplus).div_ceil(2).max(self.len().abs_diff(len))
    }

    /// Whether this can be a mistyped `other`, given the edits between both. In a path each part must reach
    /// `min_similarity` itself or be one edit away: `computers.components.cpu` is no misspelling of
    /// `computers.components.hdd`, however long what they share. If dots were lost or added, the text without them must
    /// fall into such parts, or have one more edit.
    pub(super) fn may_be_typo_of(
        &self,
        other: &[char],
        n_dots: usize,
        distance_to_other: usize,
        min_similarity: f64,
    ) -> bool {
        if self.n_dots != n_dots {
            let (few, many) =
                if self.n_dots < n_dots { (&*self.chars, other) } else { (other, &*self.chars) };
            return distance_to_other <= self.n_dots.abs_diff(n_dots) + 1
                || falls_into_parts_of(few, many, min_similarity);
        }
        self.chars.split(|&c| c == '.').zip(other.split(|&c| c == '.')).all(|(part, other_part)| {
            is_close(distance(part, other_part), part.len().max(other_part.len()), min_similarity)
        })
    }
}

/// Whether bounds alone forbid that one of two texts with as many parts is mistyped as the other.
pub(super) fn is_no_typo_by_parts(parts: &[Part], others: &[Part], min_similarity: f64) -> bool {
    parts.iter().zip(others).any(|(part, other)| {
        !is_close(part.distance_at_least(other), part.len.max(other.len) as usize, min_similarity)
    })
}

/// Longer texts do not fall into parts.
const MAX_DIVIDED: usize = 256;

/// Whether a text without its dots can be divided so that each piece is close to a part of the other.
fn falls_into_parts_of(few: &[char], many: &[char], min_similarity: f64) -> bool {
    let text: Vec<char> = few.iter().copied().filter(|&c| c != '.').collect();
    if text.len().max(many.len()) > MAX_DIVIDED {
        return false;
    }
    // Where the pieces so far may end.
    let mut ends = vec![0];
    for part in many.split(|&c| c == '.') {
        let mut next: Vec<usize> = Vec::new();
        for &start in &ends {
            let n_left = text.len() - start;
            for len in 0..=n_left {
                let longer = len.max(part.len());
                if longer > 0
                    && is_close(len.abs_diff(part.len()), longer, min_similarity)
                    && !next.contains(&(start + len))
                    && is_close(distance(&text[start..start + len], part), longer, min_similarity)
                {
                    next.push(start + len);
                }
            }
        }
        ends = next;
    }
    ends.contains(&text.len())
}

/// Whether parts of a dotted code, the longer one of `len` characters, may mean the same.
fn is_close(edits: usize, len: usize, min_similarity: f64) -> bool {
    edits <= 1 || normalised(edits as f64, len) >= min_similarity
}

/// Optimal string alignment distance of short texts.
pub(super) fn distance(a: &[char], b: &[char]) -> usize {
    osa::distance(a.iter().copied(), b.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Letters {
        Letters::new(text.to_string())
    }

    /// The recurrence of the definition, cell by cell.
    fn reference_distance(a: &[char], b: &[char]) -> usize {
        let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                d[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let substituted = d[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = substituted.min(d[i - 1][j] + 1).min(d[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(d[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        d[a.len()][b.len()]
    }

    fn random_text(state: &mut u64, alphabet: &[char], max_len: u64) -> String {
        let mut next = |below: u64| {
            *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (*state >> 33) % below
        };
        let len = next(max_len);
        (0..len).map(|_| alphabet[next(alphabet.len() as u64) as usize]).collect()
    }

    #[test]
    fn distance_is_that_of_the_definition_and_never_below_its_bound() {
        let mut state = 7;
        for round in 0..4000 {
            let max_len = if round % 10 == 0 { 150 } else { 12 };
            let a = letters(&random_text(&mut state, &['a', 'b', 'c', 'ж', '電', '.'], max_len));
            let b = letters(&random_text(&mut state, &['a', 'b', 'c', 'ж', '電', '.'], max_len));
            let expected = reference_distance(&a.chars, &b.chars);
            assert_eq!(a.distance(&b), expected, "{:?} {:?}", a.chars, b.chars);
            assert!(a.distance_at_least(&b.counts, b.len()) <= expected, "{:?} {:?}", a.chars, b.chars);
        }
    }

    #[test]
    fn bound_holds_where_counts_saturate() {
        let (a, b) = (letters(&"a".repeat(1000)), letters(&"a".repeat(300)));
        assert_eq!(a.distance_at_least(&b.counts, b.len()), 700);
        let (a, b) = (letters(&"ab".repeat(400)), letters(&"ba".repeat(400)));
        assert!(a.distance_at_least(&b.counts, b.len()) <= 2);
    }

    #[test]
    fn similarity_is_one_minus_edits_over_the_longer_length() {
        assert_eq!(similarity("kitten", "sitting"), 4.0 / 7.0);
        assert_eq!(similarity("action", "Actoin"), 5.0 / 6.0);
        assert_eq!(similarity("abc", "xyz"), 0.0);
        assert_eq!(similarity("телефон", "телефн"), 6.0 / 7.0);
        assert_eq!(similarity("🎮🎲", "🎮🎯"), 0.5);
    }

    #[test]
    fn similarity_is_one_only_for_equal_canonical_texts() {
        assert_eq!(similarity(" START-game", "start_game"), 1.0);
        assert_eq!(similarity("Ｗｅｂ", "web"), 1.0);
        assert_eq!(similarity("", " "), 1.0);
        assert_eq!(similarity("", "a"), 0.0);
        assert_eq!(similarity("café", "cafe"), 0.875);
        assert_eq!(similarity("startgame", "start_game"), 1.0 - 0.5 / 9.0);
        assert!(similarity("a.bc", "ab.c") < 1.0);
    }

    #[test]
    fn similarity_is_symmetric_and_within_its_range() {
        let mut state = 11;
        for _ in 0..4000 {
            let a = random_text(&mut state, &['a', 'A', 'é', 'ß', '_', ' ', '.', '1', '-'], 9);
            let b = random_text(&mut state, &['a', 'A', 'e', 's', '_', ' ', '.', '1', '-'], 9);
            let forward = similarity(&a, &b);
            assert_eq!(forward, similarity(&b, &a), "{a:?} {b:?}");
            assert!((0.0..=1.0).contains(&forward), "{a:?} {b:?} {forward}");
            assert_eq!(forward == 1.0, canonical(&a) == canonical(&b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn words_may_stand_in_another_order() {
        assert_eq!(similarity("vases & bowls", "bowls and vases"), 1.0 - 0.5 / 13.0);
        assert_eq!(similarity("garden colour", "color garden"), 1.0 - 1.5 / 12.0);
        assert_eq!(similarity("home appliances", "home applianses"), 13.0 / 14.0);
        assert!(similarity("garden", "ragned") < 0.6, "letters may not");
    }

    #[test]
    fn each_level_of_a_path_weighs_half_of_the_one_below_it() {
        assert_eq!(similarity("aaaa > b > c", "xxxx > b > c"), 0.75_f64.cbrt());
        assert_eq!(similarity("a > bbbb > c", "a > xxxx > c"), 0.75_f64.cbrt());
        assert_eq!(similarity("a > b > cccc", "a > b > xxxx"), 0.5_f64.cbrt());
        assert_eq!(similarity("aaaaaa > b > c", "aaaaaa > c"), 0.75_f64.cbrt());
        assert_eq!(similarity("a > b", "a » b"), 1.0 - 0.5 / 3.0);
        for separator in [" > ", ">", " / ", " | ", " \\ ", " :: ", "::"] {
            let joined = |last: &str| ["tools", "hand", last].join(separator);
            assert_eq!(similarity(&joined("saws"), &joined("saw")), 0.875_f64.cbrt(), "{separator}");
        }
        assert_eq!(similarity("tv/video", "tv/vide"), 7.0 / 8.0, "no level without blanks around");
    }

    #[test]
    fn similarity_of_paths_and_phrases_is_symmetric_and_within_its_range() {
        let mut state = 13;
        for _ in 0..20_000 {
            let a = random_text(&mut state, &['a', 'b', 'A', ' ', '&', '>', '.', ' '], 14);
            let b = random_text(&mut state, &['a', 'b', 'é', ' ', '_', '>', '›', ' '], 14);
            let forward = similarity(&a, &b);
            assert_eq!(forward, similarity(&b, &a), "{a:?} {b:?}");
            assert!((0.0..=1.0).contains(&forward), "{a:?} {b:?} {forward}");
            assert_eq!(forward == 1.0, canonical(&a) == canonical(&b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn documents_are_equal_or_not_alike() {
        let document = "word ".repeat(200_000);
        assert_eq!(similarity(&document, &document.to_uppercase()), 1.0);
        assert_eq!(similarity(&document, &format!("x{document}")), 0.0);
    }

    #[test]
    fn a_text_of_many_megabytes_is_written_alike_or_another() {
        let text = "ﷺ".repeat(MAX_BYTES / 3 + 1);
        assert_eq!(similarity(&text, &text.clone()), 1.0);
        assert_eq!(similarity(&text, &format!("{text} ")), 0.0);
    }

    #[test]
    fn a_part_of_a_path_is_not_mistyped_as_another_word() {
        let may_be_typo = |a: &str, b: &str| {
            let (a, b) = (letters(a), letters(b));
            a.may_be_typo_of(&b.chars, b.n_dots, a.distance(&b), 0.75)
        };
        assert!(!may_be_typo("computers.components.cpu", "computers.components.hdd"));
        assert!(!may_be_typo("computers..components.cpu", "computers.components.hdd"));
        assert!(may_be_typo("computers.components.cpi", "computers.components.cpu"));
        assert!(may_be_typo("computer.component.cpus", "computers.components.cpu"));
        assert!(may_be_typo("electronicsaudioheadphone", "electronics.audio.headphone"));
    }
}
