//! The users of the shop: how they behave, how often they come, and when.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use super::stream;
use crate::synth::random::{Permutation, hash, unit};

/// Draws of a user before one outside its time in the shop is taken.
const USER_DRAWS: usize = 16;

/// How users of one kind behave.
pub(super) struct Behaviour {
    /// Share of users.
    share: f64,
    /// Relative number of sessions, at most 1.
    activity: f64,
    /// Relative number of carts per view.
    pub carts: f64,
    /// Probability that a cart becomes a purchase.
    pub buys: f64,
}

/// Browsers, occasional buyers, loyal buyers, those who leave their carts.
static BEHAVIOURS: [Behaviour; 4] = [
    Behaviour { share: 0.60, activity: 0.55, carts: 0.15, buys: 0.35 },
    Behaviour { share: 0.22, activity: 0.70, carts: 1.00, buys: 0.55 },
    Behaviour { share: 0.07, activity: 1.00, carts: 5.00, buys: 0.80 },
    Behaviour { share: 0.11, activity: 0.80, carts: 3.00, buys: 0.15 },
];

/// The users of one shop.
pub(super) struct Users {
    n: u64,
    seed: i64,
    /// Users by rank of activity.
    order: Permutation,
    behaviour_offset: f64,
    id_step: u64,
}

impl Users {
    /// `n` users, at least one.
    pub fn new(n: u64, seed: i64) -> Self {
        Self {
            n,
            seed,
            order: Permutation::new(n),
            behaviour_offset: unit(hash(seed, stream::BEHAVIOUR, 0)),
            id_step: (80_000_000 / n).max(1),
        }
    }

    /// The identifier of a user: none has that of another.
    pub fn id(&self, user: u64) -> i64 {
        let jitter = hash(self.seed, stream::USER_ID, user) % self.id_step;
        (500_000_000 + user * self.id_step + jitter).cast_signed()
    }

    /// A user by activity who is in the shop at `share` of the period.
    ///
    /// The product of three uniform numbers is the rank of a user whose weight is the square of an
    /// exponential number: a long tail without a table.
    pub fn draw(&self, share: f64, rng: &mut Xoshiro256PlusPlus) -> u64 {
        let users = self.n;
        let mut draw = || {
            let rank = unit(rng.next_u64()) * unit(rng.next_u64()) * unit(rng.next_u64());
            let user = self.order.map(((rank * users as f64) as u64).min(users - 1));
            (user, unit(rng.next_u64()))
        };
        for _ in 1..USER_DRAWS {
            let (user, u) = draw();
            let distance = (user as f64 / users as f64 - share).abs();
            if u < self.behaviour(user).activity && distance <= self.reach(user) {
                return user;
            }
        }
        draw().0
    }

    /// How a user behaves: kinds are evenly spread over the ranks of activity, so that the mix of
    /// events holds for few users too.
    pub fn behaviour(&self, user: u64) -> &'static Behaviour {
        let rank = self.order.unmap(user) as f64;
        let mut u = (rank * 0.618_033_988_749_894_9 + self.behaviour_offset).fract();
        let last = BEHAVIOURS.len() - 1;
        let kind = (0..last)
            .find(|&kind| {
                u -= BEHAVIOURS[kind].share;
                u < 0.0
            })
            .unwrap_or(last);
        &BEHAVIOURS[kind]
    }

    /// How far from its turn, as a share of the period, a user still comes: some always, others for
    /// a while.
    fn reach(&self, user: u64) -> f64 {
        match unit(hash(self.seed, stream::REACH, user)) {
            u if u < 0.35 => 1.0,
            u => 0.01 + 0.35 * ((u - 0.35) / 0.65).powi(2),
        }
    }
}

/// Means over sessions of `carts` and of `carts * buys`, when `turns` of the sessions are the
/// users' own turns and the rest goes by activity.
pub(super) fn mean_propensities(turns: f64) -> (f64, f64) {
    let activity: f64 = BEHAVIOURS.iter().map(|b| b.share * b.activity).sum();
    BEHAVIOURS.iter().fold((0.0, 0.0), |(carts, buys), b| {
        let sessions = b.share * (turns + (1.0 - turns) * b.activity / activity);
        (carts + sessions * b.carts, buys + sessions * b.carts * b.buys)
    })
}

#[cfg(test)]
mod tests {
    use crate::synth::marketplace::test_data::{each_event, parameters};
    use std::collections::HashMap;

    #[test]
    fn every_user_comes_and_a_few_come_often() {
        let parameters = parameters(280_000);
        let mut users = HashMap::new();
        each_event(parameters.clone(), |events, row| {
            *users.entry(events.user_id[row]).or_insert(0u64) += 1
        });
        assert_eq!(users.len() as u64, parameters.users);
        let mut counts: Vec<u64> = users.into_values().collect();
        counts.sort_unstable();
        let top: u64 = counts[counts.len() * 9 / 10..].iter().sum();
        assert!((0.3..0.7).contains(&(top as f64 / parameters.rows as f64)), "{top}");
    }
}
