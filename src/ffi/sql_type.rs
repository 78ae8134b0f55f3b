//! SQL types as constants: what signatures declare and documentation prints.

use std::fmt;

/// A SQL type that a function of ours takes or gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SqlType {
    /// Any type: checked by the function itself.
    Any,
    /// BOOLEAN
    Boolean,
    /// INTEGER, 32 bits
    Integer,
    /// BIGINT, 64 bits
    BigInt,
    /// UHUGEINT, 128 bits without sign
    UHugeInt,
    /// DOUBLE
    Double,
    /// DECIMAL(width, scale) of at most 18 digits
    Decimal(u8, u8),
    /// TIMESTAMP, microseconds since 1970-01-01 UTC
    Timestamp,
    /// UUID
    Uuid,
    /// VARCHAR
    Varchar,
    /// BLOB: only as a parameter
    Blob,
    /// LIST of one type
    List(&'static SqlType),
    /// STRUCT of named fields
    Struct(&'static [(&'static str, SqlType)]),
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Any => f.write_str("ANY"),
            SqlType::Boolean => f.write_str("BOOLEAN"),
            SqlType::Integer => f.write_str("INTEGER"),
            SqlType::BigInt => f.write_str("BIGINT"),
            SqlType::UHugeInt => f.write_str("UHUGEINT"),
            SqlType::Double => f.write_str("DOUBLE"),
            SqlType::Decimal(width, scale) => write!(f, "DECIMAL({width},{scale})"),
            SqlType::Timestamp => f.write_str("TIMESTAMP"),
            SqlType::Uuid => f.write_str("UUID"),
            SqlType::Varchar => f.write_str("VARCHAR"),
            SqlType::Blob => f.write_str("BLOB"),
            SqlType::List(child) => write!(f, "{child}[]"),
            SqlType::Struct(fields) => {
                f.write_str("STRUCT(")?;
                for (i, (name, sql_type)) in fields.iter().enumerate() {
                    write!(f, "{}{name} {sql_type}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_prints_as_sql() {
        const POINT: SqlType =
            SqlType::Struct(&[("x", SqlType::Double), ("tags", SqlType::List(&SqlType::Varchar))]);
        assert_eq!(SqlType::List(&POINT).to_string(), "STRUCT(x DOUBLE, tags VARCHAR[])[]");
    }
}
