//! `kmeans_centroids`: what the centroids of a model are, in original units.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType, Value};
use crate::functions::model::{count, field};
use crate::functions::{Example, Function, Kind, model, required};
use crate::ml::KMeans;

const CENTROID: SqlType = SqlType::Struct(&[
    ("segment", SqlType::Integer),
    ("size", SqlType::BigInt),
    ("share", SqlType::Double),
    ("feature", SqlType::Varchar),
    ("value", SqlType::Double),
    ("z_score", SqlType::Double),
]);

/// `kmeans_centroids(model)`
pub const KMEANS_CENTROIDS: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_centroids",
        parameters: &[required("model", SqlType::Any)],
        returns: SqlType::List(&CENTROID),
    },
    columns: "",
    description: "The centroids of a model in original units: one entry for each segment and \
                  feature.",
    details: "`value` is in the feature's own unit (of a feature under `log`: the geometric mean, \
              `exp(mean of ln(1 + x)) - 1`); `z_score` is its distance from the mean of all rows \
              in standard deviations, 0 for a constant feature; `share` is of the rows that were \
              fitted. NULL for a NULL model.",
    examples: &[Example {
        sql: "SELECT c.segment, c.feature, c.value FROM (SELECT \
              unnest(kmeans_centroids({'features': ['x'], 'center': [5], 'spread': [2], \
              'centroids': [[-1.0], [3.0]]})) AS c)",
        rows: &["0 | x | 3.0", "1 | x | 11.0"],
    }],
    errors: &[(
        "SELECT kmeans_centroids({'features': ['x'], 'centroids': [[0.0, 1.0]]})",
        "kmeans_centroids: the model's features has 1 names for 2 features, a model of kmeans_fit \
         is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Centroids)),
};

/// The scalar that tells what the centroids are.
#[derive(Clone, Copy)]
struct Centroids;

impl Scalar for Centroids {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        model::describe(last, arguments, out, centroids)
    }
}

fn centroids(model: &NamedModel) -> Value {
    let KMeans { transform, centroids, sizes, .. } = &model.kmeans;
    let total: f64 = sizes.iter().map(|size| *size as f64).sum();
    let mut entries = Vec::new();
    for (segment, (centroid, size)) in centroids.iter().zip(sizes).enumerate() {
        for (i, (name, scaled)) in model.names.iter().zip(centroid).enumerate() {
            let centered = transform.center[i] + scaled * transform.spread[i];
            let z_score = if transform.stddev[i] > 0.0 {
                (centered - transform.mean[i]) / transform.stddev[i]
            } else {
                0.0
            };
            entries.push(Value::Struct(vec![
                field("segment", Value::Integer(segment as i128)),
                field("size", count(*size)),
                field("share", if total > 0.0 { *size as f64 / total } else { 0.0 }),
                field("feature", name.as_str()),
                field("value", transform.invert(i, *scaled)),
                field("z_score", z_score),
            ]));
        }
    }
    Value::List(entries)
}
