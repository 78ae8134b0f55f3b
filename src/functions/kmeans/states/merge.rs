//! `kmeans_step_merge`: the steps over several parts as one.

use super::fields::{STEP, StepState};
use crate::ffi::{Signature, SqlType};
use crate::functions::states::Merge;
use crate::functions::{Example, Function, Kind, required};

/// `kmeans_step_merge(state)`
pub const KMEANS_STEP_MERGE: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_step_merge",
        parameters: &[required("state", SqlType::Any)],
        returns: STEP,
    },
    columns: "",
    description: "The states that `kmeans_step` made of several parts as one.",
    details: "To the bit the state of all rows of the parts, in whatever order they come, and a \
              state of states. All must be of the same model and have the same `weight`. A part \
              that comes twice counts twice: keep states by their part. NULL states are left out; \
              no other state gives NULL.",
    examples: &[Example {
        sql: "WITH parts AS (SELECT kmeans_step({'features': ['x'], 'centroids': [[0.0], [10.0]]}, \
              {'x': x}) AS state FROM (VALUES ('mon', 1), ('mon', 2), ('tue', 9)) AS t(day, x) \
              GROUP BY day) SELECT s.rows FROM (SELECT kmeans_step_merge(state) AS s FROM parts)",
        rows: &["3"],
    }],
    errors: &[
        (
            "WITH parts AS (SELECT x, kmeans_step({'features': ['x'], 'centroids': [[x]]}, {'x': \
             x}) AS state FROM range(2) AS t(x) GROUP BY x) SELECT kmeans_step_merge(state) FROM \
             parts",
            "kmeans_step_merge: the states are of two models, make the steps of all parts with the \
             same one",
        ),
        (
            "SELECT kmeans_step_merge({'kind': 'pca_survey', 'version': 1})",
            "kmeans_step_merge: the state is one of pca_survey, a state of kmeans_step is needed",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Merge::<StepState>::new())
    }),
};
