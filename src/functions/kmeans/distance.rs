//! `kmeans_distance` and `kmeans_distances`: how far a row is from its own centroid, and from all.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType};
use crate::functions::model::DOUBLES;
use crate::functions::{Example, Function, Kind, features, model, required};

/// `kmeans_distance(model, row)`
pub const KMEANS_DISTANCE: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_distance",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Double,
    },
    columns: "",
    description: "Euclidean distance of a row to its own centroid, in scaled units.",
    details: "Rows that fit no segment well are far from their centroid. NULL as in \
              `kmeans_predict`.",
    examples: &[Example {
        sql: "SELECT kmeans_distance({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': 7})",
        rows: &["3.0"],
    }],
    errors: &[(
        "SELECT kmeans_distance({'features': ['x'], 'centroids': [[0.0], [10.0]]}, [1, 2])",
        "kmeans_distance: the model has 1 features, the row has 2 numbers",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Distance)),
};

/// `kmeans_distances(model, row)`
pub const KMEANS_DISTANCES: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_distances",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: DOUBLES,
    },
    columns: "",
    description: "Euclidean distances of a row to all centroids, in scaled units and in the order \
                  of the segments.",
    details: "NULL as in `kmeans_predict`.",
    examples: &[Example {
        sql: "SELECT kmeans_distances({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': 7})",
        rows: &["[7.0, 3.0]"],
    }],
    errors: &[(
        "SELECT kmeans_distances({'features': ['x']}, {'x': 1})",
        "kmeans_distances: the model's centroids is missing, a model of kmeans_fit is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Distances)),
};

/// The scalars that tell how far rows are from centroids.
#[derive(Clone, Copy)]
enum Apply {
    Distance,
    Distances,
}

/// A squared distance below this may have lost digits.
const SMALL_SQUARE: f64 = 1e-290;

impl Scalar for Apply {
    type Local = model::Last<NamedModel>;

    fn call(&self, last: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let (mut labels, mut distances) = (Vec::new(), Vec::new());
        model::apply(last, arguments, out, |model: &NamedModel, scaled, _, out| {
            let kmeans = &model.kmeans;
            let assigned = kmeans.assign(scaled, &mut labels, &mut distances);
            assigned.map_err(|error| features::explain(error, &model.names))?;
            for (i, usable) in scaled.usable.iter().enumerate() {
                match self {
                    _ if !usable => out.push_null(),
                    // Of a square that leaves the range of doubles at its lower end, the distance
                    // does not.
                    Apply::Distance if distances[i] < SMALL_SQUARE => {
                        let distances = kmeans.distances(scaled, i);
                        let distances =
                            distances.map_err(|error| features::explain(error, &model.names))?;
                        out.push_f64(distances[labels[i] as usize]);
                    }
                    Apply::Distance => out.push_f64(distances[i].sqrt()),
                    Apply::Distances => {
                        let distances = kmeans.distances(scaled, i);
                        out.push_f64s(
                            &distances.map_err(|error| features::explain(error, &model.names))?,
                        );
                    }
                }
            }
            Ok(())
        })
    }
}
