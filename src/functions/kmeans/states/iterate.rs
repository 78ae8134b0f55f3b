//! `kmeans_iterate`: a step over all rows and the next model at once.

use std::ops::Range;

use super::super::{MODEL, NamedModel};
use super::{Batch, Group, Reading};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType};
use crate::functions::{Example, Function, Kind, optional, options, required};

/// `kmeans_iterate(model, row [, options])`
pub const KMEANS_ITERATE: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_iterate",
        parameters: &[
            required("model", SqlType::Any),
            required("row", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: MODEL,
    },
    columns: "",
    description: "One pass of k-means over all rows of a group: the next model.",
    details: "`kmeans_step` and `kmeans_next` in one, for rows that one process reads. Nothing \
              but the sums is held, however many rows there are. Options `weight`, as in \
              `kmeans_fit`, and `tol`. The rows need not be those that the model was made of. No \
              row, and rows of which none is usable, give NULL; a model that is NULL is an error.",
    examples: &[Example {
        sql: "SELECT m.centroids, m.sizes FROM (SELECT kmeans_iterate({'features': ['x'], \
              'centroids': [[0.0], [10.0]]}, {'x': x}) AS m FROM (VALUES (1), (2), (9)) AS t(x))",
        rows: &["[[1.5], [9.0]] | [2, 1]"],
    }],
    errors: &[(
        "SELECT kmeans_iterate(NULL, {'x': 1})",
        "kmeans_iterate: the model is NULL, the query for it found no model",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Iterate { reading: Reading::default() })
    }),
};

#[derive(Clone)]
struct Iterate {
    reading: Reading,
}

impl Aggregate for Iterate {
    type State = Group;
    type Batch<'a> = Batch<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Batch<'a>> {
        self.reading.read(rows, options::ITERATE)
    }

    fn update(&self, state: &mut Group, batch: &Batch<'_>, rows: Range<usize>) -> Result<()> {
        state.add(batch, rows)
    }

    fn combine(&self, source: &Group, target: &mut Group) -> Result<()> {
        target.merge(source)
    }

    fn finalize(&self, state: Group, out: &mut Output) -> Result<()> {
        let next = match (&state.call, &state.known) {
            (Some(call), Some((given, step))) => {
                let next = given.model.kmeans.next(step, call.read.tol);
                next.map(|kmeans| NamedModel { names: given.model.names.clone(), kmeans })
            }
            _ => None,
        };
        match next {
            Some(next) => out.push(&next.value()),
            None => out.push_null(),
        }
        Ok(())
    }
}
