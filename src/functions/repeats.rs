//! Values of a column that occur more than once, `repeated_values`.

use std::ops::Range;

use super::{Example, Function, Kind, required};
use crate::ffi::{Aggregate, Chunk, Data, Output, Result, Signature, SqlType, Validity};
use crate::ml::Repeats;

/// `repeated_values(value)`
pub const REPEATED_VALUES: Function = Function {
    kind: Kind::Aggregate,
    subject: "duplicates",
    signature: Signature {
        name: "repeated_values",
        parameters: &[required("value", SqlType::BigInt)],
        returns: SqlType::List(&SqlType::BigInt),
    },
    columns: "",
    description: "The values that occur more than once, each once, in ascending order.",
    details: "As `GROUP BY value HAVING count(*) > 1`, which takes several times as long where \
              nearly all values differ. To find equal rows, take it of a hash of them, as \
              `(hash(a, b) >> 1)::BIGINT`, and compare the rows whose hash it gives. It holds 8 \
              bytes per row, beside DuckDB's `memory_limit`. NULL is left out; where no value is \
              repeated, the list is empty.",
    examples: &[
        Example {
            sql: "SELECT repeated_values(x) FROM (VALUES (7), (3), (7), (5), (3), (7)) AS t(x)",
            rows: &["[3, 7]"],
        },
        Example {
            sql: "WITH t AS (SELECT i, (hash(i // 2, i % 4 < 3) >> 1)::BIGINT AS h FROM range(8) \
                  AS r(i)) SELECT i FROM t WHERE h IN (SELECT unnest(repeated_values(h)) FROM t) \
                  ORDER BY i",
            rows: &["0", "1", "4", "5"],
        },
    ],
    errors: &[(
        "SELECT repeated_values(hash('a'))",
        "No function matches the given name and argument types 'repeated_values(UBIGINT)'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, RepeatedValues)),
};

/// The aggregate.
#[derive(Clone, Copy)]
struct RepeatedValues;

/// The numbers of a chunk, and which of them are there.
type Numbers<'a> = (&'a [i64], Validity<'a>);

impl Aggregate for RepeatedValues {
    type State = Repeats;
    type Batch<'a> = Option<Numbers<'a>>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        let column = rows.column(0);
        Ok(match column.data() {
            Data::Int64(numbers) => Some((*numbers, column.validity())),
            _ => None,
        })
    }

    fn update(
        &self,
        state: &mut Repeats,
        batch: &Self::Batch<'_>,
        rows: Range<usize>,
    ) -> Result<()> {
        if let Some((numbers, validity)) = batch {
            for row in rows.filter(|row| validity.is_valid(*row)) {
                state.push(numbers[row])?;
            }
        }
        Ok(())
    }

    fn combine(&self, source: &Repeats, target: &mut Repeats) -> Result<()> {
        Ok(target.extend(source)?)
    }

    fn finalize(&self, state: Repeats, out: &mut Output) -> Result<()> {
        out.push_i64s(&state.repeated()?)
    }
}
