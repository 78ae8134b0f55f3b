//! `kmeans_fit`: rows of a group in, a model out.

use std::ops::Range;
use std::sync::Arc;

use super::{MODEL, NamedModel, enough_memory, kmeans_options};
use crate::ffi::{Aggregate, Chunk, Column, Output, Result, Signature, SqlType};
use crate::functions::call::{self, Call, Calls, Numbers};
use crate::functions::features::{self, Features, Group, Rows};
use crate::functions::model::RowModel;
use crate::functions::options::{self, Options};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{KMeans, Observations};

/// `kmeans_fit(row, k [, options])`
pub const KMEANS_FIT: Function = Function {
    kind: Kind::Aggregate,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_fit",
        parameters: &[
            required("row", SqlType::Any),
            required("k", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: MODEL,
    },
    columns: "",
    description: "Fits k-means to the rows of a group and returns the model.",
    details: include_str!("fit.md"),
    examples: &[
        Example {
            sql: "SELECT (kmeans_fit({'x': x}, 2, {'scale': 'none'})).centroids FROM (VALUES (1), \
                  (2), (3), (10), (12)) AS t(x)",
            rows: &["[[2.0], [11.0]]"],
        },
        Example {
            sql: "SELECT m.sizes, m.inertia FROM (SELECT kmeans_fit([x, 2 * x], 2, {'scale': \
                  'none'}) AS m FROM (VALUES (0), (2), (100)) AS t(x))",
            rows: &["[2, 1] | 10.0"],
        },
    ],
    errors: &[
        (
            "SELECT kmeans_fit({'x': x}, 2, {'features': [x]}) FROM range(5) AS t(x)",
            "kmeans_fit: options must be the same in all rows, features has names of columns, \
             which stand in quotes: features := ['a', 'b']",
        ),
        (
            "SELECT kmeans_fit({'x': x, 'y': NULL::DOUBLE}, 2) FROM range(5) AS t(x)",
            "kmeans_fit: feature \"y\" is NULL, NaN or infinite in all 5 rows, leave it out \
             (features), or use nulls 'mean' or 'zero'",
        ),
        (
            "SELECT x // 3 AS g, kmeans_fit({'x': x}, 2) FROM range(4) AS t(x) GROUP BY g",
            "kmeans_fit: 1 distinct rows cannot form 2 segments (of 1 rows, among them \"x\" 3.0)",
        ),
        (
            "SELECT kmeans_fit({'x': x}, 0) FROM range(5) AS t(x)",
            "kmeans_fit: k must be between 1 and 1024, not 0",
        ),
        (
            "SELECT kmeans_fit({'x': x}, 2, {'sed': 7}) FROM range(5) AS t(x)",
            "kmeans_fit: no option \"sed\", did you mean \"seed\"; the options are \"features\", ",
        ),
        (
            "SELECT kmeans_fit({'x': x - 1}, 2, {'log': ['x']}) FROM range(5) AS t(x)",
            "kmeans_fit: feature \"x\" has the value -1.0, log takes values of at least 0",
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
    n_clusters: Option<usize>,
    group: Group<Observations>,
}

/// The options of a fit, with the models among them.
struct FitOptions {
    options: Options,
    init: Option<NamedModel>,
    /// A model to return instead of a fit.
    given: Option<NamedModel>,
}

impl FitOptions {
    fn read(column: Option<&Column<'_>>) -> Result<Self> {
        let options = Options::read(column, options::KMEANS)?;
        let model = |name: &str| -> Result<Option<NamedModel>> {
            let value = Options::model(column, name)?;
            value.map(|value| NamedModel::read(&value)).transpose()
        };
        match (model("init"), model("model")) {
            (Ok(init), Ok(given)) => Ok(FitOptions { options, init, given }),
            (Err(error), _) | (_, Err(error)) => Err(options.speak(error)),
        }
    }
}

/// One chunk of arguments.
struct FitBatch<'a> {
    call: Arc<Call<FitOptions>>,
    n_clusters: Numbers,
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
        let n_clusters =
            Numbers::read(rows.column(1), |k| options::n_clusters("k", k)).map_err(speak)?;
        Ok(FitBatch { call, n_clusters, features })
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
            let n_clusters = batch.n_clusters.of("k", range.clone(), state.n_clusters)?;
            state.n_clusters = Some(n_clusters);
            if call.read.given.is_some() {
                return Ok(());
            }
            enough_memory(n_clusters, &batch.features, options)?;
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
            call::keep_number("k", &mut target.n_clusters, source.n_clusters)
        };
        keep().map_err(|error| call.read.options.speak(error))?;
        target.group.merge(&source.group)
    }

    fn finalize(&self, state: FitState, out: &mut Output) -> Result<()> {
        let (Some(call), Some(n_clusters)) = (state.call, state.n_clusters) else {
            out.push_null();
            return Ok(());
        };
        let FitOptions { options, given, .. } = &call.read;
        let fitted = match (given, state.group.rows) {
            (Some(given), _) => Some(given.clone()),
            (None, None) => None,
            (None, Some(rows)) => self
                .fit(&call.read, n_clusters, rows, state.group.n_null_rows)
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
        call: &FitOptions,
        n_clusters: usize,
        rows: Rows<Observations>,
        n_null_rows: u64,
    ) -> Result<Option<NamedModel>> {
        let mut options = kmeans_options(&call.options, n_clusters, self.n_threads);
        if let Some(init) = &call.init {
            let log = features::flags(&rows.names, &call.options.log);
            options.init = Some(init.as_init(&rows.names, &log, n_clusters)?);
        }
        let names = rows.names.clone();
        let fit = rows.fit(|rows| KMeans::fit(rows, &options))?;
        Ok(fit.map(|mut kmeans| {
            kmeans.skipped += n_null_rows;
            NamedModel { names, kmeans }
        }))
    }
}
