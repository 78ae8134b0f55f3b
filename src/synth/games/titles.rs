//! The games: a game of the platform from its number, and the table of them.

use rand_xoshiro::rand_core::Rng;

use super::defects::{Defect, Injector, Kind, RowDefect};
use super::words::{DIFFICULTIES, GAME_TYPES, PLATFORMS, Word};
use super::{
    MAX_GAMES, ParameterError, block_range, choose, identifier, n_blocks, repeat, require_dirt,
    require_rows, stream,
};
use crate::synth::random::{Permutation, block_rng, unit};

const TYPE_WEIGHTS: [f64; 5] = [0.18, 0.18, 0.24, 0.22, 0.18];
const PLATFORM_WEIGHTS: [f64; 3] = [0.32, 0.40, 0.28];
const DIFFICULTY_WEIGHTS: [f64; 3] = [0.35, 0.42, 0.23];
/// Probability that a round of an easy, medium or hard game is played to its end.
const FINISHED: [f64; 3] = [0.92, 0.82, 0.66];

const FIRST_NAMES: [&str; 24] = [
    "Neon", "Silent", "Golden", "Lost", "Solar", "Crystal", "Iron", "Magic", "Lunar", "Wild",
    "Frozen", "Hidden", "Cosmic", "Tiny", "Royal", "Turbo", "Velvet", "Ancient", "Electric",
    "Emerald", "Thunder", "Paper", "Shadow", "Rapid",
];
/// By game type.
const LAST_NAMES: [[&str; 8]; 5] = [
    ["Sprint", "Cycling", "Steps", "Boxing", "Rowing", "Dance", "Climb", "Marathon"],
    ["Empires", "Kingdoms", "Tactics", "Colony", "Frontier", "Legions", "Harbour", "Siege"],
    ["Blocks", "Tiles", "Words", "Maze", "Gems", "Patterns", "Numbers", "Locks"],
    ["Racer", "Pinball", "Bricks", "Invaders", "Hopper", "Drift", "Breakout", "Runner"],
    ["Strike", "Blade", "Raiders", "Hunter", "Rebels", "Duel", "Escape", "Heroes"],
];

/// A game as its events know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Title {
    pub kind: usize,
    pub platform: usize,
    pub difficulty: usize,
    /// Probability that a round is played to its end.
    pub finished: f64,
}

/// The game at `index`, a function of the seed and the index.
pub(super) fn title(seed: i64, index: u64) -> Title {
    let mut rng = block_rng(seed, stream::GAME, index);
    let mut draw = || unit(rng.next_u64());
    let kind = choose(&TYPE_WEIGHTS, draw());
    let platform = choose(&PLATFORM_WEIGHTS, draw());
    let difficulty = choose(&DIFFICULTY_WEIGHTS, draw());
    let finished = (FINISHED[difficulty] + 0.1 * (draw() - 0.5)).min(0.98);
    Title { kind, platform, difficulty, finished }
}

/// Which game has which rank of popularity.
#[derive(Clone, Debug)]
pub(super) struct Popularity {
    order: Permutation,
    /// Games that are played: the others, one in twenty, have the last ranks.
    pub n_played: u64,
}

impl Popularity {
    /// The order of `n` games, at least one.
    pub fn new(n: u64) -> Self {
        Self { order: Permutation::new(n), n_played: n - n / 20 }
    }

    /// The game of a rank counted from 0; the last that is played for higher ones.
    pub fn game(&self, rank: u64) -> u64 {
        self.order.map(rank.min(self.n_played - 1))
    }

    /// Whether the game at `index` may have events.
    pub fn is_played(&self, index: u64) -> bool {
        self.order.unmap(index) < self.n_played
    }

    /// Share of the games without events.
    pub fn unplayed_share(&self) -> f64 {
        1.0 - self.n_played as f64 / self.order.n as f64
    }
}

/// The name of the game at `index`: no two games have the same.
fn name(index: u64, kind: usize) -> String {
    let (n_first, n_last) = (FIRST_NAMES.len() as u64, LAST_NAMES[kind].len() as u64);
    let first = index % n_first;
    // The last names turn with the first ones, or many neighbours would share one.
    let last = (index / n_first + 3 * first) % n_last;
    let name = format!("{} {}", FIRST_NAMES[first as usize], LAST_NAMES[kind][last as usize]);
    match index / (n_first * n_last) {
        0 => name,
        sequel => format!("{name} {}", sequel + 1),
    }
}

/// Games in columns of equal length; one value is used for block after block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Games {
    /// Counts from 1, without [`super::UNKNOWN_ID`].
    pub game_id: Vec<i64>,
    /// `cardio`, `strategy`, `puzzle`, `arcade`, `action`.
    pub game_type: Vec<Option<&'static str>>,
    /// Two words, unique.
    pub game_name: Vec<String>,
    /// `iOS`, `Android`, `Web`.
    pub platform: Vec<Option<&'static str>>,
    /// `easy`, `medium`, `hard`.
    pub difficulty: Vec<Option<&'static str>>,
    /// What dirt did, by row.
    pub defects: Vec<Defect>,
}

impl Games {
    fn clear(&mut self) {
        self.game_id.clear();
        self.game_type.clear();
        self.game_name.clear();
        self.platform.clear();
        self.difficulty.clear();
        self.defects.clear();
    }
}

/// The generator of games.
pub struct GameTable {
    rows: u64,
    seed: i64,
    dirt: f64,
    popularity: Popularity,
}

impl GameTable {
    /// `rows` games, 0 to 10^6; `dirt` is the share of words with a defect, 0 to 1.
    pub fn new(rows: i64, seed: i64, dirt: f64) -> Result<Self, ParameterError> {
        let rows = require_rows(rows, MAX_GAMES)?;
        require_dirt(dirt)?;
        Ok(Self { rows, seed, dirt, popularity: Popularity::new(rows.max(1)) })
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> u64 {
        n_blocks(self.rows)
    }

    /// Replaces `games` with those of a block.
    pub fn fill(&self, block: u64, games: &mut Games) {
        games.clear();
        let range = block_range(self.rows, block);
        let n_rows = (range.end - range.start) as usize;
        let mut injector =
            Injector::new(self.dirt, self.seed, stream::GAME_DIRT, block, &mut games.defects);
        for (row, index) in range.enumerate() {
            let Title { kind, platform, difficulty, .. } = title(self.seed, index);
            games.game_id.push(identifier(index));
            games.game_name.push(name(index, kind));
            let words: [(&'static str, &Word, &mut Vec<Option<&'static str>>); 3] = [
                ("game_type", &GAME_TYPES[kind], &mut games.game_type),
                ("platform", &PLATFORMS[platform], &mut games.platform),
                ("difficulty", &DIFFICULTIES[difficulty], &mut games.difficulty),
            ];
            let unplayed = || !self.popularity.is_played(index + 1);
            let row_defect =
                injector.row_defect(row, n_rows, &[], self.popularity.unplayed_share(), unplayed);
            for (column, word, texts) in words {
                texts.push(match row_defect {
                    RowDefect::None => injector.spell(row, column, word),
                    _ => Some(word.text),
                });
            }
            if row_defect == RowDefect::Copy {
                injector.record(row, "game_id", Kind::DuplicateId, games.game_id[row].to_string());
                repeat(&mut games.game_id, row);
                repeat(&mut games.game_type, row);
                repeat(&mut games.game_name, row);
                repeat(&mut games.platform, row);
                repeat(&mut games.difficulty, row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_games_share_a_name() {
        let names: HashSet<String> = (0..20_000).map(|i| name(i, title(1, i).kind)).collect();
        assert_eq!(names.len(), 20_000);
    }

    #[test]
    fn a_game_depends_on_the_seed_and_its_number_alone() {
        let (mut few, mut many) = (Games::default(), Games::default());
        GameTable::new(10, 7, 0.0).expect("good parameters").fill(0, &mut few);
        GameTable::new(1_000, 7, 0.0).expect("good parameters").fill(0, &mut many);
        assert_eq!(few.game_name, many.game_name[..10]);
        assert_eq!(few.platform, many.platform[..10]);
        GameTable::new(1_000, 8, 0.0).expect("good parameters").fill(0, &mut few);
        assert_ne!(few.game_type, many.game_type);
    }
}
