//! `gmm_evaluate`: a fit with each number of segments and kind of covariance, and how good each is.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::enough_memory;
use crate::ffi::{Aggregate, Chunk, Error, Output, Result, Signature, SqlType, Value};
use crate::functions::call::{self, Call, Calls, Numbers};
use crate::functions::features::{self, Features, Group};
use crate::functions::kmeans::kmeans_options;
use crate::functions::model::field;
use crate::functions::options::{self, Options};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{GaussianMixture, Observations};

const EVALUATION: SqlType = SqlType::Struct(&[
    ("k", SqlType::Integer),
    ("covariance", SqlType::Varchar),
    ("log_likelihood", SqlType::Double),
    ("bic", SqlType::Double),
    ("aic", SqlType::Double),
    ("converged", SqlType::Boolean),
]);

/// `gmm_evaluate(row, k_min, k_max [, options])`
pub const GMM_EVALUATE: Function = Function {
    kind: Kind::Aggregate,
    subject: "clustering",
    signature: Signature {
        name: "gmm_evaluate",
        parameters: &[
            required("row", SqlType::Any),
            required("k_min", SqlType::Any),
            required("k_max", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: SqlType::List(&EVALUATION),
    },
    columns: "",
    description: "Fits a mixture with each number of segments from `k_min` to `k_max` and each \
                  kind of covariance, and returns how good each fit is.",
    details: "Row and options are those of `gmm_fit`, with `covariances` in the place of \
              `covariance`; the rows are read and held once, and each fit is that of `gmm_fit`, \
              unless all of them together reach its bound of products. `bic` and `aic` weigh the \
              log-likelihood against the number of figures that a model has; less is better \
              (Schwarz, *Estimating the dimension of a model*, 1978). Numbers of segments above \
              that of distinct rows are left out. No row gives NULL. At most 64 numbers in one \
              call.",
    examples: &[Example {
        sql: "SELECT e.k, e.covariance, round(e.bic, 1) AS bic FROM (SELECT \
              unnest(gmm_evaluate({'x': x}, 1, 2, {'scale': 'none', 'covariances': ['full']})) AS \
              e FROM (VALUES (1), (2), (3), (4), (50), (51), (52), (53)) AS t(x))",
        rows: &["1 | full | 78.1", "2 | full | 46.0"],
    }],
    errors: &[
        (
            "SELECT gmm_evaluate({'x': x}, 2, 100) FROM range(5) AS t(x)",
            "gmm_evaluate: k_min to k_max must be at most 64 numbers, not 99",
        ),
        (
            "SELECT gmm_evaluate({'x': x}, 2, 3, {'covariances': ['full', 'FULL']}) FROM range(5) \
             AS t(x)",
            "gmm_evaluate: covariances names 'full' twice",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| {
        let n_threads = registry.session().threads;
        registry.aggregate(&function.signature, Evaluate { n_threads, calls: Arc::default() })
    }),
};

/// The aggregate that evaluates; `n_threads` is what DuckDB had at `LOAD`.
#[derive(Clone)]
struct Evaluate {
    n_threads: usize,
    calls: Arc<Calls<Options>>,
}

/// What one group has seen.
#[derive(Default)]
struct EvaluateState {
    call: Option<Arc<Call<Options>>>,
    k_min: Option<usize>,
    k_max: Option<usize>,
    group: Group<Observations>,
}

/// One chunk of arguments.
struct EvaluateBatch<'a> {
    call: Arc<Call<Options>>,
    k_min: Numbers,
    k_max: Numbers,
    features: Features<'a>,
}

impl EvaluateState {
    /// The numbers of segments of a group that has rows, and its options.
    fn keep(
        &mut self,
        call: &Arc<Call<Options>>,
        k_min: Option<usize>,
        k_max: Option<usize>,
    ) -> Result<()> {
        Call::keep(&mut self.call, call)?;
        call::keep_number("k_min", &mut self.k_min, k_min)?;
        call::keep_number("k_max", &mut self.k_max, k_max)
    }
}

impl Aggregate for Evaluate {
    type State = EvaluateState;
    type Batch<'a> = EvaluateBatch<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<EvaluateBatch<'a>> {
        let accepted = options::GMM_EVALUATE;
        let (call, features) = features::read(&self.calls, rows, rows.get(3), accepted)?;
        let numbers = |name: &str, index: usize| {
            Numbers::read(rows.column(index), |k| options::n_clusters(name, k))
                .map_err(|e| call.read.speak(e))
        };
        let (k_min, k_max) = (numbers("k_min", 1)?, numbers("k_max", 2)?);
        Ok(EvaluateBatch { call, k_min, k_max, features })
    }

    fn update(
        &self,
        state: &mut EvaluateState,
        batch: &EvaluateBatch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        let options = &batch.call.read;
        let mut update = || {
            let k_min = batch.k_min.of("k_min", range.clone(), state.k_min)?;
            let k_max = batch.k_max.of("k_max", range.clone(), state.k_max)?;
            options::evaluations(k_min, k_max)?;
            state.keep(&batch.call, Some(k_min), Some(k_max))?;
            enough_memory(k_max, &batch.features, options)?;
            state.group.add(&batch.features, options, range.clone())
        };
        update().map_err(|error| options.speak(error))
    }

    fn combine(&self, source: &EvaluateState, target: &mut EvaluateState) -> Result<()> {
        let Some(call) = &source.call else {
            return Ok(());
        };
        let kept = target.keep(call, source.k_min, source.k_max);
        kept.map_err(|error| call.read.speak(error))?;
        target.group.merge(&source.group)
    }

    fn finalize(&self, state: EvaluateState, out: &mut Output) -> Result<()> {
        let (Some(call), Some(k_min), Some(k_max), Some(rows)) =
            (state.call, state.k_min, state.k_max, state.group.rows)
        else {
            out.push_null();
            return Ok(());
        };
        let (range, options): (RangeInclusive<usize>, _) = (k_min..=k_max, &call.read);
        let start = kmeans_options(options, k_max, self.n_threads);
        let fits = rows
            .fit(|rows| GaussianMixture::evaluate(rows, range, &options.covariances, &start))
            .map_err(|error: Error| options.speak(error))?;
        match fits {
            None => out.push_null(),
            Some(fits) => out.push(&Value::List(fits.iter().map(evaluation).collect())),
        }
        Ok(())
    }
}

fn evaluation(mixture: &GaussianMixture) -> Value {
    Value::Struct(vec![
        field("k", Value::Integer(mixture.means.len() as i128)),
        field("covariance", mixture.covariance.name()),
        field("log_likelihood", mixture.log_likelihood),
        field("bic", mixture.bic),
        field("aic", mixture.aic),
        field("converged", Value::Boolean(mixture.converged)),
    ])
}
