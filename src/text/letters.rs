//! Edits between letters: how many, over how many, and the cheap bounds around them.

use rapidfuzz::distance::osa;

/// Longer texts (in characters of the folded form) are documents, not names: they are equal or not
/// alike at all.
pub(super) const MAX_CHARS: usize = 4096;

/// Longer texts (in bytes, as they are written) are equal only where they are written alike: other
/// forms of them would be made in many seconds, for a character may stand for 18.
pub const MAX_BYTES: usize = 2 << 20;

/// Whether a folded text is too long to be a name.
pub(super) fn is_document(folded: &str) -> bool {
    folded.len() > MAX_CHARS && folded.chars().nth(MAX_CHARS).is_some()
}

/// Similarity of two texts with the same folded text of `len` characters, but another canonical
/// text.
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

    /// The distance is never below this: an edit changes the counts of two characters at most (cf.
    /// Navarro 2001, "A guided tour to approximate string matching"). Counts that saturate or share
    /// a bucket only lower it.
    #[inline]
    pub(super) fn distance_at_least(&self, counts: &[u8; 32], len: usize) -> usize {
        let surplus: u16 =
            self.counts.iter().zip(counts).map(|(a, b)| u16::from(a.abs_diff(*b))).sum();
        usize::from(surplus).div_ceil(2).max(self.len().abs_diff(len))
    }

    /// Whether this can be a mistyped `other`, given the edits between both. In a path each part
    /// must reach `min_similarity` itself or be one edit away: `computers.components.cpu` is no
    /// misspelling of `computers.components.hdd`, however long what they share. If dots were lost
    /// or added, the text without them must fall into such parts, or have one more edit.
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

/// Whether a text without its dots can be divided so that each piece is close to a part of the
/// other.
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
