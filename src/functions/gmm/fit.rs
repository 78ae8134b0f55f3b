//! `gmm_fit`: rows of a group in, a mixture out.

use std::ops::Range;
use std::sync::Arc;

use super::{MODEL, NamedModel, enough_memory};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType};
use crate::functions::call::Calls;
use crate::functions::kmeans::kmeans_options;
use crate::functions::segments::{Batch, FitOptions, Segments};
use crate::functions::{Example, Function, Kind, optional, options, required};
use crate::ml::GaussianMixture;

/// `gmm_fit(row, k [, options])`
pub const GMM_FIT: Function = Function {
    kind: Kind::Aggregate,
    subject: "clustering",
    signature: Signature {
        name: "gmm_fit",
        parameters: &[
            required("row", SqlType::Any),
            required("k", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: MODEL,
    },
    columns: "",
    description: "Fits a mixture of k Gaussian distributions to the rows of a group and returns \
                  the model.",
    details: include_str!("fit.md"),
    examples: &[Example {
        sql: "SELECT m.sizes, [round(x[1], 6) for x in m.means] AS means, m.converged FROM \
              (SELECT gmm_fit({'x': x}, 2, {'scale': 'none'}) AS m FROM (VALUES (1), (2), (3), \
              (50), (70)) AS t(x))",
        rows: &["[3, 2] | [2.0, 60.0] | true"],
    }],
    errors: &[
        (
            "SELECT gmm_fit({'x': x}, 2, {'covariance': 'spheric'}) FROM range(5) AS t(x)",
            "gmm_fit: covariance must be one of 'full', 'tied', 'diag', 'spherical', not \
             'spheric', did you mean 'spherical'",
        ),
        (
            "SELECT gmm_fit({'x': x}, 7) FROM range(5) AS t(x)",
            "gmm_fit: 5 distinct rows cannot form 7 segments (of 5 rows, among them \"x\" 0.0)",
        ),
        (
            "SELECT gmm_fit({'x': x}, 0) FROM range(5) AS t(x)",
            "gmm_fit: k must be between 1 and 1024, not 0",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| {
        let n_threads = registry.session().threads;
        registry.aggregate(&function.signature, Fit { n_threads, calls: Arc::default() })
    }),
};

/// The aggregate; `n_threads` is what DuckDB had at `LOAD`.
#[derive(Clone)]
struct Fit {
    n_threads: usize,
    calls: Arc<Calls<FitOptions<NamedModel>>>,
}

impl Aggregate for Fit {
    type State = Segments<FitOptions<NamedModel>, 1>;
    type Batch<'a> = Batch<'a, FitOptions<NamedModel>, 1>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        Batch::read(&self.calls, rows, ["k"], |column| FitOptions::read(column, options::GMM))
    }

    fn update(
        &self,
        state: &mut Self::State,
        batch: &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        state.add(batch, range, ["k"], |call, [k], features| {
            if !call.needs_rows() {
                return Ok(false);
            }
            enough_memory(k, features, &call.options)?;
            Ok(true)
        })
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        target.merge(source, ["k"])
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        let model = state.model(|call, k, rows, n_null_rows| {
            let names = rows.names.clone();
            let start = kmeans_options(&call.options, k, self.n_threads);
            let fit =
                rows.fit(|rows| GaussianMixture::fit(rows, call.options.covariance, &start))?;
            Ok(fit.map(|mut mixture| {
                mixture.skipped += n_null_rows;
                NamedModel { names, mixture }
            }))
        })?;
        match model {
            Some(model) => out.push(&model.value()),
            None => out.push_null(),
        }
        Ok(())
    }
}
