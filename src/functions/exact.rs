//! Texts that are exactly a value, for columns that came as text: NULL where a cast would round,
//! trim or guess.

use super::{Example, Function, Kind, required};
use crate::ffi::{Chunk, Data, Output, Parameter, Result, Scalar, Signature, SqlType};
use crate::text::exact;

const SUBJECT: &str = "exact values";

const TEXT: &[Parameter] = &[required("text", SqlType::Varchar)];

/// `exact_bigint(text)`
pub const EXACT_BIGINT: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature { name: "exact_bigint", parameters: TEXT, returns: SqlType::BigInt },
    columns: "",
    description: "The number that a text of digits writes, as of an identifier; NULL for any other \
                  text.",
    details: "`TRY_CAST` makes 2 of `1.5` and 2100000000000000000 of `2.1E+18`, which is what a \
              spreadsheet leaves of an identifier. Leading zeros are accepted; signs, spaces and \
              numbers above 9223372036854775807 are not.",
    examples: &[Example {
        sql: "SELECT exact_bigint('541312140'), exact_bigint('2.1E+18'), TRY_CAST('2.1E+18' AS \
              BIGINT)",
        rows: &["541312140 | NULL | 2100000000000000000"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Exact::BigInt)),
};

/// `exact_decimal(text)`
pub const EXACT_DECIMAL: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature {
        name: "exact_decimal",
        parameters: TEXT,
        returns: SqlType::Decimal(18, 2),
    },
    columns: "",
    description: "The amount that a text writes with at most two decimals; NULL for any other \
                  text.",
    details: "Digits, with a minus before them and a point and decimals behind them where there \
              are any; from the third on, decimals must be zero. A cast rounds `1.005` and takes \
              `1e3`; here both are NULL, and so are amounts of more than 16 digits before the \
              point.",
    examples: &[Example {
        sql: "SELECT exact_decimal('33.2'), exact_decimal('1.005'), TRY_CAST('1.005' AS \
              DECIMAL(18, 2))",
        rows: &["33.20 | NULL | 1.01"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Exact::Decimal)),
};

/// `exact_timestamp(text)`
pub const EXACT_TIMESTAMP: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature { name: "exact_timestamp", parameters: TEXT, returns: SqlType::Timestamp },
    columns: "",
    description: "The time that a text writes as ISO 8601 does, in UTC; NULL for any other text.",
    details: "`YYYY-MM-DD`, a blank or `T`, `hh:mm:ss`; then maybe a fraction of up to nine \
              digits, of which a TIMESTAMP keeps six; then nothing, `Z`, ` UTC` or the offset from \
              UTC, such as `+02:00`, `+0200` or `+02`. `infinity`, `epoch`, `24:00:00` and second \
              60 are none. What a cast makes of the rest differs between versions of DuckDB: of \
              `2019-10-01 00:00:00 PST`, NULL in 1.x and a time in 2.0.",
    examples: &[Example {
        sql: "SELECT exact_timestamp('2019-10-01 00:00:00 UTC'), \
              exact_timestamp('2019-10-01T12:30:00.5+02:00'), exact_timestamp('2019-10-01 00:00:00 \
              PST')",
        rows: &["2019-10-01 00:00:00 | 2019-10-01 10:30:00.5 | NULL"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Exact::Timestamp)),
};

/// `exact_uuid(text)`
pub const EXACT_UUID: Function = Function {
    kind: Kind::Scalar,
    subject: SUBJECT,
    signature: Signature { name: "exact_uuid", parameters: TEXT, returns: SqlType::Uuid },
    columns: "",
    description: "The UUID that a text writes as RFC 9562 does, in small or capital letters; NULL \
                  for any other text.",
    details: "A cast also takes hyphens at other places, none, and braces, so that a text that was \
              cut or joined may still be one.",
    examples: &[Example {
        sql: "SELECT exact_uuid('C0508547-7917-4D14-ACE0-54EFF507E570'), \
              exact_uuid('c050854779174d14ace054eff507e570')",
        rows: &["c0508547-7917-4d14-ace0-54eff507e570 | NULL"],
    }],
    errors: &[],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Exact::Uuid)),
};

/// The four functions.
#[derive(Clone, Copy)]
enum Exact {
    BigInt,
    Decimal,
    Timestamp,
    Uuid,
}

impl Scalar for Exact {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        match self {
            Exact::BigInt => each(arguments, out, exact::bigint, Output::push_i64),
            Exact::Decimal => each(arguments, out, exact::hundredths, Output::push_i64),
            Exact::Timestamp => each(arguments, out, exact::timestamp, Output::push_i64),
            Exact::Uuid => each(arguments, out, exact::uuid, Output::push_uuid),
        }
        Ok(())
    }
}

/// Appends what `read` finds in the text of each row, NULL for nothing.
fn each<T>(
    arguments: &Chunk<'_>,
    out: &mut Output,
    read: impl Fn(&[u8]) -> Option<T>,
    push: impl Fn(&mut Output, T),
) {
    let column = arguments.column(0);
    for row in 0..arguments.len() {
        let value = match column.data() {
            Data::Text(strings) if column.is_valid(row) => read(strings.bytes(row)),
            _ => None,
        };
        match value {
            Some(value) => push(out, value),
            None => out.push_null(),
        }
    }
}
