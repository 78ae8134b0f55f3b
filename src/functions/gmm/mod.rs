//! Gaussian mixtures in SQL: the model, what fits it, what applies it, and the relations over both.

mod apply;
mod evaluate;
mod fit;
mod relations;

pub use apply::{GMM_PREDICT, GMM_PROBABILITIES};
pub use evaluate::GMM_EVALUATE;
pub use fit::GMM_FIT;
pub use relations::{GMM_METRICS, GMM_SEGMENTS};

use std::sync::Arc;

use super::features::Features;
use super::model::{self, DOUBLES, Reader, RowModel, count, field, matrix, model_type};
use super::options::Options;
use crate::ffi::{Error, Result, SqlType, Value};
use crate::ml::{Covariance, GaussianMixture, Transform};

const MODEL: SqlType = model_type! {
    ("version", SqlType::Integer),
    ("k", SqlType::Integer),
    ("covariance", SqlType::Varchar);
    ("weights", DOUBLES),
    ("means", SqlType::List(&DOUBLES)),
    ("covariances", SqlType::List(&SqlType::List(&DOUBLES))),
    ("sizes", SqlType::List(&SqlType::BigInt)),
    ("log_likelihood", SqlType::Double),
    ("bic", SqlType::Double),
    ("aic", SqlType::Double),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt),
    ("sampled", SqlType::BigInt),
    ("iterations", SqlType::Integer),
    ("converged", SqlType::Boolean),
    ("seed", SqlType::BigInt)
};

/// Refuses so many segments of so many features that their covariances alone would take more than
/// the memory.
fn enough_memory(n_segments: usize, features: &Features<'_>, options: &Options) -> Result<()> {
    /// Copies of the sums of products that a fit holds at most.
    const COPIES: u128 = 66;
    let n_features = features.names.len();
    let triangle = n_features as u128 * (n_features as u128 + 1) / 2;
    let bytes = 8 * COPIES * n_segments as u128 * triangle;
    if bytes > u128::from(options.memory) {
        return Err(Error::new(format!(
            "covariances of {n_segments} segments of {n_features} features take {bytes} bytes, \
             memory is {}",
            options.memory
        )));
    }
    Ok(())
}

/// A model with the names of its features.
#[derive(Clone, PartialEq)]
struct NamedModel {
    names: Arc<[String]>,
    mixture: GaussianMixture,
}

impl RowModel for NamedModel {
    fn read(value: &Value) -> Result<Self> {
        let reader = Reader::new(value, "gmm_fit")?;
        let means = reader.matrix("means")?;
        let (k, n_features) = (means.len(), means[0].len());
        let (names, transform) = reader.transform(n_features)?;
        let covariances = reader.matrices("covariances", k)?;
        for matrix in &covariances {
            if matrix.len() != n_features || matrix[0].len() != n_features {
                let what = format!("must be matrices of {n_features} times {n_features} numbers");
                return Err(reader.broken("covariances", &what));
            }
            if let Some(x) = (0..n_features).map(|i| matrix[i][i]).find(|x| *x <= 0.0) {
                return Err(reader
                    .broken("covariances", &format!("must have variances above 0, not {x:?}")));
            }
        }
        let figure = |name: &str| reader.figure(name).and_then(Value::as_f64).unwrap_or(0.0);
        let mixture = GaussianMixture {
            transform,
            covariance: reader
                .one_of("covariance", Covariance::NAMES, Covariance::from_name)?
                .unwrap_or(Covariance::Full),
            weights: weights(&reader, k)?,
            sizes: reader.counts("sizes", k)?,
            log_likelihood: figure("log_likelihood"),
            bic: figure("bic"),
            aic: figure("aic"),
            rows: reader.count("rows")?,
            skipped: reader.count("skipped")?,
            sampled: reader.count("sampled")?,
            iterations: reader.iterations()?,
            converged: reader.figure("converged") == Some(&Value::Boolean(true)),
            seed: reader.figure("seed").and_then(Value::as_i64).unwrap_or(0),
            means,
            covariances,
        };
        Ok(NamedModel { names: names.into(), mixture })
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn transform(&self) -> &Transform {
        &self.mixture.transform
    }
}

/// The shares of `k` segments; equal ones where the field is missing.
fn weights(reader: &Reader<'_>, k: usize) -> Result<Vec<f64>> {
    let Some(weights) = reader.figure("weights") else {
        return Ok(vec![1.0 / k as f64; k]);
    };
    let weights: Option<Vec<f64>> =
        weights.as_list().and_then(|weights| weights.iter().map(Value::as_f64).collect());
    weights
        .filter(|weights| {
            let are_shares = weights.iter().all(|weight| (0.0..=1.0).contains(weight));
            weights.len() == k && are_shares && weights.iter().any(|weight| *weight > 0.0)
        })
        .ok_or_else(|| {
            reader.broken("weights", &format!("must be {k} shares from 0 to 1, not all of them 0"))
        })
}

impl NamedModel {
    fn value(&self) -> Value {
        let mixture = &self.mixture;
        let mut fields = vec![
            field("version", Value::Integer(i128::from(model::VERSION))),
            field("k", Value::Integer(mixture.means.len() as i128)),
            field("covariance", mixture.covariance.name()),
        ];
        fields.extend(model::transform_fields(&self.names, &mixture.transform));
        let covariances = mixture.covariances.iter().map(|covariance| matrix(covariance));
        fields.extend([
            field("weights", &mixture.weights[..]),
            field("means", matrix(&mixture.means)),
            field("covariances", Value::List(covariances.collect())),
            field("sizes", Value::List(mixture.sizes.iter().map(|size| count(*size)).collect())),
            field("log_likelihood", mixture.log_likelihood),
            field("bic", mixture.bic),
            field("aic", mixture.aic),
            field("rows", count(mixture.rows)),
            field("skipped", count(mixture.skipped)),
            field("sampled", count(mixture.sampled)),
            field("iterations", Value::Integer(i128::from(mixture.iterations))),
            field("converged", Value::Boolean(mixture.converged)),
            field("seed", Value::Integer(i128::from(mixture.seed))),
        ]);
        Value::Struct(fields)
    }
}
