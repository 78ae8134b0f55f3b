//! The users: a person from the number of the user, and the table of them.

use rand_xoshiro::rand_core::Rng;

use super::defects::{Defect, Injector, Kind, RowDefect};
use super::time_course::{FIRST_DAY, N_DAYS};
use super::words::{AGE_RANGES, GENDERS, LOCATIONS, SUBSCRIPTIONS, WORKOUT_FREQUENCIES, Word};
use super::{
    MAX_USERS, ParameterError, block_range, choose, identifier, n_blocks, repeat, require_dirt,
    require_rows, stream,
};
use crate::calendar::date;
use crate::synth::random::{block_rng, normal_quantile, unit};

/// How users of one kind live and play.
#[derive(Debug)]
pub(super) struct Behaviour {
    /// Share of users.
    share: f64,
    /// Relative number of events; 0 for those who never play.
    rate: f64,
    /// Mean rounds of a session, at least 1, and typical seconds of a round.
    pub rounds: f64,
    pub round_seconds: f64,
    /// Purchases per round.
    pub purchases: f64,
    /// Share of those who never stop.
    loyal: f64,
    /// Weights of the enumerations, in their order.
    ages: [f64; 5],
    workouts: [f64; 4],
    subscriptions: [f64; 3],
}

const REGULAR: usize = 1;
/// Share of users who never play; steady ones have even indices and a copy replaces an odd one.
const NEVER_PLAYING: f64 = 0.10;
/// Casual players, regular ones, devotees, spenders, and those who never play.
static BEHAVIOURS: [Behaviour; 5] = [
    Behaviour {
        share: 0.42,
        rate: 1.0,
        rounds: 1.3,
        round_seconds: 120.0,
        purchases: 0.008,
        loyal: 0.35,
        ages: [0.10, 0.20, 0.26, 0.28, 0.16],
        workouts: [0.35, 0.45, 0.15, 0.05],
        subscriptions: [0.78, 0.07, 0.15],
    },
    Behaviour {
        share: 0.26,
        rate: 3.0,
        rounds: 2.5,
        round_seconds: 270.0,
        purchases: 0.03,
        loyal: 0.55,
        ages: [0.12, 0.26, 0.30, 0.22, 0.10],
        workouts: [0.30, 0.15, 0.45, 0.10],
        subscriptions: [0.58, 0.30, 0.12],
    },
    Behaviour {
        share: 0.13,
        rate: 8.0,
        rounds: 5.0,
        round_seconds: 570.0,
        purchases: 0.025,
        loyal: 0.75,
        ages: [0.18, 0.40, 0.26, 0.12, 0.04],
        workouts: [0.15, 0.05, 0.35, 0.45],
        subscriptions: [0.32, 0.62, 0.06],
    },
    Behaviour {
        share: 0.09,
        rate: 3.0,
        rounds: 1.8,
        round_seconds: 180.0,
        purchases: 0.35,
        loyal: 0.60,
        ages: [0.02, 0.14, 0.38, 0.36, 0.10],
        workouts: [0.30, 0.20, 0.35, 0.15],
        subscriptions: [0.20, 0.75, 0.05],
    },
    Behaviour {
        share: NEVER_PLAYING,
        rate: 0.0,
        rounds: 1.0,
        round_seconds: 120.0,
        purchases: 0.0,
        loyal: 1.0,
        ages: [0.12, 0.18, 0.22, 0.26, 0.22],
        workouts: [0.35, 0.50, 0.12, 0.03],
        subscriptions: [0.80, 0.03, 0.17],
    },
];

const GENDER_WEIGHTS: [f64; 3] = [0.50, 0.46, 0.04];

/// Users of a city, in the order of [`LOCATIONS`].
struct City {
    weight: f64,
    /// Relative number of events.
    rate: f64,
    /// Seconds by which the day of its people is later.
    late: i64,
    /// Weights of the favourite game types.
    game_types: [f64; 5],
}

static CITIES: [City; 5] = [
    City { weight: 0.32, rate: 1.00, late: 0, game_types: [0.15, 0.20, 0.25, 0.20, 0.20] },
    City { weight: 0.13, rate: 0.85, late: 0, game_types: [0.30, 0.15, 0.30, 0.15, 0.10] },
    City { weight: 0.22, rate: 1.30, late: -1_800, game_types: [0.10, 0.45, 0.15, 0.10, 0.20] },
    City { weight: 0.19, rate: 1.05, late: 5_400, game_types: [0.15, 0.10, 0.15, 0.25, 0.35] },
    City { weight: 0.14, rate: 0.75, late: 2_700, game_types: [0.15, 0.10, 0.35, 0.30, 0.10] },
];

/// Weights of mobile, web and console as the main device of the age ranges.
const DEVICE_WEIGHTS: [[f64; 3]; 5] = [
    [0.60, 0.10, 0.30],
    [0.58, 0.15, 0.27],
    [0.60, 0.25, 0.15],
    [0.50, 0.42, 0.08],
    [0.35, 0.63, 0.02],
];
/// How much longer premium users play a round.
const PREMIUM: usize = 1;
const PREMIUM_ROUNDS: f64 = 1.3;
/// Spread of the logarithm of the number of events among users of one kind, and of the length of
/// their rounds.
const LN_RATE: f64 = 0.5;
const LN_ROUND: f64 = 0.08;

/// Share of users who registered in the year before the period, and how much the registrations per
/// day grow over the period, in parts of those at its beginning.
const EARLY: f64 = 0.22;
const REGISTRATION_GROWTH: f64 = 1.2;
/// Nobody registers in the last days, so that all had the time to play.
const LAST_DAYS: usize = 7;
/// Share of users, of those who do not stay, who come back after a pause of this many days.
const RETURNING: f64 = 0.3;
const PAUSE_DAYS: (f64, f64) = (190.0, 330.0);

/// Every so many users one is a regular player who registered early and stays: so any few users can
/// have all the events that they are asked for.
pub(super) const STEADY_EVERY: u64 = 16;
/// Days in which such a user plays, at least.
pub(super) const STEADY_DAYS: usize = N_DAYS - 365;

/// A user as the events know them.
#[derive(Debug)]
pub(super) struct Person {
    /// Day of registration counted from 1970-01-01.
    pub registration: i64,
    /// Days of the period on which the user plays: from, to (exclusive); the second may be empty.
    pub windows: [(usize, usize); 2],
    pub behaviour: &'static Behaviour,
    /// Relative number of events per activity of the platform; 0 for those who never play.
    pub rate: f64,
    pub round_seconds: f64,
    pub late: i64,
    /// Indices into the enumerations.
    pub favourite_type: usize,
    pub device: usize,
    age: usize,
    workout: usize,
    gender: usize,
    location: usize,
    subscription: usize,
}

impl Person {
    /// The user at `index`, a function of the seed and the index.
    pub fn new(seed: i64, index: u64) -> Self {
        let mut rng = block_rng(seed, stream::USER, index);
        let mut draw = || unit(rng.next_u64());
        let steady = index.is_multiple_of(STEADY_EVERY);

        let kind = choose(&BEHAVIOURS.each_ref().map(|b| b.share), draw());
        let behaviour = &BEHAVIOURS[if steady { REGULAR } else { kind }];
        let age = choose(&behaviour.ages, draw());
        let workout = choose(&behaviour.workouts, draw());
        let gender = choose(&GENDER_WEIGHTS, draw());
        let location = choose(&CITIES.each_ref().map(|city| city.weight), draw());
        let subscription = choose(&behaviour.subscriptions, draw());
        let favourite_type = choose(&CITIES[location].game_types, draw());
        let device = choose(&DEVICE_WEIGHTS[age], draw());
        let mut spread = |deviation: f64| (deviation * normal_quantile(draw().max(1e-12))).exp();
        let rate = behaviour.rate * CITIES[location].rate * spread(LN_RATE);
        let premium = if subscription == PREMIUM { PREMIUM_ROUNDS } else { 1.0 };
        let round_seconds = behaviour.round_seconds * premium * spread(LN_ROUND);

        let registration = registration(draw(), steady);
        let first = registration.max(0) as usize;
        let days = (N_DAYS - first) as f64;
        let (stays, returns) = (draw() < behaviour.loyal, draw() < RETURNING);
        let (lifetime, pause) = (draw(), draw());
        let pause = PAUSE_DAYS.0 + (PAUSE_DAYS.1 - PAUSE_DAYS.0) * pause;
        let windows = if stays || steady {
            [(first, N_DAYS), (N_DAYS, N_DAYS)]
        } else if returns && days > 2.0 * pause {
            let stop = first + 10 + ((days - pause - 60.0) * lifetime) as usize;
            let back = stop + pause as usize;
            [(first, stop), (back, N_DAYS)]
        } else {
            let stop = first + 7 + ((days - 7.0) * lifetime * lifetime) as usize;
            [(first, stop.min(N_DAYS)), (N_DAYS, N_DAYS)]
        };
        Self {
            registration: FIRST_DAY + registration,
            windows,
            behaviour,
            rate,
            round_seconds,
            late: CITIES[location].late,
            favourite_type,
            device,
            age,
            workout,
            gender,
            location,
            subscription,
        }
    }

    /// Days on which the user plays.
    pub fn n_days(&self) -> usize {
        self.windows.iter().map(|(from, to)| to - from).sum()
    }
}

/// The day of registration, counted from the first day of the period, at a quantile of all
/// registrations.
fn registration(quantile: f64, steady: bool) -> i64 {
    if steady {
        return ((quantile - 0.5) * 730.0).floor() as i64;
    }
    if quantile < EARLY {
        return -1 - (quantile / EARLY * 365.0) as i64;
    }
    // The inverse of the share of registrations up to x of the period, (x + g x² / 2) / (1 + g /
    // 2).
    let share = (quantile - EARLY) / (1.0 - EARLY) * (1.0 + REGISTRATION_GROWTH / 2.0);
    let x = ((1.0 + 2.0 * REGISTRATION_GROWTH * share).sqrt() - 1.0) / REGISTRATION_GROWTH;
    (x * (N_DAYS - LAST_DAYS) as f64) as i64
}

const BAD_DATES: &[&str] =
    &["2024-02-30", "2023-02-29", "2024-13-05", "2022-04-31", "31/31/2023", "not a date", "soon"];

const FIRST_NAMES: [&str; 24] = [
    "emma", "louis", "lea", "hugo", "anna", "felix", "mia", "jonas", "lucia", "mateo", "sofia",
    "pablo", "giulia", "marco", "chiara", "luca", "ines", "adam", "clara", "noah", "alice", "leon",
    "elena", "david",
];
const LAST_NAMES: [&str; 24] = [
    "martin", "bernard", "dubois", "moreau", "laurent", "garcia", "lopez", "sanchez", "ruiz",
    "torres", "rossi", "ferrari", "bianchi", "romano", "greco", "muller", "schmidt", "weber",
    "fischer", "wagner", "becker", "petit", "roux", "costa",
];
const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

/// The address of the user at `index`: no two users have the same.
fn email(index: u64, id: i64) -> String {
    let first = FIRST_NAMES[(index * 7 % 24) as usize];
    let last = LAST_NAMES[((index / 24 + index * 5) % 24) as usize];
    format!("{first}.{last}{id}@{}", DOMAINS[(index % 3) as usize])
}

fn date_text(day: i64) -> String {
    let (year, month, day) = date(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Users in columns of equal length; one value is used for block after block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Users {
    /// Counts from 1, without [`super::UNKNOWN_ID`].
    pub user_id: Vec<i64>,
    /// `-18`, `18-25`, `26-35`, `36-50`, `50+`.
    pub age_range: Vec<Option<&'static str>>,
    /// As `2024-01-31`.
    pub registration_date: Vec<String>,
    /// Unique.
    pub email: Vec<String>,
    /// `flexible`, `minimal`, `regular`, `maximal`.
    pub workout_frequency: Vec<Option<&'static str>>,
    /// `M`, `F`, `Other`.
    pub gender: Vec<Option<&'static str>>,
    /// `Paris`, `Lyon`, `Berlin`, `Madrid`, `Rome`.
    pub location: Vec<Option<&'static str>>,
    /// `free`, `premium`, `trial`.
    pub subscription_type: Vec<Option<&'static str>>,
    /// What dirt did, by row.
    pub defects: Vec<Defect>,
}

impl Users {
    fn clear(&mut self) {
        self.user_id.clear();
        self.age_range.clear();
        self.registration_date.clear();
        self.email.clear();
        self.workout_frequency.clear();
        self.gender.clear();
        self.location.clear();
        self.subscription_type.clear();
        self.defects.clear();
    }
}

/// The generator of users.
pub struct UserTable {
    rows: u64,
    seed: i64,
    dirt: f64,
}

impl UserTable {
    /// `rows` users, 0 to 10^9; `dirt` is the share of words with a defect, 0 to 1.
    pub fn new(rows: i64, seed: i64, dirt: f64) -> Result<Self, ParameterError> {
        let rows = require_rows(rows, MAX_USERS)?;
        require_dirt(dirt)?;
        Ok(Self { rows, seed, dirt })
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> u64 {
        n_blocks(self.rows)
    }

    /// Replaces `users` with those of a block.
    pub fn fill(&self, block: u64, users: &mut Users) {
        users.clear();
        let range = block_range(self.rows, block);
        let n_rows = (range.end - range.start) as usize;
        let mut injector =
            Injector::new(self.dirt, self.seed, stream::USER_DIRT, block, &mut users.defects);
        for (row, index) in range.enumerate() {
            let person = Person::new(self.seed, index);
            let id = identifier(index);
            users.user_id.push(id);
            users.registration_date.push(date_text(person.registration));
            users.email.push(email(index, id));
            let words: [(&'static str, &Word, &mut Vec<Option<&'static str>>); 5] = [
                ("age_range", &AGE_RANGES[person.age], &mut users.age_range),
                (
                    "workout_frequency",
                    &WORKOUT_FREQUENCIES[person.workout],
                    &mut users.workout_frequency,
                ),
                ("gender", &GENDERS[person.gender], &mut users.gender),
                ("location", &LOCATIONS[person.location], &mut users.location),
                (
                    "subscription_type",
                    &SUBSCRIPTIONS[person.subscription],
                    &mut users.subscription_type,
                ),
            ];
            let never_plays = || Person::new(self.seed, index + 1).rate == 0.0;
            let row_defect =
                injector.row_defect(row, n_rows, &[Kind::BadTime], NEVER_PLAYING, never_plays);
            for (column, word, texts) in words {
                texts.push(match row_defect {
                    RowDefect::None => injector.spell(row, column, word),
                    _ => Some(word.text),
                });
            }
            match row_defect {
                RowDefect::Copy => {
                    injector.record(row, "user_id", Kind::DuplicateId, id.to_string());
                    repeat(&mut users.user_id, row);
                    repeat(&mut users.age_range, row);
                    repeat(&mut users.registration_date, row);
                    repeat(&mut users.email, row);
                    repeat(&mut users.workout_frequency, row);
                    repeat(&mut users.gender, row);
                    repeat(&mut users.location, row);
                    repeat(&mut users.subscription_type, row);
                }
                RowDefect::Unusable(kind) => {
                    let bad = injector.bad_time(BAD_DATES).to_string();
                    let clean = std::mem::replace(&mut users.registration_date[row], bad);
                    injector.record(row, "registration_date", kind, clean);
                }
                RowDefect::None | RowDefect::Copied => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_user_depends_on_the_seed_and_its_number_alone() {
        let (mut few, mut many) = (Users::default(), Users::default());
        UserTable::new(10, 7, 0.0).expect("good parameters").fill(0, &mut few);
        UserTable::new(3_000, 7, 0.0).expect("good parameters").fill(0, &mut many);
        assert_eq!(few.email, many.email[..10]);
        assert_eq!(few.location, many.location[..10]);
        assert_eq!(few.registration_date, many.registration_date[..10]);
    }

    #[test]
    fn windows_of_play_lie_between_registration_and_the_end() {
        for index in 0..20_000 {
            let person = Person::new(3, index);
            let [(a, b), (c, d)] = person.windows;
            assert!(a < b && b <= c && c <= d && d <= N_DAYS, "{person:?}");
            assert!(FIRST_DAY + a as i64 >= person.registration);
            if index.is_multiple_of(STEADY_EVERY) {
                assert!(person.n_days() >= STEADY_DAYS && person.rate > 0.0);
            }
        }
    }

    #[test]
    fn emails_are_unique() {
        let emails: HashSet<String> = (0..20_000).map(|i| email(i, identifier(i))).collect();
        assert_eq!(emails.len(), 20_000);
    }
}
