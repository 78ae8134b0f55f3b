//! From DuckDB's vectors to [`Column`]s: borrowed slices, nothing copied but names.

use std::ffi::CStr;
use std::slice;

use libduckdb_sys::*;

use super::types::LogicalType;
use crate::ffi::chunk::RawString;
use crate::ffi::{Chunk, Column, Data, ListEntry, Strings, Validity};

/// The columns of a data chunk.
///
/// # Safety
/// `input` is a valid chunk of flat vectors that lives for `'a`, as aggregate and scalar callbacks
/// get it.
pub(super) unsafe fn chunk<'a>(input: duckdb_data_chunk) -> Chunk<'a> {
    // SAFETY: promised by the caller; the indexes are below the column count.
    unsafe {
        let len = duckdb_data_chunk_get_size(input) as usize;
        let n_columns = duckdb_data_chunk_get_column_count(input);
        let columns =
            (0..n_columns).map(|i| column(duckdb_data_chunk_get_vector(input, i), len)).collect();
        Chunk { columns, len }
    }
}

/// A vector of `len` rows as a column.
///
/// # Safety
/// `vector` is a valid flat vector of at least `len` rows that lives for `'a`.
pub(super) unsafe fn column<'a>(vector: duckdb_vector, len: usize) -> Column<'a> {
    // SAFETY: promised by the caller.
    let logical = LogicalType(unsafe { duckdb_vector_get_column_type(vector) });
    // SAFETY: the type is the vector's own.
    unsafe { typed_column(vector, &logical, len) }
}

/// # Safety
/// As [`column`]; `logical` is the vector's type.
unsafe fn typed_column<'a>(vector: duckdb_vector, logical: &LogicalType, len: usize) -> Column<'a> {
    // SAFETY: a validity mask, where there is one, has a bit for each row.
    let validity = unsafe {
        let mask = duckdb_vector_get_validity(vector);
        if mask.is_null() {
            Validity::All
        } else {
            Validity::Mask(slice::from_raw_parts(mask, len.div_ceil(64)))
        }
    };
    // SAFETY: promised by the caller.
    Column { validity, data: unsafe { data(vector, logical, len) }, len }
}

/// # Safety
/// `vector` stores at least `len` values of type `T` for `'a`.
unsafe fn values<'a, T>(vector: duckdb_vector, len: usize) -> &'a [T] {
    // SAFETY: promised by the caller; an empty vector may have no memory at all.
    unsafe {
        let start = duckdb_vector_get_data(vector).cast::<T>();
        if start.is_null() || len == 0 { &[] } else { slice::from_raw_parts(start, len) }
    }
}

/// # Safety
/// As [`typed_column`].
unsafe fn data<'a>(vector: duckdb_vector, logical: &LogicalType, len: usize) -> Data<'a> {
    // SAFETY: each arm reads what DuckDB stores for that type; handles that are created are owned
    // by `LogicalType` and freed; child vectors live as long as their parent.
    unsafe {
        match duckdb_get_type_id(logical.0) {
            DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL => Data::Untyped,
            DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Data::Boolean(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => Data::Int8(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => Data::Int16(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => Data::Int32(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => Data::Int64(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => Data::Int128(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => Data::UInt8(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => Data::UInt16(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => Data::UInt32(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => Data::UInt64(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT => Data::UInt128(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => Data::Float32(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => Data::Float64(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_DATE => Data::Date(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP => Data::Timestamp(values(vector, len)),
            DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S => {
                Data::moments("TIMESTAMP_S", 1, values(vector, len))
            }
            DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS => {
                Data::moments("TIMESTAMP_MS", 1_000, values(vector, len))
            }
            DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS => {
                Data::moments("TIMESTAMP_NS", 1_000_000_000, values(vector, len))
            }
            DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => {
                Data::moments("TIMESTAMP WITH TIME ZONE", 1_000_000, values(vector, len))
            }
            DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => {
                Data::Text(Strings::new(values::<RawString>(vector, len)))
            }
            DUCKDB_TYPE_DUCKDB_TYPE_BLOB => {
                Data::Blob(Strings::new(values::<RawString>(vector, len)))
            }
            DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => {
                let digits = match duckdb_decimal_internal_type(logical.0) {
                    DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => Data::Int16(values(vector, len)),
                    DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => Data::Int32(values(vector, len)),
                    DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => Data::Int64(values(vector, len)),
                    _ => Data::Int128(values(vector, len)),
                };
                Data::Decimal { scale: duckdb_decimal_scale(logical.0), digits: Box::new(digits) }
            }
            DUCKDB_TYPE_DUCKDB_TYPE_ENUM => {
                let codes = match duckdb_enum_internal_type(logical.0) {
                    DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => Data::UInt8(values(vector, len)),
                    DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => Data::UInt16(values(vector, len)),
                    _ => Data::UInt32(values(vector, len)),
                };
                let own_type = LogicalType(duckdb_vector_get_column_type(vector));
                let name = move |code| enum_name(&own_type, code);
                Data::Enum { codes: Box::new(codes), name: Box::new(name) }
            }
            DUCKDB_TYPE_DUCKDB_TYPE_LIST => Data::List {
                entries: values::<ListEntry>(vector, len),
                child: Box::new(list_child(vector)),
            },
            DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => {
                let size = duckdb_array_type_array_size(logical.0) as usize;
                let child = column(duckdb_array_vector_get_child(vector), len * size);
                Data::Array { size, child: Box::new(child) }
            }
            DUCKDB_TYPE_DUCKDB_TYPE_MAP => {
                let entries = values::<ListEntry>(vector, len);
                let Data::Struct(fields) = list_child(vector).data else {
                    panic!("the entries of a MAP are a STRUCT")
                };
                let mut columns = fields.into_iter().map(|(_, field)| Box::new(field));
                let (Some(keys), Some(values)) = (columns.next(), columns.next()) else {
                    panic!("the entries of a MAP have a key and a value")
                };
                Data::Map { entries, keys, values }
            }
            DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                let n_fields = duckdb_struct_type_child_count(logical.0);
                let field = |i| {
                    let name = owned(duckdb_struct_type_child_name(logical.0, i));
                    let child_type = LogicalType(duckdb_struct_type_child_type(logical.0, i));
                    (
                        name,
                        typed_column(duckdb_struct_vector_get_child(vector, i), &child_type, len),
                    )
                };
                Data::Struct((0..n_fields).map(field).collect())
            }
            id => Data::Other(other_name(id)),
        }
    }
}

/// The text behind a code of an ENUM. Takes the type by reference, so that a closure over it owns
/// the whole handle and not a copy of the pointer inside.
///
/// # Safety
/// `logical` is an ENUM and `code` one of its positions.
unsafe fn enum_name(logical: &LogicalType, code: usize) -> String {
    // SAFETY: promised by the caller.
    unsafe { owned(duckdb_enum_dictionary_value(logical.0, code as idx_t)) }
}

/// # Safety
/// `vector` is a LIST or MAP vector.
unsafe fn list_child<'a>(vector: duckdb_vector) -> Column<'a> {
    // SAFETY: promised by the caller; the child has the size that the parent says.
    unsafe {
        column(duckdb_list_vector_get_child(vector), duckdb_list_vector_get_size(vector) as usize)
    }
}

/// A string that DuckDB allocated for us.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string of `duckdb_malloc`, not used again.
pub(super) unsafe fn owned(text: *mut std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: promised by the caller.
    unsafe {
        let string = CStr::from_ptr(text).to_string_lossy().into_owned();
        duckdb_free(text.cast());
        string
    }
}

fn other_name(id: DUCKDB_TYPE) -> &'static str {
    match id {
        DUCKDB_TYPE_DUCKDB_TYPE_TIME => "TIME",
        DUCKDB_TYPE_DUCKDB_TYPE_TIME_TZ => "TIME WITH TIME ZONE",
        DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL => "INTERVAL",
        DUCKDB_TYPE_DUCKDB_TYPE_BIT => "BIT",
        DUCKDB_TYPE_DUCKDB_TYPE_UUID => "UUID",
        DUCKDB_TYPE_DUCKDB_TYPE_UNION => "UNION",
        DUCKDB_TYPE_DUCKDB_TYPE_BIGNUM => "BIGNUM",
        DUCKDB_TYPE_DUCKDB_TYPE_VARIANT => "VARIANT",
        DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => "GEOMETRY",
        _ => "unknown",
    }
}
