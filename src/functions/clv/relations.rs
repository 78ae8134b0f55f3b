//! The relation over `clv_fit` and what applies it.

use super::SUBJECT;
use crate::functions::{Example, Function, Kind, relation};

/// `amz.customer_value(source, ...)`
pub const CUSTOMER_VALUE: Function = Function {
    kind: Kind::Relation,
    subject: SUBJECT,
    signature: relation("customer_value"),
    columns: "customer, frequency BIGINT, recency DOUBLE, age DOUBLE [, value DOUBLE], alive \
              DOUBLE, expected_purchases DOUBLE [, expected_value DOUBLE]",
    description: "Who still is a customer, how often he will buy, and what he is worth, one row \
                  per customer.",
    details: include_str!("customer_value.md"),
    examples: &[Example {
        sql: "WITH orders AS (SELECT i % 40 AS user_id, DATE '2024-01-01' + (i % 40 + (7 + i % 5) \
              * (i // 40))::INTEGER AS event_time, 10 + i % 40 % 7 AS price FROM range(160) AS \
              t(i) WHERE i // 40 <= i % 4) SELECT customer, frequency, recency, age, value, \
              round(alive, 2) AS alive, round(expected_purchases, 1) AS purchases, \
              round(expected_value) AS value FROM amz.customer_value(orders, horizon := 12) WHERE \
              customer < 4 ORDER BY customer",
        rows: &[
            "0 | 0 | 0.0 | 10.285714285714286 | NULL | 1.0 | 0.9 | 12.0",
            "1 | 1 | 1.1428571428571428 | 10.142857142857142 | 11.0 | 0.09 | 0.1 | 1.0",
            "2 | 2 | 2.5714285714285716 | 10.0 | 12.0 | 0.08 | 0.1 | 2.0",
            "3 | 3 | 4.285714285714286 | 9.857142857142858 | 13.0 | 0.11 | 0.2 | 3.0",
        ],
    }],
    errors: &[
        (
            "WITH orders AS (SELECT 1 AS user_id, DATE '2024-05-01' AS event_time, 5 AS price) \
             FROM amz.customer_value(orders)",
            "customer_value: none of 1 customers bought twice, nothing tells how often they come \
             back",
        ),
        (
            "WITH orders AS (SELECT 1 AS user_id, DATE '2024-05-01' AS event_time, 5 AS price) \
             FROM amz.customer_value(orders, unit := 'fortnight')",
            "customer_value: unit must be 'day', 'week', 'month' or 'year', not 'fortnight'",
        ),
    ],
    since: "0.1.0",
    register: None,
};

/// `amz.customer_value_check(source, ...)`
pub const CUSTOMER_VALUE_CHECK: Function = Function {
    kind: Kind::Relation,
    subject: SUBJECT,
    signature: relation("customer_value_check"),
    columns: "part VARCHAR, bucket BIGINT, customers BIGINT, expected_purchases DOUBLE, \
              actual_purchases BIGINT, error DOUBLE, expected_value DOUBLE, actual_value DOUBLE",
    description: "Whether to believe `customer_value`: what it expects of customers before a day, \
                  beside what they did from then on.",
    details: "The purchases before the day `split` are what `customer_value` sees; those from then \
              to the last day of all are what really came, of the same customers. The other \
              parameters are those of `customer_value`.\n\nRows of four parts: `total`; `period`, \
              one row per whole `unit` after `split` (1, 2, ...); `frequency`, one row for 0, 1, \
              ... 6 and for 7 or more repeat purchases before `split`; `fifth`, customers by what \
              is expected of them, 1 the least (equal expectations are never parted). `error` is \
              expected / actual - 1, NULL where nothing came. Values are NULL with `amount := \
              NULL`, and of periods; they leave out what is expected of customers whose value is \
              not known. A trend or a season shows in `period` as an error that grows, and a \
              habit that the model does not know in `frequency`.",
    examples: &[Example {
        sql: "WITH orders AS (SELECT i % 90 AS user_id, DATE '2024-01-01' + (i % 90 % 30 + (11 + i \
              % 90 * 7 % 13) * (i // 90) + i * 7 % 9)::INTEGER AS event_time, 10 AS price FROM \
              range(900) AS t(i) WHERE i // 90 <= i % 90 * 37 % 10) SELECT part, bucket, \
              customers, round(expected_purchases) AS expected, actual_purchases FROM \
              amz.customer_value_check(orders, split := DATE '2024-03-15', unit := 'month') WHERE \
              part <> 'frequency'",
        rows: &[
            "total | NULL | 90 | 591.0 | 201",
            "period | 1 | 90 | 114.0 | 91",
            "period | 2 | 90 | 114.0 | 59",
            "period | 3 | 90 | 114.0 | 29",
            "period | 4 | 90 | 114.0 | 15",
            "period | 5 | 90 | 114.0 | 6",
            "fifth | 1 | 18 | 118.0 | 7",
            "fifth | 2 | 18 | 118.0 | 52",
            "fifth | 3 | 18 | 118.0 | 64",
            "fifth | 4 | 18 | 118.0 | 39",
            "fifth | 5 | 18 | 118.0 | 39",
        ],
    }],
    errors: &[(
        "WITH orders AS (SELECT 1 AS user_id, DATE '2024-05-01' AS event_time, 5 AS price) FROM \
         amz.customer_value_check(orders)",
        "customer_value_check: split must be a day such as DATE '2024-01-01', purchases before it \
         are for the fit, not NULL",
    )],
    since: "0.1.0",
    register: None,
};
