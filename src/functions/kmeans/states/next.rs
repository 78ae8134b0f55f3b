//! `kmeans_next`: the model after a step.

use super::super::{MODEL, NamedModel};
use super::fields::StepState;
use crate::ffi::{Chunk, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::functions::model::RowModel;
use crate::functions::options::{self, Options};
use crate::functions::states::Stored;
use crate::functions::{Example, Function, Kind, optional, required};

/// `kmeans_next(model, state [, options])`
pub const KMEANS_NEXT: Function = Function {
    kind: Kind::Scalar,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_next",
        parameters: &[
            required("model", SqlType::Any),
            required("state", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: MODEL,
    },
    columns: "",
    description: "The model after a step over all rows: its centroids are the means of their rows.",
    details: include_str!("next.md"),
    examples: &[Example {
        sql: "WITH start AS (SELECT {'features': ['x'], 'centroids': [[0.0], [10.0]]} AS model), \
              part AS (SELECT kmeans_step(model, {'x': x}) AS state FROM start, (VALUES (1), (2), \
              (9)) AS t(x)) SELECT m.centroids, m.sizes, m.inertia FROM (SELECT kmeans_next(model, \
              state) AS m FROM start, part)",
        rows: &["[[1.5], [9.0]] | [2, 1] | 0.5"],
    }],
    errors: &[
        (
            "WITH part AS (SELECT kmeans_step({'features': ['x'], 'centroids': [[0.0], [10.0]]}, \
             {'x': x}) AS state FROM range(3) AS t(x)) SELECT kmeans_next({'features': ['x'], \
             'centroids': [[0.0], [11.0]]}, state) FROM part",
            "kmeans_next: the state is of another model, make the steps of all parts with this one",
        ),
        (
            "WITH part AS (SELECT kmeans_step({'features': ['x'], 'centroids': [[0.0], [10.0]], \
             'rows': 5}, {'x': x}) AS state FROM range(3) AS t(x)) SELECT \
             kmeans_next({'features': ['x'], 'centroids': [[0.0], [10.0]], 'rows': 5}, state) FROM \
             part",
            "kmeans_next: the state holds 3 rows, the model was made for 5: a part is missing or \
             was counted twice, or the source has changed; where other rows are meant, use \
             {'same_rows': false}",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Next)),
};

#[derive(Clone, Copy)]
struct Next;

impl Scalar for Next {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let options = Options::read(arguments.get(2), options::NEXT)?;
        let (models, states) = (arguments.column(0), arguments.column(1));
        for row in 0..arguments.len() {
            if !models.is_valid(row) || !states.is_valid(row) {
                out.push_null();
                continue;
            }
            let next = next(&models.value(row), &states.value(row), &options);
            match next.map_err(|error| options.speak(error))? {
                Some(next) => out.push(&next.value()),
                None => out.push_null(),
            }
        }
        Ok(())
    }
}

fn next(model: &Value, state: &Value, options: &Options) -> Result<Option<NamedModel>> {
    let model = NamedModel::read(model)?;
    let StepState { step, .. } = {
        let state = StepState::read(state)?;
        state.check(&model)?;
        state
    };
    let made_for = u128::from(model.kmeans.rows) + u128::from(model.kmeans.skipped);
    let held = u128::from(step.rows) + u128::from(step.skipped);
    if options.same_rows && model.kmeans.rows > 0 && held != made_for {
        return Err(Error::new(format!(
            "the state holds {held} rows, the model was made for {made_for}: a part is missing or \
             was counted twice, or the source has changed; where other rows are meant, use \
             {{'same_rows': false}}"
        )));
    }
    let next = model.kmeans.next(&step, options.tol);
    if next.as_ref().is_some_and(|next| !next.is_finite()) {
        return Err(Error::new(
            "the state's sums are beyond what rows can have, a state of kmeans_step is needed",
        ));
    }
    Ok(next.map(|kmeans| NamedModel { kmeans, ..model }))
}
