//! `pca_inverse`: the row that coordinates stand for.

use super::NamedModel;
use crate::ffi::{Chunk, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::functions::model::{self, DOUBLES};
use crate::functions::{Example, Function, Kind, required};

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
    details: "`scores` is a LIST or ARRAY of numbers as `pca_transform` gives them, or the first \
              of them: components that are left out count as 0. The result holds one number for \
              each of the model's features, in its order; with the scores on as many components as \
              there are features it is the row itself, up to rounding, else the nearest row that \
              the components can tell (in scaled space). NULL where the model, the scores or one \
              of them is NULL, NaN or infinite.",
    examples: &[Example {
        sql: "SELECT pca_inverse({'features': ['x', 'y'], 'mean': [1, 0], 'components': [[1.0, \
              0.0], [0.0, 1.0]]}, [2, 5])",
        rows: &["[3.0, 5.0]"],
    }],
    errors: &[(
        "SELECT pca_inverse({'features': ['x'], 'components': [[1.0]]}, 'x')",
        "pca_inverse: scores must be a LIST of numbers, not 'x'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Inverse)),
};

/// The scalar that leads scores back to rows.
#[derive(Clone, Copy)]
struct Inverse;

impl Scalar for Inverse {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let scores = arguments.column(1);
        model::runs(last, arguments, |model: Option<&NamedModel>, rows| {
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
            let number =
                |score: &Value| if score.is_null() { Some(f64::NAN) } else { score.as_f64() };
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
    Err(Error::new(
        "a value is not finite: the scores or the model's components or spreads are out of range",
    ))
}
