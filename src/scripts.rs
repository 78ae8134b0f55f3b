//! The SQL that travels in the binary: relation macros and pipelines, each text once, in `sql/`.

mod steps;

pub use steps::Step;

/// A file of `sql/`.
#[derive(Debug)]
pub struct Script {
    /// File name without its extension.
    pub name: &'static str,
    /// The text.
    pub sql: &'static str,
}

/// What builds the layers of one world.
#[derive(Debug)]
pub struct Pipeline {
    /// Folder in `sql/`.
    pub name: &'static str,
    /// Its `raw_tables.sql`: which tables the files are loaded into, and what else the load step
    /// does there.
    pub raw_tables: &'static str,
    /// The steps between the load step and the segments, in order.
    pub steps: &'static [Step],
    /// Its `segments.sql`: whose segments the last step finds, and by which features.
    pub segments: &'static str,
}

/// The relation macros, one file per subject.
pub const MACROS: &[Script] = &[
    Script { name: "activity", sql: include_str!("../sql/functions/activity.sql") },
    Script { name: "category", sql: include_str!("../sql/functions/category.sql") },
    Script {
        name: "category_variants",
        sql: include_str!("../sql/functions/category_variants.sql"),
    },
    Script { name: "events", sql: include_str!("../sql/functions/events.sql") },
    Script { name: "funnel", sql: include_str!("../sql/functions/funnel.sql") },
    Script { name: "files", sql: include_str!("../sql/functions/files.sql") },
    Script { name: "introspection", sql: include_str!("../sql/functions/introspection.sql") },
    Script { name: "kmeans", sql: include_str!("../sql/functions/kmeans.sql") },
    Script { name: "gmm", sql: include_str!("../sql/functions/gmm.sql") },
    Script { name: "pca", sql: include_str!("../sql/functions/pca.sql") },
    Script { name: "rfm", sql: include_str!("../sql/functions/rfm.sql") },
    Script { name: "rules", sql: include_str!("../sql/functions/rules.sql") },
    Script { name: "summary", sql: include_str!("../sql/functions/summary.sql") },
    Script { name: "migration", sql: include_str!("../sql/functions/migration.sql") },
    Script { name: "value", sql: include_str!("../sql/functions/value.sql") },
    Script { name: "value_check", sql: include_str!("../sql/functions/value_check.sql") },
];

/// The load step of all pipelines, with places for what differs.
const LOAD_FILES: &str = concat!(
    include_str!("../sql/load/about.sql"),
    include_str!("../sql/load/own_tables.sql"),
    include_str!("../sql/load/files.sql"),
    include_str!("../sql/load/columns.sql"),
    include_str!("../sql/load/sources.sql"),
    include_str!("../sql/load/contents.sql"),
    include_str!("../sql/load/headers.sql"),
    include_str!("../sql/load/queue.sql"),
    include_str!("../sql/load/texts.sql"),
    include_str!("../sql/load/rows.sql"),
    include_str!("../sql/load/rejected.sql"),
    include_str!("../sql/load/record.sql"),
);

/// The pipelines.
pub const PIPELINES: &[Pipeline] = &[
    Pipeline {
        name: "marketplace",
        raw_tables: include_str!("../sql/marketplace/raw_tables.sql"),
        steps: steps::MARKETPLACE,
        segments: include_str!("../sql/marketplace/segments.sql"),
    },
    Pipeline {
        name: "games",
        raw_tables: include_str!("../sql/games/raw_tables.sql"),
        steps: steps::GAMES,
        segments: include_str!("../sql/games/segments.sql"),
    },
];

impl Pipeline {
    /// The name of the load step, which is made of [`Pipeline::raw_tables`] and the text that all
    /// pipelines share.
    pub const LOAD_STEP: &'static str = "00_raw";

    /// The name of the last step, which is made of [`Pipeline::segments`] likewise.
    pub const SEGMENTS_STEP: &'static str = "30_user_segments";

    /// All steps in order: name and text.
    pub fn all_steps(&self) -> Vec<(&'static str, String)> {
        let own = self.steps.iter().map(|step| (step.name, step.render()));
        let segments = steps::render_segments_step(self.segments);
        let segments = steps::with_runs(&segments, Self::SEGMENTS_STEP);
        let rest: Vec<_> = own.chain([(Self::SEGMENTS_STEP, segments)]).collect();
        let made: Vec<&str> = rest.iter().flat_map(|(_, sql)| tables_made(sql)).collect();
        let load = render_load_step(&steps::with_runs_table(LOAD_FILES), self.raw_tables, &made);
        let load = steps::with_runs(&load, Self::LOAD_STEP);
        std::iter::once((Self::LOAD_STEP, load)).chain(rest).collect()
    }
}

/// The tables and views that a script makes, but for temporary ones, each once.
fn tables_made(sql: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for statement in statements(sql) {
        let name =
            ["CREATE OR REPLACE TABLE ", "CREATE OR REPLACE VIEW ", "CREATE TABLE IF NOT EXISTS "]
                .iter()
                .find_map(|create| statement.strip_prefix(create))
                .and_then(|rest| rest.split_whitespace().next());
        // What people fill may be there before the first load.
        let name = name.filter(|name| !name.starts_with("config."));
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

/// The load step of a pipeline: `template` (`sql/load/`) with the places filled from
/// `raw_tables`; `made` are the tables of the other steps.
///
/// # Panics
/// When one of the two lacks what the other needs: an error in our own files.
fn render_load_step(template: &str, raw_tables: &str, made: &[&str]) -> String {
    let (template, raw_tables) = (template.replace("\r\n", "\n"), raw_tables.replace("\r\n", "\n"));
    let (_, template) =
        template.split_once("\n\n").expect("the template begins with a comment of its own");
    let (head, own_statements) =
        raw_tables.split_once("\n\n").expect("raw_tables.sql begins with a comment");
    let tables = raw_table_columns(&raw_tables);
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, from)) = rest.split_once("-- {each table}\n") {
        let (repeated, after) = from.split_once("-- {end}\n").expect("{each table} has an {end}");
        text.push_str(before);
        let for_table = |(table, columns): &(&str, Vec<&str>)| {
            let columns: Vec<String> =
                columns.iter().map(|column| format!("{column} VARCHAR")).collect();
            repeated.replace("{table}", table).replace("{columns}", &columns.join(",\n    "))
        };
        text.push_str(&tables.iter().map(for_table).collect::<Vec<_>>().join("\n"));
        rest = after;
    }
    text.push_str(rest);
    let several = " -- {if several tables}";
    let text: String = text
        .lines()
        .filter(|line| tables.len() > 1 || !line.ends_with(several))
        .flat_map(|line| [line.strip_suffix(several).unwrap_or(line), "\n"])
        .collect();
    let text = text.replace("{head}", head).replace("{statements}", own_statements.trim_end());
    let mut own = tables_made(&text);
    own.extend(made);
    let own: Vec<String> = own.iter().map(|name| format!("('{name}')")).collect();
    text.replace("{tables}", &own.join(",\n        "))
}

/// The tables and columns that `raw_tables.sql` lists, as lines `('table', 'column', true)`.
fn raw_table_columns(raw_tables: &str) -> Vec<(&str, Vec<&str>)> {
    let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in raw_tables.lines().filter(|line| line.trim_start().starts_with("('")) {
        let mut names = line.split('\'').skip(1).step_by(2);
        let (Some(table), Some(column)) = (names.next(), names.next()) else {
            panic!("not a table and a column: {line}");
        };
        match tables.last_mut().filter(|(last, _)| *last == table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((table, vec![column])),
        }
    }
    assert!(!tables.is_empty(), "raw_tables.sql lists columns");
    tables
}

/// The schemas of a pipeline.
const SCHEMAS: &[&str] = &["raw", "clean", "config", "kpi", "main"];

/// `sql` with its schemas called `<prefix>raw` and so on, wherever they stand before a name
/// (`raw.events`, also in a text that is run as SQL) or are created.
pub fn prefix_schemas(sql: &str, prefix: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find(is_word) {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        let is_qualifier = !text.ends_with('.')
            && after.strip_prefix('.').is_some_and(|name| name.starts_with(is_word));
        if SCHEMAS.contains(&word)
            && (is_qualifier || text.ends_with("CREATE SCHEMA IF NOT EXISTS "))
        {
            text.push_str(prefix);
        }
        text.push_str(word);
        rest = after;
    }
    text + rest
}

/// What every macro statement begins with; the name follows.
pub const CREATE: &str = "CREATE OR REPLACE MACRO ";

/// A relation macro: `CREATE OR REPLACE MACRO name(parameters) AS TABLE ...`.
#[derive(Debug, PartialEq, Eq)]
pub struct Macro<'a> {
    /// Its name.
    pub name: &'a str,
    /// What stands between the parentheses, on one line.
    pub parameters: String,
    /// Its parameters in order, each with its default where it has one.
    pub defaults: Vec<(&'a str, Option<&'a str>)>,
    /// The query behind `AS TABLE`.
    pub body: &'a str,
    /// The whole statement.
    pub statement: &'a str,
}

/// All relation macros in the order of their files.
pub fn macros() -> Vec<Macro<'static>> {
    MACROS.iter().flat_map(|script| statements(script.sql)).map(parse_macro).collect()
}

/// # Panics
/// When the statement is not one of a macro: an error in our own files.
fn parse_macro<'a>(statement: &'a str) -> Macro<'a> {
    let rest = statement.strip_prefix(CREATE).expect("files in sql/functions hold macros only");
    let (name, rest) = rest.split_once('(').expect("a macro has parameters");
    let mut depth = 1;
    let end = rest
        .char_indices()
        .find(|(_, c)| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0
        })
        .map(|(end, _)| end)
        .expect("parentheses are closed");
    let words: Vec<&str> = rest[..end].split_whitespace().collect();
    let parameters = words.join(" ").trim_end_matches(',').to_string();
    let default = |parameter: &'a str| match parameter.split_once(":=") {
        Some((name, default)) => (bare(name), Some(default.trim())),
        None => (bare(parameter), None),
    };
    let defaults = cut_at_commas(&rest[..end]).into_iter().map(default).collect();
    let body =
        rest[end + 1..].trim_start().strip_prefix("AS TABLE").expect("macros are relations").trim();
    Macro { name, parameters, defaults, body, statement }
}

/// A name without the quotes that DuckDB 1.x needs around a keyword such as `time`.
fn bare(name: &str) -> &str {
    name.trim().trim_matches('"')
}

/// The parts of a list, cut at commas outside of parentheses and quotes; none that is empty.
fn cut_at_commas(list: &str) -> Vec<&str> {
    let (mut depth, mut quoted) = (0, false);
    let outside = |c: char| {
        quoted ^= c == '\'';
        depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(matches!(c, ')' | ']' | '}'));
        c == ',' && depth == 0 && !quoted
    };
    list.split(outside).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The statements of a script: cut at semicolons outside of quotes and comments, without the
/// comments before each.
pub fn statements(sql: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let bytes = sql.as_bytes();
    // Where the current statement starts: its first character that is neither white space nor
    // comment.
    let mut start = None;
    let mut i = 0;
    while i < bytes.len() {
        let next = match bytes[i] {
            b'-' if bytes[i..].starts_with(b"--") => {
                i = find(sql, i, "\n");
                continue;
            }
            b'/' if bytes[i..].starts_with(b"/*") => {
                i = find(sql, i + 2, "*/");
                continue;
            }
            b';' => {
                if let Some(start) = start.take() {
                    statements.push(sql[start..i].trim_end());
                }
                i += 1;
                continue;
            }
            b'\'' => find(sql, i + 1, "'"),
            b'"' => find(sql, i + 1, "\""),
            b'$' if bytes[i..].starts_with(b"$$") => find(sql, i + 2, "$$"),
            byte if byte.is_ascii_whitespace() => {
                i += 1;
                continue;
            }
            _ => i + 1,
        };
        start.get_or_insert(i);
        i = next;
    }
    if let Some(start) = start {
        statements.push(sql[start..].trim_end());
    }
    statements
}

/// Index behind the next `end`, or the end of the text. A doubled quote inside a text ends one and
/// begins another.
fn find(sql: &str, from: usize, end: &str) -> usize {
    sql[from..].find(end).map_or(sql.len(), |at| from + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_cut_outside_of_quotes_and_comments() {
        let sql = "-- a; comment\nSELECT 'it''s; one', \"a;b\" -- not; here\n FROM t;\n/* none; \
                   */\n\nSELECT $$x;y$$;";
        assert_eq!(
            statements(sql),
            ["SELECT 'it''s; one', \"a;b\" -- not; here\n FROM t", "SELECT $$x;y$$"]
        );
    }

    const TEMPLATE: &str = "-- Of the template.\n\n{head}\n-- shared\n{statements}\n\n-- {each \
                            table}\nCREATE TABLE raw.{table} (\n    {columns}\n);\n-- \
                            {end}\n\nSELECT\n    a, -- {if several tables}\n    b;\n";

    #[test]
    fn the_load_step_of_one_table_is_the_template_with_its_places_filled() {
        let raw_tables = "-- Head.\n-- More.\n\nSELECT\n    ('t', 'x', true),\n    ('t', 'y', \
                          false)\n;\n";
        assert_eq!(
            render_load_step(TEMPLATE, raw_tables, &[]),
            "-- Head.\n-- More.\n-- shared\nSELECT\n    ('t', 'x', true),\n    ('t', 'y', \
             false)\n;\n\nCREATE TABLE raw.t (\n    x VARCHAR,\n    y VARCHAR\n);\n\nSELECT\n    \
             b;\n"
        );
    }

    #[test]
    fn the_load_step_of_several_tables_repeats_what_each_needs() {
        let raw_tables = "-- Head.\n\n    ('t', 'x', true),\n    ('u', 'x', false)\n";
        let text = render_load_step(TEMPLATE, raw_tables, &[]);
        assert!(
            text.ends_with(
                "CREATE TABLE raw.t (\n    x VARCHAR\n);\n\nCREATE TABLE raw.u (\n    x \
                 VARCHAR\n);\n\nSELECT\n    a,\n    b;\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn the_load_step_knows_all_tables_that_the_pipeline_makes() {
        let sql = "CREATE OR REPLACE TEMP TABLE a AS SELECT 1;\n-- more\nCREATE OR REPLACE TABLE \
                   kpi.b AS SELECT 1;\nCREATE TABLE IF NOT EXISTS raw.c (x INT);\nCREATE OR \
                   REPLACE TABLE kpi.b AS\nSELECT 2;\nCREATE OR REPLACE VIEW main.d AS SELECT 1;";
        assert_eq!(tables_made(sql), ["kpi.b", "raw.c", "main.d"]);
        for pipeline in PIPELINES {
            let (_, load) = pipeline.all_steps().swap_remove(0);
            for table in [
                "raw.loaded_files",
                "raw.pipeline_runs",
                "clean.events",
                "kpi.segment_map",
                "main.user_segments",
            ] {
                assert!(
                    load.contains(&format!("\n        ('{table}')")),
                    "{}: {table}",
                    pipeline.name
                );
            }
        }
    }

    #[test]
    fn no_place_of_the_template_stays_open() {
        for pipeline in PIPELINES {
            let load = render_load_step(LOAD_FILES, pipeline.raw_tables, &[]);
            for place in [
                "{head}",
                "{statements}",
                "{table}",
                "{tables}",
                "{columns}",
                "{each",
                "{end}",
                "{if",
            ] {
                assert!(!load.contains(place), "{}: {place}", pipeline.name);
            }
        }
    }

    #[test]
    fn no_header_fits_two_tables() {
        for pipeline in PIPELINES {
            let required =
                |line: &&str| line.trim_start().starts_with("('") && line.contains("true");
            let required: Vec<&str> = pipeline.raw_tables.lines().filter(required).collect();
            let required = required.join("\n");
            let tables = raw_table_columns(pipeline.raw_tables);
            for ((name, needed), (other, offered)) in
                raw_table_columns(&required).iter().flat_map(|a| tables.iter().map(move |b| (a, b)))
            {
                let fits = needed.iter().all(|column| offered.contains(column));
                assert_eq!(fits, name == other, "{}: {name}, {other}", pipeline.name);
            }
        }
    }

    #[test]
    fn schemas_get_a_prefix_where_they_stand_before_a_name() {
        for (sql, expected) in [
            ("CREATE SCHEMA IF NOT EXISTS raw", "CREATE SCHEMA IF NOT EXISTS g_raw"),
            ("SELECT raw.x FROM main.t, clean.u", "SELECT g_raw.x FROM g_main.t, g_clean.u"),
            ("query('SELECT * FROM raw.t LIMIT 0')", "query('SELECT * FROM g_raw.t LIMIT 0')"),
            (
                "system.main.f(temp.raw, 20_kpi.x, raw . x)",
                "system.main.f(temp.raw, 20_kpi.x, raw . x)",
            ),
            ("'files are raw. Then' || kpi", "'files are raw. Then' || kpi"),
            ("kpi.é || 'ü raw.'", "g_kpi.é || 'ü raw.'"),
            ("", ""),
        ] {
            assert_eq!(prefix_schemas(sql, "g_"), expected);
            assert_eq!(prefix_schemas(sql, ""), sql);
        }
    }

    #[test]
    fn a_script_without_statements_has_none() {
        assert!(statements("-- nothing\n;;\n").is_empty());
    }

    #[test]
    fn a_macro_is_read_with_its_parameters() {
        let sql = "CREATE OR REPLACE MACRO f(\n    source,\n    \"k\" := 5,\n    n := (1 + 2)\n) \
                   AS TABLE\n    SELECT 1";
        let parsed = parse_macro(sql);
        assert_eq!(
            (parsed.name, parsed.parameters.as_str()),
            ("f", "source, \"k\" := 5, n := (1 + 2)")
        );
        assert_eq!(parsed.defaults, [("source", None), ("k", Some("5")), ("n", Some("(1 + 2)"))]);
        assert_eq!(parsed.body, "SELECT 1");
    }
}
