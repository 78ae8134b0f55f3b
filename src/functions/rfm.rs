//! Scores of customers by quantiles, `rfm_scores`, and what it is made of: `quantile_cuts` and
//! `cut_score`.

use super::{Example, Function, Kind, optional, relation, required};
use crate::ffi::{Chunk, Column, Data, Error, Output, Result, Scalar, Signature, SqlType, Value};

const SUBJECT: &str = "scores";

/// `amz.rfm_scores(source, ...)`
pub const RFM_SCORES: Function = Function {
    kind: Kind::Relation,
    subject: SUBJECT,
    signature: relation("rfm_scores"),
    columns: "customer, recency_days BIGINT, frequency BIGINT, monetary, r INTEGER, f INTEGER, m \
              INTEGER, rfm INTEGER, rfm_segment VARCHAR",
    description: "Recency, frequency and monetary value of each customer, scored by quantiles, and \
                  the name of the scores.",
    details: "Each row of the source is a purchase; `customer`, `time` and `amount` name its \
              columns (on DuckDB 1.x in quotes: `\"time\" := 'ordered_at'`). A time may be what \
              `event_timestamp` takes. Rows without a customer or a finite time, and those after \
              the day `as_of`, are left out. `recency_days`: whole days from the last purchase to \
              `as_of`, by default the day of the last purchase of all. `frequency`: purchases. \
              `monetary`: the sum of amounts, of their type (a DECIMAL stays exact).\n\n`r`, `f` \
              and `m` are scores from 1 to `bins` (2 to 9), the best is the highest: most recent, \
              most frequent, most money. A score is 1 and the number of quantiles (R's type 7) \
              that the value is above (of recency: `bins` minus that number), so equal values get \
              equal scores. Where many are equal, bins collapse: they are merged into the lowest \
              of them, and the other scores are nobody's. `recency_cuts`, `frequency_cuts` and \
              `monetary_cuts`, such as `[30, 90, 365]`, are cuts of your own in place of \
              quantiles: a value that reaches a cut is in the next bin. `rfm` is the three digits, \
              555 for the best.\n\n`rfm_segment` is by default one of ten names by recency and \
              frequency: `champions` (r 5, f 4-5), `loyal` (r 3-4, f 4-5), `potential loyalist` (r \
              4-5, f 2-3), `new` (r 5, f 1), `promising` (r 4, f 1), `need attention` (r 3, f 3), \
              `about to sleep` (r 3, f 1-2), `cannot lose` (r 1-2, f 5), `at risk` (r 1-2, f 3-4), \
              `hibernating` (r 1-2, f 1-2). They are made for five bins: with other `bins`, or \
              cuts of recency or frequency, it is NULL. `names := 'my_names'`, a table's name as a \
              text, replaces them: columns `name, r_min, r_max, f_min, f_max, m_min, m_max`; \
              scores in no row have no name, those in two are an error.",
    examples: &[
        Example {
            sql: "WITH orders AS (SELECT * FROM (VALUES (1, DATE '2024-05-30', 20.00), (1, DATE \
                  '2024-05-31', 30.00), (2, DATE '2024-05-01', 10.00), (3, DATE '2024-04-01', \
                  15.00)) AS t(customer_id, day, total)) SELECT customer, recency_days, frequency, \
                  monetary, r, f, m, rfm FROM amz.rfm_scores(orders, customer := 'customer_id', \
                  \"time\" := 'day', amount := 'total', bins := 3) ORDER BY customer",
            rows: &[
                "1 | 0 | 2 | 50.00 | 3 | 3 | 3 | 333",
                "2 | 30 | 1 | 10.00 | 2 | 1 | 1 | 211",
                "3 | 60 | 1 | 15.00 | 1 | 1 | 2 | 112",
            ],
        },
        Example {
            sql: "WITH orders AS (SELECT i AS user_id, DATE '2024-01-01' + i::INTEGER AS \
                  event_time, 5 AS price FROM range(1, 11) AS t(i)) SELECT rfm_segment, count(*) \
                  AS customers, min(recency_days) AS days FROM amz.rfm_scores(orders) GROUP BY \
                  rfm_segment ORDER BY days",
            rows: &[
                "new | 2 | 0",
                "promising | 2 | 2",
                "about to sleep | 2 | 4",
                "hibernating | 4 | 6",
            ],
        },
    ],
    errors: &[
        (
            "WITH orders AS (SELECT 1 AS user_id, DATE '2024-05-01' AS event_time, 5 AS price) \
             FROM amz.rfm_scores(orders, amount := 'total')",
            "rfm_scores: amount names no column of the source: \"total\"; there are \
             \"user_id\", \"event_time\", \"price\"",
        ),
        (
            "WITH orders AS (SELECT 1 AS user_id, DATE '2024-05-01' AS event_time, 5 AS price) \
             FROM amz.rfm_scores(orders, recency_cuts := [90, 30])",
            "rfm_scores: recency_cuts must be finite numbers in ascending order, at most 8",
        ),
    ],
    since: "0.1.0",
    register: None,
};

/// `quantile_cuts(values, bins [, relation])`
pub const QUANTILE_CUTS: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature {
        name: "quantile_cuts",
        parameters: &[
            required("values", SqlType::Any),
            required("bins", SqlType::Any),
            optional("relation", SqlType::Any),
        ],
        returns: SqlType::List(&SqlType::Double),
    },
    columns: "",
    description: "Where a list of numbers is cut into bins of about equal size: of each bin but \
                  the first, the least value.",
    details: "For `i` from 1 to `bins - 1` (`bins` 2 to 9) the least of the values that are above \
              the quantile `i / bins`, infinity where none is. A quantile lies between two \
              neighbours of the sorted values, as in R's type 7, NumPy and `quantile_cont`. Equal \
              values are never cut apart: where many are equal, cuts are equal too. NULL is left \
              out, NULL for a list without numbers. `cut_score` tells the bin of a value.",
    examples: &[Example {
        sql: "SELECT quantile_cuts(range(1, 11), 5) AS of_ten, quantile_cuts([1, 1, 1, 1, 2, 5], \
              3) AS with_equal_ones, quantile_cuts([7, 7], 2) AS of_one_value",
        rows: &["[3.0, 5.0, 7.0, 9.0] | [2.0, 2.0] | [inf]"],
    }],
    errors: &[(
        "SELECT quantile_cuts([1, 2], 1)",
        "quantile_cuts: bins must be a whole number from 2 to 9, not 1",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, QuantileCuts)),
};

/// `cut_score(value, cuts [, relation [, parameter]])`
pub const CUT_SCORE: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature {
        name: "cut_score",
        parameters: &[
            required("value", SqlType::Any),
            required("cuts", SqlType::Any),
            optional("relation", SqlType::Any),
            optional("parameter", SqlType::Any),
        ],
        returns: SqlType::Integer,
    },
    columns: "",
    description: "The bin of a value: 1 and the number of cuts that it reaches.",
    details: "`cuts` is a list of one to eight numbers in ascending order, equal ones and infinity \
              among them, such as `quantile_cuts` gives. NULL for NULL and NaN.",
    examples: &[Example {
        sql: "SELECT cut_score(2, [3, 5]) AS below, cut_score(3, [3, 5]) AS at, cut_score(9, [3, \
              5]) AS above",
        rows: &["1 | 2 | 3"],
    }],
    errors: &[(
        "SELECT cut_score(2, [5, 3])",
        "cut_score: cuts must be finite numbers in ascending order, at most 8",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, CutScore)),
};

/// Scores are digits.
const MOST_BINS: i64 = 9;

/// The elements of a list as numbers, NaN for NULL; `None` where it is none or holds something
/// else.
fn numbers(column: &Column<'_>, row: usize) -> Option<Vec<f64>> {
    let (range, child) = match column.data() {
        Data::List { entries, child } => {
            let entry = entries[row];
            (entry.offset as usize..(entry.offset + entry.length) as usize, child)
        }
        Data::Array { size, child } => (row * size..(row + 1) * size, child),
        _ => return None,
    };
    match child.numbers() {
        Some(numbers) => Some(numbers[range].to_vec()),
        None if matches!(child.data(), Data::Untyped) => Some(vec![f64::NAN; range.len()]),
        None => None,
    }
}

/// The scalar that cuts.
#[derive(Clone, Copy)]
struct QuantileCuts;

impl Scalar for QuantileCuts {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let column = arguments.column(0);
        let cuts = |row: usize| {
            let given = arguments.column(1).value(row);
            let bins =
                given.as_i64().filter(|bins| (2..=MOST_BINS).contains(bins)).ok_or_else(|| {
                    Error::new(format!(
                        "bins must be a whole number from 2 to {MOST_BINS}, not {given}"
                    ))
                })?;
            if !column.is_valid(row) {
                return Ok(None);
            }
            let values = numbers(column, row).ok_or_else(|| {
                Error::new(format!("values must be a LIST of numbers, not {}", column.type_name()))
            })?;
            Ok(cut(values, bins as usize))
        };
        for row in 0..arguments.len() {
            match cuts(row)
                .map_err(|error: Error| error.of(super::text_at(arguments, 2).as_deref()))?
            {
                Some(cuts) => out.push(&Value::from(cuts.as_slice())),
                None => out.push_null(),
            }
        }
        Ok(())
    }
}

/// Of each bin but the first, the least of the values that are above its quantile; `None` without a
/// number.
///
/// The place of quantile i is (n - 1) i / bins, in whole numbers: a product of fractions would miss
/// a quantile that is a value by its rounding, and put those who have this value into the bin
/// above.
fn cut(mut values: Vec<f64>, bins: usize) -> Option<Vec<f64>> {
    values.retain(|value| !value.is_nan());
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let least_above = |i: usize| {
        let (place, rest) = (last * i / bins, last * i % bins);
        let low = values[place];
        let passed = values.partition_point(|value| *value <= low);
        if rest == 0 || values[place + 1] == low {
            return values.get(passed).copied().unwrap_or(f64::INFINITY);
        }
        // Between two neighbours that differ, the one above is the least above.
        values[place + 1]
    };
    Some((1..bins).map(least_above).collect())
}

/// The scalar that scores.
#[derive(Clone, Copy)]
struct CutScore;

impl Scalar for CutScore {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let (column, cuts) = (arguments.column(0), arguments.column(1));
        let parameter = super::text_at(arguments, 3).unwrap_or_else(|| "cuts".to_string());
        let told = |error: Error| error.of(super::text_at(arguments, 2).as_deref());
        let values = match column.numbers() {
            Some(values) => values,
            None if matches!(column.data(), Data::Untyped) => {
                vec![f64::NAN; arguments.len()].into()
            }
            None => {
                return Err(told(Error::new(format!(
                    "value must be a number, not {}",
                    column.type_name()
                ))));
            }
        };
        for run in super::runs(&[cuts], arguments.len()) {
            if !cuts.is_valid(run.start) {
                run.for_each(|_| out.push_null());
                continue;
            }
            let cuts = numbers(cuts, run.start)
                .filter(|cuts| is_cuts(cuts))
                .ok_or_else(|| {
                    Error::new(format!(
                        "{parameter} must be finite numbers in ascending order, at most {}",
                        MOST_BINS - 1
                    ))
                })
                .map_err(told)?;
            for row in run {
                match values[row] {
                    value if value.is_nan() => out.push_null(),
                    value => out.push_i32(1 + cuts.partition_point(|cut| *cut <= value) as i32),
                }
            }
        }
        Ok(())
    }
}

fn is_cuts(cuts: &[f64]) -> bool {
    (1..MOST_BINS as usize).contains(&cuts.len())
        && cuts.iter().all(|cut| !cut.is_nan() && *cut != f64::NEG_INFINITY)
        && cuts.is_sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R's type 7, in fractions.
    fn quantile(sorted: &[f64], share: f64) -> f64 {
        let place = (sorted.len() - 1) as f64 * share;
        let low = sorted[place.floor() as usize];
        low + place.fract() * (sorted[place.ceil() as usize] - low)
    }

    #[test]
    fn cuts_are_the_least_values_above_the_quantiles() {
        // Halves and quarters: fractions are exact.
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..5_000 {
            let values: Vec<f64> = (0..=random(20)).map(|_| random(9) as f64).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            for bins in [2, 4, 8] {
                let expected: Vec<f64> = (1..bins)
                    .map(|i| quantile(&sorted, i as f64 / bins as f64))
                    .map(|q| {
                        sorted.iter().copied().find(|value| *value > q).unwrap_or(f64::INFINITY)
                    })
                    .collect();
                assert_eq!(cut(values.clone(), bins), Some(expected), "{values:?} in {bins}");
            }
        }
    }

    #[test]
    fn a_quantile_that_is_a_value_is_not_missed_by_a_rounding() {
        // 0.6 * 5 and 0.7 * 10 are no whole numbers in floating point.
        for n in 1..200usize {
            for bins in 2..=9 {
                let values: Vec<f64> = (0..=n * bins).map(|i| i as f64).collect();
                let expected: Vec<f64> = (1..bins).map(|i| (n * i + 1) as f64).collect();
                assert_eq!(cut(values, bins), Some(expected));
            }
        }
    }
}
