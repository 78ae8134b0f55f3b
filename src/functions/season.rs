//! What recurs in months and what does not, `seasonal_decompose`.

use super::{Example, Function, Kind, required};
use crate::ffi::{Chunk, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::ml::season::{Month, decompose};

/// `seasonal_decompose(counts)`
pub const SEASONAL_DECOMPOSE: Function = Function {
    kind: Kind::Scalar,
    subject: "activity",
    signature: Signature {
        name: "seasonal_decompose",
        parameters: &[required("counts", SqlType::List(&SqlType::Double))],
        returns: SqlType::List(&SqlType::Struct(&[
            ("level", SqlType::Double),
            ("seasonal_index", SqlType::Double),
            ("expected", SqlType::Double),
            ("deviation", SqlType::Double),
            ("is_outlier", SqlType::Boolean),
        ])),
    },
    columns: "",
    description: "Takes the counts of consecutive months apart: the level, the season, and the \
                  months that are one-offs.",
    details: "One STRUCT a month. `expected = level * seasonal_index` and `deviation = count / \
              expected - 1`. The decomposition is multiplicative and robust: that of STL \
              (Cleveland et al., 1990) with medians and Theil-Sen lines instead of weighted means. \
              `is_outlier`, a one-off: the logarithm of the deviation is beyond 4 standard \
              deviations of the rest, which are not taken below the noise of a count, 1 / \
              sqrt(expected), and beyond 15 %. Of fewer than 24 months there is no season: \
              `seasonal_index` and `is_outlier` are NULL. Of two years of a calendar month that \
              disagree, the one is taken for the one-off that is farther from no season and from \
              the months beside it. Counts are in the order of months, 0 for a month without; NULL \
              for NULL.",
    examples: &[
        Example {
            sql: "WITH months AS (SELECT list(CASE WHEN i = 31 THEN 1800 WHEN i % 12 = 0 THEN 2000 \
                  ELSE 1000 END ORDER BY i) AS counts FROM range(1, 37) AS t(i)), parts AS (SELECT \
                  unnest(range(1, 37)) AS month, unnest(seasonal_decompose(m.counts)) AS p FROM \
                  months AS m) SELECT month, round(p.expected), round(p.deviation, 2) FROM parts \
                  WHERE p.is_outlier",
            rows: &["31 | 1000.0 | 0.8"],
        },
        Example {
            sql: "SELECT seasonal_decompose([100, 100, 100])[3].seasonal_index",
            rows: &["NULL"],
        },
    ],
    errors: &[(
        "SELECT seasonal_decompose([100, -1])",
        "seasonal_decompose: a count must be a finite number of at least 0, not -1",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Decompose)),
};

/// The function.
#[derive(Clone, Copy)]
struct Decompose;

impl Scalar for Decompose {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let column = arguments.column(0);
        for row in 0..arguments.len() {
            match column.value(row) {
                Value::List(counts) => {
                    let counts = counts.iter().map(count).collect::<Result<Vec<f64>>>()?;
                    out.push(&Value::List(decompose(&counts).iter().map(parts).collect()));
                }
                _ => out.push_null(),
            }
        }
        Ok(())
    }
}

fn count(value: &Value) -> Result<f64> {
    let number = value.as_f64().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| {
        let shown = value.as_f64().map_or("NULL".to_string(), |number| number.to_string());
        Error::new(format!("a count must be a finite number of at least 0, not {shown}"))
    })
}

fn parts(month: &Month) -> Value {
    let fields = [
        ("level", Value::Double(month.level)),
        ("seasonal_index", month.seasonal_index.map_or(Value::TypedNull, Value::Double)),
        ("expected", Value::Double(month.expected)),
        ("deviation", Value::Double(month.deviation)),
        ("is_outlier", month.is_outlier.map_or(Value::TypedNull, Value::Boolean)),
    ];
    Value::Struct(fields.map(|(name, value)| (name.to_string(), value)).to_vec())
}
