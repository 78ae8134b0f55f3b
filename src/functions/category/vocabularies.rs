//! Vocabularies between calls: prepared once for all threads, held while a database is open.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::text;
use crate::ffi::{Column, Data, Error, Result, Value};
use crate::text::{Memo, Vocabulary, VocabularyError};
use xxhash_rust::xxh3::Xxh3;

/// A vocabulary that is prepared by the first thread that needs it, while others that need it wait.
type Prepared = OnceLock<std::result::Result<Vocabulary, VocabularyError>>;

/// The vocabularies in use, by identity, the last one used at the end: calls come chunk by chunk,
/// and each brings the whole vocabulary again.
static HELD: Mutex<Held> = Mutex::new(Held(Vec::new()));

struct Held(Vec<(u128, Arc<Prepared>)>);

/// Vocabularies are kept for later calls as long as all take no more. The last one used is kept
/// whatever it takes.
const MAX_HELD_BYTES: usize = 256 << 20;
const MAX_HELD: usize = 64;

impl Held {
    /// The place of a vocabulary.
    fn get(&mut self, key: u128) -> Arc<Prepared> {
        let known = self.0.iter().position(|(other, _)| *other == key);
        let found = known.map_or_else(|| (key, Arc::default()), |known| self.0.remove(known));
        self.0.push(found.clone());
        found.1
    }

    /// Lets go of those that were used longest ago.
    fn shrink(&mut self, max_bytes: usize) {
        let bytes = |prepared: &Prepared| match prepared.get() {
            Some(Ok(vocabulary)) => vocabulary.bytes(),
            _ => 0,
        };
        let mut sum = 0;
        let n_kept = self.0.iter().rev().take_while(|(_, prepared)| {
            sum += bytes(prepared);
            sum <= max_bytes
        });
        let n_kept = n_kept.count().clamp(1, MAX_HELD);
        self.0.drain(..self.0.len().saturating_sub(n_kept));
    }
}

fn held() -> MutexGuard<'static, Held> {
    // A panic elsewhere leaves the list whole: it is changed in single steps.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A function of an open database. When the last one is closed, no vocabulary is held any longer.
pub(super) struct Lease;

static N_LEASES: AtomicUsize = AtomicUsize::new(0);

impl Lease {
    pub(super) fn new() -> Self {
        N_LEASES.fetch_add(1, Ordering::Relaxed);
        Lease
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        Lease::new()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if N_LEASES.fetch_sub(1, Ordering::Relaxed) == 1 {
            held().0.clear();
        }
    }
}

/// The memo of the vocabulary that was matched last, between the calls of a call site.
#[derive(Default)]
pub(super) struct LastMatches(Option<(u128, Memo)>);

/// Runs `body` with the vocabulary in a row and the memo of the rows before, where their vocabulary
/// and threshold are the same.
pub(super) fn with_memo<T>(
    last: &mut LastMatches,
    vocabularies: &Column<'_>,
    row: usize,
    min_similarity: f64,
    body: impl FnOnce(&Vocabulary, &mut Memo) -> T,
) -> Result<T> {
    // The usual list of texts is borrowed.
    let (texts, value);
    let entries = if let Some(listed) = listed(vocabularies, row) {
        texts = listed;
        texts.iter().map(|entry| (entry.as_ref(), Vec::new())).collect()
    } else {
        value = vocabularies.value(row);
        entries(&value)?
    };
    let key = key(&entries);
    let prepared = held().get(key);
    let vocabulary = match prepared.get() {
        Some(vocabulary) => vocabulary,
        None => {
            let vocabulary = prepared.get_or_init(|| Vocabulary::new(entries));
            held().shrink(MAX_HELD_BYTES);
            vocabulary
        }
    };
    let vocabulary = vocabulary.as_ref().map_err(|error| Error::new(error.to_string()))?;
    let known = last
        .0
        .take()
        .filter(|(known, memo)| *known == key && memo.min_similarity() == min_similarity);
    let (_, memo) = last.0.insert(known.unwrap_or_else(|| (key, Memo::new(min_similarity))));
    Ok(body(vocabulary, memo))
}

/// The elements of a list of texts; `None` for other vocabularies and where one is NULL.
fn listed<'a>(vocabularies: &Column<'a>, row: usize) -> Option<Vec<Cow<'a, str>>> {
    let Data::List { entries, child } = vocabularies.data() else { return None };
    let start = entries[row].offset as usize;
    (start..start + entries[row].length as usize).map(|element| text(child, element)).collect()
}

/// Entries of a vocabulary with their synonyms.
type Entries<'v> = Vec<(&'v str, Vec<&'v str>)>;

fn entries(vocabulary: &Value) -> Result<Entries<'_>> {
    let entry = |value| word(value, "entry");
    match vocabulary {
        Value::List(values) => values.iter().map(|value| Ok((entry(value)?, Vec::new()))).collect(),
        Value::Map(pairs) => pairs
            .iter()
            .map(|(value, synonyms)| match synonyms {
                Value::List(synonyms) => Ok((
                    entry(value)?,
                    synonyms
                        .iter()
                        .map(|synonym| word(synonym, "synonym"))
                        .collect::<Result<_>>()?,
                )),
                synonyms if synonyms.is_null() => Ok((entry(value)?, Vec::new())),
                synonym => Ok((entry(value)?, vec![word(synonym, "synonym")?])),
            })
            .collect(),
        other => Err(Error::new(format!(
            "the vocabulary must be a VARCHAR[] or a MAP of entries with synonyms, not {other}"
        ))),
    }
}

fn word<'v>(value: &'v Value, what: &str) -> Result<&'v str> {
    value
        .as_str()
        .ok_or_else(|| Error::new(format!("a vocabulary's {what} must be a text, not {value}")))
}

/// Identity of a vocabulary. How many texts follow and how long each is stands before them, so that
/// no two vocabularies are written alike.
fn key(entries: &Entries<'_>) -> u128 {
    const BUFFERED: usize = 1 << 14;
    let mut hash = Xxh3::new();
    let mut buffer = Vec::with_capacity(BUFFERED);
    written(entries, |bytes| {
        if buffer.len() + bytes.len() > BUFFERED {
            hash.update(&buffer);
            buffer.clear();
        }
        if bytes.len() > BUFFERED {
            hash.update(bytes);
        } else {
            buffer.extend_from_slice(bytes);
        }
    });
    hash.update(&buffer);
    hash.digest128()
}

/// Hands the entries and synonyms to `write`, from which they could be read again.
fn written(entries: &Entries<'_>, mut write: impl FnMut(&[u8])) {
    write(&entries.len().to_le_bytes());
    for (entry, synonyms) in entries {
        write(&entry.len().to_le_bytes());
        write(entry.as_bytes());
        write(&synonyms.len().to_le_bytes());
        for synonym in synonyms {
            write(&synonym.len().to_le_bytes());
            write(synonym.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(held: &mut Held, key: u128, n_entries: usize) -> usize {
        let entries: Vec<String> = (0..n_entries).map(|i| format!("entry {i}")).collect();
        let entries = entries.iter().map(|entry| (entry.as_str(), Vec::new()));
        let place = held.get(key);
        place.get_or_init(|| Vocabulary::new(entries)).as_ref().expect("a vocabulary").bytes()
    }

    #[test]
    fn vocabularies_are_held_up_to_a_bound_and_the_last_one_used_always() {
        let mut held = Held(Vec::new());
        let bytes: usize = (0..10).map(|key| prepared(&mut held, key, 1000)).sum();
        held.shrink(bytes);
        assert_eq!(held.0.len(), 10);
        held.get(3);
        held.shrink(bytes / 2);
        let keys: Vec<u128> = held.0.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [6, 7, 8, 9, 3]);
        let large = prepared(&mut held, 11, 20_000);
        held.shrink(large / 2);
        assert_eq!(held.0.len(), 1);
        assert!(prepared(&mut held, 11, 1) == large, "it is not prepared again");
        (100..300).for_each(|key| drop(held.get(key)));
        held.shrink(bytes);
        assert_eq!(held.0.len(), MAX_HELD);
    }

    #[test]
    fn nothing_is_held_when_the_last_database_is_closed() {
        let lease = Lease::new();
        let other = lease.clone();
        let weak = Arc::downgrade(&held().get(7));
        drop(lease);
        assert!(weak.upgrade().is_some());
        drop(other);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn only_equal_vocabularies_have_one_identity() {
        let mut state = 17_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let texts = ["", "a", "b", "ab", "\0", "\u{1}", "a\0"];
        let mut vocabularies: Vec<Entries<'_>> = Vec::new();
        for _ in 0..3000 {
            let n_entries = next(4);
            let mut text = || texts[next(texts.len())];
            let entries: Vec<&str> = (0..n_entries).map(|_| text()).collect();
            let with_synonyms = entries.into_iter().map(|entry| {
                let n_synonyms = next(3);
                (entry, (0..n_synonyms).map(|_| texts[next(texts.len())]).collect())
            });
            vocabularies.push(with_synonyms.collect());
        }
        let as_bytes = |entries: &Entries<'_>| {
            let mut bytes = Vec::new();
            written(entries, |more| bytes.extend_from_slice(more));
            bytes
        };
        let mut by_bytes = std::collections::HashMap::new();
        let mut by_key = std::collections::HashMap::new();
        for entries in &vocabularies {
            assert_eq!(*by_bytes.entry(as_bytes(entries)).or_insert(entries), entries);
            assert_eq!(*by_key.entry(key(entries)).or_insert(entries), entries);
        }
        assert!(by_key.len() > 1000, "{}", by_key.len());
    }
}
