//! Owned handles of the C API v2: destroyed when dropped.

use std::ptr;

use libduckdb_sys::v2::*;

use super::{Result, call, get};
use crate::ffi::{Signature, SqlType};

/// The call that destroys a handle.
type Destroy<H> = unsafe extern "C" fn(*mut H) -> DUCKDB_V2_ERROR;

/// A handle that is ours to destroy.
pub(super) struct Owned<H: Copy> {
    handle: H,
    destroy: Destroy<H>,
}

impl<H: Copy> Owned<H> {
    /// The handle that a call writes behind its pointer.
    ///
    /// # Safety
    /// `create` passes the pointer to a call that makes a handle that `destroy` destroys. `H` is a
    /// pointer.
    pub(super) unsafe fn new(
        destroy: Destroy<H>,
        create: impl FnOnce(*mut H, super::Slot) -> DUCKDB_V2_ERROR,
    ) -> Result<Self> {
        // SAFETY: promised by the caller.
        Ok(Owned { handle: unsafe { get(create)? }, destroy })
    }

    pub(super) fn get(&self) -> H {
        self.handle
    }
}

impl<H: Copy> Drop for Owned<H> {
    fn drop(&mut self) {
        // SAFETY: the handle is owned and destroyed once.
        unsafe {
            (self.destroy)(&mut self.handle);
        }
    }
}

pub(super) type LogicalType = Owned<duckdb_v2_logical_type_handle>;
pub(super) type OwnedValue = Owned<duckdb_v2_value_handle>;

/// A type of ours.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn logical_type(
    factory: duckdb_v2_factory_handle,
    sql_type: &SqlType,
) -> Result<LogicalType> {
    if *sql_type == SqlType::Any {
        let any = DUCKDB_V2_LOGICAL_TYPE_ID::DUCKDB_V2_LOGICAL_TYPE_ID_ANY;
        // SAFETY: promised by the caller.
        return unsafe {
            Owned::new(duckdb_v2_logical_type_destroy, |out, err| {
                duckdb_v2_factory_create_type_from_id(
                    factory,
                    any,
                    ptr::null(),
                    ptr::null(),
                    0,
                    out,
                    err,
                )
            })
        };
    }
    // SAFETY: promised by the caller.
    unsafe { type_of_text(factory, &sql_type.to_string()) }
}

/// The type that SQL text names.
///
/// # Safety
/// The factory is alive.
unsafe fn type_of_text(factory: duckdb_v2_factory_handle, text: &str) -> Result<LogicalType> {
    let text = duckdb_v2_str::from(text);
    // SAFETY: promised by the caller; the text lives during the call.
    unsafe {
        Owned::new(duckdb_v2_logical_type_destroy, |out, err| {
            duckdb_v2_factory_create_type_from_text(factory, &text, out, err)
        })
    }
}

/// NULL of the type that `type_name` names: `"NULL"` for the literal, whose type is not known.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn null(
    factory: duckdb_v2_factory_handle,
    type_name: &str,
) -> Result<OwnedValue> {
    // SAFETY: promised by the caller; the type lives during the call.
    unsafe {
        let logical = type_of_text(factory, type_name)?;
        Owned::new(duckdb_v2_value_destroy, |out, err| {
            duckdb_v2_value_create_null(factory, logical.get(), out, err)
        })
    }
}

/// A VARCHAR.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn varchar(factory: duckdb_v2_factory_handle, text: &str) -> Result<OwnedValue> {
    let text = duckdb_v2_str::from(text);
    // SAFETY: promised by the caller; the text lives during the call.
    unsafe {
        Owned::new(duckdb_v2_value_destroy, |out, err| {
            duckdb_v2_value_create_varchar(factory, &text, out, err)
        })
    }
}

/// What SQL makes of a literal of the type that `type_name` names.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn literal(
    factory: duckdb_v2_factory_handle,
    text: &str,
    type_name: &str,
) -> Result<OwnedValue> {
    // SAFETY: promised by the caller; value and type live during the call.
    unsafe {
        let value = varchar(factory, text)?;
        let logical = type_of_text(factory, type_name)?;
        Owned::new(duckdb_v2_value_destroy, |out, err| {
            duckdb_v2_value_cast(factory, value.get(), logical.get(), out, err)
        })
    }
}

/// Type of the NULL that stands for an argument that a call left out: none that a function of ours
/// takes, so that it is not what a user means.
///
/// Overloads would say the same, but DuckDB 2.0 has none for aggregates that are registered one by
/// one, and forgets which extension a scalar function with overloads came from.
pub(super) const LEFT_OUT: &str = "BIT";

/// Adds the parameters of a function of rows to its signature, and its result.
///
/// # Safety
/// The handles are alive.
pub(super) unsafe fn set_signature(
    factory: duckdb_v2_factory_handle,
    types: duckdb_v2_function_signature_handle,
    signature: &Signature,
) -> Result<()> {
    let kind = DUCKDB_V2_FUNCTION_PARAMETER_KIND::DUCKDB_V2_FUNCTION_PARAMETER_KIND_POSITIONAL_ONLY;
    // SAFETY: promised by the caller; the type lives during the call.
    unsafe {
        for parameter in signature.parameters {
            assert!(
                !parameter.optional || parameter.sql_type == SqlType::Any,
                "any type can be left out"
            );
            let logical = logical_type(factory, &parameter.sql_type)?;
            let default = parameter.optional.then(|| null(factory, LEFT_OUT)).transpose()?;
            add_parameter(types, parameter.name, &logical, default.as_ref(), kind)?;
        }
        let returns = logical_type(factory, &signature.returns)?;
        call(|err| duckdb_v2_function_signature_set_return_type(types, returns.get(), err))
    }
}

/// Adds a parameter to a signature.
///
/// # Safety
/// The handles are alive.
pub(super) unsafe fn add_parameter(
    signature: duckdb_v2_function_signature_handle,
    name: &str,
    logical: &LogicalType,
    default: Option<&OwnedValue>,
    kind: DUCKDB_V2_FUNCTION_PARAMETER_KIND,
) -> Result<()> {
    let name = duckdb_v2_str::from(name);
    let default = default.map_or(ptr::null_mut(), Owned::get);
    // SAFETY: promised by the caller; DuckDB copies name, type and default.
    call(|err| unsafe {
        duckdb_v2_function_signature_add_parameter(
            signature,
            &name,
            logical.get(),
            default,
            kind,
            err,
        )
    })
}
