//! What to generate: the parameters of the shop, their ranges and their defaults.

use super::SECOND;
use crate::synth::{ParameterError, START_RANGE, require};

const MAX_ROWS: u64 = 1_000_000_000_000;
pub(super) const MAX_USERS: u64 = 1_000_000_000;
pub(super) const MAX_PRODUCTS: u64 = 100_000_000;
/// Longest period of events.
pub const MAX_DAYS: u32 = 3_660;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Number of events, exactly; 0 to 10^12.
    pub rows: u64,
    /// Users, 1 to 10^9. Every one has a session as long as there are some 4 events a user or more.
    pub users: u64,
    /// Products on offer, 1 to 10^8; the least popular may have no event.
    pub products: u64,
    /// Any number; another seed gives another shop.
    pub seed: i64,
    /// Microseconds since 1970-01-01 00:00:00 UTC, a whole second: no event is earlier.
    pub start: i64,
    /// Length of the period, 1 to 3660.
    pub days: u32,
    /// Share of events that get a defect, 0 to 1: of the whole number below `rows * dirt`, in turn,
    /// an exact copy of another event (sessions break), no user, a negative price, a misspelt event
    /// type, no time, a misspelt category or brand where the event has one that people misspell, an
    /// unknown event type.
    ///
    /// Copies come in bursts of equal carts, next to each other, two as a rule and at most 78;
    /// where a block has no cart left to repeat, as pairs of other events. Up to 0.5 the counts
    /// hold exactly, since no event with a defect is copied and no copy gets a defect; above, a
    /// block can be too full for all of its defects.
    pub dirt: f64,
}

impl Parameters {
    /// 2019-10-01 00:00:00 UTC in microseconds since 1970.
    pub const DEFAULT_START: i64 = 1_569_888_000_000_000;
    /// The days of October.
    pub const DEFAULT_DAYS: u32 = 31;

    /// A user for every 14 events.
    pub fn default_users(rows: u64) -> u64 {
        (rows / 14).clamp(1, MAX_USERS)
    }

    /// 166,000 products, fewer when there are fewer events.
    pub fn default_products(rows: u64) -> u64 {
        rows.clamp(1, 166_000)
    }

    /// Whether every parameter is in its range.
    pub(super) fn validate(&self) -> Result<(), ParameterError> {
        let Parameters { rows, users, products, start, days, dirt, .. } = *self;
        require(rows <= MAX_ROWS, || format!("rows must be between 0 and {MAX_ROWS}, not {rows}"))?;
        require((1..=MAX_USERS).contains(&users), || {
            format!("users must be between 1 and {MAX_USERS}, not {users}")
        })?;
        require((1..=MAX_PRODUCTS).contains(&products), || {
            format!("products must be between 1 and {MAX_PRODUCTS}, not {products}")
        })?;
        require((START_RANGE.0..=START_RANGE.1).contains(&start), || {
            format!(
                "start must be between 0001-01-01 and 9989-12-31, not {start} microseconds since \
                 1970"
            )
        })?;
        require(start % SECOND == 0, || {
            format!("start must be a whole second, not {start} microseconds since 1970")
        })?;
        require((1..=MAX_DAYS).contains(&days), || {
            format!("days must be between 1 and {MAX_DAYS}, not {days}")
        })?;
        require((0.0..=1.0).contains(&dirt), || {
            format!("dirt must be between 0 and 1, not {dirt:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::marketplace::Marketplace;
    use crate::synth::marketplace::test_data::{each_event, parameters};

    #[test]
    fn errors_name_the_parameter_the_range_and_the_value() {
        let error =
            |parameters: Parameters| Marketplace::new(parameters).err().map(|e| e.to_string());
        let good = parameters(1_000);
        for (bad, text) in [
            (
                Parameters { rows: MAX_ROWS + 1, ..good.clone() },
                "rows must be between 0 and 1000000000000, not 1000000000001",
            ),
            (
                Parameters { users: 0, ..good.clone() },
                "users must be between 1 and 1000000000, not 0",
            ),
            (
                Parameters { products: 0, ..good.clone() },
                "products must be between 1 and 100000000, not 0",
            ),
            (
                Parameters { start: i64::MAX, ..good.clone() },
                "start must be between 0001-01-01 and 9989-12-31, not 9223372036854775807 \
                 microseconds since 1970",
            ),
            (
                Parameters { start: 1, ..good.clone() },
                "start must be a whole second, not 1 microseconds since 1970",
            ),
            (Parameters { days: 0, ..good.clone() }, "days must be between 1 and 3660, not 0"),
            (Parameters { dirt: 7.0, ..good.clone() }, "dirt must be between 0 and 1, not 7.0"),
            (
                Parameters { dirt: f64::NAN, ..good.clone() },
                "dirt must be between 0 and 1, not NaN",
            ),
        ] {
            assert_eq!(error(bad).as_deref(), Some(text));
        }
        assert_eq!(error(good), None);
    }

    #[test]
    fn any_start_in_range_is_accepted() {
        for start in [START_RANGE.0, -1_000_000, 0, START_RANGE.1] {
            let mut count = 0;
            each_event(Parameters { start, days: MAX_DAYS, ..parameters(3_000) }, |_, _| {
                count += 1
            });
            assert_eq!(count, 3_000);
        }
    }
}
