//! Distinct keys with their counts, in ascending order whatever the order in which they came.

/// Keys that are counted together before the first merge.
const FEW: usize = 1 << 10;

/// A multiset that holds each distinct key once.
///
/// New keys are appended; when there are as many as distinct ones, all are sorted and equal ones
/// merged, so that it holds at most twice the distinct keys.
#[derive(Clone, Debug)]
pub(super) struct Counts<K> {
    entries: Vec<(K, u64)>,
    /// Entries in front that are sorted and distinct.
    n_distinct: usize,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Counts { entries: Vec::new(), n_distinct: 0 }
    }
}

impl<K: Ord + Copy> Counts<K> {
    /// Adds a key `count` times.
    pub(super) fn add(&mut self, key: K, count: u64) {
        match self.entries.last_mut() {
            Some((last, known)) if *last == key => *known += count,
            _ => self.entries.push((key, count)),
        }
        if self.entries.len() >= (2 * self.n_distinct).max(FEW) {
            self.compact();
        }
    }

    /// Adds all of another.
    pub(super) fn merge(&mut self, other: &Self) {
        self.entries.extend_from_slice(&other.entries);
        self.compact();
    }

    /// Bytes that the entries take.
    pub(super) fn bytes(&self) -> u64 {
        (self.entries.len() * size_of::<(K, u64)>()) as u64
    }

    /// The distinct keys in ascending order, with their counts.
    pub(super) fn into_sorted(mut self) -> Vec<(K, u64)> {
        self.compact();
        self.entries
    }

    fn compact(&mut self) {
        self.entries.sort_unstable_by_key(|(key, _)| *key);
        self.entries.dedup_by(|(key, count), (kept, sum)| {
            let same = key == kept;
            if same {
                *sum += *count;
            }
            same
        });
        self.n_distinct = self.entries.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_in_any_order_and_from_any_parts() {
        let keys: Vec<u32> =
            (0..20_000).map(|i: u32| i.wrapping_mul(2_654_435_761) % 3000).collect();
        let mut one = Counts::default();
        keys.iter().for_each(|key| one.add(*key, 1));
        assert!(one.bytes() <= 2 * 3000 * 16);
        let mut parts = [Counts::default(), Counts::default(), Counts::default()];
        keys.iter().rev().enumerate().for_each(|(i, key)| parts[i % 3].add(*key, 1));
        let [mut merged, second, third] = parts;
        merged.merge(&second);
        merged.merge(&third);
        let sorted = one.into_sorted();
        assert_eq!(sorted, merged.into_sorted());
        assert!(sorted.is_sorted() && sorted.len() == 3000);
        assert_eq!(sorted.iter().map(|(_, count)| count).sum::<u64>(), 20_000);
    }
}
