//! `rules_predict`: the leaf of a row.

use super::read;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType};
use crate::functions::features::Features;
use crate::functions::{Example, Function, Kind, required};

/// `rules_predict(model, row)`
pub const RULES_PREDICT: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "rules_predict",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Integer,
    },
    columns: "",
    description: "Which condition of a model of `rules_fit` a row meets: its number, from 0.",
    details: "Fields are matched as in `kmeans_predict`. A missing value is above all others. \
              NULL where the model is NULL.",
    examples: &[Example {
        sql: "SELECT rules_predict(m, {'x': 17}), m.conditions[1 + rules_predict(m, {'x': 17})] \
              FROM (SELECT rules_fit({'x': x}, x // 10) AS m FROM (VALUES (1), (2), (11), (12)) \
              AS t(x))",
        rows: &["1 | \"x\" > 10"],
    }],
    errors: &[(
        "SELECT rules_predict(42, {'x': 7})",
        "rules_predict: the model must be a STRUCT made by rules_fit, not 42",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Predict)),
};

/// The scalar.
#[derive(Clone, Copy)]
struct Predict;

impl Scalar for Predict {
    type Local = ();

    fn call(&self, (): &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let models = arguments.column(0);
        for rows in crate::functions::runs(&[models], arguments.len()) {
            let model = models.value(rows.start);
            if model.is_null() {
                rows.for_each(|_| out.push_null());
                continue;
            }
            let (names, tree) = read(&model)?;
            let features = Features::matching(arguments.column(1), &names)?;
            for row in rows {
                let leaf = tree.leaf(|feature| features.columns[feature][row]);
                out.push_i32(leaf as i32);
            }
        }
        Ok(())
    }
}
