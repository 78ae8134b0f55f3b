//! What `LOAD amazing` calls in DuckDB 2.0: register functions and relations in the system catalog.

use libduckdb_sys::v2::*;

use super::handle::OwnedValue;
use super::refusal::refuse;
use super::release::Release;
use super::{Functions, Result, fail, get, owned};
use crate::ffi::registry::{Backend, Registry};
use crate::ffi::{CATALOG, Documentation, Library, SYSTEM, Session, contain, contain_load};

/// DuckDB's entry point for extensions of the C API v2.
///
/// # Safety
/// Called by DuckDB with valid pointers; a refusal is an exception of C++.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn amazing_init_c_api_v2(input: *mut duckdb_v2_extension_input) {
    let release = match contain_load(Release::running) {
        Ok(release) => release,
        // SAFETY: promised by the caller. What this frame holds is dropped as the exception passes
        // it.
        Err(error) => return unsafe { refuse(&*input, &error.text("amazing")) },
    };
    // SAFETY: promised by the caller. The panic is contained before DuckDB could take it for an
    // error of its own, after which the whole database would be unusable.
    let result = contain(|| unsafe { load(&*input, &release, &crate::catalog::Catalog) });
    if let Err(error) = result {
        // SAFETY: promised by the caller.
        unsafe {
            fail(
                (*input).err,
                DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_INPUT_INVALID,
                &error.text("amazing"),
            );
        }
    }
}

/// # Safety
/// As [`amazing_init_c_api_v2`].
unsafe fn load(
    input: &duckdb_v2_extension_input,
    release: &Release,
    library: &dyn Library,
) -> Result<()> {
    // SAFETY: promised by the caller; the handles are used during this call only.
    unsafe {
        if !release.connect(input)? {
            return Ok(()); // DuckDB has set its own error
        }
        let session = Session {
            duckdb_version: owned(get(|out, err| duckdb_v2_library_version(out, err))?),
            c_api_version: release.name,
            threads: threads(input.context)?,
            relations: Some(SYSTEM),
        };
        let factory = get(|out, err| duckdb_v2_context_get_factory(input.context, out, err))?;
        let mut functions = Functions::new(input.extension, factory, library);
        let about = Documentation {
            description: "Attaches the catalog amz in memory, with the relations: for SQL that \
                          names them amz.kmeans_segments.",
            examples: vec![format!("PRAGMA {CATALOG}")],
            category: "introspection",
        };
        functions.pragma(CATALOG, attach(library), about)?;
        let mut registry = Registry::new(Backend::V2(functions), &session);
        library.register(&mut registry)?;
        match registry.into_backend() {
            Backend::V2(functions) => functions.finish(),
            Backend::V1(_) => unreachable!("this is the backend v2"),
        }
    }
}

/// DuckDB's setting `threads`.
///
/// # Safety
/// The context is alive.
unsafe fn threads(context: duckdb_v2_context_handle) -> Result<usize> {
    let name = duckdb_v2_str::from("threads");
    let mut scope = DUCKDB_V2_SETTING_SCOPE::DUCKDB_V2_SETTING_SCOPE_DEFAULT;
    // SAFETY: promised by the caller.
    unsafe {
        let config = get(|out, err| duckdb_v2_context_get_config(context, out, err))?;
        let value = OwnedValue::new(duckdb_v2_value_destroy, |out, err| {
            duckdb_v2_config_get_option_value(config, &name, out, &mut scope, err)
        })?;
        let threads: i64 = get(|out, err| duckdb_v2_value_get_bigint(value.get(), out, err))?;
        Ok(usize::try_from(threads).unwrap_or(1).max(1))
    }
}

/// Statements that attach the catalog of the relations, for SQL that was written for the C API v1.
/// The entry point of the C API v2 has no connection to run them on.
fn attach(library: &dyn Library) -> String {
    // A SELECT would be a result of its own, which a pragma may not have in the midst of
    // statements.
    let mut sql = vec![
        format!(
            "SET VARIABLE {CATALOG} = (SELECT error('amazing: a database attached as {CATALOG} is \
             not ours: DETACH it or attach it under another name') FROM duckdb_databases() AS d \
             WHERE d.database_name = '{CATALOG}' AND (d.path IS NOT NULL OR EXISTS (FROM \
             duckdb_tables() AS t WHERE t.database_name = '{CATALOG}')))"
        ),
        format!("RESET VARIABLE {CATALOG}"),
        format!("ATTACH IF NOT EXISTS ':memory:' AS {CATALOG} (READ_WRITE)"),
    ];
    sql.extend(library.macro_statements(CATALOG));
    sql.join(";\n")
}
