//! The nearest centroid of each row: in doubles, and for a fit in single precision with a proof for
//! each row.

mod doubles;
mod frame;
mod proven;
mod search;
mod two;

pub(super) use doubles::{nearest, own_distances};
pub(super) use frame::{Frame, SingleTile};
pub(super) use proven::proven_labels;
pub(super) use search::Search;
pub(super) use two::NearestTwo;

/// Doubles that fill a wide register, or two.
const LANES: usize = 8;
/// Rows that a step of the search takes on any processor: its columns are filled up to a multiple.
pub(crate) const ROWS_TOGETHER: usize = 32;

#[cfg(test)]
mod tests;
