//! Aggregate functions on the C API v1.

use std::mem;
use std::slice;

use libduckdb_sys::*;

use super::types::LogicalType;
use super::{Registered, c_text, drop_box, read, write};
use crate::ffi::{Aggregate, Error, Output, Result, Signature, contain};

/// A group's state in memory that DuckDB owns, moves and does not understand.
///
/// The heap behind it is freed in finalize and not only in destroy, because DuckDB leaks the states of a
/// `GROUP BY ... LIMIT`. A spent state that is used again (a running window) is an error, never a wrong result.
enum Slot<S> {
    Empty,
    Live(Box<S>),
    Spent,
}

impl<S: Default> Slot<S> {
    fn live(&mut self) -> Result<&mut S> {
        if let Slot::Empty = self {
            *self = Slot::Live(Box::default());
        }
        match self {
            Slot::Live(state) => Ok(state),
            _ => {
                Err(Error::new("a running window (OVER with a growing frame) is not supported, use GROUP BY"))
            }
        }
    }
}

/// One overload: the first `n_parameters` of the signature.
///
/// # Safety
/// The API is initialised. The caller owns the handle that is returned.
pub(super) unsafe fn create<A: Aggregate>(
    signature: &Signature,
    n_parameters: usize,
    aggregate: A,
) -> duckdb_aggregate_function {
    // SAFETY: every pointer lives during its call; the extra info is freed by `drop_box` of its own type.
    unsafe {
        let function = duckdb_create_aggregate_function();
        duckdb_aggregate_function_set_name(function, c_text(signature.name).as_ptr());
        for parameter in &signature.parameters[..n_parameters] {
            duckdb_aggregate_function_add_parameter(function, LogicalType::new(&parameter.sql_type).0);
        }
        duckdb_aggregate_function_set_return_type(function, LogicalType::new(&signature.returns).0);
        duckdb_aggregate_function_set_special_handling(function);
        let registered = Registered { name: signature.name, returns: signature.returns, function: aggregate };
        duckdb_aggregate_function_set_extra_info(
            function,
            registered.into_raw(),
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
    size_of::<Slot<A::State>>() as idx_t
}

unsafe extern "C" fn init<A: Aggregate>(_info: duckdb_function_info, state: duckdb_aggregate_state) {
    // SAFETY: DuckDB passes uninitialised memory of `state_size` bytes, aligned for pointers.
    unsafe { state.cast::<Slot<A::State>>().write(Slot::Empty) }
}

/// # Safety
/// `states` holds `count` states that `init` wrote; no reference to them exists.
unsafe fn slots<'a, A: Aggregate>(
    states: *mut duckdb_aggregate_state,
    count: usize,
) -> &'a [*mut Slot<A::State>] {
    // SAFETY: promised by the caller; an array of opaque pointers is one of typed pointers.
    unsafe { slice::from_raw_parts(states.cast::<*mut Slot<A::State>>(), count) }
}

unsafe extern "C" fn update<A: Aggregate>(
    info: duckdb_function_info,
    input: duckdb_data_chunk,
    states: *mut duckdb_aggregate_state,
) {
    // SAFETY: DuckDB passes the extra info that `create` set, a chunk of flat vectors and one state a row.
    unsafe {
        report::<A>(info, |aggregate| {
            let rows = read::chunk(input);
            if rows.is_empty() {
                return Ok(());
            }
            let batch = aggregate.read(&rows)?;
            let slots = slots::<A>(states, rows.len());
            let mut start = 0;
            while start < slots.len() {
                let group = slots[start];
                let run = slots[start..].iter().take_while(|slot| **slot == group).count();
                // SAFETY: one group at a time is borrowed.
                aggregate.update((*group).live()?, &batch, start..start + run)?;
                start += run;
            }
            Ok(())
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
        report::<A>(info, |aggregate| {
            let pairs = slots::<A>(source, count as usize).iter().zip(slots::<A>(target, count as usize));
            for (source, target) in pairs {
                match &**source {
                    Slot::Empty => {}
                    Slot::Live(state) => aggregate.combine(state, (**target).live()?)?,
                    Slot::Spent => return Err(Error::new("a finished group cannot be combined")),
                }
            }
            Ok(())
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
        let returns = (*duckdb_aggregate_function_get_extra_info(info).cast::<Registered<A>>()).returns;
        report::<A>(info, |aggregate| {
            let mut out = Output::new(&returns);
            for slot in slots::<A>(source, count as usize) {
                let state = match mem::replace(&mut **slot, Slot::Spent) {
                    Slot::Empty => A::State::default(),
                    Slot::Live(state) => *state,
                    Slot::Spent => {
                        return Err(Error::new(
                            "a running window (OVER with a growing frame) is not supported, use GROUP BY",
                        ));
                    }
                };
                aggregate.finalize(state, &mut out)?;
            }
            assert_eq!(out.len(), count as usize, "one result a group");
            write::write(&out, result, offset as usize);
            Ok(())
        });
    }
}

unsafe extern "C" fn destroy<A: Aggregate>(states: *mut duckdb_aggregate_state, count: idx_t) {
    // SAFETY: DuckDB passes states that it will not use again; a spent or empty one owns nothing.
    unsafe {
        for slot in slots::<A>(states, count as usize) {
            let state = mem::replace(&mut **slot, Slot::Spent);
            let _ = contain(|| {
                drop(state);
                Ok(())
            });
        }
    }
}

/// Runs a callback's body with the aggregate behind `info` and hands its error to DuckDB.
///
/// # Safety
/// `info` is that of a running callback of a function that `create` made for `A`.
unsafe fn report<A: Aggregate>(info: duckdb_function_info, body: impl FnOnce(&A) -> Result<()>) {
    // SAFETY: promised by the caller; DuckDB copies the error's text.
    unsafe {
        let registered = &*duckdb_aggregate_function_get_extra_info(info).cast::<Registered<A>>();
        if let Err(error) = contain(|| body(&registered.function)) {
            let text = c_text(&error.text(registered.name));
            duckdb_aggregate_function_set_error(info, text.as_ptr());
        }
    }
}
