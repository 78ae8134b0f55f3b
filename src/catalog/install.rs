//! Statements that create the relations and build the layers of a pipeline.

use std::fmt::Write;

use super::{FUNCTIONS, called_behind};
use crate::functions::{Function, Kind};
use crate::scripts::{self, CREATE, Pipeline};

/// Statements that create every relation under `prefix`, and its comment with version and
/// description.
pub fn macro_statements(prefix: &str) -> Vec<String> {
    let mut statements = Vec::new();
    for found in scripts::macros() {
        let function = relation(found.name);
        statements.push(found.statement.replacen(CREATE, &format!("{CREATE}{prefix}"), 1));
        statements.push(format!(
            "COMMENT ON MACRO TABLE {prefix}{} IS 'amazing {}: {}'",
            found.name,
            env!("CARGO_PKG_VERSION"),
            function.description.replace('\'', "''"),
        ));
    }
    statements
}

/// The entry of a relation.
///
/// # Panics
/// When a macro has no entry: an error in our own files.
fn relation(name: &str) -> &'static Function {
    FUNCTIONS
        .iter()
        .find(|function| function.kind == Kind::Relation && function.signature.name == name)
        .unwrap_or_else(|| panic!("the macro {name} is in the catalog"))
}

/// The statements of a pipeline with the script that each comes from; `install` first. The schemas
/// get `prefix`.
pub fn pipeline_statements(pipeline: &Pipeline, prefix: &str) -> Vec<(&'static str, String)> {
    let mut rows: Vec<_> =
        macro_statements("").into_iter().map(|statement| ("install", statement)).collect();
    for (name, sql) in pipeline.all_steps() {
        rows.extend(
            scripts::statements(&called_behind("", &sql))
                .into_iter()
                .map(|sql| (name, scripts::prefix_schemas(sql, prefix))),
        );
    }
    rows
}

/// What fails at once where the extension is not loaded; macros would be made, and only fail when
/// they are called.
const INSTALL_CHECK: &str = "
SET VARIABLE amazing_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error(
                    'install: the extension is not loaded, or it is an older one than this script: '
                    || 'LOAD amazing'
                )
        END
    FROM duckdb_functions() AS f
    WHERE f.function_name = 'content_summary'
);
";

/// `sql/install.sql`: the relations for the current database.
pub fn install_script() -> String {
    let mut text = String::from(
        "-- install.sql: creates the relations of amazing in the current database, under their \
         bare names.\n-- Generated from sql/functions (make docs). Needs LOAD amazing before; \
         replaces what an earlier version installed.\n",
    );
    text.push_str(INSTALL_CHECK);
    for statement in macro_statements("") {
        let _ = write!(text, "\n{statement};\n");
    }
    text
}

/// `sql/<pipeline>/build.sql`: everything in one flat file.
pub fn build_script(pipeline: &Pipeline) -> String {
    let mut text = format!(
        ".bail on\n-- build.sql: builds the layers of the pipeline {} in the current database.\n-- \
         Generated from the steps in this folder (make docs). Needs LOAD amazing before; can be \
         run again.\n\n{}",
        pipeline.name,
        install_script()
    );
    for (_, sql) in pipeline.all_steps() {
        let _ = write!(text, "\n{}", called_behind("", &sql));
    }
    text
}
