//! Synthetic orders in SQL: customers whose habits are known.

use super::{Example, Function, Kind, optional, required};
use crate::ffi::{Error, Generator, Output, Result, Signature, SqlType, Value};
use crate::synth::orders::{MAX_CUSTOMERS, MAX_DAYS, OrderTable, Orders, Parameters};

/// `synthetic_orders(customers, ...)`
pub const SYNTHETIC_ORDERS: Function = Function {
    kind: Kind::Table,
    subject: "synthetic data",
    signature: Signature {
        name: "synthetic_orders",
        parameters: &[
            required("customers", SqlType::BigInt),
            optional("seed", SqlType::BigInt),
            optional("start", SqlType::Timestamp),
            optional("days", SqlType::BigInt),
            optional("joining_days", SqlType::BigInt),
            optional("r", SqlType::Double),
            optional("alpha", SqlType::Double),
            optional("a", SqlType::Double),
            optional("b", SqlType::Double),
            optional("p", SqlType::Double),
            optional("q", SqlType::Double),
            optional("gamma", SqlType::Double),
            optional("truth", SqlType::Boolean),
        ],
        returns: SqlType::Struct(&[
            ("user_id", SqlType::BigInt),
            ("event_time", SqlType::Timestamp),
            ("price", SqlType::Decimal(10, 2)),
            ("purchase_rate", SqlType::Double),
            ("leave_probability", SqlType::Double),
            ("mean_price", SqlType::Double),
            ("is_customer", SqlType::Boolean),
        ]),
    },
    columns: "",
    description: "Orders of customers who come and go as the models of `clv_fit` have it, with \
                  parameters that are known.",
    details: "Customers are numbered from 1 (5,000,000 at most). Each orders for the first time \
              in the first `joining_days` (default 84) of `days` (default 364) from `start` \
              (default 2024-01-01); then at random at a rate of his own, a Gamma(`r`, `alpha`) \
              number of orders a week, until the end or until he leaves, after a repeat order, \
              with a probability of his own, Beta(`a`, `b`). His prices are Gamma(`p`, v), v is \
              Gamma(`q`, `gamma`). The defaults (0.25, 4.5, 0.8, 2.5; 6.25, 3.75, 15.5) are like \
              the customers of CDNOW, a shop of 1997. `seed` is 42.\n\n`truth := true` adds what \
              no shop knows: `purchase_rate` (a week), `leave_probability`, `mean_price`, and \
              whether he `is_customer` at the end of `days`. The same parameters give the same \
              rows on any number of threads; rows are made as they are read, customer by \
              customer, but come in no particular order.",
    examples: &[Example {
        sql: "SELECT count(DISTINCT user_id), min(event_time) >= TIMESTAMP '2024-01-01', \
              max(event_time) < TIMESTAMP '2024-12-30', min(price) > 0 FROM \
              synthetic_orders(1000)",
        rows: &["1000 | true | true | true"],
    }],
    errors: &[(
        "FROM synthetic_orders(10, alpha := 0)",
        "synthetic_orders: alpha must be between 0.001 and 1000000, not 0.0",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.generator(&function.signature, OrderGenerator)),
};

/// The generator of orders.
struct OrderGenerator;

impl Generator for OrderGenerator {
    type Bound = (OrderTable, bool);
    type Local = Orders;

    fn bind(&self, arguments: &[Value]) -> Result<Self::Bound> {
        let [customers, seed, start, days, joining, r, alpha, a, b, p, q, gamma, truth] = arguments
        else {
            panic!("thirteen parameters");
        };
        let or = |value: &Value, default: f64| value.as_f64().unwrap_or(default);
        let [r0, alpha0, a0, b0] = Parameters::DEFAULT_PURCHASING;
        let [p0, q0, gamma0] = Parameters::DEFAULT_SPENDING;
        let days = days_of("days", days)?.unwrap_or(Parameters::DEFAULT_DAYS);
        let parameters = Parameters {
            customers: customers.as_i64().and_then(|n| u64::try_from(n).ok()).ok_or_else(|| {
                Error::new(format!(
                    "customers must be between 0 and {MAX_CUSTOMERS}, not {customers}"
                ))
            })?,
            seed: seed.as_i64().unwrap_or(42),
            start: match start {
                Value::Timestamp(start) => *start,
                _ => Parameters::DEFAULT_START,
            },
            days,
            joining_days: days_of("joining_days", joining)?
                .unwrap_or(Parameters::DEFAULT_JOINING_DAYS.min(days)),
            purchasing: [or(r, r0), or(alpha, alpha0), or(a, a0), or(b, b0)],
            spending: [or(p, p0), or(q, q0), or(gamma, gamma0)],
        };
        let table = OrderTable::new(parameters).map_err(|error| Error::new(error.to_string()))?;
        Ok((table, *truth == Value::Boolean(true)))
    }

    fn n_columns(&self, (_, truth): &Self::Bound, declared: usize) -> usize {
        if *truth { declared } else { 3 }
    }

    fn n_blocks(&self, (table, _): &Self::Bound) -> u64 {
        table.n_blocks()
    }

    fn n_rows(&self, (table, _): &Self::Bound) -> u64 {
        table.rows()
    }

    fn fill(
        &self,
        (table, truth): &Self::Bound,
        orders: &mut Orders,
        block: u64,
        columns: &mut [Output],
    ) -> Result<()> {
        table.fill(block, orders);
        let [user, time, price, rate, leaves, mean, is_customer] = columns else {
            panic!("the generator has seven columns");
        };
        for row in 0..orders.user_id.len() {
            user.push_i64(orders.user_id[row]);
            time.push_i64(orders.event_time[row]);
            price.push_i64(orders.price[row]);
            if *truth {
                let truth = &orders.truth[row];
                rate.push_f64(truth.purchase_rate);
                leaves.push_f64(truth.leave_probability);
                mean.push_f64(truth.mean_price);
                is_customer.push(&Value::Boolean(truth.is_customer));
            }
        }
        Ok(())
    }
}

/// A number of days; `None` where it was left out or NULL.
fn days_of(name: &str, value: &Value) -> Result<Option<u32>> {
    if value.is_null() {
        return Ok(None);
    }
    let days = value.as_i64().and_then(|days| u32::try_from(days).ok());
    days.map(Some)
        .ok_or_else(|| Error::new(format!("{name} must be between 1 and {MAX_DAYS}, not {value}")))
}
