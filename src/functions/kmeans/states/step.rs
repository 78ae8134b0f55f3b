//! `kmeans_step`: what the rows of a group say about the centroids of a model.

use std::ops::Range;

use super::fields::{STEP, StepState};
use super::{Batch, Group, Reading};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType};
use crate::functions::states::Stored;
use crate::functions::{Example, Function, Kind, optional, options, required};

/// `kmeans_step(model, row [, options])`
pub const KMEANS_STEP: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_step",
        parameters: &[
            required("model", SqlType::Any),
            required("row", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: STEP,
    },
    columns: "",
    description: "What the rows of a part say about the centroids of a model: a state that can be \
                  stored, sent and merged.",
    details: include_str!("step.md"),
    examples: &[Example {
        sql: "SELECT s.rows, list_transform(s.segments, lambda x: x.rows) FROM (SELECT \
              kmeans_step({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': x}) AS s FROM \
              (VALUES (1), (2), (9)) AS t(x))",
        rows: &["3 | [2, 1]"],
    }],
    errors: &[
        (
            "SELECT kmeans_step({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'y': 7})",
            "kmeans_step: the model needs feature \"x\", the row has \"y\"",
        ),
        (
            "SELECT kmeans_step({'features': ['x'], 'centroids': [[x]]}, {'x': x}) FROM range(3) \
             AS t(x)",
            "kmeans_step: the model must be the same in all rows of a group, use GROUP BY for \
             several",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Fold { reading: Reading::default() })
    }),
};

#[derive(Clone)]
struct Fold {
    reading: Reading,
}

impl Aggregate for Fold {
    type State = Group;
    type Batch<'a> = Batch<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Batch<'a>> {
        self.reading.read(rows, options::STEP)
    }

    fn update(&self, state: &mut Group, batch: &Batch<'_>, rows: Range<usize>) -> Result<()> {
        state.add(batch, rows)
    }

    fn combine(&self, source: &Group, target: &mut Group) -> Result<()> {
        target.merge(source)
    }

    fn finalize(&self, state: Group, out: &mut Output) -> Result<()> {
        match (state.call, state.known) {
            (Some(call), Some((given, step))) => {
                let names = given.model.names.to_vec();
                let weight = call.read.weight.clone();
                let state = StepState { fingerprint: given.fingerprint, names, weight, step };
                out.push(&state.value());
            }
            _ => out.push_null(),
        }
        Ok(())
    }
}
