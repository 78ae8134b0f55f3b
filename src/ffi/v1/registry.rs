//! Registration of functions in the system catalog through the C API v1.

use std::marker::PhantomData;

use libduckdb_sys::*;

use super::{aggregate, c_text, scalar, table};
use crate::ffi::{Aggregate, Error, Generator, Result, Scalar, Session, Signature};

/// Where functions are registered: a database during `LOAD`.
pub struct Registry<'a> {
    connection: duckdb_connection,
    session: &'a Session,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> Registry<'a> {
    /// # Safety
    /// `connection` is open for `'a`.
    pub(super) unsafe fn new(connection: duckdb_connection, session: &'a Session) -> Self {
        Registry { connection, session, lifetime: PhantomData }
    }

    /// What `LOAD` found out about the database.
    pub fn session(&self) -> &Session {
        self.session
    }

    /// Registers an aggregate, with one overload for each number of optional parameters.
    pub fn aggregate<A: Aggregate + Clone>(&mut self, signature: &Signature, function: A) -> Result<()> {
        // SAFETY: the connection is open; handles are created, used and destroyed here.
        unsafe {
            let name = c_text(signature.name);
            let mut set = duckdb_create_aggregate_function_set(name.as_ptr());
            for n in arities(signature) {
                let mut overload = aggregate::create(signature, n, function.clone());
                let state = duckdb_add_aggregate_function_to_set(set, overload);
                duckdb_destroy_aggregate_function(&mut overload);
                assert!(state == duckdb_state_DuckDBSuccess, "overloads of {} differ", signature.name);
            }
            let state = duckdb_register_aggregate_function_set(self.connection, set);
            duckdb_destroy_aggregate_function_set(&mut set);
            registered(state, signature)
        }
    }

    /// Registers a scalar function, with one overload for each number of optional parameters.
    pub fn scalar<S: Scalar + Clone>(&mut self, signature: &Signature, function: S) -> Result<()> {
        // SAFETY: the connection is open; handles are created, used and destroyed here.
        unsafe {
            let name = c_text(signature.name);
            let mut set = duckdb_create_scalar_function_set(name.as_ptr());
            for n in arities(signature) {
                let mut overload = scalar::create(signature, n, function.clone());
                let state = duckdb_add_scalar_function_to_set(set, overload);
                duckdb_destroy_scalar_function(&mut overload);
                assert!(state == duckdb_state_DuckDBSuccess, "overloads of {} differ", signature.name);
            }
            let state = duckdb_register_scalar_function_set(self.connection, set);
            duckdb_destroy_scalar_function_set(&mut set);
            registered(state, signature)
        }
    }

    /// Registers a table function: required parameters by position, optional ones by name. The C API has no
    /// overloads for table functions, so that a position cannot be left out.
    pub fn generator<G: Generator>(&mut self, signature: &Signature, function: G) -> Result<()> {
        let n_positional = signature.parameters.iter().filter(|p| !p.optional).count();
        // SAFETY: the connection is open; the handle is created, used and destroyed here.
        unsafe {
            let mut handle = table::create(signature, n_positional, function);
            let state = duckdb_register_table_function(self.connection, handle);
            duckdb_destroy_table_function(&mut handle);
            registered(state, signature)
        }
    }
}

/// Numbers of parameters that a call may give.
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
