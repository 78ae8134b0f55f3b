//! The models of the dbt project, `sql/dbt/models`, made of the statements of the pipelines' step
//! scripts.
//!
//! A statement that makes a table is a model: `clean.events` is `stg_<world>__events` (with
//! `base_<world>__...` for the temporary tables on the way to it), a table of `kpi` or `main` is
//! `<world>__<table>` (`int_<world>__...` on the way). Names of tables become `ref()` and
//! `source()`, variables of the session become variables of dbt.
//!
//! The scripts add to some tables. dbt makes them anew, so what a script finds in one before it
//! adds to it is, in a model, a query of its columns without rows; but for those of [`KEPT`].

use amazing::scripts::{Pipeline, statements};

/// A generated file.
pub struct File {
    /// Its path in the project.
    pub path: String,
    /// What it holds.
    pub content: String,
}

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

/// A variable that the scripts set.
struct Variable<'a> {
    name: &'a str,
    value: &'a str,
    /// How many tables and views are made before.
    place: usize,
}

/// A pipeline, taken apart.
struct World<'a> {
    name: &'a str,
    made: Vec<Made<'a>>,
    /// Tables that the scripts add to, with the lines of their columns.
    added_to: Vec<(&'a str, &'a str)>,
    /// Tables of [`KEPT`] and the query of no row that has their columns.
    kept: Vec<(&'a str, &'a str)>,
    variables: Vec<Variable<'a>>,
    /// The statement that writes the picture.
    copy: &'a str,
}

/// All generated files of a pipeline.
///
/// # Panics
/// When a step script holds what this generator does not know: an error in our own files.
pub fn files(pipeline: &Pipeline) -> Vec<File> {
    let steps: Vec<(&str, String)> = pipeline.all_steps().split_off(1);
    for (step, sql) in &steps {
        for jinja in ["{{", "{%", "{#"] {
            assert!(!sql.contains(jinja), "{}/{step}: {jinja} would be read by dbt", pipeline.name);
        }
    }
    let world = take_apart(pipeline.name, &steps);
    world
        .made
        .iter()
        .enumerate()
        .map(|(place, made)| world.model(place, made))
        .chain([world.picture()])
        .collect()
}

fn take_apart<'a>(name: &'a str, steps: &'a [(&'a str, String)]) -> World<'a> {
    let mut world = World {
        name,
        made: Vec::new(),
        added_to: Vec::new(),
        kept: Vec::new(),
        variables: Vec::new(),
        copy: "",
    };
    for (step, sql) in steps {
        for statement in statements(sql) {
            if let Some(variable) = statement.strip_prefix("SET VARIABLE ") {
                let (name, value) = variable.split_once(" = ").expect("a variable has a value");
                world.variables.push(Variable { name, value, place: world.made.len() });
            } else if let Some((name, materialized, query)) = made_by(statement) {
                if !NOT_OF_DBT.contains(&name.as_str()) {
                    let comment = comment_before(sql, statement);
                    world.made.push(Made { name, step, materialized, comment, query });
                }
            } else if let Some(table) = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
                match table.split_once(" AS\n") {
                    Some(kept) => world.kept.push(kept),
                    None => world.added_to.extend(table.split_once(" (\n")),
                }
            } else if statement.starts_with("COPY (") {
                world.copy = statement;
            } else {
                let known = LEFT_TO_DBT.iter().any(|beginning| statement.starts_with(beginning));
                assert!(
                    known,
                    "{name}/{step}: not known to the generator of dbt models:\n{statement}"
                );
            }
        }
    }
    world
}

/// Name, materialization and query of a statement that makes a table or view.
fn made_by(statement: &str) -> Option<(String, &str, &str)> {
    let created =
        |prefix| statement.strip_prefix(prefix).and_then(|rest: &str| rest.split_once(" AS\n"));
    if let Some((name, query)) = created("CREATE OR REPLACE TEMP TABLE ") {
        return Some((format!("temp.{name}"), "table", query));
    }
    if let Some((name, query)) = created("CREATE OR REPLACE TEMP VIEW ") {
        return Some((format!("temp.{name}"), "view", query));
    }
    if let Some((name, query)) = created("CREATE OR REPLACE TABLE ") {
        return Some((name.to_string(), "table", query));
    }
    let (target, query) = statement.strip_prefix("INSERT INTO ")?.split_once('\n')?;
    let name = target.split(' ').next()?;
    Some((name.to_string(), "table", query))
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
            Some((_, key)) => {
                format!("materialized='incremental', unique_key='{key}', full_refresh=false")
            }
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
            let made_at = self
                .made
                .iter()
                .position(|made| made.name == *table)
                .expect("what is kept is made");
            if place <= made_at && query.contains(table) {
                let (schema, name) = table.split_once('.').expect("names are qualified");
                let columns = self.rendered(columns, place);
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
            self.rendered(&query, place)
        );
        File { path: format!("sql/dbt/models/{}/{folder}/{name}.sql", self.name), content }
    }

    /// The macro that writes the picture of the segments.
    fn picture(&self) -> File {
        // Only where a file is named: beside the database, a folder of dbt, nobody looks for it.
        let copy = self.copy.replace("kpi.segment_map", "__RELATION__");
        let copy = copy.replace(&getvariable("svg"), &self.parameter("svg"));
        let world = self.name;
        let content = format!(
            "{{# {world}_picture: generated from sql/{world}/30_user_segments.sql (make docs). \
             #}}\n{{% macro {world}_picture(relation) %}}\n{{% if var('{world}_svg', none) \
             %}}\n{}{}\n{{% endif %}}\n{{% endmacro %}}\n",
            self.set_blocks(&copy),
            self.rendered(&copy, self.made.len()).replace("__RELATION__", "{{ relation }}"),
        );
        File { path: format!("sql/dbt/macros/{world}_picture.sql"), content }
    }

    fn variable(&self, name: &str) -> &Variable<'_> {
        let found = self.variables.iter().find(|variable| variable.name == name);
        found.unwrap_or_else(|| panic!("{}: nothing sets {name}", self.name))
    }

    /// Jinja that gives each variable of `sql` that the scripts set its value, those that others
    /// need first.
    fn set_blocks(&self, sql: &str) -> String {
        let mut names = Vec::new();
        self.collect_variables(sql, &mut names);
        let blocks: Vec<String> = names
            .iter()
            .map(|name| {
                let Variable { value, place, .. } = self.variable(name);
                let value = value.replace(&getvariable(name), &self.parameter(name));
                format!("{{% set {name} %}}{}{{% endset %}}\n", self.rendered(&value, *place))
            })
            .collect();
        blocks.concat()
    }

    fn collect_variables<'a>(&'a self, sql: &str, names: &mut Vec<&'a str>) {
        for Variable { name, value, .. } in &self.variables {
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
    /// session; `place` is how many tables and views are made before `sql`.
    fn rendered(&self, sql: &str, place: usize) -> String {
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
                        && ["raw", "temp", "clean", "config", "kpi", "main"].contains(&word) =>
                {
                    text.push_str(&self.relation(word, table, place));
                    rest = &after[1 + table.len()..];
                }
                _ => text.push_str(word),
            }
        }
        text.push_str(rest);
        for Variable { name, .. } in &self.variables {
            text = text.replace(&getvariable(name), &format!("{{{{ {name} }}}}"));
        }
        while let Some((before, after)) = text.split_once("getvariable('") {
            let (name, after) = after.split_once("')").expect("variables are named by a text");
            text = format!("{before}{}{after}", self.parameter(name));
        }
        text
    }

    /// Jinja for a table of the scripts, as it is when `place` tables and views are made.
    fn relation(&self, schema: &str, table: &str, place: usize) -> String {
        if schema == "raw" {
            return format!("{{{{ source('{}', '{table}') }}}}", self.name);
        }
        let name = format!("{schema}.{table}");
        if let Some(made) = self.made[..place].iter().rfind(|made| made.name == name) {
            return format!("{{{{ ref('{}') }}}}", self.model_name(made));
        }
        let none = format!("{}: nothing makes {name} before it is read", self.name);
        if schema == "config" {
            let (_, columns) = self.added_to.iter().find(|(table, _)| *table == name).expect(&none);
            let world = self.name;
            let empty = empty(columns);
            return format!("{{{{ amazing.kept('{world}', '{schema}', '{table}', '{empty}') }}}}");
        }
        let added_to = self.added_to.iter().find(|(added_to, _)| *added_to == name);
        let (_, columns) = added_to.expect(&none);
        empty(columns)
    }
}

/// A query of no row with the columns of a table, each on a line: `name TYPE constraints,`.
fn empty(columns: &str) -> String {
    let column = |line: &str| {
        let line = line.trim().trim_end_matches(',');
        if line.starts_with("PRIMARY KEY") {
            return None;
        }
        let (name, kind) = line.split_once(' ')?;
        let kind = kind.split(" NOT NULL").next()?.split(" PRIMARY KEY").next()?;
        Some(format!("NULL::{kind} AS {name}"))
    };
    let columns: Vec<String> = columns.lines().filter_map(column).collect();
    format!("(SELECT {} LIMIT 0)", columns.join(", "))
}

fn getvariable(name: &str) -> String {
    format!("getvariable('{name}')")
}
