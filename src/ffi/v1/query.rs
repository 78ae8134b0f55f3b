//! The few queries that `LOAD` runs, on a connection that ends with it.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr;

use libduckdb_sys::*;

use super::{c_text, read};
use crate::ffi::{Error, Result, Value};

/// A connection that is closed when dropped: one that outlived `LOAD` would keep the database open
/// for ever.
pub(super) struct Connection(pub(super) duckdb_connection);

impl Connection {
    /// # Safety
    /// `database` is open.
    pub(super) unsafe fn open(database: duckdb_database) -> Result<Self> {
        let mut connection: duckdb_connection = ptr::null_mut();
        // SAFETY: promised by the caller.
        let state = unsafe { duckdb_connect(database, &mut connection) };
        if state == duckdb_state_DuckDBSuccess {
            Ok(Connection(connection))
        } else {
            Err(Error::new("no connection to the database"))
        }
    }

    /// Runs one statement; the first value of its first row, or NULL.
    pub(super) fn run(&self, sql: &str) -> Result<Value> {
        // SAFETY: the connection is open; the result is destroyed on every path, its chunk and type
        // before it.
        unsafe {
            let mut result = MaybeUninit::<duckdb_result>::zeroed().assume_init();
            let state = duckdb_query(self.0, c_text(sql).as_ptr(), &mut result);
            let outcome = if state == duckdb_state_DuckDBSuccess {
                let mut chunk = duckdb_fetch_chunk(result);
                let value = if chunk.is_null() {
                    Value::Null
                } else {
                    let columns = read::chunk(chunk);
                    let value = columns
                        .get(0)
                        .filter(|c| !c.is_empty())
                        .map_or(Value::Null, |c| c.value(0));
                    drop(columns);
                    duckdb_destroy_data_chunk(&mut chunk);
                    value
                };
                Ok(value)
            } else {
                let text = duckdb_result_error(&mut result);
                let text = if text.is_null() {
                    "unknown error".into()
                } else {
                    CStr::from_ptr(text).to_string_lossy()
                };
                Err(Error::new(text.into_owned()))
            };
            duckdb_destroy_result(&mut result);
            outcome
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle is owned and closed once.
        unsafe { duckdb_disconnect(&mut self.0) }
    }
}
