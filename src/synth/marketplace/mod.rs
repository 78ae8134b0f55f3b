//! Synthetic events of an online shop: sessions of users who view products, put some in the cart
//! and buy a few.
//!
//! The shape follows a large multi-category shop: 96 % views, log-normal prices by category, a
//! quarter of the events on smartphones, popularity of products by a shifted Zipf law, a long tail
//! of users of a few behaviours, and the hours of a day. Block `b` is a function of the parameters
//! and `b` alone, so any number of threads makes the same rows, and nothing grows with the number
//! of rows. The rows of a session are in one block, the one in whose slice of time it starts; its
//! events reach into the time of the next blocks. The session that fills a block ends there.

mod catalogue;
mod defects;
mod events;
mod parameters;
mod products;
mod sessions;
#[cfg(test)]
mod test_data;
mod traffic;
mod users;

use rand_xoshiro::rand_core::Rng;

pub use events::Events;
pub use parameters::{MAX_DAYS, Parameters};
use products::Products;
use sessions::Sessions;
use traffic::{Slice, Traffic};
use users::Users;

use crate::synth::random::{block_rng, unit};
use crate::synth::{BLOCK_ROWS, ParameterError};

const SECOND: i64 = 1_000_000;
const SECONDS_OF_DAY: u64 = 86_400;

/// Purposes of hashes, see [`crate::synth::random::hash`].
mod stream {
    pub const BLOCK: u64 = 1;
    pub const BEHAVIOUR: u64 = 2;
    pub const REACH: u64 = 3;
    pub const FAVOURITE: u64 = 4;
    pub const USER_ID: u64 = 5;
    pub const PRODUCT_ID: u64 = 6;
    pub const UNPRICED: u64 = 7;
    pub const BRANDS: u64 = 9;
    pub const UNBRANDED: u64 = 10;
    pub const DAY: u64 = 11;
    pub const CATEGORY_ID: u64 = 12;
    pub const RARE_BRANDS: u64 = 13;
    pub const BURSTS: u64 = 14;
}

/// The generator.
pub struct Marketplace {
    parameters: Parameters,
    traffic: Traffic,
    users: Users,
    products: Products,
    sessions: Sessions,
}

impl Marketplace {
    /// Checks the parameters. Memory depends on `days` and the fixed catalogue, never on the number
    /// of rows.
    pub fn new(parameters: Parameters) -> Result<Self, ParameterError> {
        parameters.validate()?;
        Ok(Self {
            traffic: Traffic::new(&parameters),
            users: Users::new(parameters.users, parameters.seed),
            products: Products::new(parameters.products, parameters.seed),
            sessions: Sessions::new(&parameters),
            parameters,
        })
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> u64 {
        self.parameters.rows.div_ceil(BLOCK_ROWS)
    }

    /// Number of rows of a block: [`BLOCK_ROWS`], or fewer in the last one.
    pub fn block_rows(&self, block: u64) -> u64 {
        assert!(block < self.n_blocks(), "there are {} blocks, not {block}", self.n_blocks());
        BLOCK_ROWS.min(self.parameters.rows - block * BLOCK_ROWS)
    }

    /// Replaces `events` with those of a block: a function of the parameters and `block` alone,
    /// sorted by time. Sessions start in the block's slice of the period.
    pub fn fill(&self, block: u64, events: &mut Events) {
        let block_rows = self.block_rows(block);
        let Parameters { rows, users, seed, dirt, .. } = self.parameters;
        let mut rng = block_rng(seed, stream::BLOCK, block);
        events.clear();
        let first_row = block * BLOCK_ROWS;
        let slice = Slice::new(
            &self.traffic,
            first_row as f64 / rows as f64,
            (first_row + block_rows) as f64 / rows as f64,
        );

        // Each user's turn comes once, by its place in the period; then sessions go to the active
        // users.
        let turn = |row: u64| (u128::from(users) * u128::from(row) / u128::from(rows)) as u64;
        for user in turn(first_row)..turn(first_row + block_rows) {
            if events.drafts.len() as u64 == block_rows {
                break;
            }
            let share = (user as f64 + unit(rng.next_u64())) / users as f64;
            self.add_session(user, share, &slice, block_rows as usize, &mut rng, events);
        }
        while (events.drafts.len() as u64) < block_rows {
            let share = slice.shares.0 + (slice.shares.1 - slice.shares.0) * unit(rng.next_u64());
            let user = self.users.draw(share, &mut rng);
            self.add_session(user, share, &slice, block_rows as usize, &mut rng, events);
        }
        self.write(events);
        if dirt > 0.0 {
            self.inject_defects(block, events, &mut rng);
        }
    }

    /// Sorts the drafts by time, each session's in their order, and writes them to the columns.
    fn write(&self, events: &mut Events) {
        events.order.extend(
            events.drafts.iter().zip(0u64..).map(|(draft, i)| (draft.seconds as u64) << 16 | i),
        );
        events.order.sort_unstable();
        for key in &events.order {
            let draft = &events.drafts[(key & 0xffff) as usize];
            let item = &events.items[usize::from(draft.item)];
            let session = usize::from(draft.session);
            let id = session * Events::SESSION_LENGTH..(session + 1) * Events::SESSION_LENGTH;
            events.event_time.push(Some(self.parameters.start + draft.seconds as i64 * SECOND));
            events.event_type.push(draft.kind.name());
            events.product_id.push(item.product_id);
            let (category_id, category_code) = self.products.category(usize::from(item.category));
            events.category_id.push(category_id);
            events.category_code.push(category_code);
            events.brand.push(item.brand);
            events.price.push(item.price);
            events.user_id.push(Some(events.session_users[session]));
            events.user_session.push_str(&events.session_ids[id]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parameters::{MAX_PRODUCTS, MAX_USERS};
    use super::test_data::{block, each_event, marketplace, parameters};
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_number_of_rows_is_exact() {
        for rows in [0, 1, 2, 2_047, 2_048, 2_049, 100_000] {
            let mut count = 0;
            each_event(parameters(rows), |_, _| count += 1);
            assert_eq!(count, rows);
        }
    }

    #[test]
    fn a_block_depends_on_nothing_but_the_parameters_and_its_number() {
        for dirt in [0.0, 0.1] {
            let parameters = Parameters { dirt, ..parameters(20_000) };
            let (one, other) = (marketplace(parameters.clone()), marketplace(parameters));
            let mut reused = Events::default();
            for number in (0..one.n_blocks()).rev() {
                other.fill(number, &mut reused);
                assert_eq!(block(&one, number), reused);
            }
        }
    }

    #[test]
    fn another_seed_gives_other_events() {
        let one = block(&marketplace(parameters(5_000)), 0);
        let other = block(&marketplace(Parameters { seed: 2, ..parameters(5_000) }), 0);
        assert_ne!(one.user_id, other.user_id);
        assert_ne!(one.product_id, other.product_id);
        assert_ne!(one.event_time, other.event_time);
        assert_ne!(one.user_session(0), other.user_session(0));
    }

    #[test]
    fn times_rise_in_a_block_and_are_inside_the_period() {
        for (rows, days) in [(3, 1), (10_000, 2), (300_000, 1), (50_000, 3_660)] {
            let parameters = Parameters { days, ..parameters(rows) };
            let end = parameters.start + i64::from(days) * SECONDS_OF_DAY.cast_signed() * SECOND;
            let start = parameters.start;
            each_event(parameters, |events, row| {
                let time = events.event_time[row].expect("there is no dirt");
                assert!(time >= start && time < end && time % SECOND == 0, "{start} {time} {end}");
                assert!(row == 0 || events.event_time[row - 1] <= Some(time));
            });
        }
    }

    #[test]
    fn one_user_one_product_and_one_day_are_enough() {
        let tiny = Parameters { users: 1, products: 1, days: 1, ..parameters(10_000) };
        let (mut users, mut products) = (HashSet::new(), HashSet::new());
        each_event(tiny, |events, row| {
            users.insert(events.user_id[row]);
            products.insert(events.product_id[row]);
        });
        assert_eq!((users.len(), products.len()), (1, 1));
    }

    #[test]
    fn more_users_and_products_than_events_are_accepted() {
        let wide = Parameters { users: MAX_USERS, products: MAX_PRODUCTS, ..parameters(5_000) };
        let mut count = 0;
        each_event(wide, |_, _| count += 1);
        assert_eq!(count, 5_000);
    }
}
