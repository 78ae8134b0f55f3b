//! k-means in SQL: the model, what fits it, what applies it, and the relations over both.

mod centroids;
mod distance;
mod evaluate;
mod fit;
mod predict;
mod relations;
mod silhouette;
mod states;
mod to_sql;

pub use centroids::KMEANS_CENTROIDS;
pub use distance::{KMEANS_DISTANCE, KMEANS_DISTANCES};
pub use evaluate::KMEANS_EVALUATE;
pub use fit::KMEANS_FIT;
pub use predict::KMEANS_PREDICT;
pub use relations::{KMEANS_CENTROIDS_RELATION, KMEANS_METRICS, KMEANS_SEGMENTS};
pub use silhouette::KMEANS_SILHOUETTE;
pub use states::{
    KMEANS_ITERATE, KMEANS_NEXT, KMEANS_SAMPLE, KMEANS_SAMPLE_MERGE, KMEANS_START, KMEANS_STEP,
    KMEANS_STEP_MERGE, KMEANS_SURVEY, KMEANS_SURVEY_MERGE,
};
pub use to_sql::KMEANS_TO_SQL;

use std::sync::Arc;

use super::features::Features;
use super::model::{self, DOUBLES, Reader, RowModel, count, field, matrix, model_type};
use super::options::Options;
use crate::ffi::{Error, Result, SqlType, Value};
use crate::ml::{KMeans, KMeansOptions, Transform};

const MODEL: SqlType = model_type! {
    ("version", SqlType::Integer), ("k", SqlType::Integer);
    ("centroids", SqlType::List(&DOUBLES)),
    ("sizes", SqlType::List(&SqlType::BigInt)),
    ("inertia", SqlType::Double),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt),
    ("sampled", SqlType::BigInt),
    ("iterations", SqlType::Integer),
    ("converged", SqlType::Boolean),
    ("seed", SqlType::BigInt)
};

/// Refuses so many segments of so many features that their sums alone would take more than the
/// memory.
fn enough_memory(n_clusters: usize, features: &Features<'_>, options: &Options) -> Result<()> {
    /// Bytes of a segment's feature: exact sums, sums of the restarts and the centroid itself.
    const BYTES: u128 = 128;
    let n_features = features.names.len();
    let bytes = BYTES * n_clusters as u128 * n_features as u128;
    if bytes > u128::from(options.memory) {
        return Err(Error::new(format!(
            "{n_clusters} segments of {n_features} features take {bytes} bytes, memory is {}",
            options.memory
        )));
    }
    Ok(())
}

/// How the pure layer fits with these options.
pub(super) fn kmeans_options(
    options: &Options,
    n_clusters: usize,
    n_threads: usize,
) -> KMeansOptions {
    KMeansOptions {
        n_clusters,
        scale: options.scale,
        nulls: options.nulls,
        n_init: options.n_init,
        max_iter: options.max_iter,
        tol: options.tol,
        seed: options.seed,
        n_threads: options.threads.unwrap_or(n_threads),
        init: None,
    }
}

/// A model with the names of its features.
#[derive(Clone, PartialEq)]
struct NamedModel {
    names: Arc<[String]>,
    kmeans: KMeans,
}

impl RowModel for NamedModel {
    fn read(value: &Value) -> Result<Self> {
        let reader = Reader::new(value, "kmeans_fit")?;
        let centroids = reader.matrix("centroids")?;
        let (names, transform) = reader.transform(centroids[0].len())?;
        let sizes = reader.counts("sizes", centroids.len())?;
        let kmeans = KMeans {
            transform,
            sizes,
            inertia: reader.figure("inertia").and_then(Value::as_f64).unwrap_or(0.0),
            rows: reader.count("rows")?,
            skipped: reader.count("skipped")?,
            sampled: reader.count("sampled")?,
            iterations: reader.iterations()?,
            converged: reader.figure("converged") == Some(&Value::Boolean(true)),
            seed: reader.figure("seed").and_then(Value::as_i64).unwrap_or(0),
            centroids,
        };
        Ok(NamedModel { names: names.into(), kmeans })
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn transform(&self) -> &Transform {
        &self.kmeans.transform
    }
}

impl NamedModel {
    fn value(&self) -> Value {
        let KMeans { centroids, sizes, .. } = &self.kmeans;
        let mut fields = vec![
            field("version", Value::Integer(i128::from(model::VERSION))),
            field("k", Value::Integer(centroids.len() as i128)),
        ];
        fields.extend(model::transform_fields(&self.names, &self.kmeans.transform));
        fields.extend([
            field("centroids", matrix(centroids)),
            field("sizes", Value::List(sizes.iter().map(|size| count(*size)).collect())),
            field("inertia", self.kmeans.inertia),
            field("rows", count(self.kmeans.rows)),
            field("skipped", count(self.kmeans.skipped)),
            field("sampled", count(self.kmeans.sampled)),
            field("iterations", Value::Integer(i128::from(self.kmeans.iterations))),
            field("converged", Value::Boolean(self.kmeans.converged)),
            field("seed", Value::Integer(i128::from(self.kmeans.seed))),
        ]);
        Value::Struct(fields)
    }

    /// This model as the start of another fit: its features in the order of `names`.
    fn as_init(&self, names: &[String], log: &[bool], n_clusters: usize) -> Result<KMeans> {
        let n = self.kmeans.centroids.len();
        if n != n_clusters {
            return Err(Error::new(format!("init has {n} segments, k is {n_clusters}")));
        }
        let order: Vec<usize> = names
            .iter()
            .map(|name| {
                self.names.iter().position(|known| known.eq_ignore_ascii_case(name)).ok_or_else(
                    || {
                        let known = super::quoted(self.names.iter().map(String::as_str));
                        Error::new(format!(
                            "init has no feature \"{name}\", its features are {known}"
                        ))
                    },
                )
            })
            .collect::<Result<_>>()?;
        if order.len() != self.names.len() {
            let known = super::quoted(self.names.iter().map(String::as_str));
            return Err(Error::new(format!("init needs the features {known}")));
        }
        let pick = |values: &[f64]| -> Vec<f64> { order.iter().map(|i| values[*i]).collect() };
        let mut init = self.kmeans.clone();
        init.centroids = self.kmeans.centroids.iter().map(|centroid| pick(centroid)).collect();
        let from = &self.kmeans.transform;
        init.transform.log = order.iter().map(|i| from.log[*i]).collect();
        init.transform.center = pick(&from.center);
        init.transform.spread = pick(&from.spread);
        init.transform.mean = pick(&from.mean);
        init.transform.stddev = pick(&from.stddev);
        init.transform.fill = if from.fill.is_empty() { Vec::new() } else { pick(&from.fill) };
        if let Some(i) = (0..names.len()).find(|i| init.transform.log[*i] != log[*i]) {
            let (has, fits) = if log[i] { ("without", "with") } else { ("with", "without") };
            return Err(Error::new(format!(
                "init has \"{}\" {has} log, the fit {fits} it",
                names[i]
            )));
        }
        Ok(init)
    }
}

/// The features of a model, and those of them that it takes the logarithm of.
pub fn log_of_model(model: &Value) -> Result<(Vec<String>, Vec<String>)> {
    let NamedModel { names, kmeans } = NamedModel::read(model)?;
    let log = names.iter().zip(&kmeans.transform.log).filter(|(_, log)| **log);
    Ok((names.to_vec(), log.map(|(name, _)| name.clone()).collect()))
}
