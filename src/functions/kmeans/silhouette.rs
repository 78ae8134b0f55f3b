//! `kmeans_silhouette`: how clearly a row belongs to its segment.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType};
use crate::functions::{Example, Function, Kind, features, model, required};

/// `kmeans_silhouette(model, row)`
pub const KMEANS_SILHOUETTE: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_silhouette",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Double,
    },
    columns: "",
    description: "The simplified silhouette of a row, from 0 to 1: 0 between two segments, 1 at a \
                  centroid.",
    details: "`1 - a / b`, `a` and `b` being the distances to the nearest and to the second \
              nearest centroid, in scaled units (Hruschka and others, *Evolving clusters in \
              gene-expression data*, 2006). Its mean over the rows of the fit is the `silhouette` \
              of these centroids as `kmeans_metrics` defines it; its mean by segment tells which \
              segments run into others. 0 in a segment of one row, as there, and where the two \
              nearest centroids are the row itself. NULL for a model of one segment, which no \
              other is near, and as in `kmeans_predict`.",
    examples: &[Example {
        sql: "SELECT kmeans_silhouette({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': \
              2})",
        rows: &["0.75"],
    }],
    errors: &[(
        "SELECT kmeans_silhouette({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'y': 7})",
        "kmeans_silhouette: the model needs feature \"x\", the row has \"y\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Silhouette)),
};

/// The scalar that tells the silhouettes of rows.
#[derive(Clone, Copy)]
struct Silhouette;

impl Scalar for Silhouette {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        model::apply(last, arguments, out, |model: &NamedModel, scaled, _, out| {
            for (row, usable) in scaled.usable.iter().enumerate() {
                let silhouette = if *usable {
                    let silhouette = model.kmeans.silhouette(scaled, row);
                    silhouette.map_err(|error| features::explain(error, &model.names))?
                } else {
                    None
                };
                match silhouette {
                    Some(silhouette) => out.push_f64(silhouette),
                    None => out.push_null(),
                }
            }
            Ok(())
        })
    }
}
