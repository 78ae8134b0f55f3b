//! Logical types: from our constants to DuckDB's objects, freed when dropped.

use libduckdb_sys::*;

use super::c_text;
use crate::ffi::SqlType;

/// An owned logical type.
pub(super) struct LogicalType(pub(super) duckdb_logical_type);

impl LogicalType {
    pub(super) fn new(sql_type: &SqlType) -> Self {
        let id = match sql_type {
            SqlType::Any => DUCKDB_TYPE_DUCKDB_TYPE_ANY,
            SqlType::Boolean => DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN,
            SqlType::Integer => DUCKDB_TYPE_DUCKDB_TYPE_INTEGER,
            SqlType::BigInt => DUCKDB_TYPE_DUCKDB_TYPE_BIGINT,
            SqlType::UHugeInt => DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT,
            SqlType::Double => DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE,
            SqlType::Timestamp => DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP,
            SqlType::Uuid => DUCKDB_TYPE_DUCKDB_TYPE_UUID,
            SqlType::Varchar => DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR,
            SqlType::Blob => DUCKDB_TYPE_DUCKDB_TYPE_BLOB,
            SqlType::Decimal(width, scale) => {
                // SAFETY: no pointers are passed.
                return LogicalType(unsafe { duckdb_create_decimal_type(*width, *scale) });
            }
            SqlType::List(child) => {
                let child = LogicalType::new(child);
                // SAFETY: the child lives during the call; DuckDB copies it.
                return LogicalType(unsafe { duckdb_create_list_type(child.0) });
            }
            SqlType::Struct(fields) => {
                let types: Vec<LogicalType> =
                    fields.iter().map(|(_, field)| LogicalType::new(field)).collect();
                let mut handles: Vec<duckdb_logical_type> = types.iter().map(|t| t.0).collect();
                let names: Vec<_> = fields.iter().map(|(name, _)| c_text(name)).collect();
                let mut name_pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
                // SAFETY: both arrays have one element a field and live during the call; DuckDB
                // copies them.
                return LogicalType(unsafe {
                    duckdb_create_struct_type(
                        handles.as_mut_ptr(),
                        name_pointers.as_mut_ptr(),
                        fields.len() as idx_t,
                    )
                });
            }
        };
        // SAFETY: no pointers are passed.
        LogicalType(unsafe { duckdb_create_logical_type(id) })
    }
}

impl Drop for LogicalType {
    fn drop(&mut self) {
        // SAFETY: the handle is owned and dropped once.
        unsafe { duckdb_destroy_logical_type(&mut self.0) }
    }
}
