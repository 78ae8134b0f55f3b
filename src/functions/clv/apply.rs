//! `clv_alive`, `clv_purchases`, `clv_value`: what a model expects of a customer.

use std::borrow::Cow;

use super::{Histories, Model, SUBJECT, told};
use crate::ffi::{Chunk, Column, Data, Error, Output, Result, Scalar, Signature, SqlType};
use crate::functions::{Example, Function, Kind, optional, required, runs};
use crate::ml::clv::{History, MAX_MAGNITUDE};

/// `clv_alive(model, row)`
pub const CLV_ALIVE: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature {
        name: "clv_alive",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Double,
    },
    columns: "",
    description: "The probability that a customer still is one.",
    details: "`model` is one of `clv_fit`, `row` is as there. 1 for who bought once: the model \
              lets customers leave after a repeat purchase, not after the first one, so that what \
              is expected of one-time buyers falls with their age and not with this probability. \
              NULL where the model or one of `frequency`, `recency`, `age` is.",
    examples: &[Example {
        sql: "WITH m AS (SELECT {'r': 0.242593, 'alpha': 4.413532, 'a': 0.792886, 'b': 2.425754} \
              AS cdnow) SELECT round(clv_alive(cdnow, {'frequency': 2, 'recency': 30.43, 'age': \
              38.86}), 5), round(clv_alive(cdnow, {'frequency': 2, 'recency': 5, 'age': 38.86}), \
              5), clv_alive(cdnow, {'frequency': 0, 'recency': 0, 'age': 38.86}) FROM m",
        rows: &["0.72661 | 0.12374 | 1.0"],
    }],
    errors: &[(
        "SELECT clv_alive({'r': 0.24, 'alpha': 4.4}, {'frequency': 0, 'recency': 0, 'age': 9})",
        "clv_alive: the model's a is missing, a model of clv_fit is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Alive)),
};

/// `clv_purchases(model, row, horizon)`
pub const CLV_PURCHASES: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature {
        name: "clv_purchases",
        parameters: &[
            required("model", SqlType::Any),
            required("row", SqlType::Any),
            required("horizon", SqlType::Any),
        ],
        returns: SqlType::Double,
    },
    columns: "",
    description: "How many purchases are expected of a customer within a time from now.",
    details: "`model` is one of `clv_fit`, `row` is as there, `horizon` is in the unit of its \
              times, 0 to 10^12. NULL where one of them is.",
    examples: &[Example {
        sql: "WITH m AS (SELECT {'r': 0.242593, 'alpha': 4.413532, 'a': 0.792886, 'b': 2.425754} \
              AS cdnow) SELECT round(clv_purchases(cdnow, {'frequency': 2, 'recency': 30.43, \
              'age': 38.86}, 39), 5) FROM m",
        rows: &["1.22591"],
    }],
    errors: &[(
        "SELECT clv_purchases({'r': 0.2, 'alpha': 4, 'a': 1, 'b': 2}, {'frequency': 0, 'recency': \
         0, 'age': 9}, -1)",
        "clv_purchases: horizon must be between 0 and 1000000000000.0, not -1.0",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Purchases)),
};

/// `clv_value(model, row, horizon [, discount])`
pub const CLV_VALUE: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature {
        name: "clv_value",
        parameters: &[
            required("model", SqlType::Any),
            required("row", SqlType::Any),
            required("horizon", SqlType::Any),
            optional("discount", SqlType::Any),
        ],
        returns: SqlType::Double,
    },
    columns: "",
    description: "What the purchases are worth that are expected of a customer within a time from \
                  now.",
    details: "The expected purchases, as of `clv_purchases`, times the value that is expected of \
              one: between the mean of the customer's repeat purchases (`value` of `row`) and that \
              of all, the nearer to his own the more he has made. `discount` (default 0) is the \
              interest for one unit of time: a purchase after a time t counts (1 + discount)^-t. \
              NULL where an argument is, where a repeat buyer's `value` is, and, for one-time \
              buyers, where `q` of the model is at most 1: the mean of all is infinite then.",
    examples: &[Example {
        sql: "WITH m AS (SELECT {'r': 0.242593, 'alpha': 4.413532, 'a': 0.792886, 'b': 2.425754, \
              'p': 6.25, 'q': 3.74, 'gamma': 15.44} AS cdnow), c AS (SELECT {'frequency': 2, \
              'recency': 30.43, 'age': 38.86, 'value': 22.35} AS customer) SELECT \
              round(clv_value(cdnow, customer, 52), 2) AS a_year, round(clv_value(cdnow, customer, \
              52, 0.0018), 2) AS at_ten_percent FROM m, c",
        rows: &["38.44 | 36.82"],
    }],
    errors: &[(
        "SELECT clv_value({'r': 0.2, 'alpha': 4, 'a': 1, 'b': 2}, {'frequency': 0, 'recency': 0, \
         'age': 9}, 52)",
        "clv_value: the model knows no values, fit it to rows that have \"value\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Value)),
};

/// The scalars that apply a model.
#[derive(Clone, Copy)]
enum Apply {
    Alive,
    Purchases,
    Value,
}

impl Scalar for Apply {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let models = arguments.column(0);
        let histories = Histories::read(arguments.column(1))?;
        let horizons = arguments.get(2).map(|column| numbers("horizon", column)).transpose()?;
        let discounts = arguments.get(3).map(|column| numbers("discount", column)).transpose()?;
        let at = |column: &Option<Cow<'_, [f64]>>, row: usize| {
            column.as_ref().map_or(0.0, |numbers| numbers[row])
        };
        for rows in runs(&[models], arguments.len()) {
            let model = match (models.value(rows.start), &histories) {
                (value, Some(histories)) if !value.is_null() => {
                    Some((Model::read(&value)?, histories))
                }
                _ => None,
            };
            let Some((model, histories)) = model else {
                rows.for_each(|_| out.push_null());
                continue;
            };
            for row in rows {
                let (horizon, discount) = (at(&horizons, row), at(&discounts, row));
                let result = match histories.history(row)? {
                    Some(history) if !horizon.is_nan() && !discount.is_nan() => {
                        let value = histories.value(row);
                        self.of(&model, history, value, horizon, discount)?
                    }
                    _ => None,
                };
                match result {
                    Some(result) => out.push_f64(result),
                    None => out.push_null(),
                }
            }
        }
        Ok(())
    }
}

impl Apply {
    fn of(
        self,
        model: &Model,
        history: History,
        value: Option<f64>,
        horizon: f64,
        discount: f64,
    ) -> Result<Option<f64>> {
        for (name, number) in [("horizon", horizon), ("discount", discount)] {
            if !(0.0..=MAX_MAGNITUDE).contains(&number) {
                return Err(Error::new(format!(
                    "{name} must be between 0 and {MAX_MAGNITUDE:?}, not {number:?}"
                )));
            }
        }
        let purchasing = &model.purchasing;
        Ok(match self {
            Apply::Alive => Some(purchasing.alive(history)),
            Apply::Purchases => Some(purchasing.purchases(history, horizon)),
            Apply::Value => {
                let spending = model.spending.ok_or_else(|| {
                    Error::new("the model knows no values, fit it to rows that have \"value\"")
                })?;
                if value.is_none() && history.came_back() {
                    return Ok(None);
                }
                let purchases = || purchasing.discounted_purchases(history, horizon, discount);
                spending.value(history, value).map_err(told)?.map(|each| each * purchases())
            }
        })
    }
}

/// The numbers of an argument, NaN for NULL.
fn numbers<'a>(name: &str, column: &Column<'a>) -> Result<Cow<'a, [f64]>> {
    match column.numbers() {
        Some(numbers) => Ok(numbers),
        None if matches!(column.data(), Data::Untyped) => {
            Ok(Cow::Owned(vec![f64::NAN; column.len()]))
        }
        None => Err(Error::new(format!("{name} must be a number, not {}", column.type_name()))),
    }
}
