//! `gmm_evaluate`: a fit with each number of segments and kind of covariance, and how good each is.

use std::ops::Range;
use std::sync::Arc;

use super::enough_memory;
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType, Value};
use crate::functions::call::Calls;
use crate::functions::kmeans::kmeans_options;
use crate::functions::model::field;
use crate::functions::options::{self, Options};
use crate::functions::segments::{Batch, Known, Segments};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::GaussianMixture;

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

const NUMBERS: [&str; 2] = ["k_min", "k_max"];

impl Aggregate for Evaluate {
    type State = Segments<Options, 2>;
    type Batch<'a> = Batch<'a, Options, 2>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        Batch::read(&self.calls, rows, NUMBERS, |column| {
            Options::read(column, options::GMM_EVALUATE)
        })
    }

    fn update(
        &self,
        state: &mut Self::State,
        batch: &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        state.add(batch, range, NUMBERS, |options, [k_min, k_max], features| {
            options::evaluations(k_min, k_max)?;
            enough_memory(k_max, features, options)?;
            Ok(true)
        })
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        target.merge(source, NUMBERS)
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        let Some(Known { call, numbers: [k_min, k_max], rows: Some(rows), .. }) = state.known()
        else {
            out.push_null();
            return Ok(());
        };
        let options = &call.read;
        let start = kmeans_options(options, k_max, self.n_threads);
        let range = k_min..=k_max;
        let fits = rows
            .fit(|rows| GaussianMixture::evaluate(rows, range, &options.covariances, &start))
            .map_err(|error| options.speak(error))?;
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
