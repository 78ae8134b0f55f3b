//! Many texts in few allocations, known by number and found by their bytes.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// The texts take more memory than there is, or 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// Texts one behind another.
#[derive(Default)]
pub(super) struct Texts {
    bytes: String,
    ends: Vec<u32>,
}

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.bytes[start..self.ends[number] as usize]
    }

    pub(super) fn push(&mut self, text: &str) -> Result<u32, Full> {
        self.bytes.try_reserve(text.len()).map_err(|_| Full)?;
        self.ends.try_reserve(1).map_err(|_| Full)?;
        let end = u32::try_from(self.bytes.len() + text.len()).map_err(|_| Full)?;
        let number = u32::try_from(self.ends.len()).map_err(|_| Full)?;
        self.bytes.push_str(text);
        self.ends.push(end);
        Ok(number)
    }

    /// Gives back what was reserved for more.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// Texts that are found by their bytes: of equal ones the first, unless it was pushed only.
#[derive(Default)]
pub(super) struct Index {
    texts: Texts,
    numbers: HashTable<Numbered>,
}

/// A text's number, and half of its hash: the text itself is read only where it is nearly sure to
/// be the one.
#[derive(Clone, Copy)]
struct Numbered {
    number: u32,
    hash: u32,
}

impl Numbered {
    /// The table takes its bits from both ends.
    fn spread(&self) -> u64 {
        u64::from(self.hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn get(&self, number: u32) -> &str {
        self.texts.get(number)
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.find_hashed(text, xxh3_64(text.as_bytes()) as u32)
    }

    fn find_hashed(&self, text: &str, hash: u32) -> Option<u32> {
        let is = |known: &Numbered| known.hash == hash && self.texts.get(known.number) == text;
        self.numbers.find(Numbered { number: 0, hash }.spread(), is).map(|known| known.number)
    }

    /// The number of a text, which is new where it is the greatest so far.
    pub(super) fn number(&mut self, text: &str) -> Result<u32, Full> {
        let hash = xxh3_64(text.as_bytes()) as u32;
        match self.find_hashed(text, hash) {
            Some(number) => Ok(number),
            None => self.add_hashed(text, hash),
        }
    }

    /// Adds a text that is not found.
    pub(super) fn add(&mut self, text: &str) -> Result<u32, Full> {
        self.add_hashed(text, xxh3_64(text.as_bytes()) as u32)
    }

    fn add_hashed(&mut self, text: &str, hash: u32) -> Result<u32, Full> {
        self.numbers.try_reserve(1, Numbered::spread).map_err(|_| Full)?;
        let number = self.texts.push(text)?;
        let known = Numbered { number, hash };
        self.numbers.insert_unique(known.spread(), known, Numbered::spread);
        Ok(number)
    }

    /// Adds a text that is not to be found: it has a number only.
    pub(super) fn push(&mut self, text: &str) -> Result<u32, Full> {
        self.texts.push(text)
    }

    /// Gives back what was reserved for more.
    pub(super) fn shrink(&mut self) {
        self.texts.shrink();
    }

    /// The bytes of all texts and of what finds them.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.texts.bytes.capacity() + 4 * self.texts.ends.capacity();
        texts + self.numbers.capacity() * (size_of::<Numbered>() + 1) * 8 / 7
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_a_number_one_text() {
        let texts: Vec<String> =
            (0..5000).map(|i| "ж".repeat(i % 7) + &(i % 3000).to_string()).collect();
        let mut index = Index::default();
        let numbers: Vec<u32> =
            texts.iter().map(|text| index.number(text).expect("memory")).collect();
        index.shrink();
        for (text, &number) in texts.iter().zip(&numbers) {
            assert_eq!((index.get(number), index.find(text)), (text.as_str(), Some(number)));
        }
        let distinct: std::collections::HashSet<&String> = texts.iter().collect();
        assert_eq!(index.len(), distinct.len());
        assert_eq!(index.find("no such text"), None);
        let again = index.push(&texts[0]).expect("memory");
        assert_eq!(
            (index.find(&texts[0]), index.get(again)),
            (Some(numbers[0]), texts[0].as_str())
        );
    }
}
