//! What `LOAD amazing` calls: check the version, register the functions, attach `amz`; nothing
//! stays open.

use std::ffi::CStr;

use libduckdb_sys::*;

use super::query::Connection;
use super::{Functions, c_text, stable};
use crate::ffi::registry::{Backend, Registry};
use crate::ffi::{CATALOG, Error, Library, Result, Session, Value, contain_load};

/// Version of the C API that the binary asks for: the oldest that has all it calls.
const C_API_VERSION: &CStr = c"v1.2.0";
/// Oldest DuckDB that is supported: before it, functions with parameters of any type end the
/// process.
const OLDEST_DUCKDB: (u32, u32) = (1, 4);

/// DuckDB's entry point for extensions of the C API v1.
///
/// # Safety
/// Called by DuckDB with valid pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amazing_init_c_api(
    info: duckdb_extension_info,
    access: *const duckdb_extension_access,
) -> bool {
    // SAFETY: promised by the caller.
    match contain_load(|| unsafe { load(info, access, &crate::catalog::Catalog) }) {
        Ok(loaded) => loaded,
        Err(error) => {
            // SAFETY: promised by the caller; DuckDB copies the text.
            unsafe {
                if let Some(set_error) = (*access).set_error {
                    set_error(info, c_text(&error.text("amazing")).as_ptr());
                }
            }
            false
        }
    }
}

/// # Safety
/// As [`amazing_init_c_api`].
unsafe fn load(
    info: duckdb_extension_info,
    access: *const duckdb_extension_access,
    library: &dyn Library,
) -> Result<bool> {
    // SAFETY: promised by the caller; the database handle is used during this call only.
    unsafe {
        if !stable::connect(info, &*access, C_API_VERSION)? {
            return Ok(false); // DuckDB has set its own error
        }
        let duckdb_version =
            CStr::from_ptr(duckdb_library_version()).to_string_lossy().into_owned();
        check_version(&duckdb_version)?;
        let get_database =
            (*access).get_database.ok_or_else(|| Error::new("DuckDB gives no database"))?;
        let database = get_database(info);
        if database.is_null() {
            return Ok(false);
        }
        let connection = Connection::open(*database)?;
        let threads =
            connection.run("SELECT current_setting('threads')::BIGINT")?.as_i64().unwrap_or(1);
        let macros = attach(&connection)?;
        let session = Session {
            duckdb_version,
            c_api_version: C_API_VERSION.to_str().expect("plain letters"),
            threads: usize::try_from(threads).unwrap_or(1).max(1),
            relations: macros.then_some("amz.main"),
        };
        let functions = Backend::V1(Functions::new(connection.0));
        library.register(&mut Registry::new(functions, &session))?;
        if macros {
            for statement in library.macro_statements(CATALOG) {
                connection.run(&statement)?;
            }
        }
        Ok(true)
    }
}

/// Attaches the catalog of the macros in memory. `false` where the name is taken by a database of
/// the user.
fn attach(connection: &Connection) -> Result<bool> {
    let attached = connection.run(&format!(
        "SELECT count(*) FROM duckdb_databases() WHERE lower(database_name) = '{CATALOG}'"
    ))?;
    if attached != Value::Integer(0) {
        // An earlier LOAD that failed half way leaves an in-memory database of ours: nothing but
        // commented macros.
        let ours = connection.run(&format!(
            "SELECT count(*) > 0 FROM duckdb_databases() WHERE lower(database_name) = '{CATALOG}' \
             AND path IS NULL AND NOT EXISTS (FROM duckdb_tables() WHERE lower(database_name) = \
             '{CATALOG}') AND EXISTS (FROM duckdb_functions() WHERE lower(database_name) = \
             '{CATALOG}' AND comment LIKE 'amazing %')"
        ))?;
        return Ok(ours == Value::Boolean(true));
    }
    // READ_WRITE is said because the instance may have been opened read-only.
    connection.run(&format!("ATTACH ':memory:' AS {CATALOG} (READ_WRITE)"))?;
    Ok(true)
}

/// Refuses a DuckDB that is too old.
fn check_version(version: &str) -> Result<()> {
    let mut numbers =
        version.trim_start_matches('v').split(['.', '-']).map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST_DUCKDB => {
            let (major, minor) = OLDEST_DUCKDB;
            Err(Error::new(format!("DuckDB {major}.{minor} or later is needed, this is {version}")))
        }
        _ => Ok(()), // a development version may have a name of its own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_before_1_4_is_refused_by_name() {
        let error = check_version("v1.3.2").expect_err("too old");
        assert_eq!(error.text("amazing"), "amazing: DuckDB 1.4 or later is needed, this is v1.3.2");
    }

    #[test]
    fn supported_and_unnamed_versions_pass() {
        for version in ["v1.4.4", "v1.5.6", "v2.0.0", "v2.1.0-dev12", "5a1b2c3"] {
            assert_eq!(check_version(version), Ok(()), "{version}");
        }
    }
}
