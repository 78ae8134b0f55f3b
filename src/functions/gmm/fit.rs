//! `gmm_fit`: rows of a group in, a mixture out.

use std::ops::Range;
use std::sync::Arc;

use super::{MODEL, NamedModel, enough_memory};
use crate::ffi::{Aggregate, Chunk, Column, Output, Result, Signature, SqlType};
use crate::functions::call::{self, Call, Calls, Numbers};
use crate::functions::features::{Features, Group, Rows};
use crate::functions::kmeans::kmeans_options;
use crate::functions::model::RowModel;
use crate::functions::options::{self, Options};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{GaussianMixture, Observations};

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
    calls: Arc<Calls<FitOptions>>,
}

/// What one group has seen.
#[derive(Default)]
struct FitState {
    call: Option<Arc<Call<FitOptions>>>,
    n_segments: Option<usize>,
    group: Group<Observations>,
}

/// The options of a fit, with the model among them.
struct FitOptions {
    options: Options,
    /// A model to return instead of a fit.
    given: Option<NamedModel>,
}

impl FitOptions {
    fn read(column: Option<&Column<'_>>) -> Result<Self> {
        let options = Options::read(column, options::GMM)?;
        let given = Options::model(column, "model")
            .and_then(|value| value.map(|value| NamedModel::read(&value)).transpose());
        match given {
            Ok(given) => Ok(FitOptions { options, given }),
            Err(error) => Err(options.speak(error)),
        }
    }
}

/// One chunk of arguments.
struct FitBatch<'a> {
    call: Arc<Call<FitOptions>>,
    n_segments: Numbers,
    features: Features<'a>,
}

impl Aggregate for Fit {
    type State = FitState;
    type Batch<'a> = FitBatch<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<FitBatch<'a>> {
        let call = self.calls.read(rows.get(2), FitOptions::read)?;
        let options = &call.read.options;
        let speak = |error| options.speak(error);
        let features = Features::select(rows.column(0), options).map_err(speak)?;
        let n_segments =
            Numbers::read(rows.column(1), |k| options::n_clusters("k", k)).map_err(speak)?;
        Ok(FitBatch { call, n_segments, features })
    }

    fn update(
        &self,
        state: &mut FitState,
        batch: &FitBatch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        let options = &batch.call.read.options;
        let mut update = || {
            let call = Call::keep(&mut state.call, &batch.call)?;
            let n_segments = batch.n_segments.of("k", range.clone(), state.n_segments)?;
            state.n_segments = Some(n_segments);
            if call.read.given.is_some() {
                return Ok(());
            }
            enough_memory(n_segments, &batch.features, options)?;
            state.group.add(&batch.features, options, range.clone())
        };
        update().map_err(|error| options.speak(error))
    }

    fn combine(&self, source: &FitState, target: &mut FitState) -> Result<()> {
        let Some(call) = &source.call else {
            return Ok(());
        };
        let mut keep = || {
            Call::keep(&mut target.call, call)?;
            call::keep_number("k", &mut target.n_segments, source.n_segments)
        };
        keep().map_err(|error| call.read.options.speak(error))?;
        target.group.merge(&source.group)
    }

    fn finalize(&self, state: FitState, out: &mut Output) -> Result<()> {
        let (Some(call), Some(n_segments)) = (state.call, state.n_segments) else {
            out.push_null();
            return Ok(());
        };
        let FitOptions { options, given } = &call.read;
        let fitted = match (given, state.group.rows) {
            (Some(given), _) => Some(given.clone()),
            (None, None) => None,
            (None, Some(rows)) => self
                .fit(options, n_segments, rows, state.group.n_null_rows)
                .map_err(|error| options.speak(error))?,
        };
        match fitted {
            Some(model) => out.push(&model.value()),
            None => out.push_null(),
        }
        Ok(())
    }
}

impl Fit {
    fn fit(
        &self,
        options: &Options,
        n_segments: usize,
        rows: Rows<Observations>,
        n_null_rows: u64,
    ) -> Result<Option<NamedModel>> {
        let names = rows.names.clone();
        let start = kmeans_options(options, n_segments, self.n_threads);
        let fit = rows.fit(|rows| GaussianMixture::fit(rows, options.covariance, &start))?;
        Ok(fit.map(|mut mixture| {
            mixture.skipped += n_null_rows;
            NamedModel { names, mixture }
        }))
    }
}
