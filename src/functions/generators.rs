//! Synthetic data in SQL: seeded table functions that stream.

use super::{Example, Function, Kind, optional, required};
use crate::ffi::{Error, Generator, Output, Result, Signature, SqlType, Value};
use crate::synth::marketplace::{Events, MAX_DAYS, Marketplace, Parameters};

/// `synthetic_marketplace_events(rows, ...)`
pub const SYNTHETIC_MARKETPLACE_EVENTS: Function = Function {
    kind: Kind::Table,
    subject: "synthetic data",
    signature: Signature {
        name: "synthetic_marketplace_events",
        parameters: &[
            required("rows", SqlType::BigInt),
            optional("users", SqlType::BigInt),
            optional("products", SqlType::BigInt),
            optional("seed", SqlType::BigInt),
            optional("start", SqlType::Timestamp),
            optional("days", SqlType::BigInt),
            optional("dirt", SqlType::Double),
        ],
        returns: SqlType::Struct(&[
            ("event_time", SqlType::Timestamp),
            ("event_type", SqlType::Varchar),
            ("product_id", SqlType::BigInt),
            ("category_id", SqlType::BigInt),
            ("category_code", SqlType::Varchar),
            ("brand", SqlType::Varchar),
            ("price", SqlType::Decimal(10, 2)),
            ("user_id", SqlType::BigInt),
            ("user_session", SqlType::Varchar),
        ]),
    },
    columns: "",
    description: "Events of an online shop: users in sessions that view, put in the cart and buy \
                  products.",
    details: "Exactly `rows` events, spread over `days` (default 31) from `start` (default \
              2019-10-01 00:00:00 UTC). `users` and `products` default to what the number of rows \
              suggests, `seed` to 42. `dirt` (default 0) is the share of events that get a defect: \
              of `floor(rows * dirt)` events, in turn, a copy of another event, no user, a \
              negative price, a misspelt event type, no time, a misspelt category or brand (where \
              it has one that people misspell), an unknown event type. Copies come as bursts of \
              equal `cart` rows, three of four of two rows and the longest of 78; where carts run \
              out, which takes much dirt, as pairs of other events. Up to `dirt := 0.5` the \
              numbers are exact: of `n` events with a defect, `ceil(n / 7)` are copies.\n\nThe \
              same parameters give the same rows on any number of threads; rows come in no \
              particular order, `ORDER BY event_time` sorts them. Rows are made as they are read, \
              nothing is held in memory.",
    examples: &[Example {
        sql: "SELECT count(*), min(event_time) >= TIMESTAMP '2024-01-01' FROM \
              synthetic_marketplace_events(5000, seed := 1, start := TIMESTAMP '2024-01-01', days \
              := 7)",
        rows: &["5000 | true"],
    }],
    errors: &[(
        "FROM synthetic_marketplace_events(10, dirt := 2)",
        "synthetic_marketplace_events: dirt must be between 0 and 1, not 2.0",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.generator(&function.signature, MarketplaceEvents)),
};

/// The generator of the shop.
struct MarketplaceEvents;

impl Generator for MarketplaceEvents {
    type Bound = (Marketplace, u64);
    type Local = Events;

    fn bind(&self, arguments: &[Value]) -> Result<Self::Bound> {
        let rows = count("rows", &arguments[0])?
            .ok_or_else(|| Error::new("rows must be a whole number of at least 0, not NULL"))?;
        let parameters = Parameters {
            rows,
            users: count("users", &arguments[1])?
                .unwrap_or_else(|| Parameters::default_users(rows)),
            products: count("products", &arguments[2])?
                .unwrap_or_else(|| Parameters::default_products(rows)),
            seed: arguments[3].as_i64().unwrap_or(42),
            start: match arguments[4] {
                Value::Timestamp(start) => start,
                _ => Parameters::DEFAULT_START,
            },
            days: match count("days", &arguments[5])? {
                None => Parameters::DEFAULT_DAYS,
                Some(days) => u32::try_from(days).map_err(|_| {
                    Error::new(format!("days must be between 1 and {MAX_DAYS}, not {days}"))
                })?,
            },
            dirt: arguments[6].as_f64().unwrap_or(0.0),
        };
        let marketplace =
            Marketplace::new(parameters).map_err(|error| Error::new(error.to_string()))?;
        Ok((marketplace, rows))
    }

    fn n_blocks(&self, (marketplace, _): &Self::Bound) -> u64 {
        marketplace.n_blocks()
    }

    fn n_rows(&self, (_, rows): &Self::Bound) -> u64 {
        *rows
    }

    fn fill(
        &self,
        (shop, _): &Self::Bound,
        events: &mut Events,
        block: u64,
        columns: &mut [Output],
    ) -> Result<()> {
        shop.fill(block, events);
        let [time, kind, product, category, code, brand, price, user, session] = columns else {
            panic!("the generator has nine columns");
        };
        for row in 0..events.len() {
            match events.event_time[row] {
                Some(moment) => time.push_i64(moment),
                None => time.push_null(),
            }
            kind.push_str(events.event_type[row]);
            product.push_i64(events.product_id[row]);
            category.push_i64(events.category_id[row]);
            code.push_text(events.category_code[row]);
            brand.push_text(events.brand[row]);
            price.push_i64(events.price[row]);
            match events.user_id[row] {
                Some(id) => user.push_i64(id),
                None => user.push_null(),
            }
            session.push_str(events.user_session(row));
        }
        Ok(())
    }
}

/// A parameter that counts; `None` where it was left out or NULL.
fn count(name: &str, value: &Value) -> Result<Option<u64>> {
    if value.is_null() {
        return Ok(None);
    }
    let count = value.as_i64().and_then(|count| u64::try_from(count).ok());
    count.map(Some).ok_or_else(|| {
        Error::new(format!("{name} must be a whole number of at least 0, not {value}"))
    })
}
