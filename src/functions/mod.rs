//! SQL function adapters, one file per subject: arguments in, columns out.
//!
//! Each file holds the entries of its functions next to their code; [`crate::catalog`] lists them.

pub mod activity;
pub mod call;
pub mod category;
pub mod clv;
pub mod columns;
pub mod events;
pub mod exact;
pub mod features;
pub mod files;
pub mod games;
pub mod generators;
pub mod gmm;
mod identifier;
pub mod kmeans;
pub mod model;
pub mod options;
pub mod orders;
pub mod pca;
pub mod plot;
mod portable;
pub mod repeats;
pub mod rfm;
pub mod rules;
pub mod season;
mod segments;
mod states;
pub mod summary;
pub mod summary_states;

use std::ops::Range;

use crate::ffi::{Chunk, Column, Parameter, Registry, Result, Signature, SqlType};

/// What a function is in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Folds rows into one value.
    Aggregate,
    /// One result a row.
    Scalar,
    /// Rows from constant parameters.
    Table,
    /// A table macro over the building blocks, in the catalog `amz`.
    Relation,
}

impl Kind {
    /// The word for it in documentation and `amazing_functions()`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Aggregate => "aggregate",
            Kind::Scalar => "scalar",
            Kind::Table => "table function",
            Kind::Relation => "relation",
        }
    }
}

/// A call with its result: documentation, and a test.
#[derive(Debug)]
pub struct Example {
    /// One query.
    pub sql: &'static str,
    /// Its rows, values separated by ` | `.
    pub rows: &'static [&'static str],
}

/// One entry of the catalog.
#[derive(Debug)]
pub struct Function {
    /// What it is.
    pub kind: Kind,
    /// What it is about: its category in `duckdb_functions()`.
    pub subject: &'static str,
    /// Name, parameters, result. The parameters of a relation are those of its macro text.
    pub signature: Signature,
    /// Result columns of a relation; empty for the others, whose signature says it.
    pub columns: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// The rest a user needs: NULL, units, errors, sources. Markdown.
    pub details: &'static str,
    /// Calls that documentation shows and tests run.
    pub examples: &'static [Example],
    /// Calls that are mistakes, each with what its error says: documentation, and tests.
    pub errors: &'static [(&'static str, &'static str)],
    /// Version that brought it.
    pub since: &'static str,
    /// Registers it; relations are created from their macro text instead.
    pub register: Option<fn(&mut Registry<'_>, &Function) -> Result<()>>,
}

/// A required parameter.
pub(crate) const fn required(name: &'static str, sql_type: SqlType) -> Parameter {
    Parameter { name, sql_type, optional: false }
}

/// An optional parameter.
pub(crate) const fn optional(name: &'static str, sql_type: SqlType) -> Parameter {
    Parameter { name, sql_type, optional: true }
}

/// The signature of a relation: its parameters stand in the macro text.
pub(crate) const fn relation(name: &'static str) -> Signature {
    Signature { name, parameters: &[], returns: SqlType::Any }
}

/// The candidate that a misspelled `name` most likely means.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const CLOSE_ENOUGH: f64 = 0.6;
    candidates
        .into_iter()
        .map(|candidate| (crate::text::similarity(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= CLOSE_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `, did you mean "x"` for a misspelled name, or nothing.
fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates)
        .map_or_else(String::new, |candidate| format!(", did you mean \"{candidate}\""))
}

/// Names in quotes, for messages: `"a", "b"`; long lists are cut.
fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<&str> = names.into_iter().collect();
    let mut text: Vec<String> =
        names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}

/// The text that an optional argument has in the first row, such as the name of the relation that
/// calls.
fn text_at(arguments: &Chunk<'_>, index: usize) -> Option<String> {
    let column = arguments.get(index).filter(|column| !column.is_empty())?;
    column.value(0).as_str().map(str::to_string)
}

/// Runs of rows in which each of `columns` holds the same thing: one for arguments that are
/// constant, as most are.
fn runs(columns: &[&Column<'_>], len: usize) -> Vec<Range<usize>> {
    if len > 0 && columns.iter().all(|column| column.is_constant()) {
        return std::iter::once(0..len).collect();
    }
    let mut runs = Vec::new();
    let mut start = 0;
    while start < len {
        let same = |row: &usize| columns.iter().all(|column| column.same(start, *row));
        let end = (start + 1..len).find(|row| !same(row)).unwrap_or(len);
        runs.push(start..end);
        start = end;
    }
    runs
}
