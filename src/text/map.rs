//! A hash map of short texts.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A map by short texts.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<TextHasher>>;

/// XXH3 of short texts in one call: the standard hasher takes longer than the rest of a memo's hit.
#[derive(Default)]
pub(super) struct TextHasher(u64);

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The end mark of a text, which tells nothing about a lone one.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
