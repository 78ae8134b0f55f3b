//! How functions are called: as the reference shows it, and under which names.

use std::fmt::Write;

use crate::ffi::SqlType;
use crate::functions::{Function, Kind};
use crate::scripts;

/// SQL of ours, which calls relations in the catalog `amz`, with another `prefix` before their
/// names.
///
/// Without a prefix they are called by their bare names: where the system catalog has them, or once
/// `install` ran.
pub fn called_behind(prefix: &str, sql: &str) -> String {
    let mut pieces = sql.split("amz.");
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let name =
            piece.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(piece.len());
        let is_call = name > 0 && piece[name..].starts_with('(');
        text.push_str(if is_call { prefix } else { "amz." });
        text.push_str(piece);
    }
    text
}

/// How a function is called: `kmeans_fit(row, k [, options])`, `amz.kmeans_segments(source, k :=
/// 5)`.
pub fn call(function: &Function) -> String {
    let name = function.signature.name;
    if function.kind == Kind::Relation {
        let parameters =
            scripts::macros().into_iter().find(|m| m.name == name).map(|m| m.parameters);
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
        (Kind::Table, SqlType::Struct(columns)) => columns
            .iter()
            .map(|(name, sql_type)| format!("{name} {sql_type}"))
            .collect::<Vec<_>>()
            .join(", "),
        (_, sql_type) => sql_type.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::introspection;
    use super::*;
    use crate::functions::kmeans;

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
        assert_eq!(
            call(&introspection::AMAZING_SCRIPTS),
            "amazing_scripts(pipeline, schema_prefix :=)"
        );
    }
}
