//! Seeded generators of synthetic data: pure functions from parameters and a block's number to
//! rows.

pub mod games;
pub mod marketplace;
pub mod orders;
mod random;

use std::fmt;

/// Rows of every block but the last.
pub const BLOCK_ROWS: u64 = 2_048;

/// 0001-01-01 and 9989-12-31, in microseconds since 1970: the last period still ends in the year
/// 9999.
const START_RANGE: (i64, i64) = (-62_135_596_800_000_000, 253_086_768_000_000_000);

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
