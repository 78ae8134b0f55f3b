//! `docs/functions.md`: the reference of all functions.

use std::fmt::Write;

use super::{FUNCTIONS, call, called_behind, returns};
use crate::functions::options::{self, OptionText};
use crate::functions::{Example, Kind};

/// `docs/functions.md`: the reference of all functions.
pub fn reference() -> String {
    let mut text = String::from(
        "# Functions\n\n<!-- page not run: test/sql/examples.test has its examples and errors; the \
         calls are no statements -->\n\nGenerated from the catalog (`make docs`). Relations are \
         called by their bare names after `INSTALL` on DuckDB 2.0; on 1.4 and 1.5 after `SET \
         search_path = 'main,amz'`, or as `amz.kmeans_segments(...)` ([names](install.md#names)). \
         Every example and every error is run by the tests.\n",
    );
    for (kind, title) in [
        (Kind::Relation, "Relations"),
        (Kind::Aggregate, "Aggregates"),
        (Kind::Scalar, "Scalars"),
        (Kind::Table, "Table functions"),
    ] {
        let _ = write!(text, "\n## {title}\n");
        for function in FUNCTIONS.iter().filter(|function| function.kind == kind) {
            let _ =
                write!(text, "\n### `{}`\n\n{}\n", function.signature.name, function.description);
            let _ = write!(text, "\n```sql\n{}\n```\n", called_behind("", &call(function)));
            let _ = write!(text, "\nReturns: `{}`. Since {}.\n", returns(function), function.since);
            if !function.details.is_empty() {
                let _ = write!(text, "\n{}\n", function.details.trim_end());
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

/// A query of one line with bare names, and its CTEs in a line of their own: what is shown stands
/// out from what it needs.
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
        "\n## Options\n\nNamed parameters of the relations (`k := 5`), and fields of the STRUCT \
         that the building blocks take (`kmeans_fit(u, 5, {'seed': 7})`). NULL means the default; \
         an unknown name is an error that lists what the function takes.\n\n| name | default | \
         meaning | `kmeans_fit` | `kmeans_evaluate` | `gmm_fit` | `gmm_evaluate` | `pca_fit` | \
         `feature_summary` |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for OptionText { name, default, meaning } in options::REFERENCE {
        let mark = |accepted: &[&str]| if accepted.contains(name) { "yes" } else { "" };
        let (kmeans, evaluate) = (mark(options::KMEANS), mark(options::EVALUATE));
        let (gmm, gmm_evaluate) = (mark(options::GMM), mark(options::GMM_EVALUATE));
        let (pca, summary) = (mark(options::PCA), mark(options::SUMMARY));
        let _ = writeln!(
            text,
            "| `{name}` | `{default}` | {meaning} | {kmeans} | {evaluate} | {gmm} | \
             {gmm_evaluate} | {pca} | {summary} |"
        );
    }
    text
}
