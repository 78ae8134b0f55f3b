//! Which of many numbers occur more than once.

use std::collections::TryReserveError;
use std::sync::Arc;

/// Numbers in one group without partitions.
const FEW: usize = 1 << 16;

/// Numbers in a block that is shared and no longer written to.
const BLOCK: usize = 1024;

/// Bits of a number's hash that tell its partition: as many as let one of some tens of millions be
/// sorted in a cache.
const PARTITION_BITS: u32 = 8;

/// Numbers as they came: all in one place as long as there are few, then in partitions, so that the
/// equal ones are in the same one. 8 bytes a number; adding one collection to another copies no
/// more than the blocks that are not full. Memory that is not there is an error, because there may
/// be as many numbers as rows of a table.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    few: Vec<i64>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Clone, Default)]
struct Partition {
    full: Vec<Arc<Vec<i64>>>,
    open: Vec<i64>,
}

impl Partition {
    fn push(&mut self, number: i64) -> Result<(), TryReserveError> {
        if self.open.len() == self.open.capacity() {
            // The first numbers of a partition take little, the others whole blocks.
            self.open.try_reserve_exact(
                (BLOCK / 16).max(self.open.len()).min(BLOCK - self.open.len()),
            )?;
        }
        self.open.push(number);
        if self.open.len() == BLOCK {
            self.full.try_reserve(1)?;
            let mut next = Vec::new();
            next.try_reserve_exact(BLOCK)?;
            self.full.push(Arc::new(std::mem::replace(&mut self.open, next)));
        }
        Ok(())
    }
}

impl Repeats {
    /// Adds a number.
    ///
    /// # Errors
    /// Memory that is not there.
    pub fn push(&mut self, number: i64) -> Result<(), TryReserveError> {
        if !self.partitions.is_empty() {
            return self.partitions[partition(number)].push(number);
        }
        self.few.try_reserve(1)?;
        self.few.push(number);
        if self.few.len() > FEW { self.split() } else { Ok(()) }
    }

    /// Adds what another collection holds.
    ///
    /// # Errors
    /// Memory that is not there.
    pub fn extend(&mut self, other: &Repeats) -> Result<(), TryReserveError> {
        if !other.partitions.is_empty() && self.partitions.is_empty() {
            self.split()?;
        }
        for (own, others) in self.partitions.iter_mut().zip(&other.partitions) {
            own.full.try_reserve(others.full.len())?;
            own.full.extend(others.full.iter().cloned());
            others.open.iter().try_for_each(|&number| own.push(number))?;
        }
        other.few.iter().try_for_each(|&number| self.push(number))
    }

    /// The numbers that are there more than once, each once, in ascending order.
    ///
    /// # Errors
    /// Memory that is not there.
    pub fn repeated(mut self) -> Result<Vec<i64>, TryReserveError> {
        let mut repeated = Vec::new();
        find(&mut self.few, &mut repeated)?;
        let mut numbers = Vec::new();
        for Partition { full, open } in self.partitions {
            numbers.clear();
            numbers.try_reserve(full.len() * BLOCK + open.len())?;
            full.iter().for_each(|block| numbers.extend_from_slice(block));
            numbers.extend(open);
            find(&mut numbers, &mut repeated)?;
        }
        repeated.sort_unstable();
        Ok(repeated)
    }

    fn split(&mut self) -> Result<(), TryReserveError> {
        self.partitions = vec![Partition::default(); 1 << PARTITION_BITS];
        std::mem::take(&mut self.few)
            .into_iter()
            .try_for_each(|number| self.partitions[partition(number)].push(number))
    }
}

/// The partition of a number: by the first bits of a product, because numbers near to each other
/// are the rule.
fn partition(number: i64) -> usize {
    let hash = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - PARTITION_BITS)) as usize
}

fn find(numbers: &mut [i64], repeated: &mut Vec<i64>) -> Result<(), TryReserveError> {
    numbers.sort_unstable();
    for same in numbers.chunk_by(|a, b| a == b).filter(|same| same.len() > 1) {
        repeated.try_reserve(1)?;
        repeated.push(same[0]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = i64>) -> Repeats {
        let mut repeats = Repeats::default();
        numbers.into_iter().for_each(|number| repeats.push(number).expect("memory"));
        repeats
    }

    #[test]
    fn few_numbers_and_many_give_those_that_are_there_twice() {
        let repeated = |numbers: &[i64]| of(numbers.iter().copied()).repeated().expect("memory");
        assert_eq!(repeated(&[]), []);
        assert_eq!(repeated(&[5, -1, 5, 7, 5, i64::MIN, i64::MAX, i64::MIN]), [i64::MIN, 5]);
        for n in [FEW as i64 - 1, FEW as i64, FEW as i64 + 1, 400_000] {
            assert_eq!(of(0..n).repeated(), Ok(vec![]));
            let twice: Vec<i64> = (0..n).step_by(997).collect();
            assert_eq!(of((0..n).chain(twice.iter().rev().copied())).repeated(), Ok(twice), "{n}");
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
                whole.extend(&part).expect("memory");
                rest = others;
            }
            whole.extend(&of(rest.iter().copied())).expect("memory");
            assert_eq!(whole.clone().repeated(), expected);
            assert_eq!(whole.repeated(), expected);
        }
    }
}
