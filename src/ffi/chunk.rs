//! The arguments of a call as typed columns, borrowed from DuckDB's vectors; no pointer leaves this
//! file.
#![allow(unsafe_code)]

mod decimal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::marker::PhantomData;

use super::Value;
use decimal::{nearest_decimal, power_of_ten};

/// The argument columns of up to [`super::BATCH_ROWS`] rows.
pub struct Chunk<'a> {
    pub(super) columns: Vec<Column<'a>>,
    pub(super) len: usize,
}

impl<'a> Chunk<'a> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of arguments given: optional ones may be missing.
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// The argument at `index`.
    pub fn column(&self, index: usize) -> &Column<'a> {
        &self.columns[index]
    }

    /// The argument at `index`, if it was given.
    pub fn get(&self, index: usize) -> Option<&Column<'a>> {
        self.columns.get(index)
    }

    /// A chunk of one column, for tests of what reads columns.
    #[cfg(test)]
    pub fn of(columns: Vec<Column<'a>>, len: usize) -> Self {
        Chunk { columns, len }
    }
}

/// Which rows of a column are not NULL.
#[derive(Clone, Copy)]
pub enum Validity<'a> {
    /// All of them.
    All,
    /// Those whose bit is set, 64 to a word.
    Mask(&'a [u64]),
}

impl Validity<'_> {
    /// Whether the row is not NULL.
    pub fn is_valid(&self, row: usize) -> bool {
        match self {
            Validity::All => true,
            Validity::Mask(words) => words[row / 64] >> (row % 64) & 1 == 1,
        }
    }
}

/// Where the elements of a list lie in the child column.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListEntry {
    /// Index of the first element.
    pub offset: u64,
    /// Number of elements.
    pub length: u64,
}

/// One string as DuckDB stores it: up to 12 bytes in place, longer ones behind a pointer.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RawString {
    length: u32,
    inlined: [u8; 4],
    pointer_or_rest: [u8; 8],
}

/// A VARCHAR column.
#[derive(Clone, Copy)]
pub struct Strings<'a> {
    raw: &'a [RawString],
    owner: PhantomData<&'a str>,
}

impl<'a> Strings<'a> {
    /// # Safety
    /// Every valid element is a `duckdb_string_t` whose bytes live for `'a`.
    pub(super) unsafe fn new(raw: &'a [RawString]) -> Self {
        Strings { raw, owner: PhantomData }
    }

    /// The text of a row that is not NULL; bytes that are no UTF-8 are replaced.
    pub fn get(&self, row: usize) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(row))
    }

    /// The bytes of a row that is not NULL, without the look at each of them that a text needs.
    pub fn bytes(&self, row: usize) -> &'a [u8] {
        const INLINE: usize = 12;
        let raw: &'a RawString = &self.raw[row];
        let length = raw.length as usize;
        let start: *const u8 = if length <= INLINE {
            // The inlined bytes run on from `inlined` into the field behind it.
            std::ptr::from_ref(raw).cast::<u8>().wrapping_add(4)
        } else {
            usize::from_ne_bytes(
                raw.pointer_or_rest[..size_of::<usize>()].try_into().expect("8 bytes"),
            ) as *const u8
        };
        // SAFETY: `new` was promised that the bytes are there for 'a; inlined ones are part of
        // `raw`.
        unsafe { std::slice::from_raw_parts(start, length) }
    }
}

/// The values of a column; those of NULL rows are undefined.
pub enum Data<'a> {
    /// A column of the literal NULL: no type, no values.
    Untyped,
    /// BOOLEAN, 0 or 1
    Boolean(&'a [u8]),
    /// TINYINT
    Int8(&'a [i8]),
    /// SMALLINT
    Int16(&'a [i16]),
    /// INTEGER
    Int32(&'a [i32]),
    /// BIGINT
    Int64(&'a [i64]),
    /// HUGEINT
    Int128(&'a [HugeInt]),
    /// UTINYINT
    UInt8(&'a [u8]),
    /// USMALLINT
    UInt16(&'a [u16]),
    /// UINTEGER
    UInt32(&'a [u32]),
    /// UBIGINT
    UInt64(&'a [u64]),
    /// UHUGEINT
    UInt128(&'a [UHugeInt]),
    /// FLOAT
    Float32(&'a [f32]),
    /// DOUBLE
    Float64(&'a [f64]),
    /// DECIMAL: integers of the scale given
    Decimal {
        /// Digits behind the point.
        scale: u8,
        /// The unscaled integers, of the width that DuckDB stores.
        digits: Box<Data<'a>>,
    },
    /// VARCHAR
    Text(Strings<'a>),
    /// BLOB
    Blob(Strings<'a>),
    /// ENUM: positions in its dictionary
    Enum {
        /// UInt8, UInt16 or UInt32.
        codes: Box<Data<'a>>,
        /// The text of a position. Dictionaries may be long, and most columns of a row are never
        /// looked at.
        name: Box<dyn Fn(usize) -> String + 'a>,
    },
    /// DATE, days since 1970-01-01
    Date(&'a [i32]),
    /// TIMESTAMP, microseconds since 1970-01-01 UTC
    Timestamp(&'a [i64]),
    /// Another type of time: TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP_NS, TIMESTAMP WITH TIME ZONE
    Moments {
        /// Its name.
        type_name: &'static str,
        /// Ticks in a second.
        per_second: i64,
        /// Ticks since 1970-01-01 UTC.
        ticks: &'a [i64],
    },
    /// LIST
    List {
        /// One entry a row.
        entries: &'a [ListEntry],
        /// All elements.
        child: Box<Column<'a>>,
    },
    /// ARRAY
    Array {
        /// Elements in each row.
        size: usize,
        /// All elements.
        child: Box<Column<'a>>,
    },
    /// MAP: lists of keys and values
    Map {
        /// One entry a row.
        entries: &'a [ListEntry],
        /// All keys.
        keys: Box<Column<'a>>,
        /// All values.
        values: Box<Column<'a>>,
    },
    /// STRUCT, fields by name
    Struct(Vec<(String, Column<'a>)>),
    /// A type that no function of ours takes; its name.
    Other(&'static str),
}

impl<'a> Data<'a> {
    /// A type of time other than DATE and TIMESTAMP.
    pub(super) fn moments(type_name: &'static str, per_second: i64, ticks: &'a [i64]) -> Self {
        Data::Moments { type_name, per_second, ticks }
    }
}

/// A HUGEINT as DuckDB stores it: aligned to 8 bytes, which Rust's `i128` is not.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HugeInt {
    lower: u64,
    upper: i64,
}

/// A UHUGEINT as DuckDB stores it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UHugeInt {
    lower: u64,
    upper: u64,
}

impl HugeInt {
    fn get(self) -> i128 {
        i128::from(self.upper) << 64 | i128::from(self.lower)
    }
}

impl UHugeInt {
    fn get(self) -> u128 {
        u128::from(self.upper) << 64 | u128::from(self.lower)
    }
}

/// A stored number.
trait Number: Copy + PartialEq {
    fn as_f64(self) -> f64;
    fn value(self) -> Value;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Number for $number {
            #[allow(clippy::cast_lossless)]
            fn as_f64(self) -> f64 {
                self as f64
            }
            fn value(self) -> Value {
                Value::Integer(i128::from(self))
            }
        })*
    };
}
numbers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Number for f32 {
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
    fn value(self) -> Value {
        Value::Double(f64::from(self))
    }
}

impl Number for f64 {
    fn as_f64(self) -> f64 {
        self
    }
    fn value(self) -> Value {
        Value::Double(self)
    }
}

impl Number for HugeInt {
    fn as_f64(self) -> f64 {
        self.get() as f64
    }
    fn value(self) -> Value {
        Value::Integer(self.get())
    }
}

impl Number for UHugeInt {
    fn as_f64(self) -> f64 {
        self.get() as f64
    }
    fn value(self) -> Value {
        i128::try_from(self.get()).map_or(Value::Unsigned(self.get()), Value::Integer)
    }
}

/// Whether all rows have the same bits.
fn all_same<T: Copy>(rows: &[T]) -> bool {
    // SAFETY: rows of DuckDB's vectors are numbers or structs of numbers without padding.
    let bytes =
        unsafe { std::slice::from_raw_parts(rows.as_ptr().cast::<u8>(), size_of_val(rows)) };
    rows.is_empty() || bytes[size_of::<T>()..] == bytes[..bytes.len() - size_of::<T>()]
}

/// One argument column.
pub struct Column<'a> {
    pub(super) validity: Validity<'a>,
    pub(super) data: Data<'a>,
    pub(super) len: usize,
}

/// Calls `$body` with the slice of integers or floats in `$data`; `$otherwise` for everything else.
macro_rules! with_numbers {
    ($data:expr, $slice:ident => $body:expr, $otherwise:expr) => {
        match $data {
            Data::Boolean($slice) => $body,
            Data::Int8($slice) => $body,
            Data::Int16($slice) => $body,
            Data::Int32($slice) => $body,
            Data::Int64($slice) => $body,
            Data::Int128($slice) => $body,
            Data::UInt8($slice) => $body,
            Data::UInt16($slice) => $body,
            Data::UInt32($slice) => $body,
            Data::UInt64($slice) => $body,
            Data::UInt128($slice) => $body,
            Data::Float32($slice) => $body,
            Data::Float64($slice) => $body,
            _ => $otherwise,
        }
    };
}

impl<'a> Column<'a> {
    /// A column for tests.
    #[cfg(test)]
    pub fn of(data: Data<'a>, len: usize) -> Self {
        Column { validity: Validity::All, data, len }
    }

    /// A column with NULLs, for tests.
    #[cfg(test)]
    pub fn with_validity(validity: Validity<'a>, data: Data<'a>, len: usize) -> Self {
        Column { validity, data, len }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values.
    pub fn data(&self) -> &Data<'a> {
        &self.data
    }

    /// Which rows are not NULL.
    pub fn validity(&self) -> Validity<'a> {
        self.validity
    }

    /// Whether the row is not NULL.
    pub fn is_valid(&self, row: usize) -> bool {
        !matches!(self.data, Data::Untyped) && self.validity.is_valid(row)
    }

    /// Whether the column holds numbers: any integer, FLOAT, DOUBLE, DECIMAL, or BOOLEAN as 0 and
    /// 1.
    pub fn is_numeric(&self) -> bool {
        matches!(self.data, Data::Decimal { .. }) || with_numbers!(&self.data, _s => true, false)
    }

    /// All rows as DOUBLE, NaN for NULL; `None` where the column does not hold numbers. Borrowed
    /// where it can be.
    pub fn numbers(&self) -> Option<Cow<'a, [f64]>> {
        let mut numbers: Vec<f64> = match &self.data {
            Data::Float64(slice) if matches!(self.validity, Validity::All) => {
                return Some(Cow::Borrowed(slice));
            }
            Data::Decimal { scale, digits } => match &**digits {
                Data::Int128(slice) => {
                    slice.iter().map(|digits| nearest_decimal(digits.get(), *scale)).collect()
                }
                Data::Int64(slice) => slice
                    .iter()
                    .map(|&digits| nearest_decimal(i128::from(digits), *scale))
                    .collect(),
                // Fewer than 16 digits, and a power of ten that a double holds: one rounding.
                digits => {
                    let divisor = power_of_ten(*scale);
                    with_numbers!(
                        digits,
                        s => s.iter().map(|x| x.as_f64() / divisor).collect(),
                        return None
                    )
                }
            },
            data => with_numbers!(data, s => s.iter().map(|x| x.as_f64()).collect(), return None),
        };
        if let Validity::Mask(_) = self.validity {
            for (row, x) in numbers.iter_mut().enumerate() {
                if !self.validity.is_valid(row) {
                    *x = f64::NAN;
                }
            }
        }
        Some(Cow::Owned(numbers))
    }

    /// Whether two rows hold the same thing, judged without following lists: equal entries are the
    /// same list. A constant argument is the same in all rows.
    pub fn same(&self, a: usize, b: usize) -> bool {
        let valid = (self.is_valid(a), self.is_valid(b));
        if valid != (true, true) {
            return valid.0 == valid.1;
        }
        match &self.data {
            Data::Text(strings) => strings.get(a) == strings.get(b),
            Data::Date(days) => days[a] == days[b],
            Data::Timestamp(times) => times[a] == times[b],
            Data::Moments { ticks, .. } => ticks[a] == ticks[b],
            Data::Decimal { digits, .. } => with_numbers!(&**digits, s => s[a] == s[b], false),
            Data::Enum { codes, .. } => with_numbers!(&**codes, s => s[a] == s[b], false),
            Data::List { entries, .. } | Data::Map { entries, .. } => entries[a] == entries[b],
            Data::Array { size, child } => {
                (0..*size).all(|i| child.same(a * size + i, b * size + i))
            }
            Data::Struct(fields) => fields.iter().all(|(_, field)| field.same(a, b)),
            Data::Untyped => true,
            Data::Blob(_) | Data::Other(_) => false,
            data => with_numbers!(data, s => s[a] == s[b], false),
        }
    }

    /// Whether all rows hold the value of the first. Cheap for what DuckDB repeats for a constant
    /// argument: the stored bits are compared first.
    pub fn is_constant(&self) -> bool {
        let same_bits = match (&self.validity, &self.data) {
            (_, Data::Untyped) => true,
            (Validity::All, Data::Struct(fields)) => {
                return fields.iter().all(|(_, field)| field.is_constant());
            }
            (Validity::All, Data::Text(strings)) => all_same(strings.raw),
            (Validity::All, Data::List { entries, .. } | Data::Map { entries, .. }) => {
                all_same(entries)
            }
            (Validity::All, Data::Decimal { digits, .. } | Data::Enum { codes: digits, .. }) => {
                with_numbers!(&**digits, s => all_same(s), false)
            }
            (Validity::All, data) => with_numbers!(data, s => all_same(s), false),
            (Validity::Mask(_), _) => false,
        };
        same_bits || self.is_empty() || {
            let first = self.value(0);
            (1..self.len).all(|row| self.value(row) == first)
        }
    }

    /// Whether a row has this value, to the bit; without a copy of it.
    pub fn holds(&self, row: usize, value: &Value) -> bool {
        if matches!(self.data, Data::Untyped) || !self.validity.is_valid(row) {
            return self.value(row).is_same(value);
        }
        let holds = |child: &Column<'_>, mut rows: std::ops::Range<usize>, values: &[Value]| {
            rows.len() == values.len()
                && values.iter().all(|value| rows.next().is_some_and(|i| child.holds(i, value)))
        };
        match (&self.data, value) {
            (Data::List { entries, child }, Value::List(values)) => {
                let entry = entries[row];
                holds(child, entry.offset as usize..(entry.offset + entry.length) as usize, values)
            }
            (Data::Array { size, child }, Value::List(values)) => {
                holds(child, row * size..(row + 1) * size, values)
            }
            (Data::Struct(fields), Value::Struct(values)) => {
                let same =
                    |((name, field), (known, value)): (&(String, Column<'_>), &(String, Value))| {
                        name == known && field.holds(row, value)
                    };
                fields.len() == values.len() && fields.iter().zip(values).all(same)
            }
            (Data::Float64(numbers), Value::Double(x)) => numbers[row].to_bits() == x.to_bits(),
            (Data::Text(strings), Value::Text(text)) => strings.get(row) == *text,
            _ => self.value(row).is_same(value),
        }
    }

    /// The value of a row.
    pub fn value(&self, row: usize) -> Value {
        if matches!(self.data, Data::Untyped) {
            return Value::Null;
        }
        if !self.validity.is_valid(row) {
            return Value::TypedNull;
        }
        match &self.data {
            Data::Untyped => Value::Null,
            Data::Boolean(s) => Value::Boolean(s[row] != 0),
            Data::Decimal { scale, digits } => Value::Double(match &**digits {
                Data::Int128(s) => nearest_decimal(s[row].get(), *scale),
                digits => {
                    let digits = with_numbers!(digits, s => s[row].value(), Value::Null);
                    let Value::Integer(digits) = digits else {
                        unreachable!("digits are integers")
                    };
                    nearest_decimal(digits, *scale)
                }
            }),
            Data::Text(strings) => Value::Text(strings.get(row).into_owned()),
            Data::Enum { codes, name } => {
                let code = with_numbers!(&**codes, s => s[row].as_f64(), f64::NAN);
                Value::Text(name(code as usize))
            }
            Data::Date(s) => Value::Date(s[row]),
            Data::Timestamp(s) => Value::Timestamp(s[row]),
            Data::Moments { type_name, .. } => Value::Other(type_name),
            Data::List { entries, child } => {
                let entry = entries[row];
                let rows = entry.offset as usize..(entry.offset + entry.length) as usize;
                Value::List(rows.map(|i| child.value(i)).collect())
            }
            Data::Array { size, child } => {
                Value::List((row * size..(row + 1) * size).map(|i| child.value(i)).collect())
            }
            Data::Map { entries, keys, values } => {
                let entry = entries[row];
                let rows = entry.offset as usize..(entry.offset + entry.length) as usize;
                Value::Map(rows.map(|i| (keys.value(i), values.value(i))).collect())
            }
            Data::Struct(fields) => Value::Struct(
                fields.iter().map(|(name, field)| (name.clone(), field.value(row))).collect(),
            ),
            Data::Blob(_) => Value::Other("BLOB"),
            Data::Other(name) => Value::Other(name),
            data => {
                with_numbers!(data, s => s[row].value(), unreachable!("every other kind is \
                                                                       matched above"))
            }
        }
    }

    /// Name of the type, for error messages.
    pub fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Untyped => "NULL",
            Data::Boolean(_) => "BOOLEAN",
            Data::Int8(_) => "TINYINT",
            Data::Int16(_) => "SMALLINT",
            Data::Int32(_) => "INTEGER",
            Data::Int64(_) => "BIGINT",
            Data::Int128(_) => "HUGEINT",
            Data::UInt8(_) => "UTINYINT",
            Data::UInt16(_) => "USMALLINT",
            Data::UInt32(_) => "UINTEGER",
            Data::UInt64(_) => "UBIGINT",
            Data::UInt128(_) => "UHUGEINT",
            Data::Float32(_) => "FLOAT",
            Data::Float64(_) => "DOUBLE",
            Data::Decimal { .. } => "DECIMAL",
            Data::Text(_) => "VARCHAR",
            Data::Blob(_) => "BLOB",
            Data::Enum { .. } => "ENUM",
            Data::Date(_) => "DATE",
            Data::Timestamp(_) => "TIMESTAMP",
            Data::Moments { type_name, .. } => type_name,
            Data::List { .. } => "LIST",
            Data::Array { .. } => "ARRAY",
            Data::Map { .. } => "MAP",
            Data::Struct(_) => "STRUCT",
            Data::Other(name) => name,
        }
    }
}
