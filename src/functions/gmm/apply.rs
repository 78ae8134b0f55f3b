//! `gmm_predict` and `gmm_probabilities`: the segment of a row, and how probable each is.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType};
use crate::functions::model::DOUBLES;
use crate::functions::{Example, Function, Kind, features, model, required};

/// `gmm_predict(model, row)`
pub const GMM_PREDICT: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "gmm_predict",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Integer,
    },
    columns: "",
    description: "The segment of a mixture that a row most probably belongs to, from 0.",
    details: "Fields are matched as in `kmeans_predict`; NULL under the same conditions. Of two \
              segments equally probable, the lower number.",
    examples: &[Example {
        sql: "SELECT gmm_predict({'features': ['x'], 'means': [[0.0], [10.0]], 'covariances': \
              [[[1.0]], [[16.0]]]}, {'x': 4})",
        rows: &["1"],
    }],
    errors: &[
        (
            "SELECT gmm_predict({'features': ['x'], 'means': [[0.0]], 'covariances': [[[1.0]]]}, \
             {'y': 7})",
            "gmm_predict: the model needs feature \"x\", the row has \"y\"",
        ),
        (
            "SELECT gmm_predict({'features': ['x'], 'centroids': [[0.0]]}, {'x': 7})",
            "gmm_predict: the model's means is missing, a model of gmm_fit is needed",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Segment)),
};

/// `gmm_probabilities(model, row)`
pub const GMM_PROBABILITIES: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "gmm_probabilities",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: DOUBLES,
    },
    columns: "",
    description: "The probabilities that a row belongs to the segments of a mixture, in their \
                  order; they sum to 1.",
    details: "Fields are matched as in `kmeans_predict`; NULL under the same conditions. A row far \
              from all segments still belongs to one of them: probabilities compare segments and \
              do not tell outliers.",
    examples: &[Example {
        sql: "SELECT [round(p, 6) for p in gmm_probabilities({'features': ['x'], 'weights': [0.75, \
              0.25], 'means': [[0.0], [2.0]], 'covariances': [[[1.0]], [[1.0]]]}, {'x': 1})] AS \
              probabilities",
        rows: &["[0.75, 0.25]"],
    }],
    errors: &[(
        "SELECT gmm_probabilities({'features': ['x'], 'means': [[0.0]], 'covariances': [[[0.0]]]}, \
         {'x': 7})",
        "gmm_probabilities: the model's covariances must have variances above 0, not 0.0, a model \
         of gmm_fit is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Probabilities)),
};

/// The scalars that apply a mixture.
#[derive(Clone, Copy)]
enum Apply {
    Segment,
    Probabilities,
}

impl Scalar for Apply {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        model::apply(last, arguments, out, |model: &NamedModel, scaled, _, out| {
            let told = model.mixture.probabilities(scaled, |_, row| match (self, row) {
                (_, None) => out.push_null(),
                (Apply::Probabilities, Some(row)) => out.push_f64s(row),
                (Apply::Segment, Some(row)) => {
                    let best =
                        (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
                    out.push_i32(best as i32);
                }
            });
            told.map_err(|error| features::explain(error, &model.names))
        })
    }
}
