//! Which columns of a row are features, and why the others are none.

use super::{
    Field, Numbers, chosen, fields, is_numeric, is_result_column, missing, not_numeric, position,
    type_name,
};
use crate::ffi::{Column, Data, Result};
use crate::functions::identifier::is_identifier;
use crate::functions::options::Options;

/// What a column is to a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A feature that `features` names.
    Named,
    /// A feature: a number.
    Number,
    /// A feature: a BOOLEAN, 0 or 1.
    Flag,
    /// None: `features` names others.
    NotNamed,
    /// None: `id` names it.
    NamedIdentifier,
    /// None: the weights.
    Weight,
    /// None: the labels.
    Label,
    /// None: what a relation has added.
    ResultColumn,
    /// None: its name says that it identifies something.
    Identifier,
    /// None: a text.
    Text,
    /// None: a date, a time or an interval.
    Time,
    /// None: of another type that is no number.
    NoNumber,
}

impl Part {
    /// Whether it is a feature.
    pub fn is_taken(self) -> bool {
        matches!(self, Part::Named | Part::Number | Part::Flag)
    }

    /// Why, in words.
    pub fn reason(self) -> &'static str {
        match self {
            Part::Named => "named in features",
            Part::Number => "number",
            Part::Flag => "flag, as 0 and 1",
            Part::NotNamed => "not named in features",
            Part::NamedIdentifier => "named in id",
            Part::Weight => "weight",
            Part::Label => "label",
            Part::ResultColumn => "result of a relation",
            Part::Identifier => "identifier by name",
            Part::Text => "text",
            Part::Time => "date or time",
            Part::NoNumber => "no number",
        }
    }
}

pub(super) fn is_among(name: &str, names: &[String]) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// What a field is to a fit with these options, whose names are all there.
pub(super) fn part(field: &Field<'_, '_>, options: &Options) -> Part {
    let name = &*field.name;
    let is =
        |option: &Option<String>| option.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name));
    if options.features.as_ref().is_some_and(|features| is_among(name, features)) {
        return Part::Named;
    }
    if is_among(name, &options.id) {
        return Part::NamedIdentifier;
    }
    if is(&options.weight) {
        return Part::Weight;
    }
    if is(&options.label) {
        return Part::Label;
    }
    if is_result_column(name) {
        return Part::ResultColumn;
    }
    if let Numbers::Column(column) = &field.numbers {
        match column.data() {
            Data::Text(_) | Data::Enum { .. } => return Part::Text,
            Data::Date(_) | Data::Timestamp(_) | Data::Moments { .. } => return Part::Time,
            Data::Other(name) if name.starts_with("TIME") || *name == "INTERVAL" => {
                return Part::Time;
            }
            _ if !column.is_numeric() => return Part::NoNumber,
            _ => {}
        }
    }
    // A flag identifies nothing, whatever it is called.
    let is_flag = match &field.numbers {
        Numbers::Column(column) => matches!(column.data(), Data::Boolean(_)),
        _ => false,
    };
    match options.features {
        _ if !is_flag && is_identifier(name, is_whole(field)) => Part::Identifier,
        Some(_) => Part::NotNamed,
        None if is_flag => Part::Flag,
        None => Part::Number,
    }
}

fn is_whole(field: &Field<'_, '_>) -> bool {
    let Numbers::Column(column) = &field.numbers else { return false };
    !matches!(column.data(), Data::Float32(_) | Data::Float64(_) | Data::Decimal { .. })
}

/// The columns of `row`: name, type, and what each is to a fit with `options`. Nothing for a row
/// without a type.
///
/// # Errors
/// Names of columns that are not there, as for a fit.
pub fn parts(row: &Column<'_>, options: &Options) -> Result<Vec<(String, &'static str, Part)>> {
    let fields = fields(row, options.memory)?;
    if fields.is_empty() && !matches!(row.data(), Data::Struct(_)) {
        return Ok(Vec::new());
    }
    if let Some(name) = options.weight.as_deref().filter(|name| position(&fields, name).is_none()) {
        return Err(missing(&fields, "weight", name));
    }
    if options.features.is_some() {
        for i in chosen(&fields, options)? {
            if !is_numeric(&fields[i]) {
                return Err(not_numeric(&fields[i]));
            }
        }
    } else if let Some(name) = options.id.iter().find(|name| position(&fields, name).is_none()) {
        return Err(missing(&fields, "id", name));
    }
    let described =
        |field: &Field<'_, '_>| (field.name.to_string(), type_name(field), part(field, options));
    Ok(fields.iter().map(described).collect())
}
