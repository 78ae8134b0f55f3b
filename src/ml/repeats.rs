//! Which of many numbers occur more than once.

use std::sync::Arc;

/// Numbers in one group without partitions.
const FEW: usize = 1 << 16;

/// Numbers in a block that is shared and no longer written to.
const BLOCK: usize = 1024;

/// Bits of a number's hash that tell its partition: as many as let one of some tens of millions be sorted in a cache.
const PARTITION_BITS: u32 = 8;

/// Numbers as they came: all in one place as long as there are few, then in partitions, so that the equal ones are in
/// the same one. 8 bytes a number; adding one collection to another copies no more than the blocks that are not full.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    few: Vec<i64>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Clone, Default)]
struct Partition {
    full: Vec<Arc<[i64]>>,
    open: Vec<i64>,
}

impl Partition {
    fn push(&mut self, number: i64) {
        self.open.push(number);
        if self.open.len() == BLOCK {
            self.full.push(self.open.as_slice().into());
            self.open.clear();
        }
    }
}

impl Repeats {
    /// Adds a number.
    pub fn push(&mut self, number: i64) {
        if !self.partitions.is_empty() {
            self.partitions[partition(number)].push(number);
        } else {
            self.few.push(number);
            if self.few.len() > FEW {
                self.split();
            }
        }
    }

    /// Adds what another collection holds.
    pub fn extend(&mut self, other: &Repeats) {
        if !other.partitions.is_empty() && self.partitions.is_empty() {
            self.split();
        }
        for (own, others) in self.partitions.iter_mut().zip(&other.partitions) {
            own.full.extend(others.full.iter().cloned());
            others.open.iter().for_each(|&number| own.push(number));
        }
        other.few.iter().for_each(|&number| self.push(number));
    }

    /// The numbers that are there more than once, each once, in ascending order.
    pub fn repeated(mut self) -> Vec<i64> {
        let mut repeated = Vec::new();
        find(&mut self.few, &mut repeated);
        let mut numbers = Vec::new();
        for Partition { full, open } in self.partitions {
            numbers.clear();
            full.iter().for_each(|block| numbers.extend_from_slice(block));
            numbers.extend(open);
            find(&mut numbers, &mut repeated);
        }
        repeated.sort_unstable();
        repeated
    }

    fn split(&mut self) {
        self.partitions = vec![Partition::default(); 1 << PARTITION_BITS];
        for number in std::mem::take(&mut self.few) {
            self.partitions[partition(number)].push(number);
        }
    }
}

/// The partition of a number: by the first bits of a product, because numbers near to each other are the rule.
fn partition(number: i64) -> usize {
    let hash = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - PARTITION_BITS)) as usize
}

fn find(numbers: &mut [i64], repeated: &mut Vec<i64>) {
    numbers.sort_unstable();
    for same in numbers.chunk_by(|a, b| a == b).filter(|same| same.len() > 1) {
        repeated.push(same[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = i64>) -> Repeats {
        let mut repeats = Repeats::default();
        numbers.into_iter().for_each(|number| repeats.push(number));
        repeats
    }

    #[test]
    fn few_numbers_and_many_give_those_that_are_there_twice() {
        assert_eq!(of([]).repeated(), []);
        assert_eq!(of([5, -1, 5, 7, 5, i64::MIN, i64::MAX, i64::MIN]).repeated(), [i64::MIN, 5]);
        for n in [FEW as i64 - 1, FEW as i64, FEW as i64 + 1, 400_000] {
            assert_eq!(of(0..n).repeated(), []);
            let twice: Vec<i64> = (0..n).step_by(997).collect();
            assert_eq!(of((0..n).chain(twice.iter().rev().copied())).repeated(), twice, "{n}");
        }
    }

    #[test]
    fn parts_in_any_order_are_the_whole() {
        let numbers: Vec<i64> = (0..300_000).map(|i| i * i % 250_007).collect();
        let expected = of(numbers.iter().copied()).repeated();
        for sizes in [[1, 10, 200_000], [200_000, 1, 70_000], [100_000, 100_000, 100_000]] {
            let mut rest = numbers.as_slice();
            let mut whole = Repeats::default();
            for size in sizes {
                let (part, others) = rest.split_at(size);
                let part = of(part.iter().copied());
                whole.extend(&part);
                rest = others;
            }
            whole.extend(&of(rest.iter().copied()));
            assert_eq!(whole.clone().repeated(), expected);
            assert_eq!(whole.repeated(), expected);
        }
    }
}
