//! The synthetic tables of a games platform in SQL: users, games, events, with dirt whose truth is
//! known.

use super::{Example, Function, Kind, optional, required};
use crate::ffi::{Error, Generator, Output, Result, Signature, SqlType, Value};
use crate::synth::ParameterError;
use crate::synth::games::{
    DEFAULT_DIRT, Defect, EventParameters, Events, GameEvents, GameTable, Games, MAX_EVENTS,
    MAX_GAMES, MAX_USERS, UserTable, Users,
};

/// The column that `truth` adds: what dirt did to the row, and what stands there without it.
const DIRT: (&str, SqlType) = (
    "dirt",
    SqlType::List(&SqlType::Struct(&[
        ("column_name", SqlType::Varchar),
        ("kind", SqlType::Varchar),
        ("clean_value", SqlType::Varchar),
    ])),
);

/// `synthetic_users(rows, ...)`
pub const SYNTHETIC_USERS: Function = Function {
    kind: Kind::Table,
    subject: "synthetic data",
    signature: Signature {
        name: "synthetic_users",
        parameters: &[
            required("rows", SqlType::BigInt),
            optional("seed", SqlType::BigInt),
            optional("dirt", SqlType::Double),
            optional("truth", SqlType::Boolean),
        ],
        returns: SqlType::Struct(&[
            ("user_id", SqlType::BigInt),
            ("age_range", SqlType::Varchar),
            ("registration_date", SqlType::Varchar),
            ("email", SqlType::Varchar),
            ("workout_frequency", SqlType::Varchar),
            ("gender", SqlType::Varchar),
            ("location", SqlType::Varchar),
            ("subscription_type", SqlType::Varchar),
            DIRT,
        ]),
    },
    columns: "",
    description: "Users of a games platform, with dirty values.",
    details: "User `i` is the same in every table of the seed (default 42), whatever `rows`: \
              identifiers count from 1 and leave out 9999, which stands for an unknown one. `dirt` \
              (default 0.02) is the share of words that are misspelt or missing, 0 to 1; an eighth \
              of it is the share of rows with an impossible `registration_date`, and as many \
              repeat the row before, in the place of a user who never plays. With `dirt := 0` the \
              same users come without a defect. `truth := true` adds the column `dirt`, see \
              `synthetic_game_events`.",
    examples: &[Example {
        sql: "SELECT count(*), count(DISTINCT location), bool_and(TRY_CAST(registration_date AS \
              DATE) < DATE '2025-01-01') FROM synthetic_users(1000, dirt := 0)",
        rows: &["1000 | 5 | true"],
    }],
    errors: &[(
        "FROM synthetic_users(10, dirt := -1)",
        "synthetic_users: dirt must be between 0 and 1, not -1.0",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.generator(&function.signature, UserGenerator)),
};

/// `synthetic_games(rows, ...)`
pub const SYNTHETIC_GAMES: Function = Function {
    kind: Kind::Table,
    subject: "synthetic data",
    signature: Signature {
        name: "synthetic_games",
        parameters: &[
            required("rows", SqlType::BigInt),
            optional("seed", SqlType::BigInt),
            optional("dirt", SqlType::Double),
            optional("truth", SqlType::Boolean),
        ],
        returns: SqlType::Struct(&[
            ("game_id", SqlType::BigInt),
            ("game_type", SqlType::Varchar),
            ("game_name", SqlType::Varchar),
            ("platform", SqlType::Varchar),
            ("difficulty", SqlType::Varchar),
            DIRT,
        ]),
    },
    columns: "",
    description: "Games of a games platform, with dirty values.",
    details: "Game `i` is the same in every table of the seed (default 42), whatever `rows`: \
              identifiers count from 1 and leave out 9999. `dirt` (default 0.02) is the share of \
              words that are misspelt or missing, 0 to 1; an eighth of it is the share of rows \
              that repeat the row before, in the place of a game that nobody plays (at most one in \
              twenty). `truth := true` adds the column `dirt`, see `synthetic_game_events`.",
    examples: &[Example {
        sql: "SELECT count(*), count(DISTINCT game_name), count(DISTINCT game_type) FROM \
              synthetic_games(300, dirt := 0)",
        rows: &["300 | 300 | 5"],
    }],
    errors: &[(
        "FROM synthetic_games(-1)",
        "synthetic_games: rows must be between 0 and 1000000, not -1",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.generator(&function.signature, GameGenerator)),
};

/// `synthetic_game_events(rows, ...)`
pub const SYNTHETIC_GAME_EVENTS: Function = Function {
    kind: Kind::Table,
    subject: "synthetic data",
    signature: Signature {
        name: "synthetic_game_events",
        parameters: &[
            required("rows", SqlType::BigInt),
            optional("users", SqlType::BigInt),
            optional("games", SqlType::BigInt),
            optional("seed", SqlType::BigInt),
            optional("dirt", SqlType::Double),
            optional("truth", SqlType::Boolean),
        ],
        returns: SqlType::Struct(&[
            ("event_id", SqlType::BigInt),
            ("game_id", SqlType::BigInt),
            ("user_id", SqlType::BigInt),
            ("event_time", SqlType::Varchar),
            ("event_type", SqlType::Varchar),
            ("duration_seconds", SqlType::BigInt),
            ("device_type", SqlType::Varchar),
            DIRT,
        ]),
    },
    columns: "",
    description: "Events of a games platform: users log in, start and finish games and buy, over \
                  the years 2022 to 2024.",
    details: "Exactly `rows` events of `users` (default: one for 100 rows; needed: one for 1,000) \
              in `games` (default: one for 5,000 rows, 10 to 500): those of \
              `synthetic_users(users)` and `synthetic_games(games)` with the same `seed` (default \
              42). A session is a `login`, then rounds of `start_game`, `finish_game` (not always) \
              and seldom a `purchase`; events of a session are less than 30 minutes apart, \
              sessions of a user more. No event is earlier than its user's registration. Some \
              users never play, others stop, a few of them come back; some games are never \
              played.\n\n`dirt` (default 0.02) is the share of dirty values, 0 to 1, in each of \
              `event_type` and `device_type` (kinds `case`, `typo`, `empty`, and `synonym`: \
              `tablet` for `mobile`) and `duration_seconds` (`empty`, `negative`: -10). An empty \
              value is NULL, which a CSV file shows as an empty field. An eighth of `dirt` is the \
              share of rows that cannot be used, for each of four kinds: `unknown user` and \
              `unknown game` (9999), `bad time` (an impossible day or hour, or no time at all), \
              and `duplicate id`: an exact copy of the row before, in the place of the row that \
              stands there without dirt. Such a row has no other defect, nor has a row that is \
              copied.\n\nWith `dirt := 0` the same rows come without a defect, to be joined on \
              `event_id`. `truth := true` adds the column `dirt`: for each defect of the row the \
              column, the kind, and the value without dirt; of a `duplicate id` that is the \
              identifier of the row that was replaced. The same parameters give the same rows on \
              any number of threads; rows come in no particular order. Rows are made as they are \
              read, nothing is held in memory.",
    examples: &[
        Example {
            sql: "SELECT count(*), count(DISTINCT event_type), max(TRY_CAST(event_time AS \
                  TIMESTAMP)) < TIMESTAMP '2025-01-01' FROM synthetic_game_events(10000, dirt := \
                  0)",
            rows: &["10000 | 4 | true"],
        },
        Example {
            sql: "SELECT d.kind, count(*) FROM (SELECT unnest(dirt) AS d FROM \
                  synthetic_game_events(10000, seed := 1, truth := true)) GROUP BY d.kind HAVING \
                  d.kind LIKE 'unknown%' ORDER BY d.kind",
            rows: &["unknown game | 32", "unknown user | 22"],
        },
    ],
    errors: &[(
        "FROM synthetic_game_events(10000, users := 1)",
        "synthetic_game_events: users must be between 10 and 1000000000 for 10000 rows, not 1",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.generator(&function.signature, EventGenerator)),
};

/// A table and whether the column `dirt` is wanted.
struct Bound<T> {
    table: T,
    truth: bool,
}

impl<T> Bound<T> {
    fn new(table: std::result::Result<T, ParameterError>, truth: &Value) -> Result<Self> {
        let table = table.map_err(|error| Error::new(error.to_string()))?;
        Ok(Bound { table, truth: *truth == Value::Boolean(true) })
    }

    fn n_columns(&self, declared: usize) -> usize {
        declared - usize::from(!self.truth)
    }
}

/// The users.
struct UserGenerator;

impl Generator for UserGenerator {
    type Bound = Bound<UserTable>;
    type Local = Users;

    fn bind(&self, arguments: &[Value]) -> Result<Self::Bound> {
        let [rows, seed, dirt, truth] = arguments else { panic!("four parameters") };
        let table = UserTable::new(
            required_rows(rows, MAX_USERS)?,
            seed_or_default(seed),
            dirt_or_default(dirt),
        );
        Bound::new(table, truth)
    }

    fn n_columns(&self, bound: &Self::Bound, declared: usize) -> usize {
        bound.n_columns(declared)
    }

    fn n_blocks(&self, bound: &Self::Bound) -> u64 {
        bound.table.n_blocks()
    }

    fn n_rows(&self, bound: &Self::Bound) -> u64 {
        bound.table.rows()
    }

    fn fill(
        &self,
        bound: &Self::Bound,
        users: &mut Users,
        block: u64,
        columns: &mut [Output],
    ) -> Result<()> {
        bound.table.fill(block, users);
        let [id, age, date, email, workout, gender, location, subscription, dirt] = columns else {
            panic!("the generator has nine columns");
        };
        for row in 0..users.user_id.len() {
            id.push_i64(users.user_id[row]);
            age.push_text(users.age_range[row]);
            date.push_str(&users.registration_date[row]);
            email.push_str(&users.email[row]);
            workout.push_text(users.workout_frequency[row]);
            gender.push_text(users.gender[row]);
            location.push_text(users.location[row]);
            subscription.push_text(users.subscription_type[row]);
        }
        if bound.truth {
            push_defects(&users.defects, users.user_id.len(), dirt);
        }
        Ok(())
    }
}

/// The games.
struct GameGenerator;

impl Generator for GameGenerator {
    type Bound = Bound<GameTable>;
    type Local = Games;

    fn bind(&self, arguments: &[Value]) -> Result<Self::Bound> {
        let [rows, seed, dirt, truth] = arguments else { panic!("four parameters") };
        let table = GameTable::new(
            required_rows(rows, MAX_GAMES)?,
            seed_or_default(seed),
            dirt_or_default(dirt),
        );
        Bound::new(table, truth)
    }

    fn n_columns(&self, bound: &Self::Bound, declared: usize) -> usize {
        bound.n_columns(declared)
    }

    fn n_blocks(&self, bound: &Self::Bound) -> u64 {
        bound.table.n_blocks()
    }

    fn n_rows(&self, bound: &Self::Bound) -> u64 {
        bound.table.rows()
    }

    fn fill(
        &self,
        bound: &Self::Bound,
        games: &mut Games,
        block: u64,
        columns: &mut [Output],
    ) -> Result<()> {
        bound.table.fill(block, games);
        let [id, kind, name, platform, difficulty, dirt] = columns else {
            panic!("the generator has six columns");
        };
        for row in 0..games.game_id.len() {
            id.push_i64(games.game_id[row]);
            kind.push_text(games.game_type[row]);
            name.push_str(&games.game_name[row]);
            platform.push_text(games.platform[row]);
            difficulty.push_text(games.difficulty[row]);
        }
        if bound.truth {
            push_defects(&games.defects, games.game_id.len(), dirt);
        }
        Ok(())
    }
}

/// The events.
struct EventGenerator;

impl Generator for EventGenerator {
    type Bound = Bound<GameEvents>;
    type Local = Events;

    fn bind(&self, arguments: &[Value]) -> Result<Self::Bound> {
        let [rows, users, games, seed, dirt, truth] = arguments else { panic!("six parameters") };
        let rows = required_rows(rows, MAX_EVENTS)?;
        let table = GameEvents::new(&EventParameters {
            rows,
            users: users.as_i64().unwrap_or_else(|| EventParameters::default_users(rows)),
            games: games.as_i64().unwrap_or_else(|| EventParameters::default_games(rows)),
            seed: seed_or_default(seed),
            dirt: dirt_or_default(dirt),
        });
        Bound::new(table, truth)
    }

    fn n_columns(&self, bound: &Self::Bound, declared: usize) -> usize {
        bound.n_columns(declared)
    }

    fn n_blocks(&self, bound: &Self::Bound) -> u64 {
        bound.table.n_blocks()
    }

    fn n_rows(&self, bound: &Self::Bound) -> u64 {
        bound.table.rows()
    }

    fn fill(
        &self,
        bound: &Self::Bound,
        events: &mut Events,
        block: u64,
        columns: &mut [Output],
    ) -> Result<()> {
        bound.table.fill(block, events);
        let [id, game, user, time, kind, duration, device, dirt] = columns else {
            panic!("the generator has eight columns");
        };
        for row in 0..events.len() {
            id.push_i64(events.event_id[row]);
            game.push_i64(events.game_id[row]);
            user.push_i64(events.user_id[row]);
            time.push_str(events.event_time(row));
            kind.push_text(events.event_type[row]);
            match events.duration_seconds[row] {
                Some(seconds) => duration.push_i64(seconds),
                None => duration.push_null(),
            }
            device.push_text(events.device_type[row]);
        }
        if bound.truth {
            push_defects(&events.defects, events.len(), dirt);
        }
        Ok(())
    }
}

/// Appends a list for each row; the defects are ordered by row.
fn push_defects(defects: &[Defect], n_rows: usize, out: &mut Output) {
    let mut left = defects;
    for row in 0..n_rows {
        let (of_row, rest) =
            left.split_at(left.iter().take_while(|defect| defect.row == row).count());
        left = rest;
        let texts = |defect: &Defect| {
            Value::Struct(vec![
                ("column_name".to_string(), defect.column.into()),
                ("kind".to_string(), defect.kind.name().into()),
                ("clean_value".to_string(), defect.clean_value.clone().into()),
            ])
        };
        out.push(&Value::List(of_row.iter().map(texts).collect()));
    }
}

/// The number of rows; the table checks that it is between 0 and `most`.
fn required_rows(value: &Value, most: i64) -> Result<i64> {
    value
        .as_i64()
        .ok_or_else(|| Error::new(format!("rows must be between 0 and {most}, not {value}")))
}

fn seed_or_default(value: &Value) -> i64 {
    value.as_i64().unwrap_or(42)
}

fn dirt_or_default(value: &Value) -> f64 {
    value.as_f64().unwrap_or(DEFAULT_DIRT)
}
