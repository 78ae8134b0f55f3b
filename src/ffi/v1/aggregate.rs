//! Aggregate functions on the C API v1.

use libduckdb_sys::*;

use super::types::LogicalType;
use super::{c_text, read, write};
use crate::ffi::registered::{Registered, drop_box, into_raw};
use crate::ffi::{Aggregate, Result, Signature, contain, state};

/// One overload: the first `n_parameters` of the signature.
///
/// # Safety
/// The API is initialised. The caller owns the handle that is returned.
pub(super) unsafe fn create<A: Aggregate>(
    signature: &Signature,
    n_parameters: usize,
    aggregate: A,
) -> duckdb_aggregate_function {
    // SAFETY: every pointer lives during its call; the extra info is freed by `drop_box` of its own
    // type.
    unsafe {
        let function = duckdb_create_aggregate_function();
        duckdb_aggregate_function_set_name(function, c_text(signature.name).as_ptr());
        for parameter in &signature.parameters[..n_parameters] {
            duckdb_aggregate_function_add_parameter(
                function,
                LogicalType::new(&parameter.sql_type).0,
            );
        }
        duckdb_aggregate_function_set_return_type(function, LogicalType::new(&signature.returns).0);
        duckdb_aggregate_function_set_special_handling(function);
        let registered = Registered::new(signature, aggregate);
        duckdb_aggregate_function_set_extra_info(
            function,
            into_raw(registered),
            Some(drop_box::<Registered<A>>),
        );
        duckdb_aggregate_function_set_functions(
            function,
            Some(state_size::<A>),
            Some(init::<A>),
            Some(update::<A>),
            Some(combine::<A>),
            Some(finalize::<A>),
        );
        duckdb_aggregate_function_set_destructor(function, Some(destroy::<A>));
        function
    }
}

unsafe extern "C" fn state_size<A: Aggregate>(_info: duckdb_function_info) -> idx_t {
    state::size::<A>() as idx_t
}

unsafe extern "C" fn init<A: Aggregate>(
    _info: duckdb_function_info,
    state: duckdb_aggregate_state,
) {
    // SAFETY: DuckDB passes uninitialised memory of `state_size` bytes, aligned for pointers.
    unsafe { state::init::<A>(state.cast()) }
}

unsafe extern "C" fn update<A: Aggregate>(
    info: duckdb_function_info,
    input: duckdb_data_chunk,
    states: *mut duckdb_aggregate_state,
) {
    // SAFETY: DuckDB passes the extra info that `create` set, a chunk of flat vectors and one state
    // a row.
    unsafe {
        report::<A>(info, |registered| {
            state::update(&registered.function, &read::chunk(input), states.cast())
        });
    }
}

unsafe extern "C" fn combine<A: Aggregate>(
    info: duckdb_function_info,
    source: *mut duckdb_aggregate_state,
    target: *mut duckdb_aggregate_state,
    count: idx_t,
) {
    // SAFETY: DuckDB passes two arrays of `count` states; a source is never its own target.
    unsafe {
        report::<A>(info, |registered| {
            state::combine(&registered.function, source.cast(), target.cast(), count as usize)
        });
    }
}

unsafe extern "C" fn finalize<A: Aggregate>(
    info: duckdb_function_info,
    source: *mut duckdb_aggregate_state,
    result: duckdb_vector,
    count: idx_t,
    offset: idx_t,
) {
    // SAFETY: DuckDB passes `count` states and a vector with room for them behind `offset`.
    unsafe {
        report::<A>(info, |registered| {
            let out = state::finalize(
                &registered.function,
                source.cast(),
                count as usize,
                &registered.returns,
            )?;
            write::write(&out, result, offset as usize)
        });
    }
}

unsafe extern "C" fn destroy<A: Aggregate>(states: *mut duckdb_aggregate_state, count: idx_t) {
    // SAFETY: DuckDB passes states that it will not use again.
    unsafe { state::destroy::<A>(states.cast(), count as usize) }
}

/// Runs a callback's body with the aggregate behind `info` and hands its error to DuckDB.
///
/// # Safety
/// `info` is that of a running callback of a function that `create` made for `A`.
unsafe fn report<A: Aggregate>(
    info: duckdb_function_info,
    body: impl FnOnce(&Registered<A>) -> Result<()>,
) {
    // SAFETY: promised by the caller; DuckDB copies the error's text.
    unsafe {
        let registered = &*duckdb_aggregate_function_get_extra_info(info).cast::<Registered<A>>();
        if let Err(error) = contain(|| body(registered)) {
            let text = c_text(&error.text(registered.name));
            duckdb_aggregate_function_set_error(info, text.as_ptr());
        }
    }
}
