//! A result column that adapters append to; the backend copies it into DuckDB's vector.

use super::{Result, SqlType, Value};

/// A column of results of one [`SqlType`], one entry per row in the order of the rows.
#[derive(Debug)]
pub struct Output {
    pub(super) valid: Vec<bool>,
    pub(super) buffer: Buffer,
}

#[derive(Debug)]
pub(super) enum Buffer {
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    /// BIGINT, TIMESTAMP, and DECIMAL of 10 to 18 digits
    Int64(Vec<i64>),
    /// UHUGEINT, and UUID as DuckDB stores it: with the first bit turned, so that signed integers
    /// sort as texts do
    UInt128(Vec<u128>),
    Float64(Vec<f64>),
    Text {
        bytes: String,
        ends: Vec<usize>,
    },
    List {
        ends: Vec<usize>,
        child: Box<Output>,
    },
    Struct(Vec<(&'static str, Output)>),
}

impl Output {
    /// An empty column.
    ///
    /// # Panics
    /// For [`SqlType::Any`], for BLOB and for decimals that are not stored in 64 bits, which no
    /// function of ours returns.
    pub fn new(sql_type: &SqlType) -> Self {
        let buffer = match sql_type {
            SqlType::Boolean => Buffer::Boolean(Vec::new()),
            SqlType::Integer => Buffer::Int32(Vec::new()),
            SqlType::BigInt | SqlType::Timestamp | SqlType::Decimal(10..=18, _) => {
                Buffer::Int64(Vec::new())
            }
            SqlType::UHugeInt | SqlType::Uuid => Buffer::UInt128(Vec::new()),
            SqlType::Double => Buffer::Float64(Vec::new()),
            SqlType::Varchar => Buffer::Text { bytes: String::new(), ends: Vec::new() },
            SqlType::List(child) => {
                Buffer::List { ends: Vec::new(), child: Box::new(Output::new(child)) }
            }
            SqlType::Struct(fields) => Buffer::Struct(
                fields.iter().map(|(name, field)| (*name, Output::new(field))).collect(),
            ),
            SqlType::Any | SqlType::Blob | SqlType::Decimal(..) => {
                panic!("no function returns {sql_type}")
            }
        };
        Output { valid: Vec::new(), buffer }
    }

    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.valid.is_empty()
    }

    /// Bytes of the longest vector that stores a row of it.
    pub(super) fn bytes_a_row(&self) -> usize {
        match &self.buffer {
            Buffer::Boolean(_) => 1,
            Buffer::Int32(_) => 4,
            Buffer::Int64(_) | Buffer::Float64(_) => 8,
            Buffer::UInt128(_) | Buffer::Text { .. } | Buffer::List { .. } => 16,
            Buffer::Struct(fields) => fields.iter().map(|(_, field)| field.bytes_a_row()).sum(),
        }
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.valid.clear();
        match &mut self.buffer {
            Buffer::Boolean(v) => v.clear(),
            Buffer::Int32(v) => v.clear(),
            Buffer::Int64(v) => v.clear(),
            Buffer::UInt128(v) => v.clear(),
            Buffer::Float64(v) => v.clear(),
            Buffer::Text { bytes, ends } => {
                bytes.clear();
                ends.clear();
            }
            Buffer::List { ends, child } => {
                ends.clear();
                child.clear();
            }
            Buffer::Struct(fields) => fields.iter_mut().for_each(|(_, field)| field.clear()),
        }
    }

    /// Appends NULL; the fields of a STRUCT become NULL too, as DuckDB expects.
    pub fn push_null(&mut self) {
        self.valid.push(false);
        match &mut self.buffer {
            Buffer::Boolean(v) => v.push(false),
            Buffer::Int32(v) => v.push(0),
            Buffer::Int64(v) => v.push(0),
            Buffer::UInt128(v) => v.push(0),
            Buffer::Float64(v) => v.push(0.0),
            Buffer::Text { bytes, ends } => ends.push(bytes.len()),
            Buffer::List { ends, child } => ends.push(child.len()),
            Buffer::Struct(fields) => fields.iter_mut().for_each(|(_, field)| field.push_null()),
        }
    }

    /// Appends to an INTEGER column.
    pub fn push_i32(&mut self, value: i32) {
        match &mut self.buffer {
            Buffer::Int32(v) => v.push(value),
            other => panic!("an INTEGER for {other:?}"),
        }
        self.valid.push(true);
    }

    /// Appends many to an INTEGER column.
    pub fn extend_i32(&mut self, values: impl ExactSizeIterator<Item = i32>) {
        self.valid.resize(self.valid.len() + values.len(), true);
        match &mut self.buffer {
            Buffer::Int32(v) => v.extend(values),
            other => panic!("INTEGERs for {other:?}"),
        }
    }

    /// Appends many to a BIGINT or TIMESTAMP column.
    pub fn extend_i64(&mut self, values: &[i64]) {
        self.valid.resize(self.valid.len() + values.len(), true);
        match &mut self.buffer {
            Buffer::Int64(v) => v.extend_from_slice(values),
            other => panic!("BIGINTs for {other:?}"),
        }
    }

    /// Appends to a BIGINT, TIMESTAMP (microseconds) or DECIMAL (unscaled digits) column.
    pub fn push_i64(&mut self, value: i64) {
        match &mut self.buffer {
            Buffer::Int64(v) => v.push(value),
            other => panic!("a BIGINT for {other:?}"),
        }
        self.valid.push(true);
    }

    /// Appends to a UUID column its 128 bits.
    pub fn push_uuid(&mut self, bits: u128) {
        match &mut self.buffer {
            Buffer::UInt128(v) => v.push(bits ^ 1 << 127),
            other => panic!("a UUID for {other:?}"),
        }
        self.valid.push(true);
    }

    /// Appends to a DOUBLE column.
    pub fn push_f64(&mut self, value: f64) {
        match &mut self.buffer {
            Buffer::Float64(v) => v.push(value),
            other => panic!("a DOUBLE for {other:?}"),
        }
        self.valid.push(true);
    }

    /// Appends to a VARCHAR column.
    pub fn push_str(&mut self, value: &str) {
        match &mut self.buffer {
            Buffer::Text { bytes, ends } => {
                bytes.push_str(value);
                ends.push(bytes.len());
            }
            other => panic!("a VARCHAR for {other:?}"),
        }
        self.valid.push(true);
    }

    /// Appends to a VARCHAR column, NULL for `None`.
    pub fn push_text(&mut self, value: Option<&str>) {
        match value {
            Some(text) => self.push_str(text),
            None => self.push_null(),
        }
    }

    /// Appends a LIST of DOUBLE.
    pub fn push_f64s(&mut self, values: &[f64]) {
        self.push_list(values, Self::push_f64);
    }

    /// Appends a LIST of BIGINT.
    ///
    /// # Errors
    /// Memory that is not there: a list may be as long as a table.
    pub fn push_i64s(&mut self, values: &[i64]) -> Result<()> {
        if let Buffer::List { child, .. } = &mut self.buffer {
            child.valid.try_reserve(values.len())?;
            if let Buffer::Int64(numbers) = &mut child.buffer {
                numbers.try_reserve(values.len())?;
            }
        }
        self.push_list(values, Self::push_i64);
        Ok(())
    }

    /// Appends a LIST of VARCHAR.
    pub fn push_texts<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        match &mut self.buffer {
            Buffer::List { ends, child } => {
                values.for_each(|text| child.push_str(text));
                ends.push(child.len());
            }
            other => panic!("a LIST for {other:?}"),
        }
        self.valid.push(true);
    }

    /// Appends a STRUCT, to each field of which `push` appends one value.
    pub fn push_struct(&mut self, push: impl FnOnce(&mut [(&'static str, Output)])) {
        match &mut self.buffer {
            Buffer::Struct(fields) => {
                push(fields);
                let rows = self.valid.len() + 1;
                assert!(fields.iter().all(|(_, field)| field.len() == rows), "one value a field");
            }
            other => panic!("a STRUCT for {other:?}"),
        }
        self.valid.push(true);
    }

    fn push_list<T: Copy>(&mut self, values: &[T], push: impl Fn(&mut Self, T)) {
        match &mut self.buffer {
            Buffer::List { ends, child } => {
                values.iter().for_each(|&x| push(child, x));
                ends.push(child.len());
            }
            other => panic!("a LIST for {other:?}"),
        }
        self.valid.push(true);
    }

    /// Appends any value of the column's type; the fields of a STRUCT in the order of the type.
    ///
    /// # Panics
    /// When the value is not of the column's type: an error of ours.
    pub fn push(&mut self, value: &Value) {
        match (&mut self.buffer, value) {
            (_, Value::Null | Value::TypedNull) => return self.push_null(),
            (Buffer::Boolean(v), Value::Boolean(b)) => v.push(*b),
            (Buffer::Int32(v), Value::Integer(i)) => {
                v.push(i32::try_from(*i).expect("fits an INTEGER"))
            }
            (Buffer::Int64(v), Value::Integer(i)) => {
                v.push(i64::try_from(*i).expect("fits a BIGINT"))
            }
            (Buffer::Int64(v), Value::Timestamp(t)) => v.push(*t),
            (Buffer::UInt128(v), Value::Unsigned(u)) => v.push(*u),
            (Buffer::Float64(v), Value::Double(x)) => v.push(*x),
            (Buffer::Text { .. }, Value::Text(text)) => return self.push_str(text),
            (Buffer::List { ends, child }, Value::List(values)) => {
                values.iter().for_each(|v| child.push(v));
                ends.push(child.len());
            }
            (Buffer::Struct(fields), Value::Struct(values)) => {
                assert_eq!(fields.len(), values.len(), "every field of the STRUCT");
                for ((name, field), (given, value)) in fields.iter_mut().zip(values) {
                    assert_eq!(name, given, "fields in the order of the type");
                    field.push(value);
                }
            }
            (buffer, value) => panic!("{value:?} for {buffer:?}"),
        }
        self.valid.push(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_struct_has_null_fields() {
        let mut out =
            Output::new(&SqlType::Struct(&[("a", SqlType::Integer), ("b", SqlType::Varchar)]));
        out.push_null();
        out.push(&Value::Struct(vec![
            ("a".into(), Value::Integer(1)),
            ("b".into(), Value::from("x")),
        ]));
        let Buffer::Struct(fields) = &out.buffer else { panic!("a struct") };
        assert_eq!(fields[0].1.valid, [false, true]);
        assert_eq!(fields[1].1.valid, [false, true]);
    }

    #[test]
    fn a_null_list_takes_no_elements() {
        let mut out = Output::new(&SqlType::List(&SqlType::Double));
        out.push_f64s(&[1.0, 2.0]);
        out.push_null();
        out.push_f64s(&[3.0]);
        let Buffer::List { ends, child } = &out.buffer else { panic!("a list") };
        assert_eq!(ends, &[2, 2, 3]);
        assert_eq!(child.len(), 3);
    }
}
