//! Which fields of a row are features, and their numbers.

mod group;
mod parts;

pub use group::{Group, Rows, Store, unlike_rows};
pub use parts::{Part, parts};

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::options::Options;
use super::{did_you_mean, quoted};
use crate::ffi::{Column, Data, Error, Result};
use crate::ml;
use parts::{is_among, part};

/// Result columns of the relations: never features, so that a result can be the next source.
const RESULT_COLUMNS: &[&str] = &["segment", "pc1", "pc2"];

/// The feature columns of one chunk.
pub struct Features<'a> {
    /// Names in the order of the columns; `f1`, `f2`, ... for a LIST. Empty where all rows are NULL
    /// lists.
    pub names: Arc<[String]>,
    /// One column a feature, NaN where it is missing.
    pub columns: Vec<Cow<'a, [f64]>>,
    /// Weights, where the option names a field.
    pub weights: Option<Cow<'a, [f64]>>,
    /// Rows that are NULL as a whole.
    pub null_rows: Option<Vec<bool>>,
    /// Which columns are BOOLEAN; empty where that is not asked.
    pub flags: Vec<bool>,
    /// Number of rows.
    pub len: usize,
}

impl<'a> Features<'a> {
    /// The features that `options` select from the argument `row`; none where a model stands in for
    /// the fit.
    pub fn select(row: &Column<'a>, options: &Options) -> Result<Self> {
        let fields = fields(row, options.memory)?;
        let null_rows = null_rows(row);
        let len = row.len();
        if options.fitted || (fields.is_empty() && !matches!(row.data(), Data::Struct(_))) {
            return Ok(Features {
                names: Arc::default(),
                columns: Vec::new(),
                weights: None,
                null_rows,
                flags: Vec::new(),
                len,
            });
        }
        let weights = match &options.weight {
            Some(name) => Some(weights(&fields, name, null_rows.as_deref())?),
            None => None,
        };
        let chosen = chosen(&fields, options)?;
        for name in &options.log {
            if !chosen.iter().any(|i| fields[*i].name.eq_ignore_ascii_case(name)) {
                let hint = did_you_mean(name, chosen.iter().map(|i| &*fields[*i].name));
                return Err(Error::new(format!("log names \"{name}\", which is no feature{hint}")));
            }
        }
        let names = chosen.iter().map(|i| fields[*i].name.to_string()).collect();
        let flags = chosen.iter().map(|i| fields[*i].is_flag()).collect();
        let columns = chosen
            .iter()
            .map(|i| {
                numbers(&fields[*i], null_rows.as_deref()).ok_or_else(|| not_numeric(&fields[*i]))
            })
            .collect::<Result<_>>()?;
        Ok(Features { names, columns, weights, null_rows, flags, len })
    }

    /// The features that a model needs: STRUCT fields by name, elements of a LIST by position.
    pub fn matching(row: &Column<'a>, names: &[String]) -> Result<Self> {
        Self::matching_weighted(row, names, None)
    }

    /// The features that a model needs, and the weights in the field of that name.
    pub fn matching_weighted(
        row: &Column<'a>,
        names: &[String],
        weight: Option<&str>,
    ) -> Result<Self> {
        let fields = fields(row, Options::default().memory)?;
        let null_rows = null_rows(row);
        let len = row.len();
        let by_name = matches!(row.data(), Data::Struct(_));
        if !by_name && fields.is_empty() {
            let columns = names.iter().map(|_| Cow::Owned(vec![f64::NAN; len])).collect();
            return Ok(Features {
                names: names.into(),
                columns,
                weights: weight.map(|_| Cow::Owned(vec![1.0; len])),
                null_rows,
                flags: Vec::new(),
                len,
            });
        }
        if !by_name && fields.len() != names.len() {
            return Err(Error::new(format!(
                "the model has {} features, the row has {} numbers",
                names.len(),
                fields.len()
            )));
        }
        let columns = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let i = if by_name { position(&fields, name) } else { Some(i) };
                let field = i.map(|i| &fields[i]).ok_or_else(|| {
                    let present = quoted(fields.iter().map(|f| &*f.name));
                    Error::new(format!("the model needs feature \"{name}\", the row has {present}"))
                })?;
                numbers(field, null_rows.as_deref()).ok_or_else(|| not_numeric(field))
            })
            .collect::<Result<_>>()?;
        let weights =
            weight.map(|name| weights(&fields, name, null_rows.as_deref())).transpose()?;
        Ok(Features { names: names.into(), columns, weights, null_rows, flags: Vec::new(), len })
    }

    /// Slices of some rows, one a feature.
    pub fn slices(&self, rows: Range<usize>) -> Vec<&[f64]> {
        self.columns.iter().map(|column| &column[rows.clone()]).collect()
    }

    /// Whether the row is NULL as a whole.
    pub fn is_null_row(&self, row: usize) -> bool {
        self.null_rows.as_ref().is_some_and(|rows| rows[row])
    }
}

/// A field of a STRUCT or an element of a LIST.
struct Field<'c, 'a> {
    name: Cow<'c, str>,
    numbers: Numbers<'c, 'a>,
}

enum Numbers<'c, 'a> {
    Column(&'c Column<'a>),
    /// With whether they are BOOLEAN.
    Element(Vec<f64>, bool),
}

impl Field<'_, '_> {
    fn is_flag(&self) -> bool {
        match &self.numbers {
            Numbers::Column(column) => matches!(column.data(), Data::Boolean(_)),
            Numbers::Element(_, is_flag) => *is_flag,
        }
    }
}

fn is_numeric(field: &Field<'_, '_>) -> bool {
    match &field.numbers {
        Numbers::Column(column) => column.is_numeric(),
        Numbers::Element(..) => true,
    }
}

/// The numbers of a field; NaN in rows that are NULL as a whole, and for the literal NULL, which
/// has no type.
fn numbers<'a>(field: &Field<'_, 'a>, null_rows: Option<&[bool]>) -> Option<Cow<'a, [f64]>> {
    let mut numbers = match &field.numbers {
        Numbers::Column(column) if matches!(column.data(), Data::Untyped) => {
            Cow::Owned(vec![f64::NAN; column.len()])
        }
        Numbers::Column(column) => column.numbers()?,
        Numbers::Element(numbers, _) => Cow::Owned(numbers.clone()),
    };
    if let Some(null_rows) = null_rows {
        for (x, null) in numbers.to_mut().iter_mut().zip(null_rows) {
            if *null {
                *x = f64::NAN;
            }
        }
    }
    Some(numbers)
}

fn type_name(field: &Field<'_, '_>) -> &'static str {
    match &field.numbers {
        Numbers::Column(column) => column.type_name(),
        Numbers::Element(..) => "DOUBLE",
    }
}

fn not_numeric(field: &Field<'_, '_>) -> Error {
    let type_name = type_name(field);
    Error::new(format!("feature \"{}\" is of type {type_name}, features are numbers", field.name))
}

/// The fields of the argument `row`; none for an untyped NULL or where every LIST is NULL.
///
/// Elements of a LIST take `memory` bytes at most: one list may be shared by all rows.
fn fields<'c, 'a>(row: &'c Column<'a>, memory: u64) -> Result<Vec<Field<'c, 'a>>> {
    match row.data() {
        Data::Untyped => Ok(Vec::new()),
        Data::Struct(fields) => {
            let unnamed = fields.iter().all(|(name, _)| name.is_empty());
            Ok(fields
                .iter()
                .enumerate()
                .map(|(i, (name, column))| Field {
                    name: if unnamed { element_name(i).into() } else { name.as_str().into() },
                    numbers: Numbers::Column(column),
                })
                .collect())
        }
        Data::List { entries, child } => elements(row, child, memory, |i| {
            (entries[i].offset as usize, entries[i].length as usize)
        }),
        Data::Array { size, child } => elements(row, child, memory, |i| (i * size, *size)),
        _ => Err(Error::new(format!(
            "the row must be a STRUCT, a table's alias, or a LIST or ARRAY of numbers, not {}",
            row.type_name()
        ))),
    }
}

/// Elements of lists as columns: one pass over the child's numbers.
fn elements<'c, 'a>(
    row: &Column<'a>,
    child: &Column<'a>,
    memory: u64,
    entry: impl Fn(usize) -> (usize, usize),
) -> Result<Vec<Field<'c, 'a>>> {
    let numbers = match child.numbers() {
        Some(numbers) => numbers,
        None if matches!(child.data(), Data::Untyped) => Cow::Owned(vec![f64::NAN; child.len()]),
        None => {
            return Err(Error::new(format!(
                "the row is a LIST of {}, features are numbers",
                child.type_name()
            )));
        }
    };
    let valid: Vec<usize> = (0..row.len()).filter(|i| row.is_valid(*i)).collect();
    let Some(first) = valid.first() else { return Ok(Vec::new()) };
    let n_features = entry(*first).1;
    if n_features == 0 {
        return Err(Error::new("the row is an empty LIST, at least one feature is needed"));
    }
    let bytes = 8 * row.len() as u128 * n_features as u128;
    if bytes > u128::from(memory) {
        return Err(Error::new(format!(
            "{} rows of {n_features} numbers take {bytes} bytes, at most {memory} can be held at \
             once",
            row.len()
        )));
    }
    let is_flag = matches!(child.data(), Data::Boolean(_));
    let mut columns = vec![vec![f64::NAN; row.len()]; n_features];
    for i in valid {
        let (offset, length) = entry(i);
        if length != n_features {
            return Err(Error::new(format!(
                "a row has {length} numbers, the rows before it have {n_features}"
            )));
        }
        for (column, x) in columns.iter_mut().zip(&numbers[offset..offset + length]) {
            column[i] = *x;
        }
    }
    Ok(columns
        .into_iter()
        .enumerate()
        .map(|(i, column)| Field {
            name: element_name(i).into(),
            numbers: Numbers::Element(column, is_flag),
        })
        .collect())
}

/// The name of the `i`-th element of a LIST: `f1`, `f2`, ...
pub fn element_name(i: usize) -> String {
    format!("f{}", i + 1)
}

fn null_rows(row: &Column<'_>) -> Option<Vec<bool>> {
    let nulls: Vec<bool> = (0..row.len()).map(|i| !row.is_valid(i)).collect();
    nulls.contains(&true).then_some(nulls)
}

fn position(fields: &[Field<'_, '_>], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name.eq_ignore_ascii_case(name))
}

fn missing(fields: &[Field<'_, '_>], what: &str, name: &str) -> Error {
    let hint = did_you_mean(name, fields.iter().map(|f| &*f.name));
    Error::new(format!("no {what} \"{name}\" in the row{hint}"))
}

fn weights<'a>(
    fields: &[Field<'_, 'a>],
    name: &str,
    null_rows: Option<&[bool]>,
) -> Result<Cow<'a, [f64]>> {
    let field = &fields[position(fields, name).ok_or_else(|| missing(fields, "weight", name))?];
    let weights = numbers(field, None)
        .ok_or_else(|| Error::new(format!("weight \"{name}\" must be a number")))?;
    let is_null_row = |i: usize| null_rows.is_some_and(|rows| rows[i]);
    match weights
        .iter()
        .enumerate()
        .find(|(i, w)| !(is_null_row(*i) || (w.is_finite() && **w >= 0.0)))
    {
        Some((row, w)) => {
            let is_null = match &field.numbers {
                Numbers::Column(column) => !column.is_valid(row),
                Numbers::Element(..) => w.is_nan(),
            };
            let given = if is_null { "NULL".to_string() } else { format!("{w:?}") };
            Err(Error::new(format!(
                "weight \"{name}\" must be a number of at least 0, not {given}"
            )))
        }
        None => Ok(weights),
    }
}

/// The positions of the features among the fields.
fn chosen(fields: &[Field<'_, '_>], options: &Options) -> Result<Vec<usize>> {
    for name in &options.id {
        position(fields, name).ok_or_else(|| missing(fields, "id", name))?;
    }
    let Some(features) = &options.features else {
        let chosen: Vec<usize> =
            (0..fields.len()).filter(|i| part(&fields[*i], options).is_taken()).collect();
        if chosen.is_empty() {
            let present = quoted(fields.iter().map(|f| &*f.name));
            return Err(Error::new(format!(
                "no numeric feature in the row, which has {present}; identifiers (id, *_id) are \
                 features only when features names them"
            )));
        }
        return Ok(chosen);
    };
    if features.is_empty() {
        return Err(Error::new("features is an empty list, name at least one or leave it out"));
    }
    let mut chosen = Vec::new();
    for name in features {
        if is_result_column(name) {
            return Err(Error::new(format!(
                "\"{name}\" is a result of segmentation and never a feature"
            )));
        }
        let i = position(fields, name).ok_or_else(|| missing(fields, "feature", name))?;
        if is_among(name, &options.id) {
            return Err(Error::new(format!("\"{name}\" is named both in features and in id")));
        }
        if chosen.contains(&i) {
            return Err(Error::new(format!("features names \"{name}\" twice")));
        }
        chosen.push(i);
    }
    Ok(chosen)
}

fn is_result_column(name: &str) -> bool {
    RESULT_COLUMNS.iter().any(|column| column.eq_ignore_ascii_case(name))
}

/// Which features are in `names`, by position.
pub fn flags(features: &[String], names: &[String]) -> Vec<bool> {
    features
        .iter()
        .map(|feature| names.iter().any(|name| name.eq_ignore_ascii_case(feature)))
        .collect()
}

/// Features of which an error shows values.
const SHOWN_VALUES: usize = 3;

/// Up to here, a DOUBLE holds every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// An error of the pure layer with the name of its feature.
pub fn explain(error: ml::Error, names: &[String]) -> Error {
    Error::new(match error {
        ml::Error::TooFewDistinctRows { n_distinct, n_clusters, rows, least } => {
            let values = names.iter().zip(&least).take(SHOWN_VALUES);
            let values: Vec<String> = values.map(|(name, x)| format!("\"{name}\" {x:?}")).collect();
            let more = if names.len() > SHOWN_VALUES { ", ..." } else { "" };
            let inexact = names.iter().zip(&least).find(|(_, x)| x.abs() >= EXACT);
            let hint = inexact.map_or_else(String::new, |(name, _)| {
                format!(
                    "; a DOUBLE does not tell whole numbers beyond 2^53 apart, subtract the least \
                     \"{name}\" first"
                )
            });
            format!(
                "{n_distinct} distinct rows cannot form {n_clusters} segments (of {rows} rows, \
                 among them {}{more}){hint}",
                values.join(", ")
            )
        }
        ml::Error::NoUsableRow { feature, missing, rows } => {
            let name = &names[feature];
            let remedy = "leave it out (features), or use nulls 'mean' or 'zero'";
            if missing == rows {
                format!("feature \"{name}\" is NULL, NaN or infinite in all {rows} rows, {remedy}")
            } else {
                format!(
                    "none of the {rows} rows has a value in every feature, \"{name}\" is NULL, NaN \
                     or infinite in {missing} of them, {remedy}"
                )
            }
        }
        ml::Error::OverMemory { features, most, memory } => format!(
            "{features} features have covariances of {} bytes, memory is {memory}, which is enough \
             for {most} features",
            8 * (features as u128).pow(2)
        ),
        ml::Error::TooWide { rows, features, most } => format!(
            "{rows} rows of {features} features are too many for a fit that nothing can interrupt, \
             use a sample of at most {most} rows, or fewer features"
        ),
        ml::Error::TooManyComponents { components, features, most } => format!(
            "{components} components of {features} features are too many for a fit that nothing \
             can interrupt, use n of at most {most}, or fewer features"
        ),
        ml::Error::NegativeLog { feature, value } => {
            format!(
                "feature \"{}\" has the value {value:?}, log takes values of at least 0",
                names[feature]
            )
        }
        ml::Error::TooLarge { feature, value } => {
            let most = ml::MAX_MAGNITUDE;
            format!(
                "feature \"{}\" has the value {value:?}, magnitudes above {most:?} cannot be used, \
                 divide it or take its log",
                names[feature]
            )
        }
        ml::Error::WeightTooLarge { value } => {
            format!("a weight is {value:?}, weights above {:?} cannot be used", ml::MAX_MAGNITUDE)
        }
        ml::Error::Missing { feature } => format!(
            "feature \"{}\" is NULL, NaN or infinite in a row and nulls is 'error', use nulls \
             'skip', 'mean' or 'zero'",
            names[feature]
        ),
        ml::Error::TooManyProducts { n_components, features, rows, most } => format!(
            "{rows} distinct rows of {features} features are too many for {n_components} segments \
             in a fit that nothing can interrupt, use a sample of at most {most} rows, fewer \
             features, or kmeans"
        ),
        ml::Error::DensityUnderflow => {
            "a density is not finite: the model's means, covariances or spreads are out of range"
                .to_string()
        }
        ml::Error::DistanceOverflow => {
            "a distance is not finite: the model's centroids or spreads are out of range"
                .to_string()
        }
    })
}
