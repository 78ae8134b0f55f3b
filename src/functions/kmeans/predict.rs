//! `kmeans_predict`: the segment of a row.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType};
use crate::functions::{Example, Function, Kind, features, model, required};
use crate::ml::NO_SEGMENT;

/// `kmeans_predict(model, row)`
pub const KMEANS_PREDICT: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_predict",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Integer,
    },
    columns: "",
    description: "The segment of a row: the number of its nearest centroid, from 0.",
    details: "STRUCT fields are matched to the model's features by name, whatever their order and \
              whatever else the row has; a LIST by position. NULL where the model is NULL, or \
              where a feature is NULL, NaN or infinite and the model was not fitted with `nulls` \
              `'mean'` or `'zero'`. Of two centroids equally near, the lower number.",
    examples: &[Example {
        sql: "SELECT kmeans_predict({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': 7})",
        rows: &["1"],
    }],
    errors: &[
        (
            "SELECT kmeans_predict({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'y': 7})",
            "kmeans_predict: the model needs feature \"x\", the row has \"y\"",
        ),
        (
            "SELECT kmeans_predict(42, {'x': 7})",
            "kmeans_predict: the model must be a STRUCT made by kmeans_fit, not 42",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Predict)),
};

/// The scalar that tells the segments of rows.
#[derive(Clone, Copy)]
struct Predict;

impl Scalar for Predict {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let mut labels = Vec::new();
        model::apply_raw(last, arguments, out, |model: &NamedModel, features, rows, out| {
            let found = model.kmeans.labels(&features.slices(rows.clone()), &mut labels);
            found.map_err(|error| features::explain(error, &model.names))?;
            if features.null_rows.is_none() && !labels.contains(&NO_SEGMENT) {
                out.extend_i32(labels.iter().map(|&label| label as i32));
                return Ok(());
            }
            for (row, &label) in rows.zip(&labels) {
                match label {
                    NO_SEGMENT => out.push_null(),
                    _ if features.is_null_row(row) => out.push_null(),
                    label => out.push_i32(label as i32),
                }
            }
            Ok(())
        })
    }
}
