//! What DuckDB keeps of ours and hands back: owned boxes behind its opaque pointers.
#![allow(unsafe_code)]

use std::ffi::c_void;

use super::{Signature, SqlType, contain};

/// What a callback finds behind the pointer that came with the function: the function and what
/// error messages call it.
pub(super) struct Registered<F> {
    pub(super) name: &'static str,
    pub(super) returns: SqlType,
    /// Arguments that every call gives.
    pub(super) n_required: usize,
    pub(super) function: F,
}

impl<F> Registered<F> {
    pub(super) fn new(signature: &Signature, function: F) -> Self {
        let n_required = signature.parameters.iter().filter(|p| !p.optional).count();
        Registered { name: signature.name, returns: signature.returns, n_required, function }
    }
}

/// Hands a box over to DuckDB.
pub(super) fn into_raw<T>(data: T) -> *mut c_void {
    Box::into_raw(Box::new(data)).cast()
}

/// Frees what [`into_raw`] handed to DuckDB.
///
/// # Safety
/// `data` comes from [`into_raw`] of a `T` and is not used again.
pub(super) unsafe extern "C" fn drop_box<T>(data: *mut c_void) {
    // SAFETY: promised by the caller, which is DuckDB handing back what it was given.
    let owned = unsafe { Box::from_raw(data.cast::<T>()) };
    // A destructor that panics must not cross into DuckDB; there is nobody to tell.
    let _ = contain(|| {
        drop(owned);
        Ok(())
    });
}
