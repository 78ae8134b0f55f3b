//! What customers are worth in SQL: the model, what fits it, what applies it, and the relation
//! over both.

mod apply;
mod fit;
mod relations;

pub use apply::{CLV_ALIVE, CLV_PURCHASES, CLV_VALUE};
pub use fit::CLV_FIT;
pub use relations::{CUSTOMER_VALUE, CUSTOMER_VALUE_CHECK};

use std::borrow::Cow;

use super::model::{self, Reader, count, field};
use super::{did_you_mean, quoted};
use crate::ffi::{Column, Data, Error, Result, SqlType, Value};
use crate::ml::clv::{self, Fit, History, Purchasing, Spending};

const SUBJECT: &str = "customer value";

/// Names of the parameters, in the order of [`Fit::standard_errors`].
const PARAMETERS: [&str; 7] = ["r", "alpha", "a", "b", "p", "q", "gamma"];

const MODEL: SqlType = SqlType::Struct(&[
    ("version", SqlType::Integer),
    ("r", SqlType::Double),
    ("alpha", SqlType::Double),
    ("a", SqlType::Double),
    ("b", SqlType::Double),
    ("p", SqlType::Double),
    ("q", SqlType::Double),
    ("gamma", SqlType::Double),
    (
        "standard_errors",
        SqlType::Struct(&[
            ("r", SqlType::Double),
            ("alpha", SqlType::Double),
            ("a", SqlType::Double),
            ("b", SqlType::Double),
            ("p", SqlType::Double),
            ("q", SqlType::Double),
            ("gamma", SqlType::Double),
        ]),
    ),
    ("log_likelihood", SqlType::Double),
    ("value_log_likelihood", SqlType::Double),
    ("customers", SqlType::BigInt),
    ("repeaters", SqlType::BigInt),
    ("skipped", SqlType::BigInt),
    ("iterations", SqlType::Integer),
    ("converged", SqlType::Boolean),
]);

/// NULL for what is no number.
fn number(x: f64) -> Value {
    if x.is_nan() { Value::TypedNull } else { Value::Double(x) }
}

fn model_value(fit: &Fit, skipped: u64) -> Value {
    let Purchasing { r, alpha, a, b } = fit.purchasing;
    let [p, q, gamma] = fit.spending.map_or([f64::NAN; 3], |s| [s.p, s.q, s.gamma]);
    let parameters = [r, alpha, a, b, p, q, gamma];
    let named = |values: [f64; 7]| PARAMETERS.into_iter().zip(values);
    let mut fields = vec![field("version", Value::Integer(i128::from(model::VERSION)))];
    fields.extend(named(parameters).map(|(name, x)| field(name, number(x))));
    let errors = named(fit.standard_errors).map(|(name, x)| field(name, number(x)));
    fields.extend([
        field("standard_errors", Value::Struct(errors.collect())),
        field("log_likelihood", number(fit.log_likelihood)),
        field("value_log_likelihood", number(fit.value_log_likelihood)),
        field("customers", count(fit.customers)),
        field("repeaters", count(fit.repeaters)),
        field("skipped", count(skipped)),
        field("iterations", Value::Integer(i128::from(fit.iterations))),
        field("converged", Value::Boolean(fit.converged)),
    ]);
    Value::Struct(fields)
}

/// The part of a model that is applied.
struct Model {
    purchasing: Purchasing,
    spending: Option<Spending>,
}

impl Model {
    fn read(value: &Value) -> Result<Self> {
        let reader = Reader::new(value, "clv_fit")?;
        // Parameters of a fit are far inside these ranges.
        let parameter = |name: &str| {
            let Some(given) = reader.figure(name) else { return Ok(None) };
            let (low, high) = if matches!(name, "a" | "b") { (1e-12, 1e8) } else { (1e-30, 1e30) };
            let number = given.as_f64().filter(|x| (low..=high).contains(x)).ok_or_else(|| {
                reader.broken(name, &format!("must be between {low:e} and {high:e}, not {given}"))
            });
            number.map(Some)
        };
        let needed = |name: &str| parameter(name)?.ok_or_else(|| reader.broken(name, "is missing"));
        let purchasing = Purchasing {
            r: needed("r")?,
            alpha: needed("alpha")?,
            a: needed("a")?,
            b: needed("b")?,
        };
        let spending = match (parameter("p")?, parameter("q")?, parameter("gamma")?) {
            (Some(p), Some(q), Some(gamma)) => Some(Spending { p, q, gamma }),
            _ => None,
        };
        Ok(Model { purchasing, spending })
    }
}

/// Figures of the customers of a chunk, NaN for NULL.
struct Histories<'a> {
    frequency: Cow<'a, [f64]>,
    recency: Cow<'a, [f64]>,
    age: Cow<'a, [f64]>,
    value: Option<Cow<'a, [f64]>>,
    null_rows: Vec<bool>,
}

impl<'a> Histories<'a> {
    /// Reads the argument `row`: a STRUCT with fields of these names. Nothing where all rows are
    /// the literal NULL.
    fn read(row: &Column<'a>) -> Result<Option<Self>> {
        let fields = match row.data() {
            Data::Untyped => return Ok(None),
            Data::Struct(fields) => fields,
            _ => {
                return Err(Error::new(format!(
                    "the row must be a STRUCT {{'frequency': , 'recency': , 'age': [, 'value': ]}} \
                     or a table's alias, not {}",
                    row.type_name()
                )));
            }
        };
        let optional = |name: &str| {
            let known = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
            let Some((_, column)) = known else { return Ok(None) };
            if matches!(column.data(), Data::Untyped) {
                return Ok(Some(Cow::Owned(vec![f64::NAN; column.len()])));
            }
            column.numbers().map(Some).ok_or_else(|| {
                Error::new(format!("{name} must be a number, not {}", column.type_name()))
            })
        };
        let needed = |name: &str| {
            optional(name)?.ok_or_else(|| {
                let names = || fields.iter().map(|(field, _)| field.as_str());
                Error::new(format!(
                    "no \"{name}\" in the row{}, which has {}",
                    did_you_mean(name, names()),
                    quoted(names())
                ))
            })
        };
        Ok(Some(Histories {
            frequency: needed("frequency")?,
            recency: needed("recency")?,
            age: needed("age")?,
            value: optional("value")?,
            null_rows: (0..row.len()).map(|i| !row.is_valid(i)).collect(),
        }))
    }

    /// The history of a row; `None` where a part of it is NULL.
    fn history(&self, row: usize) -> Result<Option<History>> {
        let figures = [self.frequency[row], self.recency[row], self.age[row]];
        if self.null_rows[row] || figures.iter().any(|x| x.is_nan()) {
            return Ok(None);
        }
        let [frequency, recency, age] = figures;
        History::new(frequency, recency, age).map(Some).map_err(told)
    }

    /// The mean value of a row's repeat purchases, where it is known.
    fn value(&self, row: usize) -> Option<f64> {
        self.value.as_ref().map(|values| values[row]).filter(|value| !value.is_nan())
    }
}

fn told(error: clv::Error) -> Error {
    Error::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use crate::ml::clv::{Customers, Fit, History, Purchasing};
    use crate::synth::orders::{OrderTable, Orders, Parameters};

    const WEEK: f64 = 7.0 * 86_400e6;

    /// A model of generated customers, whose times are not rounded to days.
    fn fit(parameters: &Parameters) -> Fit {
        let table = OrderTable::new(parameters.clone()).expect("good parameters");
        let end = parameters.start + i64::from(parameters.days) * 86_400_000_000;
        let mut customers = Customers::default();
        let mut add = |times: &[i64], cents: i64| {
            let (first, last) = (times[0], times[times.len() - 1]);
            let weeks = |from: i64, to: i64| (to - from) as f64 / WEEK;
            let frequency = (times.len() - 1) as f64;
            let history = History::new(frequency, weeks(first, last), weeks(first, end));
            let value = (frequency > 0.0).then(|| cents as f64 / 100.0 / frequency);
            customers.add(history.expect("good figures"), value).expect("a good value");
        };
        let (mut orders, mut times, mut cents, mut user) = (Orders::default(), Vec::new(), 0, 1);
        for block in 0..table.n_blocks() {
            table.fill(block, &mut orders);
            for row in 0..orders.user_id.len() {
                if orders.user_id[row] != user {
                    add(&times, cents);
                    times.clear();
                    (user, cents) = (orders.user_id[row], 0);
                }
                cents += if times.is_empty() { 0 } else { orders.price[row] };
                times.push(orders.event_time[row]);
            }
        }
        add(&times, cents);
        Fit::new(customers, 300, 1).expect("somebody came back").expect("customers")
    }

    #[test]
    fn generated_customers_recover_their_parameters_as_often_as_standard_errors_say() {
        const SETS: i64 = 30;
        let truth = [0.5, 6.0, 1.0, 3.0, 5.0, 4.0, 20.0];
        let (mut within_one, mut within_two, mut n) = (0, 0, 0);
        for seed in 0..SETS {
            let fit = fit(&Parameters {
                customers: 4_000,
                seed,
                start: Parameters::DEFAULT_START,
                days: 364,
                joining_days: 84,
                purchasing: [truth[0], truth[1], truth[2], truth[3]],
                spending: [truth[4], truth[5], truth[6]],
            });
            assert!(fit.converged, "{fit:?}");
            let Purchasing { r, alpha, a, b } = fit.purchasing;
            let spending = fit.spending.expect("values");
            let found = [r, alpha, a, b, spending.p, spending.q, spending.gamma];
            for i in 0..truth.len() {
                let away = (found[i] - truth[i]).abs() / fit.standard_errors[i];
                within_one += i32::from(away < 1.0);
                within_two += i32::from(away < 1.96);
                n += 1;
            }
        }
        // 68 and 95 of 100, less what chance allows: parameters of one set hang together.
        let shares = [within_one, within_two].map(|within| f64::from(within) / f64::from(n));
        assert!((0.56..0.80).contains(&shares[0]), "{shares:?}");
        assert!((0.89..0.995).contains(&shares[1]), "{shares:?}");
    }
}
