//! The events: users who log in, start and finish games and buy something, session after session.
//!
//! A run of blocks, the cohort, holds all events of a run of users, so every user has one history
//! however many threads make it. The events of a cohort are divided among its users by their
//! activity; a block makes those users whole whose events it holds.

mod cohort;
mod defects;
mod history;

use super::defects::Defect;
use super::time_course::{DAY, FIRST_DAY, TimeCourse};
use super::titles::Popularity;
use super::words::{DEVICES, EVENT_TYPES};
use super::{
    MAX_GAMES, MAX_USERS, ParameterError, block_range, identifier, n_blocks, require, require_dirt,
    require_rows,
};
use crate::calendar::date;
use crate::synth::BLOCK_ROWS;
use cohort::{Cohort, MIN_COHORT};
use history::{History, ZIPF_SHIFT};

/// Most rows of events.
pub const MAX_EVENTS: i64 = 1_000_000_000_000;
/// Events of a user on the average, at most.
const MAX_EVENTS_PER_USER: i64 = 1_000;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct EventParameters {
    /// Number of events, exactly; 0 to 10^12, and at most 1,000 a user.
    pub rows: i64,
    /// Users, 1 to 10^9; some never play.
    pub users: i64,
    /// Games, 1 to 10^6; some are never played.
    pub games: i64,
    /// Any number; the users and games are those of the tables with the same seed.
    pub seed: i64,
    /// Share of values with a defect, 0 to 1.
    pub dirt: f64,
}

impl EventParameters {
    /// A user for every 100 events.
    pub fn default_users(rows: i64) -> i64 {
        (rows / 100).clamp(1, MAX_USERS)
    }

    /// A game for every 5,000 events, 10 to 500.
    pub fn default_games(rows: i64) -> i64 {
        (rows / 5_000).clamp(10, 500)
    }
}

/// Events in columns of equal length; one value is used for block after block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// Counts from 1.
    pub event_id: Vec<i64>,
    /// A game, [`UNKNOWN_ID`] only as dirt.
    pub game_id: Vec<i64>,
    /// A user, [`UNKNOWN_ID`] only as dirt.
    pub user_id: Vec<i64>,
    /// `login`, `start_game`, `finish_game`, `purchase`.
    pub event_type: Vec<Option<&'static str>>,
    /// Multiples of 30; of a `finish_game` the seconds since its `start_game`.
    pub duration_seconds: Vec<Option<i64>>,
    /// `mobile`, `web`, `console`.
    pub device_type: Vec<Option<&'static str>>,
    /// What dirt did, by row.
    pub defects: Vec<Defect>,
    times: String,
    bad_times: Vec<Option<&'static str>>,
    cohort: Cohort,
    history: History,
}

impl Events {
    const TIME_LENGTH: usize = 19;

    /// Number of events.
    pub fn len(&self) -> usize {
        self.event_id.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.event_id.is_empty()
    }

    /// The time of the event at `row` as `2024-06-15T14:23:01`, another text only as dirt.
    pub fn event_time(&self, row: usize) -> &str {
        self.bad_times[row]
            .unwrap_or_else(|| &self.times[row * Self::TIME_LENGTH..(row + 1) * Self::TIME_LENGTH])
    }

    fn clear(&mut self) {
        self.event_id.clear();
        self.game_id.clear();
        self.user_id.clear();
        self.event_type.clear();
        self.duration_seconds.clear();
        self.device_type.clear();
        self.defects.clear();
        self.times.clear();
        self.bad_times.clear();
    }
}

/// The generator of events.
pub struct GameEvents {
    rows: u64,
    users: u64,
    seed: i64,
    dirt: f64,
    time_course: TimeCourse,
    popularity: Popularity,
    /// ln((n + shift + 1) / (1 + shift)) of the n games that are played: the range of the inverse
    /// of the popularity law.
    ln_ratio: f64,
    blocks_per_cohort: u64,
}

impl GameEvents {
    /// Checks the parameters. Memory does not depend on the number of rows.
    pub fn new(parameters: &EventParameters) -> Result<Self, ParameterError> {
        let EventParameters { rows, users, games, seed, dirt } = *parameters;
        let n_rows = require_rows(rows, MAX_EVENTS)?;
        let least = ((rows + MAX_EVENTS_PER_USER - 1) / MAX_EVENTS_PER_USER).max(1);
        require((least..=MAX_USERS).contains(&users), || match least {
            1 => format!("users must be between 1 and {MAX_USERS}, not {users}"),
            _ => format!(
                "users must be between {least} and {MAX_USERS} for {rows} rows, not {users}"
            ),
        })?;
        require((1..=MAX_GAMES).contains(&games), || {
            format!("games must be between 1 and {MAX_GAMES}, not {games}")
        })?;
        require_dirt(dirt)?;
        let (users, games) = (users.cast_unsigned(), games.cast_unsigned());
        let popularity = Popularity::new(games);
        let cohort_rows = (u128::from(MIN_COHORT) * u128::from(n_rows)).div_ceil(u128::from(users));
        Ok(Self {
            rows: n_rows,
            users,
            seed,
            dirt,
            time_course: TimeCourse::new(),
            ln_ratio: ((popularity.n_played as f64 + 1.0 + ZIPF_SHIFT) / (1.0 + ZIPF_SHIFT)).ln(),
            popularity,
            blocks_per_cohort: cohort_rows.div_ceil(u128::from(BLOCK_ROWS)).max(1) as u64,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> u64 {
        n_blocks(self.rows)
    }

    /// Replaces `events` with those of a block, ordered by user and time.
    pub fn fill(&self, block: u64, events: &mut Events) {
        events.clear();
        let range = block_range(self.rows, block);
        let mut cohort = std::mem::take(&mut events.cohort);
        let mut history = std::mem::take(&mut events.history);
        self.divide_among_users(block, &mut cohort);
        let first = cohort.ends.partition_point(|&end| cohort.first_row + end <= range.start);
        for (place, &end) in cohort.ends.iter().enumerate().skip(first) {
            let from = cohort.first_row + if place == 0 { 0 } else { cohort.ends[place - 1] };
            let to = cohort.first_row + end;
            if from >= range.end {
                break;
            }
            if from == to {
                continue;
            }
            let user = cohort.users[place];
            self.generate_history(user, (to - from) as usize, &mut history);
            let (begin, stop) = (range.start.max(from) - from, range.end.min(to) - from);
            for (draft, row) in
                history.drafts[begin as usize..stop as usize].iter().zip(from + begin..)
            {
                events.event_id.push(row.cast_signed() + 1);
                events.game_id.push(identifier(u64::from(draft.game)));
                events.user_id.push(identifier(user));
                let seconds = history.starts[draft.session as usize] + i64::from(draft.seconds);
                push_time(seconds, &mut events.times);
                events.bad_times.push(None);
                events.event_type.push(Some(EVENT_TYPES[usize::from(draft.kind)].text));
                events.duration_seconds.push(Some(i64::from(draft.duration)));
                events.device_type.push(Some(DEVICES[usize::from(draft.device)].text));
            }
        }
        assert_eq!(events.len() as u64, range.end - range.start, "a block is full");
        events.cohort = cohort;
        events.history = history;
        if self.dirt > 0.0 {
            self.inject_defects(block, events);
        }
    }
}

/// Appends seconds of the period as `2024-06-15T14:23:01`.
fn push_time(seconds: i64, text: &mut String) {
    let (year, month, day) = date(FIRST_DAY + seconds.div_euclid(DAY));
    let of_day = seconds.rem_euclid(DAY);
    let mut bytes = *b"0000-00-00T00:00:00";
    let mut put = |place: usize, value: i64| {
        bytes[place] = b'0' + (value / 10 % 10) as u8;
        bytes[place + 1] = b'0' + (value % 10) as u8;
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, i64::from(month));
    put(8, i64::from(day));
    put(11, of_day / 3_600);
    put(14, of_day / 60 % 60);
    put(17, of_day % 60);
    text.push_str(str::from_utf8(&bytes).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::super::defects::Kind;
    use super::super::time_course::N_DAYS;
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn parameters(rows: i64) -> EventParameters {
        EventParameters {
            rows,
            users: EventParameters::default_users(rows),
            games: EventParameters::default_games(rows),
            seed: 1,
            dirt: 0.0,
        }
    }

    fn generator(parameters: &EventParameters) -> GameEvents {
        GameEvents::new(parameters).expect("the parameters are good")
    }

    /// Calls `look` for every event: events of its block, row.
    fn each_event(parameters: &EventParameters, mut look: impl FnMut(&Events, usize)) {
        let generator = generator(parameters);
        let mut events = Events::default();
        for block in 0..generator.n_blocks() {
            generator.fill(block, &mut events);
            (0..events.len()).for_each(|row| look(&events, row));
        }
    }

    #[test]
    fn identifiers_count_the_rows() {
        for rows in [0, 1, 2_047, 2_048, 2_049, 100_000] {
            let mut ids = Vec::new();
            each_event(&parameters(rows), |events, row| ids.push(events.event_id[row]));
            assert!(ids.iter().copied().eq(1..=rows));
        }
    }

    #[test]
    fn a_block_depends_on_nothing_but_the_parameters_and_its_number() {
        for parameters in
            [parameters(60_000), EventParameters { users: 61, dirt: 0.1, ..parameters(60_000) }]
        {
            let (one, other) = (generator(&parameters), generator(&parameters));
            // A value that has served another generator before.
            let mut reused = Events::default();
            generator(&EventParameters { seed: 2, ..parameters.clone() }).fill(0, &mut reused);
            for block in (0..one.n_blocks()).rev() {
                let mut fresh = Events::default();
                one.fill(block, &mut fresh);
                other.fill(block, &mut reused);
                assert_eq!(fresh.event_id, reused.event_id);
                assert_eq!(fresh.user_id, reused.user_id);
                assert_eq!(fresh.times, reused.times);
                assert_eq!(fresh.event_type, reused.event_type);
                assert_eq!(fresh.defects, reused.defects);
            }
        }
    }

    #[test]
    fn as_many_events_as_the_users_can_have_keep_their_distance() {
        for users in [1, 2, 15, 16, 17, 63, 64, 65, 127, 1_000] {
            for seed in 0..4 {
                let full =
                    EventParameters { users, seed, ..parameters(users * MAX_EVENTS_PER_USER) };
                let mut last: Option<(i64, String)> = None;
                each_event(&full, |events, row| {
                    let (user, time) = (events.user_id[row], events.event_time(row));
                    if let Some((last_user, last_time)) = &last {
                        assert!(
                            *last_user != user || last_time.as_str() < time,
                            "{last_time} {time}"
                        );
                    }
                    assert!(("2022-01-01T00:00:00".."2025-01-01").contains(&time), "{time}");
                    last = Some((user, time.to_string()));
                });
            }
        }
    }

    #[test]
    fn all_events_of_a_user_follow_each_other() {
        let mut seen = HashSet::new();
        let mut last = 0;
        each_event(&parameters(200_000), |events, row| {
            let user = events.user_id[row];
            assert!(user == last || seen.insert(user), "user {user} comes twice");
            last = user;
        });
    }

    #[test]
    fn dirt_changes_nothing_but_what_it_names() {
        let clean = generator(&parameters(20_000));
        let dirty = generator(&EventParameters { dirt: 0.3, ..parameters(20_000) });
        let (mut right, mut wrong) = (Events::default(), Events::default());
        for block in 0..clean.n_blocks() {
            clean.fill(block, &mut right);
            dirty.fill(block, &mut wrong);
            let named: HashMap<(usize, &str), &Defect> =
                wrong.defects.iter().map(|defect| ((defect.row, defect.column), defect)).collect();
            assert_eq!(named.len(), wrong.defects.len());
            for row in 0..right.len() {
                if let Some(copy) = named.get(&(row, "event_id")) {
                    assert_eq!(copy.kind, Kind::DuplicateId);
                    assert_eq!(wrong.event_id[row], right.event_id[row - 1]);
                    continue;
                }
                for (column, right, wrong) in [
                    ("event_id", right.event_id[row].to_string(), wrong.event_id[row].to_string()),
                    ("game_id", right.game_id[row].to_string(), wrong.game_id[row].to_string()),
                    ("user_id", right.user_id[row].to_string(), wrong.user_id[row].to_string()),
                    (
                        "event_time",
                        right.event_time(row).to_string(),
                        wrong.event_time(row).to_string(),
                    ),
                    (
                        "duration_seconds",
                        format!("{:?}", right.duration_seconds[row]),
                        format!("{:?}", wrong.duration_seconds[row]),
                    ),
                    (
                        "event_type",
                        format!("{:?}", right.event_type[row]),
                        format!("{:?}", wrong.event_type[row]),
                    ),
                    (
                        "device_type",
                        format!("{:?}", right.device_type[row]),
                        format!("{:?}", wrong.device_type[row]),
                    ),
                ] {
                    assert_eq!(
                        right != wrong,
                        named.contains_key(&(row, column)),
                        "{column} {right} {wrong}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_share_of_dirt_up_to_all_is_kept() {
        for dirt in [0.01, 0.1, 0.5, 1.0] {
            let mut counts: HashMap<Kind, f64> = HashMap::new();
            let rows = 200_000;
            let dirty = generator(&EventParameters { dirt, ..parameters(rows) });
            let mut events = Events::default();
            for block in 0..dirty.n_blocks() {
                dirty.fill(block, &mut events);
                for defect in &events.defects {
                    *counts.entry(defect.kind).or_default() += 1.0 / rows as f64;
                }
            }
            for kind in [Kind::DuplicateId, Kind::UnknownUser, Kind::UnknownGame, Kind::BadTime] {
                let share = counts[&kind];
                assert!((share / (dirt * 0.125) - 1.0).abs() < 0.15, "{kind:?} {share} of {dirt}");
            }
        }
    }

    #[test]
    fn times_are_iso_8601() {
        let mut text = String::new();
        push_time((31 + 28) * DAY + 3_723, &mut text);
        push_time(N_DAYS as i64 * DAY - 1, &mut text);
        assert_eq!(text, "2022-03-01T01:02:032024-12-31T23:59:59");
    }

    #[test]
    fn errors_name_the_parameter_the_range_and_the_value() {
        let good = parameters(5_000);
        for (bad, text) in [
            (
                EventParameters { rows: MAX_EVENTS + 1, ..good.clone() },
                "rows must be between 0 and 1000000000000, not 1000000000001",
            ),
            (
                EventParameters { users: 4, ..good.clone() },
                "users must be between 5 and 1000000000 for 5000 rows, not 4",
            ),
            (
                EventParameters { games: 0, ..good.clone() },
                "games must be between 1 and 1000000, not 0",
            ),
            (
                EventParameters { dirt: f64::NAN, ..good.clone() },
                "dirt must be between 0 and 1, not NaN",
            ),
        ] {
            assert_eq!(GameEvents::new(&bad).err().map(|e| e.to_string()).as_deref(), Some(text));
        }
        assert!(GameEvents::new(&good).is_ok());
    }
}
