//! Scalar functions on the C API v1.

use std::sync::{Mutex, PoisonError};

use libduckdb_sys::*;

use super::types::LogicalType;
use super::{c_text, read, write};
use crate::ffi::registered::{Registered, drop_box, into_raw};
use crate::ffi::{Error, Output, Scalar, Signature, contain, room};

/// A scalar with what its calls leave for later ones. The stable part of the C API knows neither
/// threads nor call sites: a call takes what the last one to end has left, or begins anew, so that
/// there are as many as calls run at the same time.
struct WithLocals<S: Scalar> {
    scalar: S,
    left: Mutex<Vec<S::Local>>,
}

impl<S: Scalar> WithLocals<S> {
    fn take(&self) -> S::Local {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn leave(&self, local: S::Local) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(local);
    }
}

/// One overload: the first `n_parameters` of the signature.
///
/// # Safety
/// The API is initialised. The caller owns the handle that is returned.
pub(super) unsafe fn create<S: Scalar>(
    signature: &Signature,
    n_parameters: usize,
    scalar: S,
) -> duckdb_scalar_function {
    // SAFETY: every pointer lives during its call; the extra info is freed by `drop_box` of its own
    // type.
    unsafe {
        let function = duckdb_create_scalar_function();
        duckdb_scalar_function_set_name(function, c_text(signature.name).as_ptr());
        for parameter in &signature.parameters[..n_parameters] {
            duckdb_scalar_function_add_parameter(function, LogicalType::new(&parameter.sql_type).0);
        }
        duckdb_scalar_function_set_return_type(function, LogicalType::new(&signature.returns).0);
        // NULL is our business: what it means differs from argument to argument.
        duckdb_scalar_function_set_special_handling(function);
        let with_locals = WithLocals { scalar, left: Mutex::default() };
        let registered = Registered::new(signature, with_locals);
        duckdb_scalar_function_set_extra_info(
            function,
            into_raw(registered),
            Some(drop_box::<Registered<WithLocals<S>>>),
        );
        duckdb_scalar_function_set_function(function, Some(call::<S>));
        function
    }
}

unsafe extern "C" fn call<S: Scalar>(
    info: duckdb_function_info,
    input: duckdb_data_chunk,
    output: duckdb_vector,
) {
    // SAFETY: DuckDB passes the extra info that `create` set, a chunk of flat vectors and a vector
    // for its rows.
    unsafe {
        let registered =
            &*duckdb_scalar_function_get_extra_info(info).cast::<Registered<WithLocals<S>>>();
        let result = contain(|| {
            room::for_callback()?;
            let arguments = read::chunk(input);
            let mut out = Output::new(&registered.returns);
            let WithLocals { scalar, .. } = &registered.function;
            let mut local = registered.function.take();
            scalar.call(&mut local, &arguments, &mut out)?;
            registered.function.leave(local);
            assert_eq!(out.len(), arguments.len(), "one result a row");
            write::write(&out, output, 0)
        });
        if let Err(error) = result {
            fail(info, &error, registered.name);
        }
    }
}

/// # Safety
/// `info` is that of a running scalar callback.
unsafe fn fail(info: duckdb_function_info, error: &Error, function: &str) {
    // SAFETY: DuckDB copies the text.
    unsafe { duckdb_scalar_function_set_error(info, c_text(&error.text(function)).as_ptr()) }
}
