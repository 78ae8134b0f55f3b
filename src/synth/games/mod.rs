//! Synthetic tables of a games platform: users, games, and the events of users who play in
//! sessions.
//!
//! A user is a function of the seed and the user's number, a game of the seed and the game's
//! number, so that the three tables agree whatever their sizes. Dirt is drawn apart from what is
//! clean: with and without it the same seed gives the same rows, and every defect is known with the
//! value that it replaced.

mod defects;
mod events;
mod people;
mod time_course;
mod titles;
mod words;

pub use defects::{Defect, Kind};
pub use events::{EventParameters, Events, GameEvents, MAX_EVENTS};
pub use people::{UserTable, Users};
pub use titles::{GameTable, Games};

use super::{BLOCK_ROWS, ParameterError, require};

/// The identifier of no user and no game: what dirt writes for an unknown one.
pub const UNKNOWN_ID: i64 = 9_999;
/// Share of dirty values unless the caller says otherwise.
pub const DEFAULT_DIRT: f64 = 0.02;

/// Most users.
pub const MAX_USERS: i64 = 1_000_000_000;
/// Most games.
pub const MAX_GAMES: i64 = 1_000_000;

/// Purposes of random numbers: no two share their bits.
mod stream {
    pub const USER: u64 = 32;
    pub const PLAY: u64 = 33;
    pub const GAME: u64 = 34;
    pub const USER_DIRT: u64 = 35;
    pub const GAME_DIRT: u64 = 36;
    pub const EVENT_DIRT: u64 = 37;
}

/// The identifier of the user or game at `index`, counted from 0: from 1 on, without
/// [`UNKNOWN_ID`].
fn identifier(index: u64) -> i64 {
    let id = index.cast_signed() + 1;
    id + i64::from(id >= UNKNOWN_ID)
}

fn n_blocks(rows: u64) -> u64 {
    rows.div_ceil(BLOCK_ROWS)
}

/// The rows of a block.
fn block_range(rows: u64, block: u64) -> std::ops::Range<u64> {
    assert!(block < n_blocks(rows), "there are {} blocks, not {block}", n_blocks(rows));
    block * BLOCK_ROWS..rows.min((block + 1) * BLOCK_ROWS)
}

/// Checks the number of rows, and gives it.
fn require_rows(rows: i64, most: i64) -> Result<u64, ParameterError> {
    require((0..=most).contains(&rows), || {
        format!("rows must be between 0 and {most}, not {rows}")
    })?;
    Ok(rows.cast_unsigned())
}

fn require_dirt(dirt: f64) -> Result<(), ParameterError> {
    require((0.0..=1.0).contains(&dirt), || format!("dirt must be between 0 and 1, not {dirt:?}"))
}

/// The index that a uniform number in [0, 1) picks by weight.
fn choose(weights: &[f64], u: f64) -> usize {
    let mut left = u * weights.iter().sum::<f64>();
    weights
        .iter()
        .position(|weight| {
            left -= weight;
            left < 0.0
        })
        .unwrap_or(weights.len() - 1)
}

/// Copies the row before over `row`.
fn repeat<T: Clone>(column: &mut [T], row: usize) {
    column[row] = column[row - 1].clone();
}
