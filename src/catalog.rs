//! The one list of all SQL functions; registration, documentation, examples and comments come from it.

use std::fmt::Write;

use crate::ffi::{Documentation, Library, Registry, Relation, Result, SqlType};
use crate::functions::options::OptionText;
use crate::functions::{
    Example, Function, Kind, activity, category, columns, events, exact, files, games, generators,
    introspection, kmeans, options, pca, plot, repeats, rfm, season, summary,
};
use crate::scripts::{self, CREATE, Pipeline};

/// Every function, by subject, in the order of the documentation.
pub const FUNCTIONS: &[&Function] = &[
    &kmeans::KMEANS_SEGMENTS,
    &kmeans::KMEANS_CENTROIDS_RELATION,
    &kmeans::KMEANS_METRICS,
    &columns::KMEANS_FEATURES_RELATION,
    &summary::SEGMENT_PROFILE,
    &summary::SEGMENT_MIGRATION,
    &pca::PCA_2D,
    &pca::PCA_COMPONENTS_RELATION,
    &category::NORMALIZE_CATEGORY_RELATION,
    &category::CATEGORY_VARIANTS,
    &activity::SESSIONIZE,
    &activity::USER_ACTIVITY,
    &activity::MONTHLY_ACTIVITY,
    &activity::USER_FEATURES,
    &activity::FUNNEL,
    &activity::RETENTION,
    &rfm::RFM_SCORES,
    &files::FILE_FINGERPRINT,
    &kmeans::KMEANS_FIT,
    &kmeans::KMEANS_EVALUATE,
    &kmeans::KMEANS_PREDICT,
    &kmeans::KMEANS_DISTANCE,
    &kmeans::KMEANS_DISTANCES,
    &kmeans::KMEANS_CENTROIDS,
    &columns::KMEANS_FEATURES,
    &summary::FEATURE_SUMMARY,
    &pca::PCA_FIT,
    &pca::PCA_TRANSFORM,
    &pca::PCA_INVERSE,
    &pca::PCA_COMPONENTS,
    &category::NORMALIZE_CATEGORY,
    &category::CATEGORY_MATCH,
    &category::CATEGORY_SIMILARITY,
    &category::CATEGORY_FINGERPRINT,
    &exact::EXACT_BIGINT,
    &exact::EXACT_DECIMAL,
    &exact::EXACT_TIMESTAMP,
    &exact::EXACT_UUID,
    &events::EVENT_TIMESTAMP,
    &events::FUNNEL_STEPS,
    &season::SEASONAL_DECOMPOSE,
    &rfm::QUANTILE_CUTS,
    &rfm::CUT_SCORE,
    &plot::SCATTER_SVG,
    &plot::LINE_SVG,
    &files::CONTENT_HASH,
    &files::LINE_SUMMARY,
    &files::CONTENT_SUMMARY,
    &files::CSV_FIELDS,
    &repeats::REPEATED_VALUES,
    &generators::SYNTHETIC_MARKETPLACE_EVENTS,
    &games::SYNTHETIC_USERS,
    &games::SYNTHETIC_GAMES,
    &games::SYNTHETIC_GAME_EVENTS,
    &columns::CHECK_NEW_COLUMNS,
    &events::SOURCE_COLUMNS,
    &events::EVENT_COUNTS_QUERY,
    &introspection::AMAZING_FUNCTIONS,
    &introspection::AMAZING_SCRIPTS,
    &introspection::AMAZING_SESSION,
    &introspection::AMAZING_INFO,
    &introspection::AMAZING_INFO_RELATION,
];

/// The catalog as a backend sees it.
pub struct Catalog;

impl Library for Catalog {
    fn register(&self, registry: &mut Registry<'_>) -> Result<()> {
        for function in FUNCTIONS {
            if let Some(register) = function.register {
                register(registry, function)?;
            }
        }
        Ok(())
    }

    fn relations(&self) -> Vec<Relation> {
        let relation =
            |m: scripts::Macro<'static>| Relation { name: m.name, parameters: m.defaults, body: m.body };
        scripts::macros().into_iter().map(relation).collect()
    }

    fn macro_statements(&self, catalog: &str) -> Vec<String> {
        macro_statements(&format!("{catalog}.main."))
    }

    fn documentation(&self, name: &str, is_relation: bool) -> Documentation {
        let function = FUNCTIONS
            .iter()
            .find(|f| f.signature.name == name && (f.kind == Kind::Relation) == is_relation)
            .unwrap_or_else(|| panic!("{name} is in the catalog"));
        Documentation {
            description: function.description,
            // The API has room for documentation where relations need no catalog of their own.
            examples: function.examples.iter().map(|example| called_behind("", example.sql)).collect(),
            category: function.subject,
        }
    }
}

/// Statements that create every relation under `prefix`, and its comment with version and description.
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

/// SQL of ours, which calls relations in the catalog `amz`, with another `prefix` before their names.
///
/// Without a prefix they are called by their bare names: where the system catalog has them, or once `install` ran.
pub fn called_behind(prefix: &str, sql: &str) -> String {
    let mut pieces = sql.split("amz.");
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let name = piece.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(piece.len());
        let is_call = name > 0 && piece[name..].starts_with('(');
        text.push_str(if is_call { prefix } else { "amz." });
        text.push_str(piece);
    }
    text
}

/// The statements of a pipeline with the script that each comes from; `install` first. The schemas get `prefix`.
pub fn pipeline_statements(pipeline: &Pipeline, prefix: &str) -> Vec<(&'static str, String)> {
    let mut rows: Vec<_> = macro_statements("").into_iter().map(|statement| ("install", statement)).collect();
    for (name, sql) in pipeline.all_steps() {
        rows.extend(
            scripts::statements(&called_behind("", &sql))
                .into_iter()
                .map(|sql| (name, scripts::prefix_schemas(sql, prefix))),
        );
    }
    rows
}

/// How a function is called: `kmeans_fit(row, k [, options])`, `amz.kmeans_segments(source, k := 5)`.
pub fn call(function: &Function) -> String {
    let name = function.signature.name;
    if function.kind == Kind::Relation {
        let parameters = scripts::macros().into_iter().find(|m| m.name == name).map(|m| m.parameters);
        return format!("amz.{name}({})", parameters.unwrap_or_default());
    }
    let mut text = format!("{name}(");
    let mut open = 0;
    for (i, parameter) in function.signature.parameters.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        if parameter.optional && function.kind == Kind::Table && i > 0 {
            let _ = write!(text, "{comma}{} := ", parameter.name);
        } else if parameter.optional {
            let _ = write!(text, "{}[{comma}{}", if i > 0 { " " } else { "" }, parameter.name);
            open += 1;
        } else {
            let _ = write!(text, "{comma}{}", parameter.name);
        }
    }
    text.trim_end().to_string() + &"]".repeat(open) + ")"
}

/// What a function returns: a type, or the columns of a table.
pub fn returns(function: &Function) -> String {
    match (function.kind, function.signature.returns) {
        (Kind::Relation, _) => function.columns.to_string(),
        (Kind::Table, SqlType::Struct(columns)) => {
            columns.iter().map(|(name, sql_type)| format!("{name} {sql_type}")).collect::<Vec<_>>().join(", ")
        }
        (_, sql_type) => sql_type.to_string(),
    }
}

/// `docs/functions.md`: the reference of all functions.
pub fn reference() -> String {
    let mut text = String::from(
        "# Functions\n\n<!-- page not run: test/sql/examples.test has its examples and errors; the calls are no statements -->\n\nGenerated from the catalog (`make docs`). Relations are called by their bare names after \
         `INSTALL` on DuckDB 2.0; on 1.4 and 1.5 after `SET search_path = 'main,amz'`, or as \
         `amz.kmeans_segments(...)` ([names](install.md#names)). Every example and every error is run by the \
         tests.\n",
    );
    for (kind, title) in [
        (Kind::Relation, "Relations"),
        (Kind::Aggregate, "Aggregates"),
        (Kind::Scalar, "Scalars"),
        (Kind::Table, "Table functions"),
    ] {
        let _ = write!(text, "\n## {title}\n");
        for function in FUNCTIONS.iter().filter(|function| function.kind == kind) {
            let _ = write!(text, "\n### `{}`\n\n{}\n", function.signature.name, function.description);
            let _ = write!(text, "\n```sql\n{}\n```\n", called_behind("", &call(function)));
            let _ = write!(text, "\nReturns: `{}`. Since {}.\n", returns(function), function.since);
            if !function.details.is_empty() {
                let _ = write!(text, "\n{}\n", function.details);
            }
            for Example { sql, rows } in function.examples {
                let _ = write!(text, "\n```sql\n{};\n", shown(sql));
                rows.iter().for_each(|row| text.push_str(&format!("-- {row}\n")));
                text.push_str("```\n");
            }
            if !function.errors.is_empty() {
                text.push_str("\nErrors:\n");
                for (sql, message) in function.errors {
                    let more = if message.ends_with(", ") { "..." } else { "" };
                    let _ = write!(text, "\n```sql\n{};\n-- {message}{more}\n```\n", shown(sql));
                }
            }
        }
    }
    text + &options_reference()
}

/// A query of one line with bare names, and its CTEs in a line of their own: what is shown stands out from what it needs.
fn shown(sql: &str) -> String {
    let sql = called_behind("", sql);
    let mut depth = 0;
    for (at, character) in sql.char_indices().filter(|_| sql.starts_with("WITH ")) {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if character == ')' && depth == 0 && !sql[at + 1..].starts_with(',') {
            return format!("{}\n{}", &sql[..=at], sql[at + 1..].trim_start());
        }
    }
    sql
}

/// The options of the fitting functions, for [`reference`].
fn options_reference() -> String {
    let mut text = String::from(
        "\n## Options\n\nNamed parameters of the relations (`k := 5`), and fields of the STRUCT that the building blocks \
         take (`kmeans_fit(u, 5, {'seed': 7})`). NULL means the default; an unknown name is an error that lists what \
         the function takes.\n\n| name | default | meaning | `kmeans_fit` | `kmeans_evaluate` | `pca_fit` | `feature_summary` |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for OptionText { name, default, meaning } in options::REFERENCE {
        let mark = |accepted: &[&str]| if accepted.contains(name) { "yes" } else { "" };
        let (kmeans, evaluate) = (mark(options::KMEANS), mark(options::EVALUATE));
        let (pca, summary) = (mark(options::PCA), mark(options::SUMMARY));
        let _ = writeln!(
            text,
            "| `{name}` | `{default}` | {meaning} | {kmeans} | {evaluate} | {pca} | {summary} |"
        );
    }
    text
}

/// `test/sql/examples.test`: every example as a test.
pub fn example_tests() -> String {
    let mut text = String::from(
        "# name: test/sql/examples.test\n# description: The examples of the catalog (generated by make docs)\n# \
         group: [amazing]\n\nrequire amazing\n",
    );
    for function in FUNCTIONS {
        for Example { sql, rows } in function.examples {
            let n_columns = rows.first().map_or(1, |row| row.split(" | ").count());
            let _ = write!(text, "\n# {}\nquery {}\n{sql};\n----\n", call(function), "T".repeat(n_columns));
            rows.iter().for_each(|row| text.push_str(&(row.replace(" | ", "\t") + "\n")));
        }
        for (sql, message) in function.errors {
            let _ = write!(text, "\n# {}\nstatement error\n{sql};\n----\n{message}\n", call(function));
        }
    }
    text
}

/// What fails at once where the extension is not loaded; macros would be made, and only fail when they are called.
const INSTALL_CHECK: &str = "
SET VARIABLE amazing_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error('install: the extension is not loaded, or it is an older one than this script: LOAD amazing')
        END
    FROM duckdb_functions() AS f
    WHERE f.function_name = 'content_summary'
);
";

/// `sql/install.sql`: the relations for the current database.
pub fn install_script() -> String {
    let mut text = String::from(
        "-- install.sql: creates the relations of amazing in the current database, under their bare names.\n-- \
         Generated from sql/functions (make docs). Needs LOAD amazing before; replaces what an earlier version \
         installed.\n",
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
        ".bail on\n-- build.sql: builds the layers of the pipeline {} in the current database.\n-- Generated from \
         the steps in this folder (make docs). Needs LOAD amazing before; can be run again.\n\n{}",
        pipeline.name,
        install_script()
    );
    for (_, sql) in pipeline.all_steps() {
        let _ = write!(text, "\n{}", called_behind("", &sql));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_macro_has_an_entry_and_every_relation_a_macro() {
        let mut macros: Vec<&str> = scripts::macros().iter().map(|m| m.name).collect();
        let mut relations: Vec<&str> =
            FUNCTIONS.iter().filter(|f| f.kind == Kind::Relation).map(|f| f.signature.name).collect();
        macros.sort_unstable();
        relations.sort_unstable();
        assert_eq!(macros, relations);
    }

    #[test]
    fn every_function_is_described_and_shown() {
        for function in FUNCTIONS {
            let name = function.signature.name;
            assert!(!function.description.is_empty(), "{name}");
            assert_eq!(function.register.is_none(), function.kind == Kind::Relation, "{name}");
            assert!(!function.examples.is_empty(), "{name} has an example");
        }
    }

    #[test]
    fn only_calls_of_relations_change_their_prefix() {
        let sql = "SELECT macros = 'amz.main' FROM amz.pca_2d(amz.points), amz.amazing_info()";
        let bare = "SELECT macros = 'amz.main' FROM pca_2d(amz.points), amazing_info()";
        assert_eq!(called_behind("", sql), bare);
        assert_eq!(called_behind("amz.", sql), sql);
    }

    #[test]
    fn optional_parameters_are_in_brackets() {
        assert_eq!(call(&kmeans::KMEANS_FIT), "kmeans_fit(row, k [, options])");
        assert_eq!(call(&introspection::AMAZING_SCRIPTS), "amazing_scripts(pipeline, schema_prefix :=)");
    }
}
