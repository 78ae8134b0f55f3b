//! Backend on DuckDB's stable C API v1: one binary for DuckDB 1.4 and later.
#![allow(unsafe_code)]

mod aggregate;
mod entrypoint;
mod query;
mod read;
mod registry;
mod scalar;
mod table;
mod types;
mod write;

use std::ffi::{CString, c_void};

pub use registry::Registry;

use super::SqlType;

/// What a callback finds behind its `extra_info`: the function and what error messages call it.
struct Registered<F> {
    name: &'static str,
    returns: SqlType,
    function: F,
}

impl<F> Registered<F> {
    fn into_raw(self) -> *mut c_void {
        Box::into_raw(Box::new(self)).cast()
    }
}

/// Frees what [`Registered::into_raw`] or a bind or init callback handed to DuckDB.
///
/// # Safety
/// `data` comes from `Box::into_raw` of a `Box<T>` and is not used again.
unsafe extern "C" fn drop_box<T>(data: *mut c_void) {
    // SAFETY: promised by the caller, which is DuckDB handing back what it was given.
    let owned = unsafe { Box::from_raw(data.cast::<T>()) };
    // A destructor that panics must not cross into DuckDB; there is nobody to tell.
    let _ = super::contain(|| {
        drop(owned);
        Ok(())
    });
}

/// Text for the C API: a NUL inside would cut it.
fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{FFFD}")).expect("no NUL is left")
}
