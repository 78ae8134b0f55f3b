//! Who may know whom: the fence around `unsafe` and DuckDB, the pure modules, the order of the
//! layers.

use std::collections::BTreeSet;
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

use libduckdb_sys::duckdb_ext_api_v1;
use libduckdb_sys::v2::duckdb_ext_api_v2;

/// A layer, the layers of this crate that it may name, and the external crates.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("catalog", &["ffi", "functions", "ml", "scripts"], &[]),
    (
        "functions",
        &["ffi", "lines", "ml", "text", "synth", "plot", "portable", "scripts"],
        &["xxhash_rust"],
    ),
    ("scripts", &[], &[]),
    ("ffi", &[], &["libc", "libduckdb_sys"]),
    ("ml", &[], &["bytemuck", "hashbrown", "libm", "memmap2", "nalgebra", "pulp", "rand_xoshiro"]),
    ("text", &["calendar"], &["hashbrown", "rapidfuzz", "unicode_normalization", "xxhash_rust"]),
    ("lines", &[], &["flate2", "memchr", "ruzstd", "xxhash_rust"]),
    ("calendar", &[], &[]),
    ("synth", &["calendar"], &["rand_distr", "rand_xoshiro"]),
    ("plot", &["calendar"], &["xxhash_rust"]),
    ("portable", &["ml"], &[]),
];

/// Files that close a circle on purpose: `(file, layer)`.
const EXCEPTIONS: &[(&str, &str)] = &[
    // The entry point is where the catalog meets DuckDB.
    ("ffi/v1/entrypoint.rs", "catalog"),
    ("ffi/v2/entrypoint.rs", "catalog"),
];

/// External crates that a layer must be allowed to name.
const CRATES: &[&str] = &[
    "bytemuck",
    "flate2",
    "hashbrown",
    "libc",
    "libduckdb_sys",
    "libm",
    "memchr",
    "memmap2",
    "nalgebra",
    "pulp",
    "rand_distr",
    "rand_xoshiro",
    "rapidfuzz",
    "ruzstd",
    "unicode_normalization",
    "xxhash_rust",
];

/// Names of functions of the C API, each with its place in the table of the bindings.
macro_rules! slots {
    ($table:ident: $($name:ident)*) => {
        [$((stringify!($name), offset_of!($table, $name) / size_of::<usize>())),*]
    };
}

/// Functions of the C API that the v1 backend calls. All have the same place in the table of every
/// supported release (those above place 403 moved between releases: calling one is a crash).
const C_API: &[(&str, usize)] = &slots!(
    duckdb_ext_api_v1:
    duckdb_add_aggregate_function_to_set
    duckdb_add_scalar_function_to_set
    duckdb_aggregate_function_add_parameter
    duckdb_aggregate_function_get_extra_info
    duckdb_aggregate_function_set_destructor
    duckdb_aggregate_function_set_error
    duckdb_aggregate_function_set_extra_info
    duckdb_aggregate_function_set_functions
    duckdb_aggregate_function_set_name
    duckdb_aggregate_function_set_return_type
    duckdb_aggregate_function_set_special_handling
    duckdb_array_type_array_size
    duckdb_array_vector_get_child
    duckdb_bind_add_result_column
    duckdb_bind_get_extra_info
    duckdb_bind_get_named_parameter
    duckdb_bind_get_parameter
    duckdb_bind_set_bind_data
    duckdb_bind_set_cardinality
    duckdb_bind_set_error
    duckdb_connect
    duckdb_create_aggregate_function
    duckdb_create_aggregate_function_set
    duckdb_create_decimal_type
    duckdb_create_list_type
    duckdb_create_logical_type
    duckdb_create_scalar_function
    duckdb_create_scalar_function_set
    duckdb_create_struct_type
    duckdb_create_table_function
    duckdb_data_chunk_get_column_count
    duckdb_data_chunk_get_size
    duckdb_data_chunk_get_vector
    duckdb_data_chunk_set_size
    duckdb_decimal_internal_type
    duckdb_decimal_scale
    duckdb_destroy_aggregate_function
    duckdb_destroy_aggregate_function_set
    duckdb_destroy_data_chunk
    duckdb_destroy_logical_type
    duckdb_destroy_result
    duckdb_destroy_scalar_function
    duckdb_destroy_scalar_function_set
    duckdb_destroy_table_function
    duckdb_destroy_value
    duckdb_disconnect
    duckdb_enum_dictionary_value
    duckdb_enum_internal_type
    duckdb_fetch_chunk
    duckdb_free
    duckdb_function_get_bind_data
    duckdb_function_get_extra_info
    duckdb_function_get_init_data
    duckdb_function_get_local_init_data
    duckdb_function_set_error
    duckdb_get_bool
    duckdb_get_double
    duckdb_get_int64
    duckdb_get_timestamp
    duckdb_get_type_id
    duckdb_get_varchar
    duckdb_init_get_bind_data
    duckdb_init_get_column_count
    duckdb_init_get_column_index
    duckdb_init_get_extra_info
    duckdb_init_set_error
    duckdb_init_set_init_data
    duckdb_init_set_max_threads
    duckdb_is_null_value
    duckdb_library_version
    duckdb_list_vector_get_child
    duckdb_list_vector_get_size
    duckdb_list_vector_reserve
    duckdb_list_vector_set_size
    duckdb_query
    duckdb_register_aggregate_function_set
    duckdb_register_scalar_function_set
    duckdb_register_table_function
    duckdb_result_error
    duckdb_scalar_function_add_parameter
    duckdb_scalar_function_get_extra_info
    duckdb_scalar_function_set_error
    duckdb_scalar_function_set_extra_info
    duckdb_scalar_function_set_function
    duckdb_scalar_function_set_name
    duckdb_scalar_function_set_return_type
    duckdb_scalar_function_set_special_handling
    duckdb_struct_type_child_count
    duckdb_struct_type_child_name
    duckdb_struct_type_child_type
    duckdb_struct_vector_get_child
    duckdb_table_function_add_named_parameter
    duckdb_table_function_add_parameter
    duckdb_table_function_set_bind
    duckdb_table_function_set_extra_info
    duckdb_table_function_set_function
    duckdb_table_function_set_init
    duckdb_table_function_set_local_init
    duckdb_table_function_set_name
    duckdb_table_function_supports_projection_pushdown
    duckdb_validity_set_row_validity
    duckdb_vector_assign_string_element_len
    duckdb_vector_ensure_validity_writable
    duckdb_vector_get_column_type
    duckdb_vector_get_data
    duckdb_vector_get_validity
);

/// Functions of the C API v2 that the v2 backend calls. Every known release has them, with one
/// signature.
const C_API_V2: &[(&str, usize)] = &slots!(
    duckdb_ext_api_v2:
    duckdb_v2_aggregate_function_combine_get_sources
    duckdb_v2_aggregate_function_combine_get_state_count
    duckdb_v2_aggregate_function_combine_get_targets
    duckdb_v2_aggregate_function_combine_get_user_data
    duckdb_v2_aggregate_function_create
    duckdb_v2_aggregate_function_destroy
    duckdb_v2_aggregate_function_destroy_get_state_count
    duckdb_v2_aggregate_function_destroy_get_states
    duckdb_v2_aggregate_function_finalize_get_result
    duckdb_v2_aggregate_function_finalize_get_result_offset
    duckdb_v2_aggregate_function_finalize_get_state_count
    duckdb_v2_aggregate_function_finalize_get_states
    duckdb_v2_aggregate_function_finalize_get_user_data
    duckdb_v2_aggregate_function_get_docs
    duckdb_v2_aggregate_function_get_signature
    duckdb_v2_aggregate_function_init_get_state_count
    duckdb_v2_aggregate_function_init_get_states
    duckdb_v2_aggregate_function_init_get_user_data
    duckdb_v2_aggregate_function_set_combine_callback
    duckdb_v2_aggregate_function_set_destroy_callback
    duckdb_v2_aggregate_function_set_finalize_callback
    duckdb_v2_aggregate_function_set_init_callback
    duckdb_v2_aggregate_function_set_name
    duckdb_v2_aggregate_function_set_property
    duckdb_v2_aggregate_function_set_size_callback
    duckdb_v2_aggregate_function_set_update_callback
    duckdb_v2_aggregate_function_set_user_data
    duckdb_v2_aggregate_function_size_get_user_data
    duckdb_v2_aggregate_function_size_set_state_size
    duckdb_v2_aggregate_function_update_get_arg
    duckdb_v2_aggregate_function_update_get_arg_count
    duckdb_v2_aggregate_function_update_get_row_count
    duckdb_v2_aggregate_function_update_get_states
    duckdb_v2_aggregate_function_update_get_user_data
    duckdb_v2_arena_allocate
    duckdb_v2_config_get_option_value
    duckdb_v2_context_get_config
    duckdb_v2_context_get_factory
    duckdb_v2_data_chunk_get_vector
    duckdb_v2_error_info_destroy
    duckdb_v2_error_info_get_raw_text
    duckdb_v2_error_info_get_text
    duckdb_v2_error_info_set_code
    duckdb_v2_error_info_set_text
    duckdb_v2_extension_register_aggregate_function
    duckdb_v2_extension_register_macro_function
    duckdb_v2_extension_register_pragma_function
    duckdb_v2_extension_register_scalar_function
    duckdb_v2_extension_register_table_function
    duckdb_v2_factory_create_type_from_id
    duckdb_v2_factory_create_type_from_text
    duckdb_v2_function_bind_get_arg_value
    duckdb_v2_function_bind_get_user_data
    duckdb_v2_function_bind_set_bind_data
    duckdb_v2_function_docs_add_category
    duckdb_v2_function_docs_add_example
    duckdb_v2_function_docs_set_description
    duckdb_v2_function_signature_add_parameter
    duckdb_v2_function_signature_set_return_type
    duckdb_v2_library_version
    duckdb_v2_logical_type_destroy
    duckdb_v2_logical_type_get_id
    duckdb_v2_logical_type_get_param
    duckdb_v2_logical_type_get_param_count
    duckdb_v2_macro_function_create
    duckdb_v2_macro_function_destroy
    duckdb_v2_macro_function_get_docs
    duckdb_v2_macro_function_get_signature
    duckdb_v2_macro_function_set_body
    duckdb_v2_macro_function_set_name
    duckdb_v2_pragma_function_create
    duckdb_v2_pragma_function_destroy
    duckdb_v2_pragma_function_get_docs
    duckdb_v2_pragma_function_query_set_query
    duckdb_v2_pragma_function_set_name
    duckdb_v2_pragma_function_set_query_callback
    duckdb_v2_pragma_function_set_user_data
    duckdb_v2_scalar_function_create
    duckdb_v2_scalar_function_destroy
    duckdb_v2_scalar_function_exec_get_arg
    duckdb_v2_scalar_function_exec_get_arg_count
    duckdb_v2_scalar_function_exec_get_init_data
    duckdb_v2_scalar_function_exec_get_result
    duckdb_v2_scalar_function_exec_get_row_count
    duckdb_v2_scalar_function_exec_get_user_data
    duckdb_v2_scalar_function_get_docs
    duckdb_v2_scalar_function_get_signature
    duckdb_v2_scalar_function_init_get_user_data
    duckdb_v2_scalar_function_init_set_init_data
    duckdb_v2_scalar_function_set_exec_callback
    duckdb_v2_scalar_function_set_init_callback
    duckdb_v2_scalar_function_set_name
    duckdb_v2_scalar_function_set_property
    duckdb_v2_scalar_function_set_user_data
    duckdb_v2_table_function_bind_add_result_column
    duckdb_v2_table_function_bind_set_cardinality
    duckdb_v2_table_function_create
    duckdb_v2_table_function_destroy
    duckdb_v2_table_function_exec_get_bind_data
    duckdb_v2_table_function_exec_get_global_state
    duckdb_v2_table_function_exec_get_local_state
    duckdb_v2_table_function_exec_get_output_chunk
    duckdb_v2_table_function_exec_get_user_data
    duckdb_v2_table_function_get_docs
    duckdb_v2_table_function_get_signature
    duckdb_v2_table_function_init_global_get_bind_data
    duckdb_v2_table_function_init_global_get_column_count
    duckdb_v2_table_function_init_global_get_column_index
    duckdb_v2_table_function_init_global_get_user_data
    duckdb_v2_table_function_init_global_set_global_state
    duckdb_v2_table_function_init_global_set_max_threads
    duckdb_v2_table_function_init_local_get_user_data
    duckdb_v2_table_function_init_local_set_local_state
    duckdb_v2_table_function_partition_data_get_local_state
    duckdb_v2_table_function_partition_data_get_user_data
    duckdb_v2_table_function_partition_data_set_batch_index
    duckdb_v2_table_function_set_bind_callback
    duckdb_v2_table_function_set_exec_callback
    duckdb_v2_table_function_set_init_global_callback
    duckdb_v2_table_function_set_init_local_callback
    duckdb_v2_table_function_set_name
    duckdb_v2_table_function_set_partition_data_callback
    duckdb_v2_table_function_set_projection_pushdown
    duckdb_v2_table_function_set_user_data
    duckdb_v2_value_cast
    duckdb_v2_value_create_null
    duckdb_v2_value_create_varchar
    duckdb_v2_value_destroy
    duckdb_v2_value_get_bigint
    duckdb_v2_value_get_bool
    duckdb_v2_value_get_double
    duckdb_v2_value_get_timestamp
    duckdb_v2_value_get_varchar
    duckdb_v2_value_is_null
    duckdb_v2_vector_flat_get_validity_mutable
    duckdb_v2_vector_flatten
    duckdb_v2_vector_get_arena
    duckdb_v2_vector_get_child
    duckdb_v2_vector_get_child_count
    duckdb_v2_vector_get_data_mutable
    duckdb_v2_vector_get_logical_type
    duckdb_v2_vector_get_size
    duckdb_v2_vector_get_view
    duckdb_v2_vector_set_size
);

/// Functions of the bindings that are no part of the C API.
const BINDINGS: &[&str] = &["duckdb_rs_extension_api_init", "duckdb_rs_extension_api_v2_init"];

/// Functions of SQL that queries name: no part of the C API.
const SQL_FUNCTIONS: &[&str] = &["duckdb_databases", "duckdb_functions", "duckdb_tables"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder)
            .expect("src is readable")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(entry);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root(), &mut files);
    assert!(files.len() > 20, "the sources were found");
    files
}

/// All Rust files by their path below `src`, without their comments.
fn sources() -> Vec<(String, String)> {
    files()
        .into_iter()
        .map(|path| {
            let name =
                path.strip_prefix(root()).expect("below src").to_string_lossy().replace('\\', "/");
            let code = fs::read_to_string(&path).expect("a text");
            (
                name,
                code.lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })
        .collect()
}

fn layer_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The words of a text that are made of letters, digits and `_`.
fn words(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// Layers of this crate that a file names behind `crate::`.
fn named_layers(code: &str) -> BTreeSet<&str> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        named.insert(&rest[..end]);
    }
    named
}

#[test]
fn layers_know_only_the_layers_below() {
    for (file, code) in sources().iter().filter(|(file, _)| file != "lib.rs") {
        let layer = layer_of(file);
        let (_, layers, crates) =
            LAYERS.iter().find(|(name, ..)| *name == layer).unwrap_or_else(|| {
                panic!("src/{file} belongs to no layer");
            });
        // The package of `ml` can name nothing of this one.
        for named in named_layers(code).into_iter().filter(|_| layer != "ml") {
            let allowed = named == layer
                || layers.contains(&named)
                || EXCEPTIONS.contains(&(file.as_str(), named));
            assert!(allowed, "src/{file} names crate::{named}");
        }
        for name in CRATES.iter().filter(|name| words(code).contains(**name)) {
            assert!(crates.contains(name), "src/{file} names the crate {name}");
        }
    }
}

#[test]
fn no_file_is_longer_than_600_lines_of_100_columns() {
    for path in files() {
        let text = fs::read_to_string(&path).expect("a text");
        let n_lines = text.lines().count();
        assert!(n_lines <= 600, "{} has {n_lines} lines", path.display());
        for (number, line) in (1..).zip(text.lines()) {
            let n_columns = line.chars().count();
            assert!(n_columns <= 100, "{}:{number} has {n_columns} columns", path.display());
        }
    }
}

#[test]
fn no_part_of_a_step_is_longer_than_300_lines_of_100_columns() {
    let mut n_files = 0;
    for folder in ["marketplace/clean", "marketplace/kpi", "games/clean", "games/kpi"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(folder);
        for entry in fs::read_dir(&folder).expect("the folder of a step") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a text");
            assert!(text.lines().count() <= 300, "{} is too long", path.display());
            for (number, line) in (1..).zip(text.lines()) {
                let n_columns = line.chars().count();
                assert!(n_columns <= 100, "{}:{number} has {n_columns} columns", path.display());
            }
            n_files += 1;
        }
    }
    assert!(n_files > 20);
}

/// The SQL that is written by hand: neither made by `make docs` nor models of dbt.
fn sql_files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("sql is readable") {
            let entry = entry.expect("an entry").path();
            if entry.is_dir() && !entry.ends_with("dbt") {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "sql") {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sql"), &mut found);
    let is_made = |path: &Path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name == "install.sql" || name == "build.sql" || name.starts_with(|c: char| c.is_numeric())
    };
    found.retain(|path| !is_made(path));
    assert!(found.len() > 40, "{} files", found.len());
    found
}

#[test]
fn no_file_of_sql_is_longer_than_300_lines_of_100_columns() {
    // One relation, which is one statement.
    const LONG: &str = "category_variants.sql";
    for path in sql_files() {
        let text = fs::read_to_string(&path).expect("a text");
        let n_lines = text.lines().count();
        assert!(n_lines <= 300 || path.ends_with(LONG), "{} has {n_lines} lines", path.display());
        for (number, line) in (1..).zip(text.lines()) {
            let n_columns = line.chars().count();
            assert!(n_columns <= 100, "{}:{number} has {n_columns} columns", path.display());
        }
    }
}

#[test]
fn only_the_fence_is_unsafe() {
    for (file, code) in sources().iter().filter(|(file, _)| layer_of(file) != "ffi") {
        assert!(!words(code).contains("unsafe"), "src/{file} has unsafe code");
        assert!(!words(code).contains("unsafe_code"), "src/{file} turns the lint off");
    }
}

#[test]
fn pure_modules_do_not_know_duckdb() {
    for (file, code) in sources()
        .iter()
        .filter(|(file, _)| matches!(layer_of(file), "ml" | "text" | "synth" | "plot"))
    {
        assert!(!code.to_lowercase().contains("duckdb"), "src/{file} names DuckDB");
    }
}

/// Whether a name is that of a type.
fn is_type(name: &str) -> bool {
    const TYPES: &[&str] = &[
        "_handle",
        "_str",
        "_opaque",
        "_bytes",
        "_vector_view",
        "_list_entry",
        "_input",
        "_ty_1",
        "_ty_2",
    ];
    TYPES.iter().any(|end| name.ends_with(end))
}

fn check_listed(used: &BTreeSet<&str>, listed: &[(&str, usize)]) {
    let listed: BTreeSet<&str> = listed.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        used.difference(&listed).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "called but not listed"
    );
    assert_eq!(
        listed.difference(used).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "listed but not called"
    );
}

#[test]
fn only_listed_functions_of_the_c_api_v2_are_called() {
    let sources = sources();
    // Called, or handed on as what destroys a handle.
    let used = sources
        .iter()
        .filter(|(file, _)| file.starts_with("ffi/v2/"))
        .flat_map(|(_, code)| words(code))
        .filter(|word| word.starts_with("duckdb_v2_") || word.starts_with("duckdb_rs_"))
        .filter(|word| !is_type(word) && !BINDINGS.contains(word))
        .collect();
    check_listed(&used, C_API_V2);
}

#[test]
fn every_release_has_the_functions_of_the_c_api_v2_that_are_called() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi/v2/releases");
    let releases: Vec<(String, String)> = fs::read_dir(folder)
        .expect("releases are there")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), fs::read_to_string(path).expect("a text")))
        .collect();
    let (_, bindings) =
        releases.iter().find(|(name, _)| name.ends_with("v2.0.0.txt")).expect("the bindings");
    assert!(releases.len() > 1);
    for (name, slot) in C_API_V2 {
        let line = bindings.lines().nth(*slot).expect("the list is as long as the table");
        assert_eq!(line.split(' ').next(), Some(*name), "place {slot}");
        for (release, functions) in &releases {
            assert!(functions.lines().any(|other| other == line), "{release} has no such {line}");
        }
    }
}

#[test]
fn only_listed_functions_of_the_c_api_are_called() {
    let sources = sources();
    let used: BTreeSet<&str> = sources
        .iter()
        .filter(|(file, _)| file.starts_with("ffi/v1/"))
        .flat_map(|(_, code)| code.match_indices("duckdb_").map(move |(at, _)| &code[at..]))
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            rest[end..].starts_with('(').then_some(&rest[..end])
        })
        .filter(|name| !SQL_FUNCTIONS.contains(name) && !BINDINGS.contains(name))
        .collect();
    check_listed(&used, C_API);
}

#[test]
fn only_stable_functions_of_the_c_api_are_called() {
    // src/ffi/v1/stable.rs gives the bindings these places of the table alone.
    const LAST_STABLE: usize = 403;
    for (name, slot) in C_API {
        assert!(*slot <= LAST_STABLE, "{name} is at {slot}, where releases differ");
    }
}
