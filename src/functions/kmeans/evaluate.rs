//! `kmeans_evaluate`: a fit with each number of segments, and how good each is.

use std::ops::Range;
use std::sync::Arc;

use super::{enough_memory, kmeans_options};
use crate::ffi::{Aggregate, Chunk, Output, Result, Signature, SqlType, Value};
use crate::functions::call::Calls;
use crate::functions::model::field;
use crate::functions::options::{self, Options};
use crate::functions::segments::{Batch, Known, Segments};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{Figures, KMeans};

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

const NUMBERS: [&str; 2] = ["k_min", "k_max"];

impl Aggregate for Evaluate {
    type State = Segments<Options, 2>;
    type Batch<'a> = Batch<'a, Options, 2>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        Batch::read(&self.calls, rows, NUMBERS, |column| Options::read(column, options::EVALUATE))
    }

    fn update(
        &self,
        state: &mut Self::State,
        batch: &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        state.add(batch, range, NUMBERS, |options, [k_min, k_max], features| {
            let evaluations = options::evaluations(k_min, k_max)?;
            enough_memory(evaluations.sum(), features, options)?;
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
        let (range, options) = (k_min..=k_max, &call.read);
        let kmeans_options = kmeans_options(options, k_max, self.n_threads);
        let figures = rows
            .fit(|rows| KMeans::evaluate(rows, range.clone(), &kmeans_options))
            .map_err(|error| options.speak(error))?;
        match figures {
            None => out.push_null(),
            Some(figures) => out.push(&Value::List(range.zip(figures).map(evaluation).collect())),
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
