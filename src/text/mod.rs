//! Texts that name categories: their canonical form, their similarity, and the entry of a
//! vocabulary that a dirty spelling stands for; and texts that are exactly a value. Knows no SQL.

mod canonical;
pub mod exact;
mod fingerprint;
mod letters;
mod levels;
mod map;
mod memo;
mod name;
mod opposites;
#[cfg(test)]
mod oracles;
#[cfg(test)]
mod properties;
mod similarity;
mod texts;
mod vocabulary;

pub use canonical::{canonical, folded};
pub use fingerprint::fingerprint;
pub use letters::MAX_BYTES;
pub use memo::Memo;
pub use similarity::similarity;
pub use vocabulary::{Match, Rule, Vocabulary, VocabularyError};
