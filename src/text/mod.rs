//! Texts that name categories: their canonical form, their similarity, and the entry of a vocabulary that a
//! dirty spelling stands for. Knows no SQL.

mod canonical;
mod name;
mod similarity;
mod vocabulary;

pub use canonical::{canonical, fingerprint, folded};
pub use similarity::similarity;
pub use vocabulary::{Match, Memo, Rule, Vocabulary, VocabularyError};
