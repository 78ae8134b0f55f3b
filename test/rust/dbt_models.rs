//! The models of the dbt project, `sql/dbt/models`, made of the statements of the pipelines' step
//! scripts.
//!
//! A statement that makes a table is a model: `clean.events` is `stg_<world>__events` (with
//! `base_<world>__...` for the temporary tables on the way to it), a table of `kpi` or `main` is
//! `<world>__<table>` (`int_<world>__...` on the way). Names of tables become `ref()` and
//! `source()`, variables of the session become variables of dbt.

use amazing::scripts::{Pipeline, statements};

/// A generated file.
pub struct File {
    /// Its path in the project.
    pub path: String,
    /// What it holds.
    pub content: String,
}

/// World, a text of its clean step that stands there once, and what stands for it here: dbt makes
/// the clean tables anew each time instead of adding to them, and a model has one definition where
/// a script can put another in its place.
const ADDING: &[(&str, &str, &str)] = &[
    ("marketplace", "\nLEFT JOIN clean.cleaned_files AS c ON c.file_name = f.file_name", ""),
    (
        "marketplace",
        "    c.file_name IS NULL AS is_new,\n    c.has_uuids,\n",
        "    true AS is_new,\n    false AS has_uuids,\n",
    ),
    (
        "marketplace",
        "CREATE OR REPLACE TEMP VIEW clean_known_rows AS\nSELECT\n    e.rowid AS raw_row,\n    \
         e.*\nFROM raw.all_events AS e\nWHERE\n    e.file_name IN (SELECT f.file_name FROM \
         temp.clean_files AS f WHERE NOT f.is_new)\n    AND NOT getvariable('clean_rebuild')\n    \
         AND (\n        getvariable('clean_reads_all')\n        OR (e.event_time >= \
         getvariable('clean_bounds').first AND e.event_time < \
         getvariable('clean_bounds').behind)\n    );\n\n",
        "",
    ),
    (
        "marketplace",
        "\nUNION ALL\nSELECT\n    false AS is_new,\n    k.*\nFROM temp.clean_known_rows AS k",
        "",
    ),
    (
        "marketplace",
        "-- The views above take their rows from this one, now and where it is made anew \
         again.\nCREATE OR REPLACE TEMP VIEW clean_rows AS\nSELECT\n    f.is_new,\n    e.rowid AS \
         raw_row,\n    e.*\nFROM raw.all_events AS e\nJOIN temp.clean_files AS f ON f.file_name = \
         e.file_name\nWHERE e.rowid IN (SELECT r.raw_row FROM temp.clean_repeated_rows AS r);\n\n",
        "",
    ),
    (
        "marketplace",
        "CREATE OR REPLACE TEMP VIEW clean_rows AS\nSELECT\n    true AS is_new,\n    n.*\nFROM \
         temp.clean_new_rows AS n;\n\nSET VARIABLE clean_before",
        "SET VARIABLE clean_before",
    ),
    ("marketplace", "    SELECT *\n    FROM clean.corrections\n    UNION ALL\n", ""),
];

/// Tables that only the plain scripts keep: what ran, and to which files they need not come back.
const NOT_OF_DBT: &[&str] = &["raw.pipeline_runs", "clean.cleaned_files"];

/// Tables that keep what earlier runs put there, and the column whose values a run replaces.
const KEPT: &[(&str, &str)] =
    &[("kpi.segment_model", "model_id"), ("kpi.segment_history", "month")];

/// Beginnings of statements that dbt has its own way for, or that only answer the person who runs
/// the script.
const LEFT_TO_DBT: &[&str] = &[
    "BEGIN",
    "COMMIT",
    "CREATE SCHEMA",
    "CREATE TABLE IF NOT EXISTS",
    "DELETE FROM",
    "DROP",
    "SET disabled_compression_methods",
    "SELECT",
    "FROM",
];

/// A table or view that a statement makes.
struct Made<'a> {
    /// The name in the script, such as `clean.events` or `temp.clean_typed_rows`.
    name: String,
    step: &'a str,
    materialized: &'a str,
    /// The lines of comment right before the statement, each with its line end.
    comment: &'a str,
    query: &'a str,
}

/// A pipeline, taken apart.
struct World<'a> {
    name: &'a str,
    made: Vec<Made<'a>>,
    /// Tables of [`KEPT`] and the query of no row that has their columns.
    kept: Vec<(&'a str, &'a str)>,
    /// Variables that the scripts set, with the text of their value.
    variables: Vec<(&'a str, &'a str)>,
    /// The statement that writes the picture.
    copy: &'a str,
}

/// All generated files of a pipeline.
///
/// # Panics
/// When a step script holds what this generator does not know: an error in our own files.
pub fn files(pipeline: &Pipeline) -> Vec<File> {
    let steps: Vec<(&str, String)> = pipeline.all_steps().split_off(1);
    let steps: Vec<(&str, String)> = steps
        .into_iter()
        .map(|(step, sql)| (step, without_adding(pipeline.name, step, sql)))
        .collect();
    let world = take_apart(pipeline.name, &steps);
    world
        .made
        .iter()
        .enumerate()
        .map(|(place, made)| world.model(place, made))
        .chain([world.picture()])
        .collect()
}

fn without_adding(world: &str, step: &str, mut sql: String) -> String {
    if step == "10_clean" {
        for (_, text, instead) in ADDING.iter().filter(|(of, _, _)| *of == world) {
            assert_eq!(sql.matches(text).count(), 1, "{world}/{step}: stands once:\n{text}");
            sql = sql.replace(text, instead);
        }
    }
    for jinja in ["{{", "{%", "{#"] {
        assert!(!sql.contains(jinja), "{world}/{step}: {jinja} would be read by dbt");
    }
    sql
}

fn take_apart<'a>(name: &'a str, steps: &'a [(&'a str, String)]) -> World<'a> {
    let mut world =
        World { name, made: Vec::new(), kept: Vec::new(), variables: Vec::new(), copy: "" };
    for (step, sql) in steps {
        for statement in statements(sql) {
            if let Some(variable) = statement.strip_prefix("SET VARIABLE ") {
                world.variables.push(variable.split_once(" = ").expect("a variable has a value"));
            } else if let Some((name, materialized, query)) = made_by(statement) {
                if !NOT_OF_DBT.contains(&name.as_str()) {
                    let comment = comment_before(sql, statement);
                    world.made.push(Made { name, step, materialized, comment, query });
                }
            } else if let Some(kept) = kept_by(statement) {
                world.kept.push(kept);
            } else if statement.starts_with("COPY (") {
                world.copy = statement;
            } else {
                let known = LEFT_TO_DBT.iter().any(|beginning| statement.starts_with(beginning));
                assert!(
                    known,
                    "{name}/{step}: not known to the generator of dbt \
                                models:\n{statement}"
                );
            }
        }
    }
    world
}

/// Name, materialization and query of a statement that makes a table or view.
fn made_by(statement: &str) -> Option<(String, &str, &str)> {
    let created = |prefix| {
        statement.strip_prefix(prefix).and_then(|rest: &str| {
            rest.split_once(
                " \
        AS\n",
            )
        })
    };
    if let Some((name, query)) = created("CREATE OR REPLACE TEMP TABLE ") {
        return Some((format!("temp.{name}"), "table", query));
    }
    if let Some((name, query)) = created("CREATE OR REPLACE TEMP VIEW ") {
        return Some((format!("temp.{name}"), "view", query));
    }
    if let Some((name, query)) = created("CREATE OR REPLACE TABLE ") {
        return Some((name.to_string(), "table", query));
    }
    let (name, query) = statement.strip_prefix("INSERT INTO ")?.split_once('\n')?;
    Some((name.to_string(), "table", query))
}

/// Name and columns of a table of [`KEPT`].
fn kept_by(statement: &str) -> Option<(&str, &str)> {
    let kept = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?.split_once(" AS\n")?;
    assert!(KEPT.iter().any(|(name, _)| *name == kept.0), "{} is kept, by which column?", kept.0);
    Some(kept)
}

/// The lines of comment right before a statement.
fn comment_before<'a>(sql: &'a str, statement: &str) -> &'a str {
    let before = &sql[..statement.as_ptr() as usize - sql.as_ptr() as usize];
    let start = before.rfind("\n\n").map_or(0, |at| at + 2);
    &before[start..]
}

impl World<'_> {
    /// The model that stands for a table of the scripts.
    fn model_name(&self, made: &Made) -> String {
        let world = self.name;
        let (schema, table) = made.name.split_once('.').expect("names are qualified");
        match (schema, made.step) {
            ("temp", "10_clean") => format!("base_{world}__{}", table.trim_start_matches("clean_")),
            ("temp", _) => format!("int_{world}__{}", table.trim_start_matches("kpi_")),
            ("clean", _) => format!("stg_{world}__{table}"),
            _ => format!("{world}__{table}"),
        }
    }

    fn model(&self, place: usize, made: &Made) -> File {
        let (schema, table) = made.name.split_once('.').expect("names are qualified");
        let name = self.model_name(made);
        let folder = match (schema, made.step) {
            ("temp", "10_clean") => "staging/base",
            ("temp", _) => "intermediate",
            ("clean", _) => "staging",
            _ => "marts",
        };
        let mut config = match KEPT.iter().find(|(name, _)| *name == made.name) {
            Some((_, key)) => format!(
                "materialized='incremental', unique_key='{key}', \
                                       full_refresh=false"
            ),
            None => format!("materialized='{}'", made.materialized),
        };
        match schema {
            "temp" => config += ", schema='intermediate'",
            _ => config += &format!(", schema='{schema}', alias='{table}'"),
        }
        if made.name == "clean.events" && self.name == "marketplace" {
            config += ", pre_hook='{{ amazing.forget_cleaned_files(this) }}'";
        }
        if made.name == "kpi.segment_map" {
            config += &format!(", post_hook='{{{{ amazing.{}_picture(this) }}}}'", self.name);
        }
        if made.name == "temp.segment_news" {
            config += &format!(", post_hook='{{{{ amazing.tell(this, \"{}\") }}}}'", self.name);
        }
        // Before a table that is kept gets what is new, it is what the build before has left.
        let mut query = made.query.to_string();
        let mut earlier = String::new();
        for (table, columns) in &self.kept {
            let made_at = self.made.iter().position(|made| made.name == *table).expect(
                "what is kept is \
                    made",
            );
            if place <= made_at && query.contains(table) {
                let (schema, name) = table.split_once('.').expect("names are qualified");
                let columns = self.rendered(columns);
                earlier += &format!("{{% set no_{name} %}}(\n{columns}\n){{% endset %}}\n");
                let call = format!(
                    "{{{{ amazing.kept('{}', '{schema}', '{name}', no_{name}) }}}}",
                    self.name
                );
                query = query.replace(table, &call);
            }
        }
        let content = format!(
            "-- {name}: generated from sql/{}/{}.sql (make docs).\n{{{{ config({config}) \
             }}}}\n\n{earlier}{}{}{}\n",
            self.name,
            made.step,
            self.set_blocks(&query),
            made.comment,
            self.rendered(&query)
        );
        File { path: format!("sql/dbt/models/{}/{folder}/{name}.sql", self.name), content }
    }

    /// The macro that writes the picture of the segments.
    fn picture(&self) -> File {
        let copy = self.copy.replace("kpi.segment_map", "__RELATION__");
        let world = self.name;
        let content = format!(
            "{{# {world}_picture: generated from sql/{world}/30_user_segments.sql (make docs). \
             #}}\n{{% macro {world}_picture(relation) %}}\n{{% if var('{world}_svg', none) \
             %}}\n{}{}\n{{% endif %}}\n{{% endmacro %}}\n",
            self.set_blocks(&copy),
            self.rendered(&copy).replace("__RELATION__", "{{ relation }}"),
        );
        File { path: format!("sql/dbt/macros/{world}_picture.sql"), content }
    }

    fn value(&self, variable: &str) -> Option<&str> {
        self.variables.iter().find(|(name, _)| *name == variable).map(|(_, value)| *value)
    }

    /// Jinja that gives each variable of `sql` that the scripts set its value, those that others
    /// need first.
    fn set_blocks(&self, sql: &str) -> String {
        let mut names = Vec::new();
        self.collect_variables(sql, &mut names);
        let blocks: Vec<String> = names
            .iter()
            .map(|name| {
                let value = self.value(name).expect("collected because it has one");
                let value = value.replace(&getvariable(name), &self.parameter(name));
                format!("{{% set {name} %}}{}{{% endset %}}\n", self.rendered(&value))
            })
            .collect();
        blocks.concat()
    }

    fn collect_variables<'a>(&'a self, sql: &str, names: &mut Vec<&'a str>) {
        for (name, value) in &self.variables {
            if sql.contains(&getvariable(name)) && !names.contains(name) {
                self.collect_variables(&value.replace(&getvariable(name), ""), names);
                names.push(name);
            }
        }
    }

    /// Jinja for a variable that whoever runs dbt may set.
    fn parameter(&self, name: &str) -> String {
        format!("{{{{ amazing.parameter('{}_{name}') }}}}", self.name)
    }

    /// `sql` with `ref()` and `source()` for names of tables and Jinja for variables of the
    /// session.
    fn rendered(&self, sql: &str) -> String {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut text = String::new();
        let mut rest = sql;
        while let Some(start) = rest.find(is_word) {
            text.push_str(&rest[..start]);
            rest = &rest[start..];
            let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            let table = after
                .strip_prefix('.')
                .map(|name| &name[..name.find(|c| !is_word(c)).unwrap_or(name.len())]);
            rest = after;
            match table {
                Some(table)
                    if !text.ends_with('.')
                        && ["raw", "temp", "clean", "kpi", "main"].contains(&word) =>
                {
                    text.push_str(&self.relation(word, table));
                    rest = &after[1 + table.len()..];
                }
                _ => text.push_str(word),
            }
        }
        text.push_str(rest);
        for (name, _) in &self.variables {
            text = text.replace(&getvariable(name), &format!("{{{{ {name} }}}}"));
        }
        while let Some((before, after)) = text.split_once("getvariable('") {
            let (name, after) = after.split_once("')").expect("variables are named by a text");
            text = format!("{before}{}{after}", self.parameter(name));
        }
        text
    }

    /// Jinja for a table of the scripts.
    fn relation(&self, schema: &str, table: &str) -> String {
        if schema == "raw" {
            return format!("{{{{ source('{}', '{table}') }}}}", self.name);
        }
        let name = format!("{schema}.{table}");
        let made = self.made.iter().find(|made| made.name == name);
        let made = made.unwrap_or_else(|| panic!("{}: nothing makes {name}", self.name));
        format!("{{{{ ref('{}') }}}}", self.model_name(made))
    }
}

fn getvariable(name: &str) -> String {
    format!("getvariable('{name}')")
}
