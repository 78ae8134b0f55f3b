//! Seeded generators of synthetic events: pure functions from parameters and a block's number to rows.

mod catalogue;
pub mod marketplace;
mod random;
