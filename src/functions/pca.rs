//! Principal component analysis in SQL: `pca_fit`, what applies its model, and the relations over both.

use std::ops::Range;
use std::sync::Arc;

use super::call::{Call, Calls};
use super::features::{self, Features, Group, Rows};
use super::model::{self, DOUBLES, Reader, RowModel, count, field, matrix, model_type};
use super::options::{self, Options};
use super::{Example, Function, Kind, optional, quoted, relation, required};
use crate::ffi::{Aggregate, Chunk, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::ml::{self, Pca, PcaOptions, PcaRows};

const MODEL: SqlType = model_type! {
    ("version", SqlType::Integer);
    ("components", SqlType::List(&DOUBLES)),
    ("explained_variance", DOUBLES),
    ("explained_variance_ratio", DOUBLES),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt)
};

const LOADING: SqlType = SqlType::Struct(&[
    ("component", SqlType::Integer),
    ("explained_variance", SqlType::Double),
    ("explained_variance_ratio", SqlType::Double),
    ("cumulative_ratio", SqlType::Double),
    ("feature", SqlType::Varchar),
    ("loading", SqlType::Double),
]);

/// `pca_fit(row [, options])`
pub const PCA_FIT: Function = Function {
    kind: Kind::Aggregate,
    subject: "principal components",
    signature: Signature {
        name: "pca_fit",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: MODEL,
    },
    columns: "",
    description: "Fits principal components to the rows of a group and returns the model.",
    details: "`row` and its features as in `kmeans_fit`. Features are scaled (`scale`, default `'standard'`: the \
              components of the correlation matrix; `'none'`: those of the covariance matrix, as scikit-learn's \
              `PCA`). `n` is a count of components (default 2) or, below 1, the share of variance to reach. \
              `explained_variance` divides by `rows - 1`; the ratio is over the total variance. Signs are fixed: in \
              each component the loading of largest magnitude is positive (ties: the first). Rows are summed exactly as \
              they arrive and not held, whatever their number; where scaling has to know all of them first (`scale` \
              `'robust'`, `nulls` `'mean'`), they are, up to the option `memory`, above it a sample. The same set of \
              rows gives the same bits in any order. No row gives NULL; rows of which none is usable are an error that \
              names the feature they lack. A BOOLEAN is 0 and 1 whatever the scale, as in `kmeans_fit`: beside standardised \
              features it has a variance of at most 1/4. Features times features times 8 bytes count towards the option \
              `memory` (1 GiB: 11,585 features), and of rows and features, one is at most 1,024; these and other bounds, \
              on the page of limits, keep the end of the fit, which nothing can interrupt, below ten seconds. Of more than \
              128 features and fewer rows than features, the products of rows take the place of those of features. Source: Jolliffe, *Principal Component Analysis* (2002).",
    examples: &[Example {
        sql: "SELECT m.explained_variance, m.components[1] FROM (SELECT pca_fit({'x': x, 'y': y}, {'scale': 'none', 'n': 1}) AS m FROM (VALUES (-3, 0), (0, 0), (3, 0)) AS t(x, y))",
        rows: &["[9.0] | [1.0, 0.0]"],
    }],
    errors: &[(
        "SELECT pca_fit({'x': x}, {'n': 1.5}) FROM range(5) AS t(x)",
        "pca_fit: n must be a count of components or a share of variance between 0 and 1, not 1.5",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        let n_threads = registry.session().threads;
        registry.aggregate(&function.signature, Fit { n_threads, calls: Arc::default() })
    }),
};

/// `pca_transform(model, row [, n])`
pub const PCA_TRANSFORM: Function = Function {
    kind: Kind::Scalar,
    subject: "principal components",
    signature: Signature {
        name: "pca_transform",
        parameters: &[
            required("model", SqlType::Any),
            required("row", SqlType::Any),
            optional("n", SqlType::Any),
        ],
        returns: DOUBLES,
    },
    columns: "",
    description: "The scores of a row on the components of a model, the first `n` of them if `n` is given.",
    details: "Fields are matched as in `kmeans_predict`; NULL under the same conditions.",
    examples: &[Example {
        sql: "SELECT pca_transform({'features': ['x', 'y'], 'mean': [1, 0], 'components': [[1.0, 0.0], [0.0, 1.0]]}, {'y': 5, 'x': 3})",
        rows: &["[2.0, 5.0]"],
    }],
    errors: &[(
        "SELECT pca_transform({'features': ['x'], 'components': [[1.0]]}, {'x': 7}, 2)",
        "pca_transform: n must be between 1 and the model's 1 components, not 2",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Transform)),
};

/// `pca_inverse(model, scores)`
pub const PCA_INVERSE: Function = Function {
    kind: Kind::Scalar,
    subject: "principal components",
    signature: Signature {
        name: "pca_inverse",
        parameters: &[required("model", SqlType::Any), required("scores", SqlType::Any)],
        returns: DOUBLES,
    },
    columns: "",
    description: "The row, in original units, that has these scores on the components of a model.",
    details: "`scores` is a LIST or ARRAY of numbers as `pca_transform` gives them, or the first of them: components \
              that are left out count as 0. The result holds one number for each of the model's features, in its \
              order; with the scores on as many components as there are features it is the row itself, up to \
              rounding, else the nearest row that the components can tell (in scaled space). NULL where the model, \
              the scores or one of them is NULL, NaN or infinite.",
    examples: &[Example {
        sql: "SELECT pca_inverse({'features': ['x', 'y'], 'mean': [1, 0], 'components': [[1.0, 0.0], [0.0, 1.0]]}, [2, 5])",
        rows: &["[3.0, 5.0]"],
    }],
    errors: &[(
        "SELECT pca_inverse({'features': ['x'], 'components': [[1.0]]}, 'x')",
        "pca_inverse: scores must be a LIST of numbers, not 'x'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Inverse)),
};

/// `pca_components(model)`
pub const PCA_COMPONENTS: Function = Function {
    kind: Kind::Scalar,
    subject: "principal components",
    signature: Signature {
        name: "pca_components",
        parameters: &[required("model", SqlType::Any)],
        returns: SqlType::List(&LOADING),
    },
    columns: "",
    description: "The components of a model: one entry for each component and feature.",
    details: "Components are numbered from 1. `loading` is the feature's weight in the component (a row of \
              scikit-learn's `components_`), `cumulative_ratio` the share of variance up to the component. NULL for a \
              NULL model.",
    examples: &[Example {
        sql: "SELECT c.component, c.feature, c.loading FROM (SELECT unnest(pca_components({'features': ['x', 'y'], 'components': [[1.0, 0.0]]})) AS c)",
        rows: &["1 | x | 1.0", "1 | y | 0.0"],
    }],
    errors: &[(
        "SELECT pca_components({'features': ['x']})",
        "pca_components: the model's components is missing, a model of pca_fit is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Components)),
};

/// `amz.pca_2d(source, ...)`
pub const PCA_2D: Function = Function {
    kind: Kind::Relation,
    subject: "principal components",
    signature: relation("pca_2d"),
    columns: "every column of the source, then pc1 DOUBLE, pc2 DOUBLE",
    description: "Every row of a source with its place on the first two principal components: a map.",
    details: "Reads the source twice, as `kmeans_segments` does. Rows that cannot be placed (see `nulls`) stay, with \
              NULL. `pc1`, `pc2` and `segment` are never features; a source that has `pc1` or `pc2` already is an \
              error.",
    examples: &[Example {
        sql: "WITH points AS (SELECT * FROM (VALUES (1, -3, 0), (2, 0, 0), (3, 3, 0)) AS t(id, x, y)) FROM amz.pca_2d(points, scale := 'none') ORDER BY id",
        rows: &["1 | -3 | 0 | -3.0 | 0.0", "2 | 0 | 0 | 0.0 | 0.0", "3 | 3 | 0 | 3.0 | 0.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.pca_2d(users)",
        "pca_2d: 2 components need as many features, the row has 1: \"spend\"",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.pca_components(source, ...)`
pub const PCA_COMPONENTS_RELATION: Function = Function {
    kind: Kind::Relation,
    subject: "principal components",
    signature: relation("pca_components"),
    columns: "component INTEGER, explained_variance DOUBLE, explained_variance_ratio DOUBLE, \
              cumulative_ratio DOUBLE, feature VARCHAR, loading DOUBLE",
    description: "The principal components of a source, one row for each component and feature.",
    details: "See the scalar `pca_components` for the columns, and `pca_fit` for the parameters.",
    examples: &[Example {
        sql: "WITH points AS (SELECT * FROM (VALUES (-3, 0), (0, 0), (3, 0)) AS t(x, y)) SELECT component, explained_variance_ratio, feature, loading FROM amz.pca_components(points, n := 1, scale := 'none')",
        rows: &["1 | 1.0 | x | 1.0", "1 | 1.0 | y | 0.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.pca_components(users, n := 1, log := ['spent'])",
        "pca_components: log names \"spent\", which is no feature, did you mean \"spend\"",
    )],
    since: "0.1.0",
    register: None,
};

/// The aggregate; `n_threads` is what DuckDB had at `LOAD`.
#[derive(Clone)]
struct Fit {
    n_threads: usize,
    calls: Arc<Calls<Options>>,
}

/// What one group has seen.
#[derive(Default)]
struct FitState {
    call: Option<Arc<Call<Options>>>,
    group: Group<PcaRows>,
}

impl Aggregate for Fit {
    type State = FitState;
    type Batch<'a> = (Arc<Call<Options>>, Features<'a>);

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        features::read(&self.calls, rows, rows.get(1), options::PCA)
    }

    fn update(
        &self,
        state: &mut FitState,
        (call, features): &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        let options = &call.read;
        let kept = Call::keep(&mut state.call, call).map(|_| ());
        kept.and_then(|()| state.group.add(features, options, range)).map_err(|error| options.speak(error))
    }

    fn combine(&self, source: &FitState, target: &mut FitState) -> Result<()> {
        let Some(call) = &source.call else {
            return Ok(());
        };
        Call::keep(&mut target.call, call).map_err(|error| call.read.speak(error))?;
        target.group.merge(&source.group)
    }

    fn finalize(&self, state: FitState, out: &mut Output) -> Result<()> {
        let (Some(call), Group { rows: Some(rows), n_null_rows }) = (state.call, state.group) else {
            out.push_null();
            return Ok(());
        };
        let options = &call.read;
        match self.fit(options, rows, n_null_rows).map_err(|error| options.speak(error))? {
            Some(model) => out.push(&model.value()),
            None => out.push_null(),
        }
        Ok(())
    }
}

impl Fit {
    fn fit(&self, options: &Options, rows: Rows<PcaRows>, n_null_rows: u64) -> Result<Option<NamedModel>> {
        let n_features = rows.names.len();
        let n = if options.n < 1.0 {
            ml::Components::Share(options.n)
        } else if options.n <= n_features as f64 {
            ml::Components::Count(options.n as usize)
        } else {
            let names = quoted(rows.names.iter().map(String::as_str));
            return Err(Error::new(format!(
                "{} components need as many features, the row has {n_features}: {names}",
                options.n
            )));
        };
        let n_threads = options.threads.unwrap_or(self.n_threads);
        let pca_options = PcaOptions { scale: options.scale, nulls: options.nulls, n, n_threads };
        let names = rows.names.clone();
        let fit = rows.fit(|rows| Pca::fit(rows, &pca_options))?;
        Ok(fit.map(|mut pca| {
            pca.skipped += n_null_rows;
            NamedModel { names, pca }
        }))
    }
}

/// A model with the names of its features.
struct NamedModel {
    names: Arc<[String]>,
    pca: Pca,
}

impl RowModel for NamedModel {
    fn read(value: &Value) -> Result<Self> {
        let reader = Reader::new(value, "pca_fit")?;
        let components = reader.matrix("components")?;
        let (names, transform) = reader.transform(components[0].len())?;
        let pca = Pca {
            transform,
            explained_variance: reader.numbers("explained_variance", components.len(), 0.0, false)?,
            explained_variance_ratio: reader.numbers(
                "explained_variance_ratio",
                components.len(),
                0.0,
                false,
            )?,
            rows: reader.count("rows")?,
            skipped: reader.count("skipped")?,
            components,
        };
        Ok(NamedModel { names: names.into(), pca })
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn transform(&self) -> &ml::Transform {
        &self.pca.transform
    }
}

impl NamedModel {
    fn value(&self) -> Value {
        let mut fields = vec![field("version", Value::Integer(i128::from(model::VERSION)))];
        fields.extend(model::transform_fields(&self.names, &self.pca.transform));
        fields.extend([
            field("components", matrix(&self.pca.components)),
            field("explained_variance", &self.pca.explained_variance[..]),
            field("explained_variance_ratio", &self.pca.explained_variance_ratio[..]),
            field("rows", count(self.pca.rows)),
            field("skipped", count(self.pca.skipped)),
        ]);
        Value::Struct(fields)
    }
}

/// The scalar that applies a model to rows.
#[derive(Clone, Copy)]
struct Transform;

impl Scalar for Transform {
    fn call(&self, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let mut scores = Vec::new();
        // A constant is read once for all rows.
        let constant = match arguments.get(2) {
            None => Some(Value::Null),
            Some(n) => n.is_constant().then(|| n.value(0)),
        };
        model::apply(arguments, out, |model: &NamedModel, scaled, start, out| {
            let available = model.pca.components.len();
            let n_of_all = constant.as_ref().map(|n| n_components(n, available)).transpose()?;
            let n = n_of_all.unwrap_or(available);
            model.pca.transform(scaled, n, &mut scores);
            for (i, usable) in scaled.usable.iter().enumerate() {
                let n_of_row = match n_of_all {
                    Some(n) => n,
                    None => n_components(&arguments.column(2).value(start + i), available)?,
                };
                let row = &scores[i * n..][..n_of_row];
                if !usable {
                    out.push_null();
                } else if row.iter().all(|score| score.is_finite()) {
                    out.push_f64s(row);
                } else {
                    let text = "a score is not finite: the model's components or spreads are out of range";
                    return Err(Error::new(text));
                }
            }
            Ok(())
        })
    }
}

/// The number of components that the argument `n` asks for; all that are available without it.
fn n_components(n: &Value, available: usize) -> Result<usize> {
    if n.is_null() {
        return Ok(available);
    }
    n.as_i64().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=available).contains(n)).ok_or_else(
        || Error::new(format!("n must be between 1 and the model's {available} components, not {n}")),
    )
}

/// The scalar that leads scores back to rows.
#[derive(Clone, Copy)]
struct Inverse;

impl Scalar for Inverse {
    fn call(&self, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let scores = arguments.column(1);
        model::runs(arguments, |model: Option<&NamedModel>, rows| {
            let Some(model) = model else {
                rows.for_each(|_| out.push_null());
                return Ok(());
            };
            for row in rows {
                match finite_scores(&scores.value(row), model)? {
                    Some(scores) => push_row(&model.pca.inverse(&scores), out)?,
                    None => out.push_null(),
                }
            }
            Ok(())
        })
    }
}

/// Scores on the first components of `model`; `None` where one is no finite number.
fn finite_scores(scores: &Value, model: &NamedModel) -> Result<Option<Vec<f64>>> {
    let n_components = model.pca.components.len();
    if scores.is_null() {
        return Ok(None);
    }
    let numbers = scores
        .as_list()
        .and_then(|scores| {
            let number = |score: &Value| if score.is_null() { Some(f64::NAN) } else { score.as_f64() };
            scores.iter().map(number).collect::<Option<Vec<f64>>>()
        })
        .ok_or_else(|| Error::new(format!("scores must be a LIST of numbers, not {scores}")))?;
    if !(1..=n_components).contains(&numbers.len()) {
        return Err(Error::new(format!(
            "scores must be 1 to {n_components} numbers, one a component of the model, not {}",
            numbers.len()
        )));
    }
    Ok(Some(numbers).filter(|numbers| numbers.iter().all(|score| score.is_finite())))
}

fn push_row(row: &[f64], out: &mut Output) -> Result<()> {
    if row.iter().all(|x| x.is_finite()) {
        out.push_f64s(row);
        return Ok(());
    }
    Err(Error::new("a value is not finite: the scores or the model's components or spreads are out of range"))
}

/// The scalar that tells what the components are.
#[derive(Clone, Copy)]
struct Components;

impl Scalar for Components {
    fn call(&self, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        model::describe(arguments, out, loadings)
    }
}

fn loadings(model: &NamedModel) -> Value {
    let Pca { components, explained_variance, explained_variance_ratio, .. } = &model.pca;
    let mut entries = Vec::new();
    let mut cumulative_ratio = 0.0;
    for (i, component) in components.iter().enumerate() {
        cumulative_ratio += explained_variance_ratio[i];
        for (name, loading) in model.names.iter().zip(component) {
            entries.push(Value::Struct(vec![
                field("component", Value::Integer(i as i128 + 1)),
                field("explained_variance", explained_variance[i]),
                field("explained_variance_ratio", explained_variance_ratio[i]),
                field("cumulative_ratio", cumulative_ratio),
                field("feature", name.as_str()),
                field("loading", *loading),
            ]));
        }
    }
    Value::List(entries)
}
