//! Dirt: copies in bursts, missing, negative, misspelt and unknown values, each counted.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use super::catalogue::MISSPELT;
use super::events::Events;
use super::{Marketplace, Parameters, stream};
use crate::synth::BLOCK_ROWS;
use crate::synth::random::{block_rng, unit};

/// Event types that a shop does not have.
const UNKNOWN_EVENT_TYPES: [&str; 3] = ["wishlist", "impression", ""];
/// Kinds of defects, see [`Parameters::dirt`].
const DEFECTS: u64 = 7;
/// The real shop has the row of a cart up to 78 times. A burst has n copies or more with the
/// probability 1 / n^2.
const MAX_COPIES: u64 = 77;
/// Copies whose bursts are drawn from one seed: without a state over blocks, a block learns what
/// falls to it from at most so many draws.
const COPIES_PER_BATCH: u64 = 1_024;

impl Marketplace {
    /// Gives a share of the events one defect each, see [`Parameters::dirt`]. Copies first, because
    /// a burst needs many free rows side by side; the other defects each somewhere in its own
    /// stretch of what is left.
    pub(super) fn inject_defects(
        &self,
        block: u64,
        events: &mut Events,
        rng: &mut Xoshiro256PlusPlus,
    ) {
        let mut is_free = vec![true; events.len()];
        let carts: Vec<usize> =
            (0..events.len()).filter(|&row| events.event_type[row] == "cart").collect();
        for copies in self.bursts(block) {
            if !repeat_a_cart(events, copies, &carts, &mut is_free, rng) {
                (0..copies).for_each(|_| repeat_an_event(events, &mut is_free, rng));
            }
        }
        let free: Vec<usize> = (0..events.len()).filter(|&row| is_free[row]).collect();
        let first_row = block * BLOCK_ROWS;
        let numbers =
            self.defects_before(first_row)..self.defects_before(first_row + events.len() as u64);
        let others: Vec<u64> = numbers.filter(|number| number % DEFECTS != 0).collect();
        for (place, number) in others.iter().enumerate() {
            let (from, to) =
                (place * free.len() / others.len(), (place + 1) * free.len() / others.len());
            let bits = rng.next_u64();
            if from == to {
                continue;
            }
            let row = free[from + bits as u32 as usize % (to - from)];
            let variant = (bits >> 32) as usize;
            match number % DEFECTS {
                1 => events.user_id[row] = None,
                2 => events.price[row] = -events.price[row].max(1),
                3 => {
                    events.event_type[row] =
                        misspelt(events.event_type[row], variant).expect("all are listed");
                }
                4 => events.event_time[row] = None,
                5 => {
                    for word in [&mut events.category_code[row], &mut events.brand[row]] {
                        *word = word.map(|word| misspelt(word, variant).unwrap_or(word));
                    }
                }
                _ => {
                    events.event_type[row] =
                        UNKNOWN_EVENT_TYPES[variant % UNKNOWN_EVENT_TYPES.len()]
                }
            }
        }
    }

    /// Defects in the rows before `row`, were each in the place of its turn.
    fn defects_before(&self, row: u64) -> u64 {
        (row as f64 * self.parameters.dirt) as u64
    }

    /// Numbers of copies in the bursts that fall to a block, the longest first. All bursts together
    /// have the number of copies that `dirt` asks for; a burst falls to the block in whose turn it
    /// begins. A last block that is not full may be too short for its bursts: they fall to the one
    /// before.
    fn bursts(&self, block: u64) -> Vec<usize> {
        let Parameters { rows, seed, .. } = self.parameters;
        let copies_before = |row: u64| self.defects_before(row).div_ceil(DEFECTS);
        let (all, last) = (copies_before(rows), (rows / BLOCK_ROWS).max(1) - 1);
        if block > last {
            return Vec::new();
        }
        let from = copies_before(block * BLOCK_ROWS);
        let to = if block == last { all } else { copies_before((block + 1) * BLOCK_ROWS) };
        let mut bursts = Vec::new();
        for batch in from / COPIES_PER_BATCH..to.div_ceil(COPIES_PER_BATCH) {
            let mut rng = block_rng(seed, stream::BURSTS, batch);
            let mut first = batch * COPIES_PER_BATCH;
            let end = all.min(first + COPIES_PER_BATCH);
            while first < end.min(to) {
                let copies = unit(rng.next_u64()).powf(-0.5) as u64;
                let copies = copies.clamp(1, MAX_COPIES).min(end - first);
                if first >= from {
                    bursts.push(copies as usize);
                }
                first += copies;
            }
        }
        bursts.sort_unstable_by(|one, other| other.cmp(one));
        bursts
    }
}

fn misspelt(word: &str, variant: usize) -> Option<&'static str> {
    let (_, variants) = MISSPELT.iter().find(|(right, _)| *right == word)?;
    Some(variants[variant % variants.len()])
}

/// Repeats one of the carts in the rows around it, if one has so many free ones.
fn repeat_a_cart(
    events: &mut Events,
    copies: usize,
    carts: &[usize],
    is_free: &mut [bool],
    rng: &mut Xoshiro256PlusPlus,
) -> bool {
    let first = (rng.next_u64() % carts.len().max(1) as u64) as usize;
    for &row in carts[first..].iter().chain(&carts[..first]) {
        // The rows after the cart, but at the end of the block those before it too: times rise
        // either way.
        let from = row.min(events.len().saturating_sub(copies + 1));
        let Some(place) = is_free.get_mut(from..from + copies + 1) else {
            return false;
        };
        if place.iter().all(|&free| free) {
            place.fill(false);
            (from..=from + copies).for_each(|to| events.copy_row(row, to));
            return true;
        }
    }
    false
}

/// Repeats some event in the row after it, where both rows are free.
fn repeat_an_event(events: &mut Events, is_free: &mut [bool], rng: &mut Xoshiro256PlusPlus) {
    let n_rows = events.len();
    let first = (rng.next_u64() % n_rows as u64) as usize;
    let row = (first..n_rows - 1).chain(0..first).find(|&row| is_free[row] && is_free[row + 1]);
    if let Some(row) = row {
        is_free[row..=row + 1].fill(false);
        events.copy_row(row, row + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::marketplace::test_data::{block, each_event, marketplace, parameters};

    fn copies(events: &Events, row: usize) -> bool {
        row > 0
            && events.event_time[row] == events.event_time[row - 1]
            && events.user_session(row) == events.user_session(row - 1)
            && events.event_type[row] == events.event_type[row - 1]
            && events.product_id[row] == events.product_id[row - 1]
    }

    /// The number of events with each defect that shows: copies, no user, negative price, misspelt
    /// event type, no time, misspelt category or brand, unknown event type.
    fn defects(parameters: Parameters) -> [u64; DEFECTS as usize] {
        let mut counts = [0; DEFECTS as usize];
        let is_misspelt =
            |word: &str| MISSPELT.iter().any(|(_, variants)| variants.contains(&word));
        each_event(parameters, |events, row| {
            let words = [events.category_code[row], events.brand[row]];
            for (count, holds) in counts.iter_mut().zip([
                copies(events, row),
                events.user_id[row].is_none(),
                events.price[row] < 0,
                is_misspelt(events.event_type[row]),
                events.event_time[row].is_none(),
                words.into_iter().flatten().any(is_misspelt),
                UNKNOWN_EVENT_TYPES.contains(&events.event_type[row]),
            ]) {
                *count += u64::from(holds);
            }
        });
        counts
    }

    #[test]
    fn no_dirt_means_no_defect() {
        assert_eq!(defects(parameters(200_000)), [0; DEFECTS as usize]);
    }

    #[test]
    fn each_defect_comes_in_its_turn() {
        for (rows, dirt) in [
            (200_000, 0.07),
            (30_001, 0.013),
            (5_000, 0.4),
            (100_000, 0.5),
            (500_000, 0.000_1),
            // One row in the last block, which would be the copy.
            (6_145, 0.4),
            (2, 0.5),
            (3, 0.5),
            (17, 0.5),
        ] {
            let found = defects(Parameters { dirt, ..parameters(rows) });
            let all = (rows as f64 * dirt) as u64;
            let expected: [u64; DEFECTS as usize] =
                std::array::from_fn(|kind| (all + DEFECTS - 1 - kind as u64) / DEFECTS);
            // Not every event has a category or brand that people misspell.
            assert!(
                found[5] <= expected[5] && found[5] >= expected[5] / 4,
                "{found:?} {expected:?}"
            );
            let exact = |counts: [u64; DEFECTS as usize]| [&counts[..5], &counts[6..]].concat();
            assert_eq!(exact(found), exact(expected), "{rows} {dirt}");
        }
    }

    /// The bursts of equal rows: type of the event and number of rows of each.
    fn bursts(parameters: Parameters) -> Vec<(&'static str, u64)> {
        let mut bursts: Vec<(&'static str, u64)> = Vec::new();
        let mut before = false;
        each_event(parameters, |events, row| {
            let repeats = copies(events, row);
            match bursts.last_mut() {
                Some(burst) if repeats && before => burst.1 += 1,
                _ if repeats => bursts.push((events.event_type[row], 2)),
                _ => {}
            }
            before = repeats;
        });
        bursts
    }

    #[test]
    fn most_bursts_are_pairs_and_the_longest_has_78_rows() {
        for seed in 1..3 {
            let bursts = bursts(Parameters { seed, dirt: 0.1, ..parameters(2_000_000) });
            assert_eq!(
                bursts.iter().map(|(_, n_rows)| n_rows - 1).sum::<u64>(),
                200_000_u64.div_ceil(7)
            );
            assert_eq!(bursts.iter().map(|&(_, n_rows)| n_rows).max(), Some(78));
            let share = |least: u64| {
                bursts.iter().filter(|&&(_, n_rows)| n_rows > least).count() as f64
                    / bursts.len() as f64
            };
            for (copies, expected) in [(2, 0.25), (3, 0.111), (5, 0.04), (10, 0.01)] {
                assert!(
                    (share(copies) / expected - 1.0).abs() < 0.25,
                    "{copies}: {}",
                    share(copies)
                );
            }
        }
    }

    #[test]
    fn only_carts_burst_and_other_events_are_pairs_where_there_is_no_cart_left() {
        let is_cart = |&(event_type, _): &(&str, u64)| event_type == "cart";
        assert!(bursts(Parameters { dirt: 0.02, ..parameters(500_000) }).iter().all(is_cart));
        let crowded = bursts(Parameters { dirt: 0.5, ..parameters(100_000) });
        assert!(crowded.iter().all(|burst| is_cart(burst) || burst.1 == 2));
        assert!(crowded.iter().any(|burst| !is_cart(burst)) && crowded.iter().any(is_cart));
    }

    #[test]
    fn a_burst_keeps_times_in_their_order() {
        let mut last = None;
        each_event(Parameters { dirt: 0.3, ..parameters(50_000) }, |events, row| {
            let time = events.event_time[row];
            assert!(row == 0 || time.is_none() || last <= time);
            last = if row == 0 { time } else { time.or(last) };
        });
    }

    #[test]
    fn a_burst_takes_the_copies_of_many_blocks() {
        let rare = Parameters { dirt: 0.001, ..parameters(2_000_000) };
        let shop = marketplace(rare.clone());
        let with_copies =
            (0..shop.n_blocks()).filter(|&block| !shop.bursts(block).is_empty()).count();
        let longest = bursts(rare).into_iter().map(|(_, n_rows)| n_rows).max();
        assert!(longest > Some(5), "{longest:?}");
        assert!((50..200).contains(&with_copies), "{with_copies} of {}", shop.n_blocks());
    }

    #[test]
    fn everything_can_be_dirty() {
        let found = defects(Parameters { dirt: 1.0, ..parameters(20_000) });
        assert!(found.iter().all(|&count| count > 1_000), "{found:?}");
    }

    #[test]
    fn dirt_leaves_the_other_events_as_they_were() {
        let clean = block(&marketplace(parameters(2_048)), 0);
        let dirty = block(&marketplace(Parameters { dirt: 0.1, ..parameters(2_048) }), 0);
        let changed =
            (0..2_048).filter(|&row| clean.product_id[row] != dirty.product_id[row]).count();
        assert!((10..=30).contains(&changed), "only copies change the product: {changed}");
    }
}
