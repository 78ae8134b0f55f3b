//! `kmeans_fit`: rows of a group in, a model out.

use std::ops::Range;
use std::sync::Arc;

use super::{MODEL, NamedModel, enough_memory, kmeans_options};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType};
use crate::functions::call::Calls;
use crate::functions::segments::{Batch, FitOptions, Segments};
use crate::functions::{Example, Function, Kind, features, optional, options, required};
use crate::ml::KMeans;

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
    calls: Arc<Calls<FitOptions<NamedModel>>>,
}

impl Aggregate for Fit {
    type State = Segments<FitOptions<NamedModel>, 1>;
    type Batch<'a> = Batch<'a, FitOptions<NamedModel>, 1>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        Batch::read(&self.calls, rows, ["k"], |column| FitOptions::read(column, options::KMEANS))
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
            let mut options = kmeans_options(&call.options, k, self.n_threads);
            if let Some(init) = &call.init {
                let log = features::flags(&rows.names, &call.options.log);
                options.init = Some(init.as_init(&rows.names, &log, k)?);
            }
            let names = rows.names.clone();
            let fit = rows.fit(|rows| KMeans::fit(rows, &options))?;
            Ok(fit.map(|mut kmeans| {
                kmeans.skipped += n_null_rows;
                NamedModel { names, kmeans }
            }))
        })?;
        match model {
            Some(model) => out.push(&model.value()),
            None => out.push_null(),
        }
        Ok(())
    }
}
