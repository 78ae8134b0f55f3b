//! Orders of customers who come and go as BG/NBD and Gamma-Gamma have it, with parameters that are
//! known.

use std::ops::Range;

use rand_distr::{Beta, Distribution, Exp1, Gamma};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use super::random::{block_rng, unit};
use super::{BLOCK_ROWS, ParameterError, START_RANGE, require};

/// Customers at most: their orders are counted before the first row.
pub const MAX_CUSTOMERS: u64 = 5_000_000;
/// Days at most.
pub const MAX_DAYS: u32 = 3_660;
/// The mean number of orders that a customer who never left would make, at most.
const MAX_MEAN: f64 = 1_000.0;
const STREAM: u64 = 0x6f72_6465_7273;
const WEEK: f64 = 7.0 * 86_400e6;
const DAY: f64 = 86_400e6;
/// The largest price, in cents.
const MAX_PRICE: f64 = 9_999_999_999.0;

/// What the orders are like.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Customers, each with one order at least.
    pub customers: u64,
    /// Seed.
    pub seed: i64,
    /// Microseconds since 1970 at which the first day begins.
    pub start: i64,
    /// Days of orders.
    pub days: u32,
    /// Days from the first one on in which the customers order for the first time.
    pub joining_days: u32,
    /// r, alpha, a, b of BG/NBD, in weeks.
    pub purchasing: [f64; 4],
    /// p, q, gamma of Gamma-Gamma.
    pub spending: [f64; 3],
}

impl Parameters {
    /// 2024-01-01 00:00:00 UTC.
    pub const DEFAULT_START: i64 = 1_704_067_200_000_000;
    /// 52 weeks.
    pub const DEFAULT_DAYS: u32 = 364;
    /// 12 weeks.
    pub const DEFAULT_JOINING_DAYS: u32 = 84;
    /// About those of the customers of CDNOW.
    pub const DEFAULT_PURCHASING: [f64; 4] = [0.25, 4.5, 0.8, 2.5];
    /// The same.
    pub const DEFAULT_SPENDING: [f64; 3] = [6.25, 3.75, 15.5];

    fn check(&self) -> Result<(), ParameterError> {
        require(self.customers <= MAX_CUSTOMERS, || {
            format!("customers must be between 0 and {MAX_CUSTOMERS}, not {}", self.customers)
        })?;
        require((START_RANGE.0..=START_RANGE.1).contains(&self.start), || {
            format!(
                "start must be between 0001-01-01 and 9989-12-31, not {} microseconds since 1970",
                self.start
            )
        })?;
        require((1..=MAX_DAYS).contains(&self.days), || {
            format!("days must be between 1 and {MAX_DAYS}, not {}", self.days)
        })?;
        require((1..=self.days).contains(&self.joining_days), || {
            format!(
                "joining_days must be between 1 and days {}, not {}",
                self.days, self.joining_days
            )
        })?;
        let named = ["r", "alpha", "a", "b", "p", "q", "gamma"];
        for (name, x) in named.into_iter().zip(self.purchasing.iter().chain(&self.spending)) {
            require((1e-3..=1e6).contains(x), || {
                format!("{name} must be between 0.001 and 1000000, not {x:?}")
            })?;
        }
        let mean = self.purchasing[0] / self.purchasing[1] * f64::from(self.days) / 7.0;
        require(mean <= MAX_MEAN, || {
            format!(
                "r / alpha * days / 7 must be at most {MAX_MEAN}, the mean number of orders of who \
                 never leaves, not {mean:?}"
            )
        })
    }
}

/// What is true of a customer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Orders a week while he is a customer.
    pub purchase_rate: f64,
    /// The probability that he leaves after a repeat order.
    pub leave_probability: f64,
    /// The mean price of his orders.
    pub mean_price: f64,
    /// Whether he still is a customer at the end.
    pub is_customer: bool,
}

/// The orders of a block, column by column.
#[derive(Debug, Default, PartialEq)]
pub struct Orders {
    /// Customers, from 1 on.
    pub user_id: Vec<i64>,
    /// Microseconds since 1970.
    pub event_time: Vec<i64>,
    /// Cents.
    pub price: Vec<i64>,
    /// Of each order that of its customer.
    pub truth: Vec<Truth>,
}

/// The table.
#[derive(Debug)]
pub struct OrderTable {
    parameters: Parameters,
    rate: Gamma<f64>,
    leaves: Beta<f64>,
    /// Prices of a customer of rate 1, and the rates of customers.
    price: Gamma<f64>,
    price_rate: Gamma<f64>,
    /// Orders of all customers before each, and of all.
    before: Vec<u64>,
}

impl OrderTable {
    /// # Errors
    /// A parameter outside of its range.
    pub fn new(parameters: Parameters) -> Result<Self, ParameterError> {
        parameters.check()?;
        let [r, alpha, a, b] = parameters.purchasing;
        let [p, q, gamma] = parameters.spending;
        let shapes = || -> Option<_> {
            let of = |shape, rate: f64| Gamma::new(shape, 1.0 / rate).ok();
            Some((of(r, alpha)?, Beta::new(a, b).ok()?, of(p, 1.0)?, of(q, gamma)?))
        };
        let (rate, leaves, price, price_rate) =
            shapes().unwrap_or_else(|| panic!("checked parameters have distributions"));
        let mut table =
            OrderTable { parameters, rate, leaves, price, price_rate, before: Vec::new() };
        let mut n_orders = 0;
        let mut before = vec![0];
        for customer in 0..table.parameters.customers {
            let mut customer = table.customer(customer);
            while table.next_time(&mut customer).is_some() {
                n_orders += 1;
            }
            before.push(n_orders);
        }
        table.before = before;
        Ok(table)
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.before.last().copied().unwrap_or(0)
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> u64 {
        self.rows().div_ceil(BLOCK_ROWS)
    }

    /// Makes the orders of a block, customer by customer, those of one in the order of time.
    pub fn fill(&self, block: u64, orders: &mut Orders) {
        let rows = block * BLOCK_ROWS..((block + 1) * BLOCK_ROWS).min(self.rows());
        *orders = Orders::default();
        let mut customer = self.before.partition_point(|before| *before <= rows.start) as u64 - 1;
        let mut row = self.before[customer as usize];
        while row < rows.end {
            row = self.add(customer, row, &rows, orders);
            customer += 1;
        }
    }

    /// Adds those orders of a customer, of which the first is row `row`, that are in `rows`.
    fn add(&self, number: u64, mut row: u64, rows: &Range<u64>, orders: &mut Orders) -> u64 {
        let mut customer = self.customer(number);
        let mut prices = block_rng(self.parameters.seed, STREAM + 1, number);
        let price_rate = self.price_rate.sample(&mut prices);
        let first = orders.user_id.len();
        while let Some(time) = self.next_time(&mut customer) {
            let cents = (100.0 * self.price.sample(&mut prices) / price_rate).round();
            if rows.contains(&row) {
                orders.user_id.push(number as i64 + 1);
                orders.event_time.push(time);
                orders.price.push(cents.clamp(1.0, MAX_PRICE) as i64);
            }
            row += 1;
        }
        let truth = Truth {
            purchase_rate: customer.rate,
            leave_probability: customer.leaves,
            mean_price: self.parameters.spending[0] / price_rate,
            is_customer: !customer.has_left,
        };
        orders.truth.resize(orders.user_id.len().max(first), truth);
        row
    }

    fn customer(&self, number: u64) -> Customer {
        let mut random = block_rng(self.parameters.seed, STREAM, number);
        let rate = self.rate.sample(&mut random);
        let leaves = self.leaves.sample(&mut random);
        let joined = unit(random.next_u64()) * f64::from(self.parameters.joining_days) * DAY;
        Customer { random, rate, leaves, time: joined, orders: 0, has_left: false }
    }

    /// The time of a customer's next order, `None` where there is none before the end.
    fn next_time(&self, customer: &mut Customer) -> Option<i64> {
        let end = f64::from(self.parameters.days) * DAY;
        if customer.has_left || customer.time >= end {
            return None;
        }
        if customer.orders > 0 {
            let wait: f64 = Exp1.sample(&mut customer.random);
            customer.time += wait / customer.rate * WEEK;
            // The next call says that there is none.
            if customer.time.is_nan() || customer.time >= end {
                customer.time = end;
                return None;
            }
            customer.has_left = unit(customer.random.next_u64()) < customer.leaves;
        }
        customer.orders += 1;
        Some(self.parameters.start + customer.time as i64)
    }
}

/// A customer up to his last order so far.
struct Customer {
    random: Xoshiro256PlusPlus,
    rate: f64,
    leaves: f64,
    /// Microseconds after the start.
    time: f64,
    orders: u64,
    has_left: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(customers: u64) -> Parameters {
        Parameters {
            customers,
            seed: 1,
            start: Parameters::DEFAULT_START,
            days: Parameters::DEFAULT_DAYS,
            joining_days: Parameters::DEFAULT_JOINING_DAYS,
            purchasing: Parameters::DEFAULT_PURCHASING,
            spending: Parameters::DEFAULT_SPENDING,
        }
    }

    fn block(table: &OrderTable, number: u64) -> Orders {
        let mut orders = Orders::default();
        table.fill(number, &mut orders);
        orders
    }

    #[test]
    fn blocks_are_the_orders_of_all_customers_in_turn() {
        let table = OrderTable::new(parameters(3_000)).expect("good parameters");
        let mut reused = Orders::default();
        let (mut rows, mut last) = (0, (0, 0));
        for number in 0..table.n_blocks() {
            table.fill(number, &mut reused);
            assert_eq!(reused, block(&table, number));
            let lengths = [reused.event_time.len(), reused.price.len(), reused.truth.len()];
            assert_eq!(lengths, [reused.user_id.len(); 3]);
            for (user, time) in reused.user_id.iter().zip(&reused.event_time) {
                assert!((*user, *time) > last && *user - last.0 <= 1, "{user} after {last:?}");
                last = (*user, *time);
            }
            rows += reused.user_id.len() as u64;
            assert!(rows == (number + 1) * BLOCK_ROWS || number + 1 == table.n_blocks());
        }
        assert_eq!((rows, last.0), (table.rows(), 3_000));
    }

    #[test]
    fn times_are_inside_the_period_and_means_are_those_of_the_parameters() {
        let parameters = Parameters { seed: 7, ..parameters(40_000) };
        let table = OrderTable::new(parameters.clone()).expect("good parameters");
        let end = parameters.start + i64::from(parameters.days) * 86_400_000_000;
        let (mut prices, mut n) = (0.0, 0.0);
        for number in 0..table.n_blocks() {
            let orders = block(&table, number);
            assert!(orders.event_time.iter().all(|time| (parameters.start..end).contains(time)));
            prices += orders.price.iter().map(|price| *price as f64 / 100.0).sum::<f64>();
            n += orders.price.len() as f64;
        }
        let mean = 6.25 * 15.5 / 2.75;
        assert!((prices / n / mean - 1.0).abs() < 0.03, "{} {mean}", prices / n);
    }

    #[test]
    fn parameters_outside_of_their_ranges_are_refused() {
        let text = |parameters: Parameters| {
            OrderTable::new(parameters).map(|table| table.rows()).map_err(|e| e.to_string())
        };
        assert_eq!(text(parameters(0)), Ok(0));
        let one = Parameters { purchasing: [1e-3, 1e3, 1e6, 1e-3], days: 1, ..parameters(1) };
        assert_eq!(text(Parameters { joining_days: 1, ..one }), Ok(1));
        for (wrong, message) in [
            (parameters(MAX_CUSTOMERS + 1), "customers must be between 0 and 5000000, not 5000001"),
            (Parameters { days: 0, ..parameters(1) }, "days must be between 1 and 3660, not 0"),
            (
                Parameters { joining_days: 400, ..parameters(1) },
                "joining_days must be between 1 and days 364, not 400",
            ),
            (
                Parameters { spending: [1.0, f64::NAN, 1.0], ..parameters(1) },
                "q must be between 0.001 and 1000000, not NaN",
            ),
            (
                Parameters { purchasing: [1e6, 1e-3, 1.0, 1.0], ..parameters(1) },
                "r / alpha * days / 7 must be at most 1000, the mean number of orders of who \
                 never leaves, not 52000000000.0",
            ),
        ] {
            assert_eq!(text(wrong), Err(message.to_string()));
        }
    }
}
