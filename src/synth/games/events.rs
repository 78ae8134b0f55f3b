// The events: users who log in, start and finish games and buy something, session after session.
//
// A run of blocks, the cohort, holds all events of a run of users, so every user has one life however many threads
// make it. The events of a cohort are divided among its users by their activity; a block makes those users whole
// whose events it holds.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use super::dirt::{Defect, Dirt, Fate, Kind};
use super::people::{Person, STEADY_DAYS, STEADY_EVERY};
use super::time_course::{DAY, FIRST_DAY, N_DAYS, TimeCourse};
use super::titles::{Popularity, Title, title};
use super::words::{DEVICES, EVENT_TYPES, Word};
use super::{
    MAX_GAMES, MAX_USERS, ParameterError, UNKNOWN_ID, block_range, identifier, n_blocks, repeat, require,
    require_dirt, require_rows, stream,
};
use crate::calendar::date;
use crate::synth::BLOCK_ROWS;
use crate::synth::random::{block_rng, unit};

/// Most rows of events.
pub const MAX_EVENTS: i64 = 1_000_000_000_000;
/// Events of a user on the average, at most.
const MAX_EVENTS_PER_USER: i64 = 1_000;
/// Events of one user on a day of play, on the average over these days, at most. With a pause of half an hour
/// before each session they still fit into 24 hours.
const MAX_EVENTS_PER_DAY: f64 = 40.0;
/// Users of a cohort, at least (where there are so many), and those of them who may play, at most.
const MIN_COHORT: u64 = 64;
const MAX_PLAYERS: u64 = 4_096;
const _: () = assert!(
    (MIN_COHORT / STEADY_EVERY - 1) as f64 * MAX_EVENTS_PER_DAY * STEADY_DAYS as f64
        > (MIN_COHORT * MAX_EVENTS_PER_USER as u64) as f64,
    "the steady players of a cohort could make all of its events"
);

/// Seconds between two sessions of a user, at least: above 30 minutes.
const PAUSE: i64 = 1_860;
/// Rounds last whole half minutes, at most 25 minutes: a session never falls apart.
const HALF_MINUTE: i64 = 30;
const MAX_ROUND: i64 = 1_500;
const MAX_ROUNDS: u32 = 15;
/// The last session of the period ends up to so many seconds before its end.
const LAST_SECONDS: i64 = 1_800;
/// Popularity of the game of rank r: 1 / (r + this), r counted from 1.
const ZIPF_SHIFT: f64 = 1.5;
/// Favourite games of a user, and how often a session begins, and a round goes on, with one of them.
const FAVOURITES: usize = 3;
const FAVOURITE: f64 = 0.65;
const OTHER_GAME: f64 = 0.2;
/// Draws of a game before one that does not suit the user is taken.
const GAME_DRAWS: usize = 4;
/// How much more often than the average the games of a type bring rounds to a purchase.
const PURCHASES_BY_TYPE: [f64; 5] = [0.7, 1.4, 0.6, 0.9, 1.4];

const LOGIN: u8 = 0;
const START: u8 = 1;
const FINISH: u8 = 2;
const PURCHASE: u8 = 3;
const MOBILE: u8 = 0;
const WEB: u8 = 1;
const CONSOLE: u8 = 2;
/// The platform that is played on the web; the others are mobile.
const WEB_PLATFORM: usize = 2;

const BAD_TIMES: &[&str] = &[
    "2024-02-30T14:23:01",
    "2023-02-29T09:00:00",
    "2024-13-05T18:30:00",
    "2022-06-31T21:05:47",
    "2024-06-15T25:10:00",
    "2023-07-01T12:75:00",
    "not a time",
    "yesterday",
];

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
    life: Life,
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

/// The users of a run of blocks and how many events each has.
#[derive(Clone, Debug, Default, PartialEq)]
struct Cohort {
    /// Rows and users of the cohort that is held.
    held: Option<CohortKey>,
    first_row: u64,
    users: Vec<u64>,
    /// Share of the cohort's events, then their number, then the number of events up to and with this user.
    weights: Vec<f64>,
    caps: Vec<f64>,
    ends: Vec<u64>,
}

/// What the division of a cohort depends on: the seed, its first row and the one behind its last, its first user and
/// the one behind its last.
type CohortKey = (i64, u64, u64, u64, u64);

/// All events of one user, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Life {
    drafts: Vec<Draft>,
    /// Of each session: seconds of the period at which it begins, and its length.
    starts: Vec<i64>,
    lengths: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Draft {
    /// Seconds since the beginning of the session.
    seconds: i32,
    session: u32,
    game: u32,
    duration: u16,
    kind: u8,
    device: u8,
}

/// The generator of events.
pub struct GameEvents {
    rows: u64,
    users: u64,
    seed: i64,
    dirt: f64,
    time_course: TimeCourse,
    popularity: Popularity,
    /// ln((n + shift + 1) / (1 + shift)) of the n games that are played: the range of the inverse of the popularity
    /// law.
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
            _ => format!("users must be between {least} and {MAX_USERS} for {rows} rows, not {users}"),
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
        let mut life = std::mem::take(&mut events.life);
        self.gather(block, &mut cohort);
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
            self.live(user, (to - from) as usize, &mut life);
            let (begin, stop) = (range.start.max(from) - from, range.end.min(to) - from);
            for (draft, row) in life.drafts[begin as usize..stop as usize].iter().zip(from + begin..) {
                events.event_id.push(row.cast_signed() + 1);
                events.game_id.push(identifier(u64::from(draft.game)));
                events.user_id.push(identifier(user));
                let seconds = life.starts[draft.session as usize] + i64::from(draft.seconds);
                push_time(seconds, &mut events.times);
                events.bad_times.push(None);
                events.event_type.push(Some(EVENT_TYPES[usize::from(draft.kind)].text));
                events.duration_seconds.push(Some(i64::from(draft.duration)));
                events.device_type.push(Some(DEVICES[usize::from(draft.device)].text));
            }
        }
        assert_eq!(events.len() as u64, range.end - range.start, "a block is full");
        events.cohort = cohort;
        events.life = life;
        if self.dirt > 0.0 {
            self.soil(block, events);
        }
    }

    /// Divides the events of the block's cohort among its users.
    fn gather(&self, block: u64, cohort: &mut Cohort) {
        let n_cohorts = (self.n_blocks() / self.blocks_per_cohort).max(1);
        let number = (block / self.blocks_per_cohort).min(n_cohorts - 1);
        let first_row = number * self.blocks_per_cohort * BLOCK_ROWS;
        let end_row = match number + 1 {
            next if next == n_cohorts => self.rows,
            next => next * self.blocks_per_cohort * BLOCK_ROWS,
        };
        let turn = |row: u64| (u128::from(self.users) * u128::from(row) / u128::from(self.rows)) as u64;
        let (first_user, end_user) = (turn(first_row), turn(end_row));
        let key = (self.seed, first_row, end_row, first_user, end_user);
        if cohort.held == Some(key) {
            return;
        }
        let Cohort { users, weights, caps, ends, .. } = cohort;
        users.clear();
        weights.clear();
        caps.clear();
        ends.clear();
        // Where there are far more users than events, most have none: a part of them is enough.
        let n_users = end_user - first_user;
        let n_players = n_users.min(MAX_PLAYERS);
        for place in 0..n_players {
            let user = first_user + (u128::from(n_users) * u128::from(place) / u128::from(n_players)) as u64;
            let person = Person::new(self.seed, user);
            let activity: f64 = person.windows.iter().map(|window| self.time_course.between(*window)).sum();
            users.push(user);
            weights.push(person.rate * activity);
            caps.push(person.n_days() as f64 * MAX_EVENTS_PER_DAY);
        }
        divide(end_row - first_row, weights, caps, ends);
        (cohort.held, cohort.first_row) = (Some(key), first_row);
    }

    /// Makes the life of a user with `n_events` events.
    fn live(&self, user: u64, n_events: usize, life: &mut Life) {
        let Life { drafts, starts, lengths } = life;
        drafts.clear();
        starts.clear();
        lengths.clear();
        let person = Person::new(self.seed, user);
        let mut rng = block_rng(self.seed, stream::PLAY, user);
        let mut favourites = [0; FAVOURITES];
        favourites.fill_with(|| self.draw_game(&person, &mut rng));
        while drafts.len() < n_events {
            let first = drafts.len();
            self.play(&person, &favourites, lengths.len() as u32, &mut rng, drafts);
            drafts.truncate(n_events);
            assert!(drafts.len() > first, "a session has an event");
            lengths.push(i64::from(drafts[drafts.len() - 1].seconds));
        }
        self.schedule(&person, lengths, &mut rng, starts);
    }

    /// Adds a session.
    fn play(
        &self,
        person: &Person,
        favourites: &[u64; FAVOURITES],
        session: u32,
        rng: &mut Xoshiro256PlusPlus,
        drafts: &mut Vec<Draft>,
    ) {
        let choose_game = |rng: &mut Xoshiro256PlusPlus| {
            if unit(rng.next_u64()) < FAVOURITE {
                favourites[(unit(rng.next_u64()) * FAVOURITES as f64) as usize]
            } else {
                self.draw_game(person, rng)
            }
        };
        let mut game = choose_game(rng);
        let mut known = title(self.seed, game);
        let mut seconds = 0;
        let mut push = |seconds: i64, kind: u8, duration: i64, game: u64, known: &Title| {
            drafts.push(Draft {
                seconds: seconds as i32,
                session,
                game: game as u32,
                duration: duration as u16,
                kind,
                device: device(person, known),
            });
        };
        push(seconds, LOGIN, HALF_MINUTE, game, &known);
        seconds += between(5, 50, rng);
        for round in 1..=MAX_ROUNDS {
            push(seconds, START, HALF_MINUTE * between(1, 2, rng), game, &known);
            // The sum of three uniform numbers is bell-shaped: rounds of one user differ, but not wildly.
            let bell = unit(rng.next_u64()) + unit(rng.next_u64()) + unit(rng.next_u64());
            let length = person.round_seconds * (0.25 + bell / 2.0);
            let length = ((length as i64 + 15) / HALF_MINUTE * HALF_MINUTE).clamp(HALF_MINUTE, MAX_ROUND);
            if unit(rng.next_u64()) < known.finished {
                seconds += length;
                push(seconds, FINISH, length, game, &known);
            } else {
                seconds += 10 + (length as f64 * unit(rng.next_u64())) as i64;
            }
            let purchases = person.behaviour.purchases * PURCHASES_BY_TYPE[known.kind];
            if unit(rng.next_u64()) < purchases {
                seconds += between(10, 90, rng);
                push(seconds, PURCHASE, HALF_MINUTE * between(1, 3, rng), game, &known);
            }
            if round == MAX_ROUNDS || unit(rng.next_u64()) < 1.0 / person.behaviour.rounds {
                break;
            }
            seconds += between(10, 120, rng);
            if unit(rng.next_u64()) < OTHER_GAME {
                game = choose_game(rng);
                known = title(self.seed, game);
            }
        }
    }

    /// A game by popularity that suits the user's taste and device.
    fn draw_game(&self, person: &Person, rng: &mut Xoshiro256PlusPlus) -> u64 {
        let mut draw = || {
            let rank = (1.0 + ZIPF_SHIFT) * ((unit(rng.next_u64()) * self.ln_ratio).exp() - 1.0);
            self.popularity.game(rank as u64)
        };
        for _ in 1..GAME_DRAWS {
            let game = draw();
            let known = title(self.seed, game);
            let on_web = known.platform == WEB_PLATFORM;
            let suits = match person.device as u8 {
                MOBILE => !on_web,
                WEB => on_web,
                _ => true,
            };
            if suits && known.kind == person.favourite_type {
                return game;
            }
        }
        draw()
    }

    /// Places the sessions in the user's windows: in order, never nearer than [`PAUSE`].
    fn schedule(
        &self,
        person: &Person,
        lengths: &[i64],
        rng: &mut Xoshiro256PlusPlus,
        starts: &mut Vec<i64>,
    ) {
        let activities = person.windows.map(|window| self.time_course.between(window));
        let step = (activities[0] + activities[1]) / lengths.len() as f64;
        for place in 0..lengths.len() {
            let activity = (place as f64 + unit(rng.next_u64())) * step;
            let day = if activity < activities[0] {
                self.time_course.day(activity, person.windows[0])
            } else {
                let window = if activities[1] > 0.0 { person.windows[1] } else { person.windows[0] };
                self.time_course.day(activity - activities[0], window)
            };
            let second = self.time_course.second(unit(rng.next_u64()));
            starts.push(day as i64 * DAY + (second + person.late).rem_euclid(DAY));
        }
        starts.sort_unstable();
        let mut free = 0;
        for (start, length) in starts.iter_mut().zip(lengths) {
            *start = free.max(*start);
            free = *start + length + PAUSE;
        }
        let mut end = N_DAYS as i64 * DAY - between(1, LAST_SECONDS, rng);
        for (start, length) in starts.iter_mut().zip(lengths).rev() {
            *start = (*start).min(end - length);
            end = *start - PAUSE;
        }
        let first = person.windows[0].0 as i64 * DAY;
        assert!(starts[0] >= first, "{} sessions after the registration", starts.len());
    }

    /// Gives a share of the rows and values a defect each.
    fn soil(&self, block: u64, events: &mut Events) {
        let n_rows = events.len();
        let mut dirt = Dirt::new(self.dirt, self.seed, stream::EVENT_DIRT, block, &mut events.defects);
        for row in 0..n_rows {
            let kinds = [Kind::UnknownUser, Kind::UnknownGame, Kind::BadTime];
            match dirt.fate(row, n_rows, &kinds, 1.0, || true) {
                Fate::Usable => {
                    let kind = word(&EVENT_TYPES, events.event_type[row]);
                    events.event_type[row] = dirt.spell(row, "event_type", kind);
                    dirt.soil_duration(row, "duration_seconds", &mut events.duration_seconds[row]);
                    let device = word(&DEVICES, events.device_type[row]);
                    events.device_type[row] = dirt.spell(row, "device_type", device);
                }
                Fate::Copied => {}
                Fate::Copy => {
                    dirt.note(row, "event_id", Kind::DuplicateId, events.event_id[row].to_string());
                    repeat(&mut events.event_id, row);
                    repeat(&mut events.game_id, row);
                    repeat(&mut events.user_id, row);
                    repeat(&mut events.event_type, row);
                    repeat(&mut events.duration_seconds, row);
                    repeat(&mut events.device_type, row);
                    let start = row * Events::TIME_LENGTH;
                    let before = events.times[start - Events::TIME_LENGTH..start].to_owned();
                    events.times.replace_range(start..start + Events::TIME_LENGTH, &before);
                }
                Fate::Unusable(kind @ Kind::UnknownUser) => {
                    let clean = std::mem::replace(&mut events.user_id[row], UNKNOWN_ID);
                    dirt.note(row, "user_id", kind, clean.to_string());
                }
                Fate::Unusable(kind @ Kind::UnknownGame) => {
                    let clean = std::mem::replace(&mut events.game_id[row], UNKNOWN_ID);
                    dirt.note(row, "game_id", kind, clean.to_string());
                }
                Fate::Unusable(kind) => {
                    events.bad_times[row] = Some(dirt.bad_time(BAD_TIMES));
                    let start = row * Events::TIME_LENGTH;
                    let clean = events.times[start..start + Events::TIME_LENGTH].to_owned();
                    dirt.note(row, "event_time", kind, clean);
                }
            }
        }
    }
}

/// The word of a clean text.
fn word(words: &'static [Word], text: Option<&str>) -> &'static Word {
    words.iter().find(|word| Some(word.text) == text).expect("clean text is a word of its enumeration")
}

/// A whole number of an interval, both ends included.
fn between(least: i64, most: i64, rng: &mut Xoshiro256PlusPlus) -> i64 {
    least + (unit(rng.next_u64()) * (most - least + 1) as f64) as i64
}

/// What a game is played on: those who have a console play everything on it, the others what the game is made for.
fn device(person: &Person, game: &Title) -> u8 {
    if person.device as u8 == CONSOLE {
        CONSOLE
    } else if game.platform == WEB_PLATFORM {
        WEB
    } else {
        MOBILE
    }
}

/// Divides `n` events by weight, none above its cap; `ends` gets the running totals.
fn divide(n: u64, weights: &mut [f64], caps: &[f64], ends: &mut Vec<u64>) {
    // Who would get more than the cap gets the cap, and what is left is divided among the others.
    let mut capped = vec![false; weights.len()];
    let mut left = n as f64;
    loop {
        let free: f64 = weights.iter().zip(&capped).filter(|(_, capped)| !**capped).map(|(w, _)| w).sum();
        assert!(free > 0.0 && left >= 0.0, "the users can make {n} events");
        let scale = left / free;
        let before = left;
        for (i, weight) in weights.iter_mut().enumerate() {
            if !capped[i] && *weight * scale > caps[i] {
                capped[i] = true;
                *weight = caps[i];
                left -= caps[i];
            }
        }
        if left == before {
            weights.iter_mut().zip(&capped).filter(|(_, capped)| !**capped).for_each(|(w, _)| *w *= scale);
            break;
        }
    }
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    for weight in weights.iter() {
        sum += weight;
        ends.push((sum / total * n as f64).round() as u64);
    }
    if let Some(last) = ends.last_mut() {
        *last = n;
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
        for parameters in [parameters(60_000), EventParameters { users: 61, dirt: 0.1, ..parameters(60_000) }]
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
                let full = EventParameters { users, seed, ..parameters(users * MAX_EVENTS_PER_USER) };
                let mut last: Option<(i64, String)> = None;
                each_event(&full, |events, row| {
                    let (user, time) = (events.user_id[row], events.event_time(row));
                    if let Some((last_user, last_time)) = &last {
                        assert!(*last_user != user || last_time.as_str() < time, "{last_time} {time}");
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
                    ("event_time", right.event_time(row).to_string(), wrong.event_time(row).to_string()),
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
    fn a_division_is_complete_and_keeps_to_the_caps() {
        let (weights, caps) = ([5.0, 0.0, 1.0, 1.0, 3.0], [40.0, 10.0, 1_000.0, 20.0, 60.0]);
        let mut ends = Vec::new();
        divide(150, &mut weights.clone(), &caps, &mut ends);
        assert_eq!(ends, [40, 40, 70, 90, 150]);
        ends.clear();
        divide(10, &mut weights.clone(), &caps, &mut ends);
        assert_eq!(ends, [5, 5, 6, 7, 10]);
        ends.clear();
        divide(0, &mut weights.clone(), &caps, &mut ends);
        assert_eq!(ends, [0; 5]);
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
            (EventParameters { games: 0, ..good.clone() }, "games must be between 1 and 1000000, not 0"),
            (EventParameters { dirt: f64::NAN, ..good.clone() }, "dirt must be between 0 and 1, not NaN"),
        ] {
            assert_eq!(GameEvents::new(&bad).err().map(|e| e.to_string()).as_deref(), Some(text));
        }
        assert!(GameEvents::new(&good).is_ok());
    }
}
