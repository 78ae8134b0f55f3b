//! From DuckDB's vectors to [`Column`]s: borrowed slices, nothing copied but names.

use std::slice;

use libduckdb_sys::v2::*;

use super::handle::{LEFT_OUT, LogicalType, OwnedValue};
use super::{Result, call, get, owned};
use crate::ffi::chunk::RawString;
use crate::ffi::{Chunk, Column, Data, ListEntry, Strings, Validity};

/// Names of the fields of the STRUCTs in the arguments of one call site, in the order in which they
/// are read: asking DuckDB for a name costs more than reading the field, and the types of a call
/// site do not change.
#[derive(Default)]
pub(super) struct Names {
    known: Vec<Vec<String>>,
    next: usize,
}

impl Names {
    fn next(&mut self, ask: impl FnOnce() -> Result<Vec<String>>) -> Result<Vec<String>> {
        if self.next == self.known.len() {
            self.known.push(ask()?);
        }
        self.next += 1;
        Ok(self.known[self.next - 1].clone())
    }
}

/// The arguments of a call: `n` vectors of `len` rows, without those behind the `n_required` first
/// that were left out.
///
/// # Safety
/// `vector` gives valid vectors of at least `len` rows that live for `'a`.
pub(super) unsafe fn chunk<'a>(
    n: u64,
    n_required: usize,
    len: usize,
    names: &mut Names,
    vector: impl Fn(u64, *mut duckdb_v2_vector_handle, super::Slot) -> DUCKDB_V2_ERROR,
) -> Result<Chunk<'a>> {
    names.next = 0;
    // SAFETY: promised by the caller.
    let columns =
        (0..n).map(|i| unsafe { column(get(|out, err| vector(i, out, err))?, len, names) });
    let mut columns = columns.collect::<Result<Vec<Column<'a>>>>()?;
    while columns.len() > n_required && columns.last().is_some_and(is_left_out) {
        columns.pop();
    }
    Ok(Chunk { columns, len })
}

/// Whether a column is the default of a parameter that was left out.
fn is_left_out(column: &Column<'_>) -> bool {
    matches!(column.data, Data::Other(LEFT_OUT)) && (column.is_empty() || !column.is_valid(0))
}

/// A vector of `len` rows as a column. DuckDB lends vectors in any representation; ours is the flat
/// one.
///
/// # Safety
/// `vector` is a valid vector of at least `len` rows that lives for `'a`.
unsafe fn column<'a>(
    vector: duckdb_v2_vector_handle,
    len: usize,
    names: &mut Names,
) -> Result<Column<'a>> {
    // SAFETY: promised by the caller; a validity mask, where there is one, has a bit for each row.
    unsafe {
        call(|err| duckdb_v2_vector_flatten(vector, err))?;
        let logical = LogicalType::new(duckdb_v2_logical_type_destroy, |out, err| {
            duckdb_v2_vector_get_logical_type(vector, out, err)
        })?;
        let view = get(|out, err| duckdb_v2_vector_get_view(vector, out, err))?;
        assert!(view.sel.is_null(), "a flat vector has no selection");
        let validity = if view.validity.is_null() {
            Validity::All
        } else {
            Validity::Mask(slice::from_raw_parts(view.validity, len.div_ceil(64)))
        };
        Ok(Column { validity, data: data(vector, &view, logical, len, names)?, len })
    }
}

/// # Safety
/// `view` is of a vector that stores at least `len` values of type `T` for `'a`.
unsafe fn values<'a, T>(view: &duckdb_v2_vector_view, len: usize) -> &'a [T] {
    if view.data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { slice::from_raw_parts(view.data.cast::<T>(), len) }
}

/// # Safety
/// `vector` is as in [`column`]; `view` and `logical` are its own.
unsafe fn data<'a>(
    vector: duckdb_v2_vector_handle,
    view: &duckdb_v2_vector_view,
    logical: LogicalType,
    len: usize,
    names: &mut Names,
) -> Result<Data<'a>> {
    use DUCKDB_V2_LOGICAL_TYPE_ID as Id;
    // SAFETY: each arm reads what DuckDB stores for that type; child vectors live as long as their
    // parent.
    unsafe {
        Ok(match get(|out, err| duckdb_v2_logical_type_get_id(logical.get(), out, err))? {
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_SQLNULL => Data::Untyped,
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_BOOLEAN => Data::Boolean(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_TINYINT => Data::Int8(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_SMALLINT => Data::Int16(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_INTEGER => Data::Int32(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_BIGINT => Data::Int64(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_HUGEINT => Data::Int128(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_UTINYINT => Data::UInt8(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_USMALLINT => Data::UInt16(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_UINTEGER => Data::UInt32(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_UBIGINT => Data::UInt64(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_UHUGEINT => Data::UInt128(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_FLOAT => Data::Float32(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_DOUBLE => Data::Float64(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_DATE => Data::Date(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_TIMESTAMP => Data::Timestamp(values(view, len)),
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_TIMESTAMP_SEC => {
                Data::moments("TIMESTAMP_S", 1, values(view, len))
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_TIMESTAMP_MS => {
                Data::moments("TIMESTAMP_MS", 1_000, values(view, len))
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_TIMESTAMP_NS => {
                Data::moments("TIMESTAMP_NS", 1_000_000_000, values(view, len))
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_TIMESTAMP_TZ => {
                Data::moments("TIMESTAMP WITH TIME ZONE", 1_000_000, values(view, len))
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_VARCHAR => {
                Data::Text(Strings::new(values::<RawString>(view, len)))
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_BLOB => {
                Data::Blob(Strings::new(values::<RawString>(view, len)))
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_DECIMAL => {
                // The storage follows from the width.
                let digits = match number(&parameter(&logical, 0)?.1)? {
                    ..=4 => Data::Int16(values(view, len)),
                    5..=9 => Data::Int32(values(view, len)),
                    10..=18 => Data::Int64(values(view, len)),
                    _ => Data::Int128(values(view, len)),
                };
                let scale = number(&parameter(&logical, 1)?.1)?;
                Data::Decimal {
                    scale: u8::try_from(scale).expect("at most 38"),
                    digits: Box::new(digits),
                }
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_ENUM => {
                // The storage follows from the size of the dictionary.
                let codes = match get(|out, err| {
                    duckdb_v2_logical_type_get_param_count(logical.get(), out, err)
                })? {
                    ..=0xFF => Data::UInt8(values(view, len)),
                    0x100..=0xFFFF => Data::UInt16(values(view, len)),
                    _ => Data::UInt32(values(view, len)),
                };
                let name = move |code| enum_name(&logical, code);
                Data::Enum { codes: Box::new(codes), name: Box::new(name) }
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_LIST => Data::List {
                entries: values::<ListEntry>(view, len),
                child: Box::new(list_child(vector, names)?),
            },
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_ARRAY => {
                let size = number(&parameter(&logical, 1)?.1)? as usize;
                let child = column(child(vector, 0)?, len * size, names)?;
                Data::Array { size, child: Box::new(child) }
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_MAP => {
                let entries = values::<ListEntry>(view, len);
                let Data::Struct(fields) = list_child(vector, names)?.data else {
                    panic!("the entries of a MAP are a STRUCT")
                };
                let mut columns = fields.into_iter().map(|(_, field)| Box::new(field));
                let (Some(keys), Some(values)) = (columns.next(), columns.next()) else {
                    panic!("the entries of a MAP have a key and a value")
                };
                Data::Map { entries, keys, values }
            }
            Id::DUCKDB_V2_LOGICAL_TYPE_ID_STRUCT | Id::DUCKDB_V2_LOGICAL_TYPE_ID_TUPLE => {
                let n_fields = get(|out, err| duckdb_v2_vector_get_child_count(vector, out, err))?;
                let own = names
                    .next(|| (0..n_fields).map(|i| Ok(parameter(&logical, i)?.0)).collect())?;
                let field = |(i, name)| Ok((name, column(child(vector, i)?, len, names)?));
                Data::Struct((0..n_fields).zip(own).map(field).collect::<Result<_>>()?)
            }
            id => Data::Other(other_name(id)),
        })
    }
}

/// A parameter of a type: its name, where it has one, and its value.
fn parameter(logical: &LogicalType, index: u64) -> Result<(String, OwnedValue)> {
    let mut name = duckdb_v2_str::default();
    // SAFETY: the type is alive, and so is the name while it is.
    unsafe {
        let value = OwnedValue::new(duckdb_v2_value_destroy, |out, err| {
            duckdb_v2_logical_type_get_param(logical.get(), index, &mut name, out, err)
        })?;
        Ok((owned(name), value))
    }
}

fn number(value: &OwnedValue) -> Result<i64> {
    // SAFETY: the value is alive.
    unsafe { get(|out, err| duckdb_v2_value_get_bigint(value.get(), out, err)) }
}

/// The text of a VARCHAR value.
pub(super) fn text(value: &OwnedValue) -> Result<String> {
    // SAFETY: the value is alive while its text is copied.
    unsafe { Ok(owned(get(|out, err| duckdb_v2_value_get_varchar(value.get(), out, err))?)) }
}

/// The text behind a code of an ENUM. Takes the type by reference, so that a closure over it owns
/// the whole handle and not a copy of the pointer inside.
fn enum_name(logical: &LogicalType, code: usize) -> String {
    parameter(logical, code as u64)
        .and_then(|(_, value)| text(&value))
        .expect("a position of the dictionary")
}

/// # Safety
/// `vector` is nested and has a child at `index`.
unsafe fn child(vector: duckdb_v2_vector_handle, index: u64) -> Result<duckdb_v2_vector_handle> {
    // SAFETY: promised by the caller.
    unsafe { get(|out, err| duckdb_v2_vector_get_child(vector, index, out, err)) }
}

/// # Safety
/// `vector` is a LIST or MAP vector.
unsafe fn list_child<'a>(vector: duckdb_v2_vector_handle, names: &mut Names) -> Result<Column<'a>> {
    // SAFETY: promised by the caller; the child has the size that it says.
    unsafe {
        let child = child(vector, 0)?;
        let len = get(|out, err| duckdb_v2_vector_get_size(child, out, err))?;
        column(child, len as usize, names)
    }
}

fn other_name(id: DUCKDB_V2_LOGICAL_TYPE_ID) -> &'static str {
    use DUCKDB_V2_LOGICAL_TYPE_ID as Id;
    match id {
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_TIME => "TIME",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_TIME_TZ => "TIME WITH TIME ZONE",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_INTERVAL => "INTERVAL",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_BIT => "BIT",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_UUID => "UUID",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_UNION => "UNION",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_BIGNUM => "BIGNUM",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_VARIANT => "VARIANT",
        Id::DUCKDB_V2_LOGICAL_TYPE_ID_GEOMETRY => "GEOMETRY",
        _ => "unknown",
    }
}

/// Whether a value is NULL.
pub(super) fn is_null(value: &OwnedValue) -> Result<bool> {
    // SAFETY: the value is alive.
    unsafe { get(|out, err| duckdb_v2_value_is_null(value.get(), out, err)) }
}
