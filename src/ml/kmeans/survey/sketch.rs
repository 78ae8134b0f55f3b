//! How many distinct rows there are, and which of them are many: from hashes, in bounded memory.

/// Lowest hashes that are kept: the number of distinct rows is known to about 3 %.
const LOWEST: usize = 1024;
/// Counters of one line of the count-min sketch, and its lines.
const WIDTH: usize = 4096;
const LINES: usize = 4;
/// A row that makes up this share of all is frequent.
const FREQUENT: u64 = 1000;

/// Which rows there are: the lowest hashes (Z. Bar-Yossef and others, "Counting distinct elements
/// in a data stream", 2002) and a count-min sketch (G. Cormode, S. Muthukrishnan, 2005). Both are
/// functions of the multiset of hashes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    /// Distinct, in ascending order.
    lowest: Vec<u64>,
    /// Line by line.
    counters: Vec<u64>,
}

impl Sketch {
    /// Of no rows.
    pub(super) fn new() -> Self {
        Self { lowest: Vec::new(), counters: vec![0; WIDTH * LINES] }
    }

    /// The lowest hashes and the counters, for storage.
    pub fn parts(&self) -> (&[u64], &[u64]) {
        (&self.lowest, &self.counters)
    }

    /// The sketch with these parts; `None` where they are not of that form.
    pub fn from_parts(lowest: Vec<u64>, counters: Vec<u64>) -> Option<Self> {
        let is_sorted = lowest.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = lowest.len() <= LOWEST && counters.len() == WIDTH * LINES;
        (is_sorted && fits).then_some(Self { lowest, counters })
    }

    pub(super) fn add(&mut self, hashes: &[u64]) {
        for (line, counters) in self.counters.chunks_exact_mut(WIDTH).enumerate() {
            hashes.iter().for_each(|&hash| counters[place(hash, line)] += 1);
        }
        let bound = if self.lowest.len() == LOWEST { self.lowest[LOWEST - 1] } else { u64::MAX };
        let mut low: Vec<u64> = hashes.iter().copied().filter(|&hash| hash <= bound).collect();
        if !low.is_empty() {
            self.lowest.append(&mut low);
            self.keep_lowest();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counters.iter_mut().zip(&other.counters).for_each(|(own, other)| *own += other);
        self.lowest.extend(&other.lowest);
        self.keep_lowest();
    }

    fn keep_lowest(&mut self) {
        self.lowest.sort_unstable();
        self.lowest.dedup();
        self.lowest.truncate(LOWEST);
    }

    /// The number of distinct rows, about; exact below 1,024.
    pub(super) fn n_distinct(&self) -> f64 {
        if self.lowest.len() < LOWEST {
            return self.lowest.len() as f64;
        }
        let share = self.lowest[LOWEST - 1] as f64 / 2.0_f64.powi(64);
        (LOWEST - 1) as f64 / share
    }

    /// Which rows are frequent: all that make up a thousandth of `rows`, and few others.
    pub(super) fn frequent(&self, rows: u64) -> Frequent {
        let least = rows.div_ceil(FREQUENT).max(1);
        let is_full: Vec<bool> = self.counters.iter().map(|&count| count >= least).collect();
        // A line without a full counter says that there is none.
        let has_any = is_full.chunks_exact(WIDTH).all(|line| line.contains(&true));
        Frequent { is_full, has_any }
    }
}

/// Frequent rows by their hashes.
#[derive(Debug)]
pub(super) struct Frequent {
    is_full: Vec<bool>,
    has_any: bool,
}

impl Frequent {
    pub(super) fn contains(&self, hash: u64) -> bool {
        let mut lines = self.is_full.chunks_exact(WIDTH).enumerate();
        self.has_any && lines.all(|(line, is_full)| is_full[place(hash, line)])
    }
}

/// The counter of a hash in a line: the lines take other bits of it.
#[inline(always)]
fn place(hash: u64, line: usize) -> usize {
    (hash >> (12 * line)) as usize % WIDTH
}
