//! Aggregate functions on the C API v2.

use std::ptr;

use libduckdb_sys::v2::*;

use super::handle::{Owned, set_signature};
use super::{Result, Slot, call, get, hand_over, read, report, write};
use crate::ffi::registered::Registered;
use crate::ffi::{Aggregate, Signature, contain, state};

pub(super) type Function = Owned<duckdb_v2_aggregate_function_handle>;

/// A function that is not registered yet.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn create<A: Aggregate>(
    factory: duckdb_v2_factory_handle,
    signature: &Signature,
    aggregate: A,
) -> Result<Function> {
    use DUCKDB_V2_FUNCTION_PROPERTY_KEY as Key;
    use DUCKDB_V2_FUNCTION_PROPERTY_VALUE as Value;
    let properties = [
        // NULL is our business: what it means differs from argument to argument.
        (
            Key::DUCKDB_V2_FUNCTION_PROPERTY_NULL_HANDLING,
            Value::DUCKDB_V2_FUNCTION_PROPERTY_NULL_HANDLING_SPECIAL,
        ),
        // Results depend on the set of rows: DuckDB need not sort for `agg(x ORDER BY y)`.
        (
            Key::DUCKDB_V2_FUNCTION_PROPERTY_AGG_ORDER_DEPENDENT,
            Value::DUCKDB_V2_FUNCTION_PROPERTY_AGG_ORDER_DEPENDENT_NO,
        ),
    ];
    let name = duckdb_v2_str::from(signature.name);
    // SAFETY: promised by the caller; every pointer lives during its call.
    unsafe {
        let function = Function::new(duckdb_v2_aggregate_function_destroy, |out, err| {
            duckdb_v2_aggregate_function_create(factory, out, err)
        })?;
        let handle = function.get();
        call(|err| duckdb_v2_aggregate_function_set_name(handle, &name, err))?;
        let types = get(|out, err| duckdb_v2_aggregate_function_get_signature(handle, out, err))?;
        set_signature(factory, types, signature)?;
        for (key, value) in properties {
            call(|err| duckdb_v2_aggregate_function_set_property(handle, key, value, err))?;
        }
        let registered = Registered::new(signature, aggregate);
        hand_over(registered, |data, err| {
            duckdb_v2_aggregate_function_set_user_data(handle, data, err)
        })?;
        call(|err| duckdb_v2_aggregate_function_set_size_callback(handle, Some(size::<A>), err))?;
        call(|err| duckdb_v2_aggregate_function_set_init_callback(handle, Some(init::<A>), err))?;
        call(|err| {
            duckdb_v2_aggregate_function_set_update_callback(handle, Some(update::<A>), err)
        })?;
        call(|err| {
            duckdb_v2_aggregate_function_set_combine_callback(handle, Some(combine::<A>), err)
        })?;
        call(|err| {
            duckdb_v2_aggregate_function_set_finalize_callback(handle, Some(finalize::<A>), err)
        })?;
        call(|err| {
            duckdb_v2_aggregate_function_set_destroy_callback(handle, Some(destroy::<A>), err)
        })?;
        Ok(function)
    }
}

/// What errors of the callbacks are.
const KIND: DUCKDB_V2_ERROR = DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_INPUT_INVALID;

unsafe extern "C" fn size<A: Aggregate>(
    info: duckdb_v2_aggregate_function_size_info_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set.
    unsafe {
        report::<Registered<A>>(
            err,
            KIND,
            |out, err| duckdb_v2_aggregate_function_size_get_user_data(info, out, err),
            |_| {
                let bytes = state::size::<A>() as u64;
                call(|err| duckdb_v2_aggregate_function_size_set_state_size(info, bytes, err))
            },
        );
    }
}

unsafe extern "C" fn init<A: Aggregate>(
    info: duckdb_v2_aggregate_function_init_info_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set and uninitialised states of the size
    // that it asked for.
    unsafe {
        report::<Registered<A>>(
            err,
            KIND,
            |out, err| duckdb_v2_aggregate_function_init_get_user_data(info, out, err),
            |_| {
                let count = get(|out, err| {
                    duckdb_v2_aggregate_function_init_get_state_count(info, out, err)
                })?;
                let states =
                    get(|out, err| duckdb_v2_aggregate_function_init_get_states(info, out, err))?;
                (0..count as usize).for_each(|i| state::init::<A>(*states.add(i)));
                Ok(())
            },
        );
    }
}

unsafe extern "C" fn update<A: Aggregate>(
    info: duckdb_v2_aggregate_function_update_info_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set, vectors of one length and one state a
    // row.
    unsafe {
        report::<Registered<A>>(
            err,
            KIND,
            |out, err| duckdb_v2_aggregate_function_update_get_user_data(info, out, err),
            |registered| {
                let len = get(|out, err| {
                    duckdb_v2_aggregate_function_update_get_row_count(info, out, err)
                })?;
                let n = get(|out, err| {
                    let none = ptr::null_mut();
                    duckdb_v2_aggregate_function_update_get_arg_count(
                        info, out, none, none, none, err,
                    )
                })?;
                let mut names = read::Names::default();
                let rows = read::chunk(
                    n,
                    registered.n_required,
                    len as usize,
                    &mut names,
                    |i, out, err| duckdb_v2_aggregate_function_update_get_arg(info, i, out, err),
                )?;
                let states =
                    get(|out, err| duckdb_v2_aggregate_function_update_get_states(info, out, err))?;
                state::update(&registered.function, &rows, states)
            },
        );
    }
}

unsafe extern "C" fn combine<A: Aggregate>(
    info: duckdb_v2_aggregate_function_combine_info_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set and two arrays of states; a source is
    // never its own target.
    unsafe {
        report::<Registered<A>>(
            err,
            KIND,
            |out, err| duckdb_v2_aggregate_function_combine_get_user_data(info, out, err),
            |registered| {
                let count = get(|out, err| {
                    duckdb_v2_aggregate_function_combine_get_state_count(info, out, err)
                })?;
                let sources = get(|out, err| {
                    duckdb_v2_aggregate_function_combine_get_sources(info, out, err)
                })?;
                let targets = get(|out, err| {
                    duckdb_v2_aggregate_function_combine_get_targets(info, out, err)
                })?;
                state::combine(&registered.function, sources, targets, count as usize)
            },
        );
    }
}

unsafe extern "C" fn finalize<A: Aggregate>(
    info: duckdb_v2_aggregate_function_finalize_info_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set, states and a vector with room for them
    // behind the offset.
    unsafe {
        report::<Registered<A>>(
            err,
            KIND,
            |out, err| duckdb_v2_aggregate_function_finalize_get_user_data(info, out, err),
            |registered| {
                let count = get(|out, err| {
                    duckdb_v2_aggregate_function_finalize_get_state_count(info, out, err)
                })?;
                let states = get(|out, err| {
                    duckdb_v2_aggregate_function_finalize_get_states(info, out, err)
                })?;
                let result = get(|out, err| {
                    duckdb_v2_aggregate_function_finalize_get_result(info, out, err)
                })?;
                let offset = get(|out, err| {
                    duckdb_v2_aggregate_function_finalize_get_result_offset(info, out, err)
                })?;
                let out = state::finalize(
                    &registered.function,
                    states,
                    count as usize,
                    &registered.returns,
                )?;
                write::write(&out, result, offset as usize)
            },
        );
    }
}

unsafe extern "C" fn destroy<A: Aggregate>(
    info: duckdb_v2_aggregate_function_destroy_info_handle,
    _err: Slot,
) {
    // SAFETY: DuckDB passes states that it will not use again. An error has nobody to go to.
    let _ = contain(|| unsafe {
        let count =
            get(|out, err| duckdb_v2_aggregate_function_destroy_get_state_count(info, out, err))?;
        let states =
            get(|out, err| duckdb_v2_aggregate_function_destroy_get_states(info, out, err))?;
        state::destroy::<A>(states, count as usize);
        Ok(())
    });
}
