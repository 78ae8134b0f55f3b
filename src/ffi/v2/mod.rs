//! Backend on DuckDB's C API v2: bound to the releases whose table of functions is known, with
//! relations in the system catalog.
#![allow(unsafe_code)]

mod aggregate;
mod entrypoint;
mod handle;
mod read;
mod refusal;
mod registry;
mod relation;
mod release;
mod scalar;
mod table;
mod write;

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

use libduckdb_sys::v2::*;

pub(super) use registry::Functions;

use super::registered::{Registered, drop_box, into_raw};
use super::scan::Table;
use super::{Error, Result, contain};

/// Where a call of the API leaves its error.
type Slot = *mut duckdb_v2_error_info_handle;

/// Runs a call of the API and takes the text of its error.
fn call(function: impl FnOnce(Slot) -> DUCKDB_V2_ERROR) -> Result<()> {
    let mut info: duckdb_v2_error_info_handle = ptr::null_mut();
    if function(&mut info) == DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_NONE {
        return Ok(());
    }
    // SAFETY: a failed call leaves NULL or an error of ours to destroy; its text is copied before
    // that.
    unsafe {
        let mut text = duckdb_v2_str::default();
        duckdb_v2_error_info_get_raw_text(info, &mut text);
        if text.len == 0 {
            duckdb_v2_error_info_get_text(info, &mut text);
        }
        let error = Error::new(match owned(text) {
            text if text.is_empty() => "a call of the C API failed".to_string(),
            text => text,
        });
        duckdb_v2_error_info_destroy(&mut info);
        Err(error)
    }
}

/// What a call of the API writes behind its pointer.
///
/// # Safety
/// `T` may be all zeros, and `function` passes the pointer to a call that writes a `T`.
unsafe fn get<T>(function: impl FnOnce(*mut T, Slot) -> DUCKDB_V2_ERROR) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    call(|err| function(value.as_mut_ptr(), err))?;
    // SAFETY: promised by the caller.
    Ok(unsafe { value.assume_init() })
}

/// A copy of a text that DuckDB lends us; bytes that are no UTF-8 are replaced.
///
/// # Safety
/// `text` is readable.
unsafe fn owned(text: duckdb_v2_str) -> String {
    if text.ptr.is_null() || text.len == 0 {
        return String::new();
    }
    // SAFETY: promised by the caller.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len as usize) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Data for DuckDB to keep and to free.
fn opaque<T>(data: T) -> duckdb_v2_opaque {
    duckdb_v2_opaque { ptr: into_raw(data), destroy: Some(drop_box::<T>), equals: None }
}

/// Hands `data` over by a call that takes it; frees it where the call fails.
///
/// # Safety
/// `function` passes the pointer to a call that takes the data over where it succeeds.
unsafe fn hand_over<T>(
    data: T,
    function: impl FnOnce(*mut duckdb_v2_opaque, Slot) -> DUCKDB_V2_ERROR,
) -> Result<()> {
    let mut data = opaque(data);
    call(|err| function(&mut data, err)).inspect_err(|_| {
        // SAFETY: DuckDB did not take it.
        unsafe { drop_box::<T>(data.ptr) }
    })
}

/// What stands behind the user data of a function.
trait Named {
    /// What error messages call it.
    fn name(&self) -> &'static str;
}

impl<F> Named for Registered<F> {
    fn name(&self) -> &'static str {
        self.name
    }
}

impl<G> Named for Table<G> {
    fn name(&self) -> &'static str {
        self.registered.name
    }
}

/// Runs a callback's body with the function that it belongs to, and hands its error to DuckDB as
/// one of `kind`.
///
/// # Safety
/// `err` is the slot of a running callback; `user_data` asks for the data of a function whose data
/// is a `T`.
unsafe fn report<T: Named>(
    err: Slot,
    kind: DUCKDB_V2_ERROR,
    user_data: impl FnOnce(*mut *mut c_void, Slot) -> DUCKDB_V2_ERROR,
    body: impl FnOnce(&T) -> Result<()>,
) {
    let mut called = "amazing";
    let result = contain(|| {
        // SAFETY: promised by the caller; the function outlives its callbacks.
        let function = unsafe { &*get(user_data)?.cast::<T>() };
        called = function.name();
        body(function)
    });
    if let Err(error) = result {
        // SAFETY: promised by the caller.
        unsafe { fail(err, kind, &error.text(called)) }
    }
}

/// Leaves an error in a callback's slot.
///
/// # Safety
/// `err` is the slot of a running callback.
unsafe fn fail(err: Slot, kind: DUCKDB_V2_ERROR, text: &str) {
    // The bindings panic where `LOAD` failed before it had the functions of the API; nobody can be
    // told then.
    let _ = contain(|| {
        let text = text.replace('\0', "\u{FFFD}");
        // SAFETY: promised by the caller; DuckDB copies the text.
        unsafe {
            duckdb_v2_error_info_set_code(*err, kind);
            duckdb_v2_error_info_set_text(*err, &duckdb_v2_str::from(&text));
        }
        Ok(())
    });
}
