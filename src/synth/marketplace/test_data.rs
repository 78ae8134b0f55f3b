//! What the tests of the shop share: parameters, blocks, and a walk over all events.

use super::{Events, Marketplace, Parameters};

pub(super) fn parameters(rows: u64) -> Parameters {
    Parameters {
        rows,
        users: Parameters::default_users(rows),
        products: Parameters::default_products(rows),
        seed: 1,
        start: Parameters::DEFAULT_START,
        days: Parameters::DEFAULT_DAYS,
        dirt: 0.0,
    }
}

pub(super) fn marketplace(parameters: Parameters) -> Marketplace {
    Marketplace::new(parameters).expect("the parameters are good")
}

pub(super) fn block(marketplace: &Marketplace, block: u64) -> Events {
    let mut events = Events::default();
    marketplace.fill(block, &mut events);
    events
}

/// Calls `look` for every event: events of its block, row.
pub(super) fn each_event(parameters: Parameters, mut look: impl FnMut(&Events, usize)) {
    let marketplace = marketplace(parameters);
    let mut events = Events::default();
    for block in 0..marketplace.n_blocks() {
        marketplace.fill(block, &mut events);
        (0..events.len()).for_each(|row| look(&events, row));
    }
}

pub(super) fn share(parameters: Parameters, holds: impl Fn(&Events, usize) -> bool) -> f64 {
    let rows = parameters.rows as f64;
    let mut count = 0;
    each_event(parameters, |events, row| count += u32::from(holds(events, row)));
    f64::from(count) / rows
}
