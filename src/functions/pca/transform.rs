//! `pca_transform`: the coordinates of a row on the components.

use super::NamedModel;
use crate::ffi::{Chunk, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::functions::model::{self, DOUBLES};
use crate::functions::{Example, Function, Kind, optional, required};

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
    description: "The scores of a row on the components of a model, the first `n` of them if `n` \
                  is given.",
    details: "Fields are matched as in `kmeans_predict`; NULL under the same conditions.",
    examples: &[Example {
        sql: "SELECT pca_transform({'features': ['x', 'y'], 'mean': [1, 0], 'components': [[1.0, \
              0.0], [0.0, 1.0]]}, {'y': 5, 'x': 3})",
        rows: &["[2.0, 5.0]"],
    }],
    errors: &[(
        "SELECT pca_transform({'features': ['x'], 'components': [[1.0]]}, {'x': 7}, 2)",
        "pca_transform: n must be between 1 and the model's 1 components, not 2",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Transform)),
};

/// The scalar that applies a model to rows.
#[derive(Clone, Copy)]
struct Transform;

impl Scalar for Transform {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let mut scores = Vec::new();
        // A constant is read once for all rows.
        let constant = match arguments.get(2) {
            None => Some(Value::Null),
            Some(n) => n.is_constant().then(|| n.value(0)),
        };
        model::apply(last, arguments, out, |model: &NamedModel, scaled, start, out| {
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
                    let text = "a score is not finite: the model's components or spreads are out \
                                of range";
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
    n.as_i64()
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| (1..=available).contains(n))
        .ok_or_else(|| {
            Error::new(format!(
                "n must be between 1 and the model's {available} components, not {n}"
            ))
        })
}
