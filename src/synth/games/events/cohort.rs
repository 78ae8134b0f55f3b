//! A cohort: the users of a run of blocks, and how many events each of them has.

use super::super::people::{Person, STEADY_DAYS, STEADY_EVERY};
use super::{GameEvents, MAX_EVENTS_PER_USER};
use crate::synth::BLOCK_ROWS;

/// Events of one user on a day of play, on the average over these days, at most. With a pause of
/// half an hour before each session they still fit into 24 hours.
const MAX_EVENTS_PER_DAY: f64 = 40.0;
/// Users of a cohort, at least (where there are so many), and those of them who may play, at most.
pub(super) const MIN_COHORT: u64 = 64;
const MAX_PLAYERS: u64 = 4_096;
const _: () = assert!(
    (MIN_COHORT / STEADY_EVERY - 1) as f64 * MAX_EVENTS_PER_DAY * STEADY_DAYS as f64
        > (MIN_COHORT * MAX_EVENTS_PER_USER as u64) as f64,
    "the steady players of a cohort could make all of its events"
);

/// The users of a run of blocks and how many events each has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cohort {
    /// Rows and users of the cohort that is held.
    held: Option<CohortKey>,
    pub first_row: u64,
    pub users: Vec<u64>,
    /// Share of the cohort's events, then their number, then the number of events up to and with
    /// this user.
    weights: Vec<f64>,
    caps: Vec<f64>,
    pub ends: Vec<u64>,
}

/// What the division of a cohort depends on: the seed, its first row and the one behind its last,
/// its first user and the one behind its last.
type CohortKey = (i64, u64, u64, u64, u64);

impl GameEvents {
    /// Divides the events of the block's cohort among its users.
    pub(super) fn divide_among_users(&self, block: u64, cohort: &mut Cohort) {
        let n_cohorts = (self.n_blocks() / self.blocks_per_cohort).max(1);
        let number = (block / self.blocks_per_cohort).min(n_cohorts - 1);
        let first_row = number * self.blocks_per_cohort * BLOCK_ROWS;
        let end_row = match number + 1 {
            next if next == n_cohorts => self.rows,
            next => next * self.blocks_per_cohort * BLOCK_ROWS,
        };
        let turn =
            |row: u64| (u128::from(self.users) * u128::from(row) / u128::from(self.rows)) as u64;
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
            let user = first_user
                + (u128::from(n_users) * u128::from(place) / u128::from(n_players)) as u64;
            let person = Person::new(self.seed, user);
            let activity: f64 =
                person.windows.iter().map(|window| self.time_course.between(*window)).sum();
            users.push(user);
            weights.push(person.rate * activity);
            caps.push(person.n_days() as f64 * MAX_EVENTS_PER_DAY);
        }
        apportion(end_row - first_row, weights, caps, ends);
        (cohort.held, cohort.first_row) = (Some(key), first_row);
    }
}

/// Divides `n` events by weight, none above its cap; `ends` gets the running totals.
fn apportion(n: u64, weights: &mut [f64], caps: &[f64], ends: &mut Vec<u64>) {
    // Who would get more than the cap gets the cap, and what is left is divided among the others.
    let mut capped = vec![false; weights.len()];
    let mut left = n as f64;
    loop {
        let free: f64 =
            weights.iter().zip(&capped).filter(|(_, capped)| !**capped).map(|(w, _)| w).sum();
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
            weights
                .iter_mut()
                .zip(&capped)
                .filter(|(_, capped)| !**capped)
                .for_each(|(w, _)| *w *= scale);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_is_complete_and_keeps_to_the_caps() {
        let (weights, caps) = ([5.0, 0.0, 1.0, 1.0, 3.0], [40.0, 10.0, 1_000.0, 20.0, 60.0]);
        let mut ends = Vec::new();
        apportion(150, &mut weights.clone(), &caps, &mut ends);
        assert_eq!(ends, [40, 40, 70, 90, 150]);
        ends.clear();
        apportion(10, &mut weights.clone(), &caps, &mut ends);
        assert_eq!(ends, [5, 5, 6, 7, 10]);
        ends.clear();
        apportion(0, &mut weights.clone(), &caps, &mut ends);
        assert_eq!(ends, [0; 5]);
    }
}
