//! Seeded generators of synthetic data: pure functions from parameters and a block's number to
//! rows.

pub mod games;
pub mod marketplace;
mod random;

use std::fmt;

/// Rows of every block but the last.
pub const BLOCK_ROWS: u64 = 2_048;

/// A parameter outside its range; the text names it, the range and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError(String);

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParameterError {}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), ParameterError> {
    if holds { Ok(()) } else { Err(ParameterError(message())) }
}
