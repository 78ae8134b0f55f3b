//! What is wrong with a vocabulary.

use std::fmt;

use super::super::letters::MAX_BYTES;

/// Why entries make no vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VocabularyError {
    /// There is no entry.
    NoEntries,
    /// An entry has no text; its position counts from 1.
    EmptyEntry {
        /// Position, from 1.
        position: usize,
        /// The entry as written.
        entry: String,
    },
    /// A synonym has no text, so it would never match.
    EmptySynonym {
        /// The entry of the synonym.
        entry: String,
        /// The synonym as written.
        synonym: String,
    },
    /// A synonym that two entries claim.
    SharedSynonym {
        /// The synonym as written at the later entry.
        synonym: String,
        /// The entries that claim it.
        entries: [String; 2],
    },
    /// A synonym that is itself another entry, so it would never match.
    SynonymIsEntry {
        /// The synonym as written.
        synonym: String,
        /// The entry of the synonym.
        entry: String,
        /// The entry that the synonym is equal to.
        other: String,
    },
    /// An entry or a synonym is no name.
    TooLong {
        /// Its bytes.
        n_bytes: usize,
        /// Its beginning.
        text: String,
    },
    /// All forms of the entries and synonyms take more than can be held.
    TooLarge {
        /// How many entries there are, or were read so far.
        n_entries: usize,
    },
}

impl fmt::Display for VocabularyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntries => write!(f, "the vocabulary has no entries"),
            Self::EmptyEntry { position, entry } => {
                write!(f, "vocabulary entry {position} has no text: {}", quoted(entry))
            }
            Self::EmptySynonym { entry, synonym } => {
                write!(f, "a synonym of {} has no text: {}", quoted(entry), quoted(synonym))
            }
            Self::SharedSynonym { synonym, entries: [first, second] } => {
                write!(
                    f,
                    "{} is a synonym of both {} and {}",
                    quoted(synonym),
                    quoted(first),
                    quoted(second)
                )
            }
            Self::SynonymIsEntry { synonym, entry, other } => {
                write!(
                    f,
                    "{}, a synonym of {}, is the entry {} itself",
                    quoted(synonym),
                    quoted(entry),
                    quoted(other)
                )
            }
            Self::TooLong { n_bytes, text } => write!(
                f,
                "an entry or synonym of the vocabulary has {n_bytes} bytes, at most {MAX_BYTES} \
                 are allowed: {}",
                quoted(text)
            ),
            Self::TooLarge { n_entries } => write!(
                f,
                "the vocabulary takes 4 GiB of text or more than the memory there is, after \
                 {n_entries} entries; match with fewer or shorter ones"
            ),
        }
    }
}

impl std::error::Error for VocabularyError {}

/// Other forms of a long text would be made in many seconds.
pub(super) fn check_length(text: &str) -> Result<(), VocabularyError> {
    match text.len() {
        n_bytes if n_bytes > MAX_BYTES => {
            Err(VocabularyError::TooLong { n_bytes, text: text.chars().take(100).collect() })
        }
        _ => Ok(()),
    }
}

pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}...\"", &text[..end]),
        None => format!("\"{text}\""),
    }
}
