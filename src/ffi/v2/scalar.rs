//! Scalar functions on the C API v2.

use std::{mem, ptr};

use libduckdb_sys::v2::*;

use super::handle::{Owned, set_signature};
use super::{Result, Slot, call, get, hand_over, read, report, write};
use crate::ffi::registered::Registered;
use crate::ffi::{Output, Scalar, Signature, room};

pub(super) type Function = Owned<duckdb_v2_scalar_function_handle>;

/// What a thread keeps for a call site.
struct Site<L> {
    names: read::Names,
    local: L,
}

/// A function that is not registered yet.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn create<S: Scalar>(
    factory: duckdb_v2_factory_handle,
    signature: &Signature,
    scalar: S,
) -> Result<Function> {
    use DUCKDB_V2_FUNCTION_PROPERTY_KEY::DUCKDB_V2_FUNCTION_PROPERTY_NULL_HANDLING as NULL_HANDLING;
    use DUCKDB_V2_FUNCTION_PROPERTY_VALUE as PROPERTY;
    let name = duckdb_v2_str::from(signature.name);
    // SAFETY: promised by the caller; every pointer lives during its call.
    unsafe {
        let function = Function::new(duckdb_v2_scalar_function_destroy, |out, err| {
            duckdb_v2_scalar_function_create(factory, out, err)
        })?;
        let handle = function.get();
        call(|err| duckdb_v2_scalar_function_set_name(handle, &name, err))?;
        let types = get(|out, err| duckdb_v2_scalar_function_get_signature(handle, out, err))?;
        set_signature(factory, types, signature)?;
        // NULL is our business: what it means differs from argument to argument.
        call(|err| {
            duckdb_v2_scalar_function_set_property(
                handle,
                NULL_HANDLING,
                PROPERTY::DUCKDB_V2_FUNCTION_PROPERTY_NULL_HANDLING_SPECIAL,
                err,
            )
        })?;
        let registered = Registered::new(signature, scalar);
        hand_over(registered, |data, err| {
            duckdb_v2_scalar_function_set_user_data(handle, data, err)
        })?;
        call(|err| duckdb_v2_scalar_function_set_init_callback(handle, Some(init::<S>), err))?;
        call(|err| duckdb_v2_scalar_function_set_exec_callback(handle, Some(exec::<S>), err))?;
        Ok(function)
    }
}

unsafe extern "C" fn init<S: Scalar>(
    info: duckdb_v2_scalar_function_init_info_handle,
    _context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set.
    unsafe {
        report::<Registered<S>>(
            err,
            DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_INPUT_INVALID,
            |out, err| duckdb_v2_scalar_function_init_get_user_data(info, out, err),
            |_| {
                let site = Site { names: read::Names::default(), local: S::Local::default() };
                hand_over(site, |data, err| {
                    duckdb_v2_scalar_function_init_set_init_data(info, data, err)
                })
            },
        );
    }
}

unsafe extern "C" fn exec<S: Scalar>(
    info: duckdb_v2_scalar_function_exec_info_handle,
    _context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set, vectors of one length, a vector for
    // the results, and what `init` made for the calling thread alone.
    unsafe {
        report::<Registered<S>>(
            err,
            DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_INPUT_INVALID,
            |out, err| duckdb_v2_scalar_function_exec_get_user_data(info, out, err),
            |registered| {
                let len =
                    get(|out, err| duckdb_v2_scalar_function_exec_get_row_count(info, out, err))?;
                let n = get(|out, err| {
                    let none = ptr::null_mut();
                    duckdb_v2_scalar_function_exec_get_arg_count(info, out, none, none, none, err)
                })?;
                let site =
                    get(|out, err| duckdb_v2_scalar_function_exec_get_init_data(info, out, err))?;
                let Site { names, local } = &mut *site.cast::<Site<S::Local>>();
                let arguments =
                    read::chunk(n, registered.n_required, len as usize, names, |i, out, err| {
                        duckdb_v2_scalar_function_exec_get_arg(info, i, out, err)
                    })?;
                room::for_callback()?;
                let mut out = Output::new(&registered.returns);
                let mut kept = mem::take(local);
                registered.function.call(&mut kept, &arguments, &mut out)?;
                *local = kept;
                assert_eq!(out.len(), arguments.len(), "one result a row");
                let result =
                    get(|out, err| duckdb_v2_scalar_function_exec_get_result(info, out, err))?;
                write::write(&out, result, 0)
            },
        );
    }
}
