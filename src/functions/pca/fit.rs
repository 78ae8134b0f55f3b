//! `pca_fit`: rows of a group in, a model out.

use std::ops::Range;
use std::sync::Arc;

use super::{MODEL, NamedModel, components_of};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType};
use crate::functions::call::Calls;
use crate::functions::features::Rows;
use crate::functions::options::{self, Options};
use crate::functions::segments::{Batch, Known, Segments};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{Pca, PcaOptions, PcaRows};

/// `pca_fit(row [, options])`
pub const PCA_FIT: Function = Function {
    kind: Kind::Aggregate,
    subject: "principal components",
    signature: Signature {
        name: "pca_fit",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: MODEL,
    },
    columns: "",
    description: "Fits principal components to the rows of a group and returns the model.",
    details: "`row` and its features as in `kmeans_fit`. Features are scaled (`scale`, default \
              `'standard'`: the components of the correlation matrix; `'none'`: those of the \
              covariance matrix, as scikit-learn's `PCA`). `n` is a count of components (default \
              2) or, below 1, the share of variance to reach. `explained_variance` divides by \
              `rows - 1`; the ratio is over the total variance. Signs are fixed: in each component \
              the loading of largest magnitude is positive (ties: the first). Rows are summed \
              exactly as they arrive and not held, whatever their number; where scaling has to \
              know all of them first (`scale` `'robust'`, `nulls` `'mean'`), they are, up to the \
              option `memory`, above it a sample. The same set of rows gives the same bits in any \
              order. No row gives NULL; rows of which none is usable are an error that names the \
              feature they lack. A BOOLEAN is 0 and 1 whatever the scale, as in `kmeans_fit`: \
              beside standardised features it has a variance of at most 1/4. Features times \
              features times 8 bytes count towards the option `memory` (1 GiB: 11,585 features), \
              and of rows and features, one is at most 1,024; these and other bounds, on the page \
              of limits, keep the end of the fit, which nothing can interrupt, below ten seconds. \
              Of more than 128 features and fewer rows than features, the products of rows take \
              the place of those of features. Source: Jolliffe, *Principal Component Analysis* \
              (2002).",
    examples: &[Example {
        sql: "SELECT m.explained_variance, m.components[1] FROM (SELECT pca_fit({'x': x, 'y': y}, \
              {'scale': 'none', 'n': 1}) AS m FROM (VALUES (-3, 0), (0, 0), (3, 0)) AS t(x, y))",
        rows: &["[9.0] | [1.0, 0.0]"],
    }],
    errors: &[(
        "SELECT pca_fit({'x': x}, {'n': 1.5}) FROM range(5) AS t(x)",
        "pca_fit: n must be a count of components or a share of variance between 0 and 1, not 1.5",
    )],
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
    calls: Arc<Calls<Options>>,
}

impl Aggregate for Fit {
    type State = Segments<Options, 0, PcaRows>;
    type Batch<'a> = Batch<'a, Options, 0>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        Batch::read(&self.calls, rows, [], |column| Options::read(column, options::PCA))
    }

    fn update(
        &self,
        state: &mut Self::State,
        batch: &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        state.add(batch, range, [], |_, [], _| Ok(true))
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        target.merge(source, [])
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        let Some(Known { call, rows: Some(rows), n_null_rows, .. }) = state.known() else {
            out.push_null();
            return Ok(());
        };
        let options = &call.read;
        match self.fit(options, rows, n_null_rows).map_err(|error| options.speak(error))? {
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
        rows: Rows<PcaRows>,
        n_null_rows: u64,
    ) -> Result<Option<NamedModel>> {
        let n = components_of(options.n, &rows.names)?;
        let n_threads = options.threads.unwrap_or(self.n_threads);
        let pca_options = PcaOptions { scale: options.scale, nulls: options.nulls, n, n_threads };
        let names = rows.names.clone();
        let fit = rows.fit(|rows| Pca::fit(rows, &pca_options))?;
        Ok(fit.map(|mut pca| {
            pca.skipped += n_null_rows;
            NamedModel { names, pca }
        }))
    }
}
