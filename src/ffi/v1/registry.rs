//! Registration of functions in the system catalog through the C API v1.

use std::marker::PhantomData;

use libduckdb_sys::*;

use super::{aggregate, c_text, scalar, table};
use crate::ffi::{Aggregate, Error, Generator, Result, Scalar, Signature};

/// The functions of a database, by way of a connection.
pub(in crate::ffi) struct Functions<'a> {
    connection: duckdb_connection,
    lifetime: PhantomData<&'a ()>,
}

impl Functions<'_> {
    /// # Safety
    /// `connection` is open for the lifetime.
    pub(super) unsafe fn new(connection: duckdb_connection) -> Self {
        Functions { connection, lifetime: PhantomData }
    }

    pub(in crate::ffi) fn aggregate<A: Aggregate + Clone>(
        &mut self,
        signature: &Signature,
        function: A,
    ) -> Result<()> {
        // SAFETY: the connection is open; handles are created, used and destroyed here.
        unsafe {
            let name = c_text(signature.name);
            let mut set = duckdb_create_aggregate_function_set(name.as_ptr());
            for n in arities(signature) {
                let mut overload = aggregate::create(signature, n, function.clone());
                let state = duckdb_add_aggregate_function_to_set(set, overload);
                duckdb_destroy_aggregate_function(&mut overload);
                assert!(
                    state == duckdb_state_DuckDBSuccess,
                    "overloads of {} differ",
                    signature.name
                );
            }
            let state = duckdb_register_aggregate_function_set(self.connection, set);
            duckdb_destroy_aggregate_function_set(&mut set);
            registered(state, signature)
        }
    }

    pub(in crate::ffi) fn scalar<S: Scalar + Clone>(
        &mut self,
        signature: &Signature,
        function: S,
    ) -> Result<()> {
        // SAFETY: the connection is open; handles are created, used and destroyed here.
        unsafe {
            let name = c_text(signature.name);
            let mut set = duckdb_create_scalar_function_set(name.as_ptr());
            for n in arities(signature) {
                let mut overload = scalar::create(signature, n, function.clone());
                let state = duckdb_add_scalar_function_to_set(set, overload);
                duckdb_destroy_scalar_function(&mut overload);
                assert!(
                    state == duckdb_state_DuckDBSuccess,
                    "overloads of {} differ",
                    signature.name
                );
            }
            let state = duckdb_register_scalar_function_set(self.connection, set);
            duckdb_destroy_scalar_function_set(&mut set);
            registered(state, signature)
        }
    }

    pub(in crate::ffi) fn generator<G: Generator>(
        &mut self,
        signature: &Signature,
        function: G,
    ) -> Result<()> {
        // SAFETY: the connection is open; the handle is created, used and destroyed here.
        unsafe {
            let mut handle = table::create(signature, function);
            let state = duckdb_register_table_function(self.connection, handle);
            duckdb_destroy_table_function(&mut handle);
            registered(state, signature)
        }
    }
}

/// Numbers of parameters that a call may give: one overload each.
fn arities(signature: &Signature) -> impl Iterator<Item = usize> {
    let required = signature.parameters.iter().filter(|p| !p.optional).count();
    required..=signature.parameters.len()
}

fn registered(state: duckdb_state, signature: &Signature) -> Result<()> {
    if state == duckdb_state_DuckDBSuccess {
        Ok(())
    } else {
        Err(Error::new(format!("the function {} could not be registered", signature.name)))
    }
}
