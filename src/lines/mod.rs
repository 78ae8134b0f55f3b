//! Lines of CSV files: the fields of one, what the lines of a file are together, and what a file's
//! bytes hold that no reader of lines shows. Knows no SQL.

mod content;
mod record;

pub use content::{Compression, Content, Unreadable};
pub use record::{Fault, Quotes, fields, quotes};

use xxhash_rust::xxh3::xxh3_128;

/// The bytes that may stand between the fields of a record.
pub const SEPARATORS: [u8; 4] = *b",;\t|";

/// Bytes of the longest line that DuckDB's reader keeps whole where it rejects it.
pub const LONGEST_PLAIN: usize = 9_000;

/// What the lines of a file are together; the same in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines, blank ones too.
    pub segments: u64,
    /// Lines that are not blank.
    pub lines: u64,
    /// Their bytes, without the ends of lines.
    pub bytes: u64,
    /// The sum of the XXH3 128-bit hashes of those that are not blank.
    pub hash: u128,
    /// For each of [`SEPARATORS`]: lines in which a quote is anything but the sign around a whole
    /// field, or a byte is NUL, or that are longer than [`LONGEST_PLAIN`].
    pub odd: [u64; 4],
    /// For each of [`SEPARATORS`]: how many of it the line has that has fewest, of those with a
    /// quote that has no second one on its line.
    pub open: [Option<u64>; 4],
}

impl Lines {
    /// Adds a line without its end; a blank one is empty.
    pub fn add(&mut self, line: &[u8]) {
        self.count(line);
        let is_long = line.len() > LONGEST_PLAIN;
        if !is_long && memchr::memchr2(b'"', 0, line).is_none() {
            return;
        }
        let n_quotes = memchr::memchr_iter(b'"', line).count();
        for (i, separator) in SEPARATORS.into_iter().enumerate() {
            let quotes = quotes(line, separator);
            self.odd[i] += u64::from(is_long || quotes != Quotes::Whole);
            if quotes == Quotes::Open || n_quotes % 2 == 1 {
                let count = memchr::memchr_iter(separator, line).count() as u64;
                self.open[i] = Some(self.open[i].map_or(count, |least| least.min(count)));
            }
        }
    }

    /// Adds a line that cannot be read, whose quotes say nothing.
    fn count(&mut self, line: &[u8]) {
        self.segments += 1;
        if !line.is_empty() {
            self.lines += 1;
            self.bytes += line.len() as u64;
            self.hash = self.hash.wrapping_add(xxh3_128(line));
        }
    }

    /// Adds what other lines are.
    pub fn merge(&mut self, other: &Lines) {
        self.segments += other.segments;
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.hash = self.hash.wrapping_add(other.hash);
        for i in 0..SEPARATORS.len() {
            self.odd[i] += other.odd[i];
            self.open[i] = match (self.open[i], other.open[i]) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
}

/// Bytes as a text that tells them apart from all others: a backslash doubled, a NUL and what is no
/// UTF-8 as `\xNN`.
pub fn escaped(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '\0' => text.push_str("\\x00"),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02X}").expect("a String takes everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Lines {
        let mut lines = Lines::default();
        texts.iter().for_each(|text| lines.add(text.as_bytes()));
        lines
    }

    #[test]
    fn lines_are_counted_and_those_with_odd_quotes_for_each_separator() {
        let found = lines(&["a,b", "", "\"a;b\",c", "1,\"open;x", "6\" nail"]);
        assert_eq!((found.segments, found.lines, found.bytes), (5, 4, 3 + 7 + 9 + 7));
        assert_eq!(found.odd, [2, 3, 3, 3]);
        assert_eq!(found.open, [Some(0), Some(0), Some(0), Some(0)]);
        assert_eq!(lines(&["6\" a,\"b", "\"a\",b\",c"]).open, [Some(1), Some(0), Some(0), Some(0)]);
        assert_eq!(lines(&["x".repeat(9_000).as_str(), "y".repeat(9_001).as_str()]).odd, [1; 4]);
    }

    #[test]
    fn lines_in_two_parts_are_the_lines_in_one() {
        let texts = ["a,b", "", "\"x", "\"y,,", "6\" nail", "a"];
        let all = lines(&texts);
        for cut in 0..=texts.len() {
            let mut both = lines(&texts[cut..]);
            both.merge(&lines(&texts[..cut]));
            assert_eq!(both, all);
        }
        assert_ne!(lines(&["a", "a"]).hash, lines(&["a"]).hash);
    }

    #[test]
    fn an_escaped_text_tells_all_bytes_apart() {
        assert_eq!(escaped(b"caf\xe9 \\xE9 \0 \xc3\xa9"), "caf\\xE9 \\\\xE9 \\x00 é");
        let mut seen = std::collections::HashSet::new();
        let letters = [b'a', b'\\', b'x', b'0', 0, 0xC3, 0xA9, 0xFF];
        for n in 0..8usize.pow(5) {
            let bytes: Vec<u8> = (0..5).map(|i| letters[n / 8usize.pow(i) % 8]).collect();
            assert!(seen.insert(escaped(&bytes)), "{bytes:?}");
        }
    }
}
