//! The SQL that travels in the binary: relation macros and pipelines, each text once, in `sql/`.

/// A file of `sql/`.
#[derive(Debug)]
pub struct Script {
    /// File name without its extension.
    pub name: &'static str,
    /// The text.
    pub sql: &'static str,
}

/// The scripts that build the layers of one world, in order.
#[derive(Debug)]
pub struct Pipeline {
    /// Folder in `sql/`.
    pub name: &'static str,
    /// Its steps.
    pub steps: &'static [Script],
}

/// The relation macros, one file per subject.
pub const MACROS: &[Script] = &[
    Script { name: "activity", sql: include_str!("../sql/functions/activity.sql") },
    Script { name: "category", sql: include_str!("../sql/functions/category.sql") },
    Script { name: "files", sql: include_str!("../sql/functions/files.sql") },
    Script { name: "introspection", sql: include_str!("../sql/functions/introspection.sql") },
    Script { name: "kmeans", sql: include_str!("../sql/functions/kmeans.sql") },
    Script { name: "pca", sql: include_str!("../sql/functions/pca.sql") },
    Script { name: "summary", sql: include_str!("../sql/functions/summary.sql") },
];

/// The pipelines.
pub const PIPELINES: &[Pipeline] = &[Pipeline {
    name: "marketplace",
    steps: &[
        Script { name: "00_raw", sql: include_str!("../sql/marketplace/00_raw.sql") },
        Script { name: "10_clean", sql: include_str!("../sql/marketplace/10_clean.sql") },
        Script { name: "20_kpi", sql: include_str!("../sql/marketplace/20_kpi.sql") },
        Script { name: "30_user_segments", sql: include_str!("../sql/marketplace/30_user_segments.sql") },
    ],
}];

/// What every macro statement begins with; the name follows.
pub const CREATE: &str = "CREATE OR REPLACE MACRO ";

/// A relation macro: `CREATE OR REPLACE MACRO name(parameters) AS TABLE ...`.
#[derive(Debug, PartialEq, Eq)]
pub struct Macro<'a> {
    /// Its name.
    pub name: &'a str,
    /// What stands between the parentheses, on one line.
    pub parameters: String,
    /// The whole statement.
    pub statement: &'a str,
}

/// All relation macros in the order of their files.
pub fn macros() -> Vec<Macro<'static>> {
    MACROS.iter().flat_map(|script| statements(script.sql)).map(parse_macro).collect()
}

/// # Panics
/// When the statement is not one of a macro: an error in our own files.
fn parse_macro(statement: &str) -> Macro<'_> {
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
    Macro { name, parameters, statement }
}

/// The statements of a script: cut at semicolons outside of quotes and comments, without the comments before each.
pub fn statements(sql: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let bytes = sql.as_bytes();
    // Where the current statement starts: its first character that is neither white space nor comment.
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

/// Index behind the next `end`, or the end of the text. A doubled quote inside a text ends one and begins another.
fn find(sql: &str, from: usize, end: &str) -> usize {
    sql[from..].find(end).map_or(sql.len(), |at| from + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_cut_outside_of_quotes_and_comments() {
        let sql = "-- a; comment\nSELECT 'it''s; one', \"a;b\" -- not; here\n FROM t;\n/* none; */\n\nSELECT $$x;y$$;";
        assert_eq!(statements(sql), ["SELECT 'it''s; one', \"a;b\" -- not; here\n FROM t", "SELECT $$x;y$$"]);
    }

    #[test]
    fn a_script_without_statements_has_none() {
        assert!(statements("-- nothing\n;;\n").is_empty());
    }

    #[test]
    fn a_macro_is_read_with_its_parameters() {
        let sql = "CREATE OR REPLACE MACRO f(\n    source,\n    k := 5,\n    n := (1 + 2)\n) AS TABLE\n    SELECT 1";
        let parsed = parse_macro(sql);
        assert_eq!((parsed.name, parsed.parameters.as_str()), ("f", "source, k := 5, n := (1 + 2)"));
    }
}
