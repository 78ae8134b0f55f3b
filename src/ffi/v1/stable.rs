//! The stable functions of the C API v1, and no more of the running release's table.
//!
//! The bindings copy the table of the newest release, field by field. The table of an older one
//! ends before that, and what follows the stable functions is in another order there. So they get a
//! table in which only the stable functions have a place: a call of any other one is an error of
//! ours, not one through a stray pointer.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use libduckdb_sys::*;

use crate::ffi::{Error, Result};

/// Functions at the beginning of the table, which have one order in every release from 1.2 on.
const STABLE: usize = 404;

/// Gives the bindings the stable functions of the running release. `false` where DuckDB has set an
/// error of its own.
///
/// # Safety
/// `info` and `access` are the entry point's.
pub(super) unsafe fn connect(
    info: duckdb_extension_info,
    access: &duckdb_extension_access,
    version: &std::ffi::CStr,
) -> Result<bool> {
    let get_api = access.get_api.ok_or_else(|| Error::new("DuckDB gives no functions"))?;
    // SAFETY: promised by the caller.
    let table = unsafe { get_api(info, version.as_ptr()) }.cast::<*const c_void>();
    if table.is_null() {
        return Ok(false);
    }
    const { assert!(size_of::<duckdb_ext_api_v1>() >= STABLE * size_of::<*const c_void>()) }
    let mut stable = MaybeUninit::<duckdb_ext_api_v1>::zeroed();
    // SAFETY: the tables of the release and of the bindings begin with the stable functions.
    unsafe { stable.as_mut_ptr().cast::<*const c_void>().copy_from_nonoverlapping(table, STABLE) };
    // The bindings take the table that the access gives for the extension.
    let ours = duckdb_extension_access { get_api: Some(itself), ..*access };
    // SAFETY: the table is complete, and copied during the call.
    unsafe {
        duckdb_rs_extension_api_init(stable.as_mut_ptr().cast(), &ours, "").map_err(Error::new)
    }
}

/// The table that stands in for the extension.
unsafe extern "C" fn itself(
    table: duckdb_extension_info,
    _version: *const c_char,
) -> *const c_void {
    table.cast()
}
