//! The steps of pipelines: made of the files in `sql/<pipeline>` and of what all steps share, in
//! `sql/steps`.

use super::{Pipeline, statements};

/// A step between the load step and the segments.
#[derive(Debug)]
pub struct Step {
    /// What it is called: the name of its script without the extension.
    pub name: &'static str,
    /// The folder of its files in that of its pipeline.
    pub folder: &'static str,
    /// Its `about.sql`: the opening comment, what the step counts as its rows, and its answer.
    pub about: &'static str,
    /// Its other files in order.
    pub parts: &'static [&'static str],
}

/// The texts of files of one folder.
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(include_str!(concat!("../../sql/", $folder, "/", $name, ".sql"))),+]
    };
}

/// Those of the pipeline `marketplace`.
pub const MARKETPLACE: &[Step] = &[
    Step {
        name: "10_clean",
        folder: "clean",
        about: include_str!("../../sql/marketplace/clean/about.sql"),
        parts: files!("marketplace/clean": "tables", "rows", "spellings", "repeats", "typed_rows",
            "duplicates", "events", "corrections"),
    },
    Step {
        name: "20_kpi",
        folder: "kpi",
        about: include_str!("../../sql/marketplace/kpi/about.sql"),
        parts: files!("marketplace/kpi": "visits", "user_features", "months", "products", "funnel",
            "cohorts"),
    },
];

/// Those of the pipeline `games`.
pub const GAMES: &[Step] = &[
    Step {
        name: "10_clean",
        folder: "clean",
        about: include_str!("../../sql/games/clean/about.sql"),
        parts: files!("games/clean": "categories", "typed_rows", "rejected", "tables",
            "corrections"),
    },
    Step {
        name: "20_kpi",
        folder: "kpi",
        about: include_str!("../../sql/games/kpi/about.sql"),
        parts: files!("games/kpi": "activity", "user_status", "user_engagement", "demographics",
            "game_performance", "months", "seasonality", "by_month", "location"),
    },
];

const STEP: &str = include_str!("../../sql/steps/step.sql");
const BEGIN_RUN: &str = include_str!("../../sql/steps/begin_run.sql");
const RECORD_RUN: &str = include_str!("../../sql/steps/record_run.sql");
const CATEGORY_MAP: &str = include_str!("../../sql/steps/category_map.sql");
const EVENT_TYPES: &str = include_str!("../../sql/steps/event_types.sql");
const RUNS_TABLE: &str = include_str!("../../sql/steps/runs_table.sql");
const USER_SEGMENTS: &str = concat!(
    include_str!("../../sql/steps/segments/about.sql"),
    include_str!("../../sql/steps/segments/choice.sql"),
    include_str!("../../sql/steps/segments/fit.sql"),
    include_str!("../../sql/steps/segments/names.sql"),
    include_str!("../../sql/steps/segments/history.sql"),
    include_str!("../../sql/steps/segments/map.sql"),
    include_str!("../../sql/steps/segments/news.sql"),
);

impl Step {
    /// The script of the step: `sql/steps/step.sql` with the places filled.
    ///
    /// # Panics
    /// When a file lacks what it should hold: an error in our own files.
    pub(super) fn render(&self) -> String {
        let about = self.about.replace("\r\n", "\n");
        let mut parts = about.splitn(3, "\n\n");
        let (Some(head), Some(rows), Some(answer)) = (parts.next(), parts.next(), parts.next())
        else {
            panic!("about.sql has a comment, a variable and an answer");
        };
        let parts: Vec<String> = self.parts.iter().map(|part| repeat_each(part)).collect();
        let category_map = without_comment(CATEGORY_MAP);
        let statements = parts.join("\n").replace("-- {category map}", category_map.trim_end());
        let statements = with_event_types(&statements);
        let text = without_comment(STEP)
            .replace("{folder}", self.folder)
            .replace("{head}", head)
            .replace("{statements}", statements.trim_end())
            .replace("{rows}", rows)
            .replace("{drops}", &drops(&statements))
            .replace("{answer}", answer.trim_end());
        with_runs(&text, self.name)
    }
}

/// `text` with what knows the types of events in place of `-- {event types: a, b}`.
fn with_event_types(text: &str) -> String {
    let Some((before, (types, after))) = text
        .split_once("-- {event types: ")
        .and_then(|(before, rest)| Some((before, rest.split_once("}\n")?)))
    else {
        return text.to_string();
    };
    let types: Vec<String> = types.split(", ").map(|name| format!("'{name}'")).collect();
    let statements = without_comment(EVENT_TYPES).replace("{types}", &types.join(", "));
    format!("{before}{statements}{after}")
}

/// The last step of a pipeline: `sql/steps/segments` with the places filled from
/// `segments`.
///
/// # Panics
/// When `segments` lacks a part: an error in our own files.
pub(super) fn render_segments_step(segments: &str) -> String {
    fill_segments(&without_comment(USER_SEGMENTS), segments)
}

fn fill_segments(template: &str, segments: &str) -> String {
    let segments = segments.replace("\r\n", "\n");
    let mut parts = segments.splitn(3, "\n\n");
    let (Some(head), Some(features), Some(own_statements)) =
        (parts.next(), parts.next(), parts.next())
    else {
        panic!("segments.sql has places, a comment on features, and statements");
    };
    let text =
        template.replace("{features}", features).replace("{statements}", own_statements.trim_end());
    head.lines()
        .filter_map(|line| line.strip_prefix("-- {")?.split_once("} "))
        .fold(text, |text, (place, value)| text.replace(&format!("{{{place}}}"), value))
}

/// `text` with the statements that make the table of runs.
pub(super) fn with_runs_table(text: &str) -> String {
    text.replace("-- {table of runs}", without_comment(RUNS_TABLE).trim_end())
}

/// `text` with what begins and records the run of a step.
pub(super) fn with_runs(text: &str, step: &str) -> String {
    let begin: Vec<String> = without_comment(BEGIN_RUN)
        .split("\n\n")
        .filter_map(|paragraph| match paragraph.strip_prefix("-- {but for 00_raw}\n") {
            Some(rest) => (step != Pipeline::LOAD_STEP).then(|| rest.to_string()),
            None => Some(paragraph.to_string()),
        })
        .collect();
    text.replace("-- {begin a run}", begin.join("\n\n").trim_end())
        .replace("-- {record a run}", without_comment(RECORD_RUN).trim_end())
        .replace("{step}", step)
        .replace("{parameters}", &parameters(text).join(",\n                "))
}

/// The session variables that the opening comment of a step lists, quoted.
fn parameters(text: &str) -> Vec<String> {
    let list = text.split("\n-- Parameter").nth(1).expect("a step has parameters");
    list.lines()
        .skip(1)
        .take_while(|line| line.starts_with("--   "))
        .filter_map(|line| line.strip_prefix("--   ")?.split_once("  "))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, _)| format!("'{name}'"))
        .collect()
}

/// A file of `sql/steps` without the comment that says what it is.
fn without_comment(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let (_, rest) = text.split_once("\n\n").expect("a template begins with a comment of its own");
    rest.to_string()
}

/// `text` with what stands between `-- {each of a, b}` and `-- {end}` once for each name, which
/// takes the place of `{each}`.
fn repeat_each(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut repeated = String::new();
    let mut rest = text.as_str();
    while let Some((before, from)) = rest.split_once("-- {each of ") {
        let (names, from) = from.split_once("}\n").expect("{each of ...} is a line");
        let (once, after) = from.split_once("-- {end}\n").expect("{each of ...} has an {end}");
        let copies: Vec<String> =
            names.split(", ").map(|name| once.replace("{each}", name)).collect();
        repeated += before;
        repeated += &copies.join("\n");
        rest = after;
    }
    repeated + rest
}

/// The statements that drop the temporary tables and views of `sql`, the last one first.
fn drops(sql: &str) -> String {
    let mut drops = Vec::new();
    for statement in statements(sql) {
        for kind in ["TABLE", "VIEW"] {
            let made = statement.strip_prefix(&format!("CREATE OR REPLACE TEMP {kind} "));
            if let Some(name) = made.and_then(|rest| rest.split_whitespace().next()) {
                drops.push(format!("DROP {kind} temp.{name};"));
            }
        }
    }
    drops.reverse();
    drops.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripts::PIPELINES;

    #[test]
    fn a_step_is_the_template_with_the_texts_of_its_files() {
        let step = Step {
            name: "10_clean",
            folder: "clean",
            about: concat!(
                "-- Head.\n--\n-- Parameter:\n--   as_of  a day\n--          in June\n",
                "--   k      segments\n--\n-- More.\n\nSET VARIABLE run_counts = 1;\n\n",
                "SELECT 2;\n",
            ),
            parts: &[
                "-- First.\n\nCREATE OR REPLACE TEMP TABLE a AS\nSELECT 1;\n",
                "-- Second.\n\n-- {each of b, c}\nCREATE OR REPLACE TEMP VIEW {each} AS\nSELECT \
                 1;\n-- {end}\n",
            ],
        };
        let script = step.render();
        let statements = statements(&script);
        assert!(script.starts_with("-- Head.\n--\n-- Parameter:\n"));
        assert!(script.contains("\n-- More.\n--\n-- Generated from clean/*.sql"));
        assert!(script.contains("v.name IN (\n                'as_of',\n                'k'\n"));
        assert_eq!(statements.iter().filter(|s| s.starts_with("BEGIN")).count(), 1);
        let after_begin = statements.iter().skip_while(|s| !s.starts_with("BEGIN"));
        let begins: Vec<&str> =
            after_begin.map(|s| s.split([' ', '\n']).next().unwrap_or_default()).collect();
        assert_eq!(
            begins,
            [
                "BEGIN", "CREATE", "CREATE", "CREATE", "SET", "DELETE", "INSERT", "DROP", "DROP",
                "DROP", "COMMIT", "SELECT"
            ]
        );
        assert!(script.contains("TEMP VIEW b AS\nSELECT 1;\n\nCREATE OR REPLACE TEMP VIEW c AS\n"));
        assert!(script.contains("DROP VIEW temp.c;\n\nDROP VIEW temp.b;\n\nDROP TABLE temp.a;\n"));
        assert!(script.ends_with("COMMIT;\n\nSELECT 2;\n"));
    }

    #[test]
    fn the_segments_step_is_its_template_with_the_places_filled() {
        let template = "-- Of {who}.\n{features}\n\n{statements}\n\nSELECT {'x': 1} FROM {who};\n";
        let segments = "-- About.\n-- {who} kpi.users\n\n-- Features.\n-- More.\n\nSELECT \
                        1;\n\nSELECT 2;\n";
        assert_eq!(
            fill_segments(template, segments),
            "-- Of kpi.users.\n-- Features.\n-- More.\n\nSELECT 1;\n\nSELECT 2;\n\nSELECT {'x': 1} \
             FROM kpi.users;\n"
        );
    }

    #[test]
    fn no_place_stays_open_and_each_step_is_one_run() {
        for pipeline in PIPELINES {
            for (name, script) in pipeline.all_steps() {
                let places = [
                    "{head}",
                    "{folder}",
                    "{statements}",
                    "{rows}",
                    "{drops}",
                    "{answer}",
                    "{step}",
                    "{each",
                    "{end}",
                    "{begin",
                    "{but",
                    "{table of",
                    "{parameters}",
                    "{record",
                    "{users}",
                    "{events}",
                    "{title}",
                ];
                for place in places {
                    assert!(!script.contains(place), "{} {name}: {place}", pipeline.name);
                }
                let recorded = format!("    '{name}' AS step,\n");
                assert_eq!(script.matches(&recorded).count(), 1, "{} {name}", pipeline.name);
                assert_eq!(script.matches("\nBEGIN TRANSACTION;\n").count(), 1, "{name}");
            }
        }
    }
}
