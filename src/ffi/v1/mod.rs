//! Backend on DuckDB's stable C API v1: one binary for DuckDB 1.4 and later.
#![allow(unsafe_code)]

mod aggregate;
mod entrypoint;
mod query;
mod read;
mod registry;
mod scalar;
mod stable;
mod table;
mod types;
mod write;

use std::ffi::CString;

pub(super) use registry::Functions;

/// Text for the C API: a NUL inside would cut it.
fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{FFFD}")).expect("no NUL is left")
}
