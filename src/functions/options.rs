//! The `options` STRUCT of the fitting functions: one place that knows every name, default and
//! range.

use std::ops::RangeInclusive;

use super::{nearest, quoted};
use crate::ffi::{Column, Data, Error, Result, Value};
use crate::ml::{Covariance, Nulls, Scale};

/// Options of `kmeans_fit`.
pub const KMEANS: &[&str] = &[
    "features", "id", "scale", "log", "nulls", "weight", "init", "n_init", "max_iter", "tol",
    "seed", "memory", "threads", "model", "passes", "relation",
];
/// Options of `kmeans_evaluate`.
pub const EVALUATE: &[&str] = &[
    "features", "id", "scale", "log", "nulls", "weight", "n_init", "max_iter", "tol", "seed",
    "memory", "threads", "relation",
];
/// Options of `kmeans_survey`.
pub const SURVEY: &[&str] =
    &["features", "id", "scale", "log", "nulls", "weight", "seed", "relation"];
/// Options of `kmeans_start`.
pub const START: &[&str] = &["n_init", "max_iter", "tol", "threads", "relation"];
/// Options of `kmeans_step`.
pub const STEP: &[&str] = &["weight", "relation"];
/// Options of `kmeans_next`.
pub const NEXT: &[&str] = &["tol", "same_rows", "relation"];
/// Options of `kmeans_iterate`.
pub const ITERATE: &[&str] = &["weight", "tol", "relation"];
/// Options of `gmm_fit`.
pub const GMM: &[&str] = &[
    "features",
    "id",
    "scale",
    "log",
    "nulls",
    "weight",
    "covariance",
    "n_init",
    "max_iter",
    "tol",
    "seed",
    "memory",
    "threads",
    "model",
    "relation",
];
/// Options of `gmm_evaluate`.
pub const GMM_EVALUATE: &[&str] = &[
    "features",
    "id",
    "scale",
    "log",
    "nulls",
    "weight",
    "covariances",
    "n_init",
    "max_iter",
    "tol",
    "seed",
    "memory",
    "threads",
    "relation",
];
/// Options of `pca_fit`.
pub const PCA: &[&str] =
    &["features", "id", "scale", "log", "nulls", "n", "memory", "threads", "seed", "relation"];
/// Options of `pca_survey`.
pub const PCA_SURVEY: &[&str] = &["features", "id", "scale", "log", "nulls", "relation"];
/// Options of `feature_summary`.
pub const SUMMARY: &[&str] = &["features", "id", "log", "model", "label", "relation"];
/// Options of `clv_fit`.
pub const CLV: &[&str] = &["max_iter", "memory", "threads", "relation"];
/// Options of `rules_fit`.
pub const RULES: &[&str] = &["features", "id", "label", "max_rules", "relation"];
/// Options of `kmeans_features`.
pub const COLUMNS: &[&str] = &["features", "id", "weight", "relation"];
/// What documentation says of an option.
#[derive(Debug)]
pub struct OptionText {
    /// Its name.
    pub name: &'static str,
    /// Its default, as in SQL.
    pub default: &'static str,
    /// What it means. Markdown.
    pub meaning: &'static str,
}

/// Every option that a user can set, in the order of the documentation.
pub const REFERENCE: &[OptionText] = &[
    OptionText {
        name: "features",
        default: "NULL",
        meaning: "VARCHAR[]: names of the features; NULL takes every numeric field but \
                  identifiers, `segment`, `pc1`, `pc2`; `kmeans_features` shows them",
    },
    OptionText {
        name: "id",
        default: "NULL",
        meaning: "VARCHAR[]: fields that are never features",
    },
    OptionText {
        name: "scale",
        default: "'standard'",
        meaning: "`'standard'` (mean 0, standard deviation 1), `'minmax'` (0 to 1), `'robust'` \
                  (median and interquartile range), `'none'`; a constant feature gets spread 1; a \
                  BOOLEAN is 0 and 1 and never scaled (cast it to INTEGER where it is to be)",
    },
    OptionText {
        name: "log",
        default: "NULL",
        meaning: "VARCHAR[]: features of which `ln(1 + x)` is taken first, such as money and \
                  counts; a negative value there is an error",
    },
    OptionText {
        name: "nulls",
        default: "'skip'",
        meaning: "what happens to a row with a NULL, NaN or infinite feature: `'skip'` (left out \
                  of the fit, counted in `skipped`, no segment), `'mean'` or `'zero'` (filled in), \
                  `'error'`; a row that is NULL as a whole is left out always",
    },
    OptionText {
        name: "weight",
        default: "NULL",
        meaning: "name of a field of weights of at least 0; NULL or a negative one is an error, 0 \
                  leaves the row out. A weight counts as so many rows in centroids, scales and \
                  figures, but `sizes` count rows, and so do the degrees of freedom of \
                  `calinski_harabasz`. A common factor of all weights changes `inertia` only: \
                  under `'robust'`, weights count in their greatest common divisor, or in the \
                  lightest one where that is more than a thousand of it",
    },
    OptionText {
        name: "init",
        default: "NULL",
        meaning: "a k-means model with the same features and as many segments: the fit starts \
                  there, and its labels are kept",
    },
    OptionText {
        name: "covariance",
        default: "'full'",
        meaning: "what the segments of a mixture may look like: `'full'` (ellipsoids, each its \
                  own), `'tied'` (ellipsoids of one shape), `'diag'` (along the features), \
                  `'spherical'`",
    },
    OptionText {
        name: "covariances",
        default: "NULL",
        meaning: "VARCHAR[]: the kinds of `covariance` to compare; NULL takes all four",
    },
    OptionText {
        name: "n_init",
        default: "10",
        meaning: "restarts of k-means, 1 to 1000; the best one is kept",
    },
    OptionText { name: "max_iter", default: "300", meaning: "iterations of a run at most" },
    OptionText {
        name: "tol",
        default: "0.0001",
        meaning: "a run ends when the squared movement of all centroids is at most this share of \
                  the mean variance of the features (scikit-learn's sense); of a mixture, when \
                  the mean log-likelihood of a row gains less",
    },
    OptionText {
        name: "seed",
        default: "42",
        meaning: "BIGINT: seed of everything random; the same set of rows and seed give the same \
                  bits",
    },
    OptionText {
        name: "same_rows",
        default: "true",
        meaning: "whether `kmeans_next` takes a state only if it has as many rows as the model was \
                  made for",
    },
    OptionText {
        name: "n",
        default: "2",
        meaning: "principal components: a count, or below 1 the share of variance to reach",
    },
    OptionText {
        name: "memory",
        default: "1073741824",
        meaning: "bytes that one fit may hold; above, it works on a sample of the distinct rows \
                  that is a function of the set of rows and the seed (`clv_fit`: an error)",
    },
    OptionText {
        name: "threads",
        default: "DuckDB's",
        meaning: "threads of one fit; relations take the current setting, a direct call that of \
                  `LOAD`; never changes the result",
    },
];

/// What other tools call our options and their values, where the spelling does not tell: `(theirs,
/// ours)`.
const KNOWN_ELSEWHERE: &[(&str, &str)] = &[
    ("columns", "features"),
    ("covariance_type", "covariance"),
    ("n_components", "n"),
    ("normalize", "scale"),
    ("random_state", "seed"),
    ("restarts", "n_init"),
    ("sample_weight", "weight"),
    ("standardize", "scale"),
    ("drop", "skip"),
    ("fail", "error"),
    ("ignore", "skip"),
    ("iqr", "robust"),
    ("raise", "error"),
    ("z_score", "standard"),
    ("zscore", "standard"),
];

/// Options that only the relation macros set: not for users, so not in messages.
const INTERNAL: &[&str] = &["model", "relation", "label", "passes"];

/// What can be set, with the defaults of all functions.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Features by name; `None`: every numeric field that is not an identifier.
    pub features: Option<Vec<String>>,
    /// Fields that are never features.
    pub id: Vec<String>,
    /// How features are scaled.
    pub scale: Scale,
    /// Features of which `ln(1 + x)` is taken first.
    pub log: Vec<String>,
    /// What happens to missing values.
    pub nulls: Nulls,
    /// Field that holds the weights.
    pub weight: Option<String>,
    /// What the covariances of a mixture may be.
    pub covariance: Covariance,
    /// Kinds of covariances to compare.
    pub covariances: Vec<Covariance>,
    /// Restarts.
    pub n_init: usize,
    /// Lloyd iterations at most.
    pub max_iter: usize,
    /// Whether passes over all rows follow the fit.
    pub passes: bool,
    /// Whether a state must have as many rows as its model.
    pub same_rows: bool,
    /// Relative tolerance on the centroids' movement.
    pub tol: f64,
    /// Seed of everything random.
    pub seed: i64,
    /// Components: a count, or below 1 a share of the variance.
    pub n: f64,
    /// Leaves of a decision tree at most.
    pub max_rules: Option<usize>,
    /// Bytes that one fit may hold before it works on a sample.
    pub memory: u64,
    /// Threads of one fit; `None`: what DuckDB had at `LOAD`.
    pub threads: Option<usize>,
    /// The relation that errors speak for.
    pub relation: Option<String>,
    /// The column that carries labels: never a feature.
    pub label: Option<String>,
    /// Whether a model stands in for the fit, so that the row need not have features.
    pub fitted: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            features: None,
            id: Vec::new(),
            scale: Scale::Standard,
            log: Vec::new(),
            nulls: Nulls::Skip,
            weight: None,
            covariance: Covariance::Full,
            covariances: Covariance::ALL.to_vec(),
            n_init: 10,
            max_iter: 300,
            passes: false,
            same_rows: true,
            tol: 1e-4,
            seed: 42,
            n: 2.0,
            max_rules: None,
            memory: 1 << 30,
            threads: None,
            relation: None,
            label: None,
            fitted: false,
        }
    }
}

/// Largest count of clusters that a fit takes.
pub const MAX_CLUSTERS: i64 = 1024;
/// Most numbers of segments that one call evaluates: nothing can interrupt it.
const MAX_EVALUATIONS: usize = 64;
const MIN_MEMORY: i64 = 1 << 20;

impl Options {
    /// Reads the first row of an options column; `accepted` names the options of the function.
    /// `init` and `model` are left to [`Options::model`], because they are large.
    pub fn read(column: Option<&Column<'_>>, accepted: &[&str]) -> Result<Options> {
        let mut options = Options::default();
        let given = fields(column)?;
        options.relation = relation(given);
        let speaker = options.clone();
        check_names(given, accepted).map_err(|error| speaker.speak(error))?;
        for (name, column) in given {
            let name = name.to_ascii_lowercase();
            if name == "model" {
                options.fitted = !matches!(column.data(), Data::Untyped);
            } else if name != "init" {
                let value = column.value(0);
                if !value.is_null() {
                    options.set(&name, &value).map_err(|error| speaker.speak(error))?;
                }
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        match name {
            "features" => self.features = Some(names(name, value)?),
            "id" => self.id = names(name, value)?,
            "log" => self.log = names(name, value)?,
            "scale" => self.scale = one_of(name, value, Scale::NAMES, Scale::from_name)?,
            "nulls" => self.nulls = one_of(name, value, Nulls::NAMES, Nulls::from_name)?,
            "weight" => self.weight = Some(text(name, value)?),
            "covariance" => self.covariance = covariance(name, value)?,
            "covariances" => self.covariances = covariances(name, value)?,
            "relation" => self.relation = Some(text(name, value)?),
            "label" => self.label = Some(text(name, value)?),
            "n_init" => self.n_init = whole(name, value, 1, 1000)? as usize,
            // The relation makes the passes; what it cannot do is said here.
            "passes" => {
                whole(name, value, 1, 1000)?;
                self.passes = true;
            }
            "max_rules" => self.max_rules = Some(whole(name, value, 2, 4096)? as usize),
            "max_iter" => self.max_iter = whole(name, value, 1, 100_000)? as usize,
            "threads" => self.threads = Some(whole(name, value, 1, 100_000)? as usize),
            "memory" => self.memory = whole(name, value, MIN_MEMORY, i64::MAX)? as u64,
            "same_rows" => match value {
                Value::Boolean(same_rows) => self.same_rows = *same_rows,
                _ => {
                    return Err(Error::new(format!(
                        "same_rows must be true or false, not {value}"
                    )));
                }
            },
            "seed" => {
                self.seed = value.as_i64().ok_or_else(|| {
                    Error::new(format!("seed must be a whole number of 64 bits, not {value}"))
                })?;
            }
            "tol" => {
                self.tol = number(value).filter(|tol| *tol >= 0.0).ok_or_else(|| {
                    Error::new(format!("tol must be a number of at least 0, not {value}"))
                })?;
            }
            "n" => self.n = n_components(value)?,
            _ => unreachable!("accepted options are all set above"),
        }
        Ok(())
    }

    /// The same error, told by the relation that called, if one did.
    pub fn speak(&self, error: Error) -> Error {
        error.of(self.relation.as_deref())
    }

    /// The model in the field `name` of an options column, `None` where the literal NULL or nothing
    /// stands.
    ///
    /// A NULL that has a type comes from a query that found no model: an error, or a fresh fit
    /// would take its place.
    pub fn model(column: Option<&Column<'_>>, name: &str) -> Result<Option<Value>> {
        match fields(column)?
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, c)| c.value(0))
        {
            None | Some(Value::Null) => Ok(None),
            Some(Value::TypedNull) => {
                Err(Error::new(format!("{name} is NULL, the query for it found no model")))
            }
            Some(model) => Ok(Some(model)),
        }
    }
}

/// The fields of an options STRUCT; none where it is left out or NULL. Rows that differ are an
/// error, or the order of the rows would decide.
pub fn fields<'c, 'a>(column: Option<&'c Column<'a>>) -> Result<&'c [(String, Column<'a>)]> {
    match column.map(|column| (column, column.data())) {
        None | Some((_, Data::Untyped)) => Ok(&[]),
        Some((column, Data::Struct(fields))) => {
            let is_constant = column.is_constant();
            let in_quotes = |(name, field): &&(String, Column<'_>)| {
                NAMES.contains(&name.to_ascii_lowercase().as_str())
                    && !is_constant
                    && !field.is_constant()
            };
            let error = match fields.iter().find(in_quotes) {
                // The column that stands there in place of its name differs from row to row, as a
                // rule.
                Some((name, _)) => Error::new(format!(
                    "options must be the same in all rows, {name} has names of columns, which \
                     stand in quotes: {name} := {}",
                    if name.eq_ignore_ascii_case("weight") { "'a'" } else { "['a', 'b']" }
                )),
                None if is_constant => return Ok(fields),
                None => {
                    let differs = fields.iter().find(|(_, field)| !field.is_constant());
                    differ(differs.map(|(name, _)| name.as_str()))
                }
            };
            Err(error.of(relation(fields).as_deref()))
        }
        Some((column, _)) => {
            let given = column.type_name();
            Err(Error::new(format!("options must be a STRUCT such as {{'seed': 7}}, not {given}")))
        }
    }
}

/// The relation that a call comes from.
fn relation(fields: &[(String, Column<'_>)]) -> Option<String> {
    let relation = fields.iter().find(|(name, column)| name == "relation" && !column.is_empty());
    relation.and_then(|(_, column)| column.value(0).as_str().map(str::to_string))
}

/// Options that name columns.
const NAMES: &[&str] = &["features", "id", "log", "weight"];

/// The error of options that differ between rows, and which of them does.
pub fn differ(name: Option<&str>) -> Error {
    let which = name.map_or_else(String::new, |name| format!(", \"{name}\" is not"));
    Error::new(format!("options must be the same in all rows of a group{which}"))
}

/// The first field in which two values of options differ.
pub fn first_difference<'v>(a: &'v Value, b: &Value) -> Option<&'v str> {
    let Value::Struct(fields) = a else { return None };
    fields
        .iter()
        .find(|(name, value)| b.field(name).is_none_or(|other| !value.is_same(other)))
        .map(|(name, _)| &**name)
}

/// Refuses options that the function does not have.
pub fn check_names(given: &[(String, Column<'_>)], accepted: &[&str]) -> Result<()> {
    match given.iter().find(|(name, _)| !accepted.contains(&name.to_ascii_lowercase().as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let public: Vec<&str> =
                accepted.iter().copied().filter(|o| !INTERNAL.contains(o)).collect();
            let hint = suggestion(name, &public)
                .map_or_else(String::new, |option| format!(", did you mean \"{option}\""));
            Err(Error::new(format!(
                "no option \"{name}\"{hint}; the options are {}",
                quoted(public)
            )))
        }
    }
}

/// What a name that is none of `accepted` most likely means: by another tool's word for it, or by
/// its spelling.
pub fn suggestion<'a>(name: &str, accepted: &[&'a str]) -> Option<&'a str> {
    let known = KNOWN_ELSEWHERE.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
    let ours = known.and_then(|(_, ours)| accepted.iter().copied().find(|option| option == ours));
    ours.or_else(|| nearest(name, accepted.iter().copied()))
}

/// The number of clusters in an argument.
pub fn n_clusters(name: &str, k: &Value) -> Result<usize> {
    whole(name, k, 1, MAX_CLUSTERS).map(|k| k as usize)
}

/// Principal components: a count, or a share of the variance.
pub fn n_components(n: &Value) -> Result<f64> {
    number(n).filter(|n| *n > 0.0 && (*n < 1.0 || n.fract() == 0.0)).ok_or_else(|| {
        Error::new(format!(
            "n must be a count of components or a share of variance between 0 and 1, not {n}"
        ))
    })
}

/// The numbers of segments that a call asks for.
pub fn evaluations(k_min: usize, k_max: usize) -> Result<RangeInclusive<usize>> {
    if k_min > k_max {
        return Err(Error::new(format!(
            "k_max must be at least k_min, which is {k_min}, not {k_max}"
        )));
    }
    if k_max - k_min >= MAX_EVALUATIONS {
        return Err(Error::new(format!(
            "k_min to k_max must be at most {MAX_EVALUATIONS} numbers, not {}",
            k_max - k_min + 1
        )));
    }
    Ok(k_min..=k_max)
}

/// A whole number of a range.
pub fn whole(name: &str, value: &Value, low: i64, high: i64) -> Result<i64> {
    value.as_i64().filter(|number| (low..=high).contains(number)).ok_or_else(|| {
        let range = if high == i64::MAX {
            format!("at least {low}")
        } else {
            format!("between {low} and {high}")
        };
        let kind = if value.as_f64().is_some_and(|x| x.fract() == 0.0) || value.is_null() {
            ""
        } else {
            "a whole number "
        };
        Error::new(format!("{name} must be {kind}{range}, not {value}"))
    })
}

/// A finite number; unlike a feature, an option is not a BOOLEAN.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|x| x.is_finite() && !matches!(value, Value::Boolean(_)))
}

/// A text.
pub fn text(name: &str, value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_string)
        .ok_or_else(|| Error::new(format!("{name} must be a text, not {value}")))
}

/// A kind of covariances.
fn covariance(name: &str, value: &Value) -> Result<Covariance> {
    one_of(name, value, Covariance::NAMES, Covariance::from_name)
}

/// Different kinds of covariances; a single one is a list of one.
fn covariances(name: &str, value: &Value) -> Result<Vec<Covariance>> {
    let given = names(name, value)?;
    if given.is_empty() {
        return Err(Error::new(format!("{name} is an empty list, name at least one")));
    }
    let mut covariances = Vec::new();
    for text in given {
        let covariance = covariance(name, &Value::Text(text))?;
        if covariances.contains(&covariance) {
            return Err(Error::new(format!("{name} names '{}' twice", covariance.name())));
        }
        covariances.push(covariance);
    }
    Ok(covariances)
}

/// A list of names; a single name is a list of one.
pub fn names(option: &str, value: &Value) -> Result<Vec<String>> {
    let wrong = |value: &Value| {
        let hint = if value.as_f64().is_some() { ", names stand in quotes" } else { "" };
        Error::new(format!(
            "{option} must be a list of names such as ['a', 'b'], not {value}{hint}"
        ))
    };
    match value {
        Value::Text(name) => Ok(vec![name.clone()]),
        Value::List(values) => {
            values.iter().map(|v| v.as_str().map(str::to_string).ok_or_else(|| wrong(v))).collect()
        }
        _ => Err(wrong(value)),
    }
}

/// One of some names, whatever their case.
pub fn one_of<T>(
    name: &str,
    value: &Value,
    accepted: &[&str],
    parse: fn(&str) -> Option<T>,
) -> Result<T> {
    value.as_str().and_then(|text| parse(&text.to_ascii_lowercase())).ok_or_else(|| {
        let names: Vec<String> = accepted.iter().map(|name| format!("'{name}'")).collect();
        let meant = value.as_str().and_then(|text| suggestion(text, accepted));
        let hint = meant.map_or_else(String::new, |meant| format!(", did you mean '{meant}'"));
        Error::new(format!("{name} must be one of {}, not {value}{hint}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests;
