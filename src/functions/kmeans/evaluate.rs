//! `kmeans_evaluate`: a fit with each number of segments, and how good each is.

use std::ops::Range;
use std::sync::Arc;

use super::{enough_memory, kmeans_options};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType, Value};
use crate::functions::call::{self, Call, Calls, Numbers};
use crate::functions::features::{self, Features, Group};
use crate::functions::model::field;
use crate::functions::options::{self, Options};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{Figures, KMeans, Observations};

const EVALUATION: SqlType = SqlType::Struct(&[
    ("k", SqlType::Integer),
    ("inertia", SqlType::Double),
    ("silhouette", SqlType::Double),
    ("davies_bouldin", SqlType::Double),
    ("calinski_harabasz", SqlType::Double),
]);

/// `kmeans_evaluate(row, k_min, k_max [, options])`
pub const KMEANS_EVALUATE: Function = Function {
    kind: Kind::Aggregate,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_evaluate",
        parameters: &[
            required("row", SqlType::Any),
            required("k_min", SqlType::Any),
            required("k_max", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: SqlType::List(&EVALUATION),
    },
    columns: "",
    description: "Fits k-means with each number of segments from `k_min` to `k_max` and returns \
                  how good each fit is.",
    details: include_str!("evaluate.md"),
    examples: &[Example {
        sql: "SELECT e.k, e.inertia, round(e.silhouette, 3) AS silhouette FROM (SELECT \
              unnest(kmeans_evaluate({'x': x}, 1, 3, {'scale': 'none'})) AS e FROM (VALUES (1), \
              (3), (11), (13)) AS t(x))",
        rows: &["1 | 104.0 | NULL", "2 | 4.0 | 0.899", "3 | 2.0 | 0.444"],
    }],
    errors: &[(
        "SELECT kmeans_evaluate({'x': x}, 2, 100) FROM range(5) AS t(x)",
        "kmeans_evaluate: k_min to k_max must be at most 64 numbers, not 99",
    )],
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
        let (call, features) = features::read(&self.calls, rows, rows.get(3), options::EVALUATE)?;
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
            let evaluations = options::evaluations(k_min, k_max)?;
            state.keep(&batch.call, Some(k_min), Some(k_max))?;
            enough_memory(evaluations.sum(), &batch.features, options)?;
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
        let (range, options) = (k_min..=k_max, &call.read);
        let kmeans_options = kmeans_options(options, *range.end(), self.n_threads);
        let figures = rows
            .fit(|rows| KMeans::evaluate(rows, range.clone(), &kmeans_options))
            .map_err(|error| options.speak(error))?;
        match figures {
            None => out.push_null(),
            Some(figures) => {
                out.push(&Value::List(range.clone().zip(figures).map(evaluation).collect()))
            }
        }
        Ok(())
    }
}

fn evaluation((k, figures): (usize, Option<Figures>)) -> Value {
    let figure = |figure: fn(&Figures) -> f64| match figures.as_ref().map(figure) {
        Some(x) if !x.is_nan() => Value::Double(x),
        _ => Value::Null,
    };
    Value::Struct(vec![
        field("k", Value::Integer(k as i128)),
        field("inertia", figure(|figures| figures.inertia)),
        field("silhouette", figure(|figures| figures.silhouette)),
        field("davies_bouldin", figure(|figures| figures.davies_bouldin)),
        field("calinski_harabasz", figure(|figures| figures.calinski_harabasz)),
    ])
}
