//! What one user does: the sessions, the games played in them, and when they begin.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use super::super::people::Person;
use super::super::stream;
use super::super::time_course::{DAY, N_DAYS};
use super::super::titles::{Title, title};
use super::GameEvents;
use crate::synth::random::{block_rng, unit};

/// Seconds between two sessions of a user, at least: above 30 minutes.
const PAUSE: i64 = 1_860;
/// Rounds last whole half minutes, at most 25 minutes: a session never falls apart.
const HALF_MINUTE: i64 = 30;
const MAX_ROUND: i64 = 1_500;
const MAX_ROUNDS: u32 = 15;
/// The last session of the period ends up to so many seconds before its end.
const LAST_SECONDS: i64 = 1_800;
/// Popularity of the game of rank r: 1 / (r + this), r counted from 1.
pub(super) const ZIPF_SHIFT: f64 = 1.5;
/// Favourite games of a user, and how often a session begins, and a round goes on, with one of
/// them.
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

/// All events of one user, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct History {
    pub drafts: Vec<Draft>,
    /// Of each session: seconds of the period at which it begins, and its length.
    pub starts: Vec<i64>,
    lengths: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Draft {
    /// Seconds since the beginning of the session.
    pub seconds: i32,
    pub session: u32,
    pub game: u32,
    pub duration: u16,
    pub kind: u8,
    pub device: u8,
}

impl GameEvents {
    /// Makes the history of a user with `n_events` events.
    pub(super) fn generate_history(&self, user: u64, n_events: usize, history: &mut History) {
        let History { drafts, starts, lengths } = history;
        drafts.clear();
        starts.clear();
        lengths.clear();
        let person = Person::new(self.seed, user);
        let mut rng = block_rng(self.seed, stream::PLAY, user);
        let mut favourites = [0; FAVOURITES];
        favourites.fill_with(|| self.draw_game(&person, &mut rng));
        while drafts.len() < n_events {
            let first = drafts.len();
            self.add_session(&person, &favourites, lengths.len() as u32, &mut rng, drafts);
            drafts.truncate(n_events);
            assert!(drafts.len() > first, "a session has an event");
            lengths.push(i64::from(drafts[drafts.len() - 1].seconds));
        }
        self.schedule(&person, lengths, &mut rng, starts);
    }

    /// Adds a session.
    fn add_session(
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
            // The sum of three uniform numbers is bell-shaped: rounds of one user differ, but not
            // wildly.
            let bell = unit(rng.next_u64()) + unit(rng.next_u64()) + unit(rng.next_u64());
            let length = person.round_seconds * (0.25 + bell / 2.0);
            let length =
                ((length as i64 + 15) / HALF_MINUTE * HALF_MINUTE).clamp(HALF_MINUTE, MAX_ROUND);
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
                let window =
                    if activities[1] > 0.0 { person.windows[1] } else { person.windows[0] };
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
}

/// A whole number of an interval, both ends included.
fn between(least: i64, most: i64, rng: &mut Xoshiro256PlusPlus) -> i64 {
    least + (unit(rng.next_u64()) * (most - least + 1) as f64) as i64
}

/// What a game is played on: those who have a console play everything on it, the others what the
/// game is made for.
fn device(person: &Person, game: &Title) -> u8 {
    if person.device as u8 == CONSOLE {
        CONSOLE
    } else if game.platform == WEB_PLATFORM {
        WEB
    } else {
        MOBILE
    }
}
