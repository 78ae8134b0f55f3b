//! A single SQL value, owned: constants such as `k`, options, models, parameters of table
//! functions.

use std::fmt;

/// A SQL value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The literal NULL, whose type is not known.
    Null,
    /// A NULL of a known type: for example the result of a subquery that found no row.
    TypedNull,
    /// BOOLEAN
    Boolean(bool),
    /// Integers of every width.
    Integer(i128),
    /// A UHUGEINT above the largest HUGEINT, or an own hash.
    Unsigned(u128),
    /// FLOAT, DOUBLE and DECIMAL.
    Double(f64),
    /// VARCHAR and ENUM.
    Text(String),
    /// DATE, days since 1970-01-01.
    Date(i32),
    /// TIMESTAMP in microseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// LIST and ARRAY.
    List(Vec<Value>),
    /// STRUCT.
    Struct(Vec<(String, Value)>),
    /// MAP.
    Map(Vec<(Value, Value)>),
    /// A value of a type that no function of ours takes; its name.
    Other(&'static str),
}

impl Value {
    /// NULL of any kind.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::TypedNull)
    }

    /// The number, where it is one that a DOUBLE can hold; BOOLEAN counts as 0 and 1.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Boolean(b) => Some(f64::from(u8::from(*b))),
            Value::Integer(i) => Some(*i as f64),
            Value::Unsigned(u) => Some(*u as f64),
            Value::Double(x) => Some(*x),
            _ => None,
        }
    }

    /// The whole number, where it is one: 5, 5.0, but not 5.7, 'five' or true.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Integer(i) => i64::try_from(*i).ok(),
            Value::Double(x) if x.fract() == 0.0 && x.abs() < 9.0e15 => Some(*x as i64),
            _ => None,
        }
    }

    /// Whether two values are the same, to the bit of each number.
    pub fn is_same(&self, other: &Value) -> bool {
        let all = |a: &[Value], b: &[Value]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
        };
        match (self, other) {
            (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
            (Value::List(a), Value::List(b)) => all(a, b),
            (Value::Struct(a), Value::Struct(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && a.1.is_same(&b.1))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| a.0.is_same(&b.0) && a.1.is_same(&b.1))
            }
            _ => self == other,
        }
    }

    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, where it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    /// The field of a STRUCT, whatever the case of its name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(fields) => {
                fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
            }
            _ => None,
        }
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Value::Double(x)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_string())
    }
}

impl<T: Into<Value> + Clone> From<&[T]> for Value {
    fn from(values: &[T]) -> Self {
        Value::List(values.iter().cloned().map(Into::into).collect())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

/// As an error message shows it: text in quotes, long values cut.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        match self {
            Value::Null | Value::TypedNull => f.write_str("NULL"),
            Value::Boolean(b) => write!(f, "{b}"),
            Value::Integer(i) => write!(f, "{i}"),
            Value::Unsigned(u) => write!(f, "{u}"),
            Value::Double(x) => write!(f, "{x:?}"),
            Value::Text(text) if text.chars().count() > LONGEST => {
                write!(f, "'{}...'", text.chars().take(LONGEST).collect::<String>())
            }
            Value::Text(text) => write!(f, "'{text}'"),
            Value::Date(_) => f.write_str("a DATE"),
            Value::Timestamp(_) => f.write_str("a TIMESTAMP"),
            Value::List(values) if values.is_empty() => f.write_str("[]"),
            Value::List(values) => write!(f, "a LIST of {}", values.len()),
            Value::Struct(_) => f.write_str("a STRUCT"),
            Value::Map(_) => f.write_str("a MAP"),
            Value::Other(name) => write!(f, "a value of type {name}"),
        }
    }
}
