//! The sessions of the shop: how many views a session has, and how views lead to carts and
//! purchases.

use std::fmt::Write;

use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

use super::events::{Draft, Events, Kind};
use super::traffic::Slice;
use super::users::mean_propensities;
use super::{Marketplace, Parameters, SECONDS_OF_DAY, stream};
use crate::synth::random::{hash, normal_quantile, unit};

/// Carts and purchases per view over all events.
const CARTS_PER_VIEW: f64 = 2.18 / 96.07;
const PURCHASES_PER_VIEW: f64 = 1.75 / 96.07;
/// Probability that a purchase is followed by another of the same product.
const BUYS_AGAIN: f64 = 0.3;
/// Views of a session: ceil of a log-normal number (median 2, 90 % up to 8), and seconds between
/// its events, at least one.
const LN_VIEWS: (f64, f64) = (0.57, 1.1);
const LN_PAUSE: (f64, f64) = (3.5, 1.0);
/// The next view is of the same product; else it stays in the category; the first one is in the
/// user's favourite.
const SAME_PRODUCT: f64 = 0.34;
const SAME_CATEGORY: f64 = 0.83;
const FAVOURITE_CATEGORY: f64 = 0.4;
const QUANTILES: usize = 4_096;

/// What all sessions of a shop have in common.
pub(super) struct Sessions {
    /// Carts per view, and purchases without a cart per view and `carts * buys` of the behaviour.
    cart_rate: f64,
    direct_rate: f64,
    /// Quantiles of the views of a session and of the seconds between two of its events.
    views: Vec<u16>,
    pauses: Vec<f32>,
}

impl Sessions {
    pub fn new(&Parameters { rows, users, .. }: &Parameters) -> Self {
        let views: Vec<u16> = quantiles(LN_VIEWS, |views| views.ceil() as u16);
        let pauses = quantiles(LN_PAUSE, |seconds| seconds.max(1.0) as f32);
        let mean_views = views.iter().map(|&n| f64::from(n)).sum::<f64>() / views.len() as f64;
        let sessions = rows as f64 / (mean_views * (1.0 + CARTS_PER_VIEW + PURCHASES_PER_VIEW));
        let (carts, buys) = mean_propensities((users as f64 / sessions.max(1.0)).min(1.0));
        let cart_rate = CARTS_PER_VIEW / carts;
        Self {
            cart_rate,
            direct_rate: PURCHASES_PER_VIEW * (1.0 - BUYS_AGAIN) / buys - cart_rate,
            views,
            pauses,
        }
    }
}

impl Marketplace {
    /// Adds one session; it ends where the block is full.
    pub(super) fn add_session(
        &self,
        user: u64,
        share: f64,
        slice: &Slice,
        block_rows: usize,
        rng: &mut Xoshiro256PlusPlus,
        events: &mut Events,
    ) {
        let seed = self.parameters.seed;
        let session = events.session_users.len() as u16;
        events.session_users.push(self.users.id(user));
        push_uuid([rng.next_u64(), rng.next_u64()], &mut events.session_ids);
        let behaviour = self.users.behaviour(user);
        let first = events.drafts.len();
        let mut seconds = 0.0;
        let mut push = |kind: Kind, rng: &mut Xoshiro256PlusPlus, events: &mut Events| {
            if events.drafts.len() < block_rows {
                events.drafts.push(Draft {
                    seconds,
                    session,
                    item: (events.items.len() - 1) as u16,
                    kind,
                });
                seconds += f64::from(self.sessions.pauses[quantile_index(rng)]);
            }
        };
        let mut category = if unit(rng.next_u64()) < FAVOURITE_CATEGORY {
            let mut own = SplitMix64::seed_from_u64(hash(seed, stream::FAVOURITE, user));
            self.products.draw_category(&mut own)
        } else {
            self.products.draw_category(rng)
        };
        for view in 0..self.sessions.views[quantile_index(rng)] {
            if events.drafts.len() == block_rows {
                break;
            }
            if view == 0 || unit(rng.next_u64()) >= SAME_PRODUCT {
                if view > 0 && unit(rng.next_u64()) >= SAME_CATEGORY {
                    category = self.products.draw_category(rng);
                }
                events.items.push(self.products.draw_item(category, rng));
            }
            push(Kind::View, rng, events);
            if events.items.last().is_some_and(|item| item.price == 0) {
                continue;
            }
            let propensity = self.products.appeal(category) * behaviour.carts;
            let cart = self.sessions.cart_rate * propensity;
            let u = unit(rng.next_u64());
            if u < cart {
                push(Kind::Cart, rng, events);
                if unit(rng.next_u64()) >= behaviour.buys {
                    continue;
                }
            } else if u >= cart + self.sessions.direct_rate * propensity * behaviour.buys {
                continue;
            }
            push(Kind::Purchase, rng, events);
            while unit(rng.next_u64()) < BUYS_AGAIN {
                push(Kind::Purchase, rng, events);
            }
        }
        // The session must end inside the period: at its end it starts earlier, and shrinks if that
        // is not enough.
        let drafts = &mut events.drafts[first..];
        let duration = drafts.last().map_or(0.0, |draft| draft.seconds);
        let last = f64::from(self.parameters.days) * SECONDS_OF_DAY as f64 - 1.0;
        let fit = (last / duration).min(1.0);
        let start = self.traffic.second(share, slice.hours).min(last - duration * fit).max(0.0);
        for draft in drafts {
            draft.seconds = (start + draft.seconds * fit).floor();
        }
    }
}

/// Quantiles of a log-normal law at the middles of equal intervals.
fn quantiles<T>((mean, deviation): (f64, f64), convert: impl Fn(f64) -> T) -> Vec<T> {
    (0..QUANTILES)
        .map(|i| {
            convert((mean + deviation * normal_quantile((i as f64 + 0.5) / QUANTILES as f64)).exp())
        })
        .collect()
}

fn quantile_index(rng: &mut Xoshiro256PlusPlus) -> usize {
    (rng.next_u64() >> (64 - QUANTILES.ilog2())) as usize
}

/// Appends 128 random bits as a UUID of version 4.
fn push_uuid([high, low]: [u64; 2], text: &mut String) {
    write!(
        text,
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff,
    )
    .expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::marketplace::SECOND;
    use crate::synth::marketplace::test_data::{block, each_event, marketplace, parameters, share};
    use std::collections::{HashMap, HashSet};

    #[test]
    fn the_event_mix_is_that_of_the_real_shop() {
        let mix = |parameters: &Parameters, name: &str| {
            100.0 * share(parameters.clone(), |events, row| events.event_type[row] == name)
        };
        let few_users = Parameters { users: 2_000, ..parameters(500_000) };
        for parameters in
            [parameters(500_000), Parameters { seed: 7, ..parameters(500_000) }, few_users]
        {
            for (name, percent) in [("view", 96.07), ("cart", 2.18), ("purchase", 1.75)] {
                let found = mix(&parameters, name);
                assert!((found - percent).abs() < 0.3, "{name}: {found}");
            }
        }
    }

    #[test]
    fn every_purchase_has_a_price() {
        each_event(parameters(300_000), |events, row| {
            assert!(events.event_type[row] != "purchase" || events.price[row] > 0);
        });
    }

    #[test]
    fn a_session_belongs_to_one_user_and_buys_only_what_it_viewed() {
        let mut sessions = HashMap::new();
        let mut viewed = HashSet::new();
        let mut events_of_sessions = 0;
        each_event(parameters(100_000), |events, row| {
            let session = events.user_session(row).to_owned();
            let user = events.user_id[row];
            let product = (session.clone(), events.product_id[row]);
            assert_eq!(*sessions.entry(session).or_insert(user), user);
            if events.event_type[row] == "view" {
                viewed.insert(product);
            } else {
                assert!(viewed.contains(&product));
            }
            events_of_sessions += 1;
        });
        let length = f64::from(events_of_sessions) / sessions.len() as f64;
        assert!((3.3..4.2).contains(&length), "{length}");
    }

    #[test]
    fn a_session_is_the_text_of_a_version_4_uuid() {
        let events = block(&marketplace(parameters(5_000)), 0);
        for row in 0..events.len() {
            let text = events.user_session(row).as_bytes();
            assert!(text.iter().enumerate().all(|(i, &byte)| match i {
                8 | 13 | 18 | 23 => byte == b'-',
                14 => byte == b'4',
                19 => b"89ab".contains(&byte),
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            }));
        }
    }

    #[test]
    fn a_full_month_has_sessions_as_long_as_a_small_one() {
        // A block of these spans two minutes.
        let mut events = Events::default();
        let month = marketplace(parameters(42_448_764));
        let (mut sessions, mut long) = (HashMap::new(), 0);
        for number in 10_000..10_020 {
            month.fill(number, &mut events);
            for row in 0..events.len() {
                let time = events.event_time[row].expect("there is no dirt");
                let (first, last) =
                    sessions.entry(events.user_session(row).to_owned()).or_insert((time, time));
                (*first, *last) = (time.min(*first), time.max(*last));
            }
        }
        for (first, last) in sessions.values() {
            long += usize::from(last - first > 300 * SECOND);
        }
        let share = long as f64 / sessions.len() as f64;
        assert!((0.05..0.25).contains(&share), "{share}");
    }
}
