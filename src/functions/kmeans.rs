//! k-means in SQL: `kmeans_fit`, what applies its model, and the relations over both.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::call::{self, Call, Calls, Numbers};
use super::features::{self, Features, Group, Rows};
use super::model::{self, DOUBLES, Reader, RowModel, count, field, matrix, model_type};
use super::options::{self, Options};
use super::{Example, Function, Kind, optional, relation, required};
use crate::ffi::{Aggregate, Chunk, Column, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::ml::{Figures, KMeans, KMeansOptions, NO_SEGMENT, Observations, Transform};

const MODEL: SqlType = model_type! {
    ("version", SqlType::Integer), ("k", SqlType::Integer);
    ("centroids", SqlType::List(&DOUBLES)),
    ("sizes", SqlType::List(&SqlType::BigInt)),
    ("inertia", SqlType::Double),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt),
    ("sampled", SqlType::BigInt),
    ("iterations", SqlType::Integer),
    ("converged", SqlType::Boolean),
    ("seed", SqlType::BigInt)
};

const CENTROID: SqlType = SqlType::Struct(&[
    ("segment", SqlType::Integer),
    ("size", SqlType::BigInt),
    ("share", SqlType::Double),
    ("feature", SqlType::Varchar),
    ("value", SqlType::Double),
    ("z_score", SqlType::Double),
]);

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
    details: "`row` is a table's alias (every numeric field that is not an identifier is a feature), a STRUCT that \
              names the features, or a LIST or ARRAY of numbers (features `f1`, `f2`, ...). Features are scaled \
              (`scale`, default `'standard'`), then Lloyd's algorithm runs from greedy k-means++ seeds, best of \
              `n_init`, improved by swaps of single centroids. Restarts and swaps work on all distinct rows where \
              there are at most 32,768, else on about 20,000: rows far from the mean are drawn more often, and weigh \
              less for it; rows that are a thousandth of all are always among them. The best is then run over all \
              rows. Restarts and swaps take about a second at most: no further one begins after 2^32 products of \
              rows, segments and features in restarts, or 2^30 in swaps. A run ends after 2^40 such products (a \
              minute or two of one processor: 1 GiB of rows may take hundreds of iterations with 50 segments, 20 with \
              1,000) even before \
              `max_iter`, and is not `converged` then. DuckDB can interrupt the reading of rows, but not the fit that follows: Ctrl-C takes effect when it ends. Segments are numbered by descending size. Rows with a NULL, NaN or infinite feature are \
              left out and counted in `skipped` (see the option `nulls`). No row gives NULL; rows of which none is usable are \
              an error that names the feature they lack. `k` and options are the same in all rows of a group; `k` may \
              differ between groups. The same set of \
              rows and the same `seed` give the same bits, whatever the order of rows and the number of threads. \
              In the model, `center` and `spread` are what scaling subtracts and divides by, `mean` and `stddev` \
              (population) those of the features after `log`, `fill` what stands in for missing values; `centroids` \
              are in scaled space, `inertia` is the sum of squared distances there; `rows` counts the usable rows, \
              `skipped` those left out, `sampled` those that the fit held (fewer than `rows` where they would take more \
              than the option `memory`). Sources: Lloyd, \
              *Least squares quantization in PCM* (1982); Arthur and Vassilvitskii, *k-means++* (2007); Bachem, Lucic \
              and Krause, *Scalable k-means clustering via lightweight coresets* (2018); Fränti, *Efficiency of random \
              swap clustering* (2018); Lattanzi and Sohler, *A better k-means++ algorithm via local search* (2019).",
    examples: &[
        Example {
            sql: "SELECT (kmeans_fit({'x': x}, 2, {'scale': 'none'})).centroids FROM (VALUES (1), (2), (3), (10), (12)) AS t(x)",
            rows: &["[[2.0], [11.0]]"],
        },
        Example {
            sql: "SELECT m.sizes, m.inertia FROM (SELECT kmeans_fit([x, 2 * x], 2, {'scale': 'none'}) AS m FROM (VALUES (0), (2), (100)) AS t(x))",
            rows: &["[2, 1] | 10.0"],
        },
    ],
    errors: &[
        (
            "SELECT kmeans_fit({'x': x}, 2, {'features': [x]}) FROM range(5) AS t(x)",
            "kmeans_fit: options must be the same in all rows, features has names of columns, which stand in quotes: features := ['a', 'b']",
        ),
        (
            "SELECT kmeans_fit({'x': x, 'y': NULL::DOUBLE}, 2) FROM range(5) AS t(x)",
            "kmeans_fit: feature \"y\" is NULL, NaN or infinite in all 5 rows, leave it out (features), or use nulls 'mean' or 'zero'",
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

/// `kmeans_predict(model, row)`
pub const KMEANS_PREDICT: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_predict",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Integer,
    },
    columns: "",
    description: "The segment of a row: the number of its nearest centroid, from 0.",
    details: "STRUCT fields are matched to the model's features by name, whatever their order and whatever else the \
              row has; a LIST by position. NULL where the model is NULL, or where a feature is NULL, NaN or infinite \
              and the model was not fitted with `nulls` `'mean'` or `'zero'`. Of two centroids equally near, the \
              lower number.",
    examples: &[Example {
        sql: "SELECT kmeans_predict({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': 7})",
        rows: &["1"],
    }],
    errors: &[
        (
            "SELECT kmeans_predict({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'y': 7})",
            "kmeans_predict: the model needs feature \"x\", the row has \"y\"",
        ),
        (
            "SELECT kmeans_predict(42, {'x': 7})",
            "kmeans_predict: the model must be a STRUCT made by kmeans_fit, not 42",
        ),
    ],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Predict)),
};

/// `kmeans_distance(model, row)`
pub const KMEANS_DISTANCE: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_distance",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: SqlType::Double,
    },
    columns: "",
    description: "Euclidean distance of a row to its own centroid, in scaled units.",
    details: "Rows that fit no segment well are far from their centroid. NULL as in `kmeans_predict`.",
    examples: &[Example {
        sql: "SELECT kmeans_distance({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': 7})",
        rows: &["3.0"],
    }],
    errors: &[(
        "SELECT kmeans_distance({'features': ['x'], 'centroids': [[0.0], [10.0]]}, [1, 2])",
        "kmeans_distance: the model has 1 features, the row has 2 numbers",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Distance)),
};

/// `kmeans_distances(model, row)`
pub const KMEANS_DISTANCES: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_distances",
        parameters: &[required("model", SqlType::Any), required("row", SqlType::Any)],
        returns: DOUBLES,
    },
    columns: "",
    description: "Euclidean distances of a row to all centroids, in scaled units and in the order of the segments.",
    details: "NULL as in `kmeans_predict`.",
    examples: &[Example {
        sql: "SELECT kmeans_distances({'features': ['x'], 'centroids': [[0.0], [10.0]]}, {'x': 7})",
        rows: &["[7.0, 3.0]"],
    }],
    errors: &[(
        "SELECT kmeans_distances({'features': ['x']}, {'x': 1})",
        "kmeans_distances: the model's centroids is missing, a model of kmeans_fit is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Apply::Distances)),
};

/// `kmeans_centroids(model)`
pub const KMEANS_CENTROIDS: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_centroids",
        parameters: &[required("model", SqlType::Any)],
        returns: SqlType::List(&CENTROID),
    },
    columns: "",
    description: "The centroids of a model in original units: one entry for each segment and feature.",
    details: "`value` is in the feature's own unit (of a feature under `log`: the geometric mean, `exp(mean of \
              ln(1 + x)) - 1`); `z_score` is its distance from the mean of all rows in standard deviations, 0 for a \
              constant feature; `share` is of the rows that were fitted. NULL for a NULL model.",
    examples: &[Example {
        sql: "SELECT c.segment, c.feature, c.value FROM (SELECT unnest(kmeans_centroids({'features': ['x'], 'center': [5], 'spread': [2], 'centroids': [[-1.0], [3.0]]})) AS c)",
        rows: &["0 | x | 3.0", "1 | x | 11.0"],
    }],
    errors: &[(
        "SELECT kmeans_centroids({'features': ['x'], 'centroids': [[0.0, 1.0]]})",
        "kmeans_centroids: the model's features has 1 names for 2 features, a model of kmeans_fit is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Centroids)),
};

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
    description: "Fits k-means with each number of segments from `k_min` to `k_max` and returns how good each fit is.",
    details: "Row and options are those of `kmeans_fit`, without `init`; the rows are read and held once. Up \
              to 32,768 distinct rows the fits are those of `kmeans_fit` with the same options. Above, centroids are \
              fitted to its sample, where each number of segments starts from the one before too (with \
              `3 n_init / k` restarts after the first), and take one step of Lloyd's algorithm over all rows: \
              `inertia` was between 0.1 % below and 0.1 % above that of `kmeans_fit` on a million rows, with heavy tails \
              or without structure. All \
              figures are those of all rows about these centroids, in scaled space. `silhouette` is the simplified one (Hruschka and others, 2006): the mean over the rows \
              of `1 - a / b`, `a` and `b` being the distances to the nearest and to the second nearest centroid, 0 for \
              the only row of a segment. It takes one pass where the exact one (mean distances to all rows of a \
              segment, Rousseeuw, 1987) takes the square of the number of rows; on the standardised sets iris, wine, \
              breast cancer and digits with k from 2 to 10 it lies 0.07 to 0.17 above the exact one and picks the same k. \
              `davies_bouldin` (1979, less is better) and `calinski_harabasz` (1974, more is better) are those of \
              scikit-learn. Figures are NULL for a k above the number of distinct rows; all but `inertia` are NULL for \
              k = 1. At most 64 numbers of segments in one call. No row gives NULL.",
    examples: &[Example {
        sql: "SELECT e.k, e.inertia, round(e.silhouette, 3) AS silhouette FROM (SELECT unnest(kmeans_evaluate({'x': x}, 1, 3, {'scale': 'none'})) AS e FROM (VALUES (1), (3), (11), (13)) AS t(x))",
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

/// `amz.kmeans_metrics(source, ...)`
pub const KMEANS_METRICS: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("kmeans_metrics"),
    columns: "k INTEGER, inertia DOUBLE, silhouette DOUBLE, davies_bouldin DOUBLE, calinski_harabasz DOUBLE, \
              recommended BOOLEAN",
    description: "How good the segments of a source are for each number of segments, and which number to take.",
    details: "See the aggregate `kmeans_evaluate` for the figures. `recommended` marks the k of the highest silhouette \
              (the rule of Rousseeuw, *Silhouettes*, 1987), the lowest k of equal ones. No rule sees what segments are \
              for: look at the other figures, too.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (1, 1.0), (2, 3.0), (3, 11.0), (4, 13.0)) AS t(user_id, spend)) SELECT k, round(silhouette, 3) AS silhouette, recommended FROM amz.kmeans_metrics(users, k_max := 3)",
        rows: &["2 | 0.899 | true", "3 | 0.444 | false"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.kmeans_metrics(users, k_max := 1)",
        "kmeans_metrics: k_max must be at least k_min, which is 2, not 1",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.kmeans_segments(source, ...)`
pub const KMEANS_SEGMENTS: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("kmeans_segments"),
    columns: "every column of the source, unchanged and in order, then segment INTEGER",
    description: "Every row of a source with its segment.",
    details: "Fits k-means to the source and applies it, so the source is read twice: make a volatile or expensive \
              source a table first. `model := (SELECT model FROM models)` applies a stored model instead; a query \
              that finds none is an error. Rows without a segment (see `nulls`) stay, with segment \
              NULL. A source that has a column `segment` already is an error, whichever columns are asked for. Where the query \
              around it has a table or column of the source's name, that name has to be in quotes, `'users'`.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) SELECT user_id, segment FROM amz.kmeans_segments(users, k := 2) ORDER BY user_id",
        rows: &["1 | 0", "2 | 0", "3 | 1"],
    }],
    errors: &[
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.kmeans_segments(users, k := 5)",
            "kmeans_segments: 3 distinct rows cannot form 5 segments",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.kmeans_segments(users, k := 2, features := ['spent'])",
            "kmeans_segments: no feature \"spent\" in the row, did you mean \"spend\"",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.kmeans_segments(users, k := 2, scale := 'z_score')",
            "kmeans_segments: scale must be one of 'standard', 'minmax', 'robust', 'none', not 'z_score', did you mean 'standard'",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)), segmented AS (SELECT *, 0 AS segment FROM users) FROM amz.kmeans_segments(segmented)",
            "kmeans_segments: the source has a column \"segment\" already, use SELECT * EXCLUDE (segment)",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) SELECT * FROM users JOIN amz.kmeans_segments(users, k := 2) USING (user_id)",
            "Table function \"query_table\" does not support lateral join column parameters",
        ),
    ],
    since: "0.1.0",
    register: None,
};

/// `amz.kmeans_centroids(source, ...)`
pub const KMEANS_CENTROIDS_RELATION: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("kmeans_centroids"),
    columns: "segment INTEGER, size BIGINT, share DOUBLE, feature VARCHAR, value DOUBLE, z_score DOUBLE",
    description: "The centroids of a source's segments in original units, one row for each segment and feature.",
    details: "Fits as `kmeans_segments` does, with the same parameters; see the scalar `kmeans_centroids` for the \
              columns.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 12.0), (3, 90.0)) AS t(user_id, spend)) SELECT segment, size, feature, round(value, 9) AS value FROM amz.kmeans_centroids(users, k := 2)",
        rows: &["0 | 2 | spend | 11.0", "1 | 1 | spend | 90.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.kmeans_centroids(users, k := 0)",
        "kmeans_centroids: k must be between 1 and 1024, not 0",
    )],
    since: "0.1.0",
    register: None,
};

const EVALUATION: SqlType = SqlType::Struct(&[
    ("k", SqlType::Integer),
    ("inertia", SqlType::Double),
    ("silhouette", SqlType::Double),
    ("davies_bouldin", SqlType::Double),
    ("calinski_harabasz", SqlType::Double),
]);

/// Most numbers of segments that one call evaluates: nothing can interrupt it.
const MAX_EVALUATIONS: usize = 64;

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
    fn keep(&mut self, call: &Arc<Call<Options>>, k_min: Option<usize>, k_max: Option<usize>) -> Result<()> {
        Call::keep(&mut self.call, call)?;
        call::keep_number("k_min", &mut self.k_min, k_min)?;
        call::keep_number("k_max", &mut self.k_max, k_max)
    }
}

/// The numbers of segments that a call asks for.
fn evaluations(k_min: usize, k_max: usize) -> Result<RangeInclusive<usize>> {
    if k_min > k_max {
        return Err(Error::new(format!("k_max must be at least k_min, which is {k_min}, not {k_max}")));
    }
    if k_max - k_min >= MAX_EVALUATIONS {
        return Err(Error::new(format!(
            "k_min to k_max must be at most {MAX_EVALUATIONS} numbers, not {}",
            k_max - k_min + 1
        )));
    }
    Ok(k_min..=k_max)
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
            let evaluations = evaluations(k_min, k_max)?;
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
            Some(figures) => out.push(&Value::List(range.clone().zip(figures).map(evaluation).collect())),
        }
        Ok(())
    }
}

/// Refuses so many segments of so many features that their sums alone would take more than the memory.
fn enough_memory(n_clusters: usize, features: &Features<'_>, options: &Options) -> Result<()> {
    /// Bytes of a segment's feature: exact sums, sums of the restarts and the centroid itself.
    const BYTES: u128 = 128;
    let n_features = features.names.len();
    let bytes = BYTES * n_clusters as u128 * n_features as u128;
    if bytes > u128::from(options.memory) {
        return Err(Error::new(format!(
            "{n_clusters} segments of {n_features} features take {bytes} bytes, memory is {}",
            options.memory
        )));
    }
    Ok(())
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
        let n_clusters = Numbers::read(rows.column(1), |k| options::n_clusters("k", k)).map_err(speak)?;
        Ok(FitBatch { call, n_clusters, features })
    }

    fn update(&self, state: &mut FitState, batch: &FitBatch<'_>, range: Range<usize>) -> Result<()> {
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

/// How the pure layer fits with these options.
fn kmeans_options(options: &Options, n_clusters: usize, n_threads: usize) -> KMeansOptions {
    KMeansOptions {
        n_clusters,
        scale: options.scale,
        nulls: options.nulls,
        n_init: options.n_init,
        max_iter: options.max_iter,
        tol: options.tol,
        seed: options.seed,
        n_threads: options.threads.unwrap_or(n_threads),
        init: None,
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

/// A model with the names of its features.
#[derive(Clone, PartialEq)]
struct NamedModel {
    names: Arc<[String]>,
    kmeans: KMeans,
}

impl RowModel for NamedModel {
    fn read(value: &Value) -> Result<Self> {
        let reader = Reader::new(value, "kmeans_fit")?;
        let centroids = reader.matrix("centroids")?;
        let (names, transform) = reader.transform(centroids[0].len())?;
        let sizes = reader.counts("sizes", centroids.len())?;
        let iterations = i32::try_from(reader.count("iterations")?)
            .map_err(|_| reader.broken("iterations", "must fit an INTEGER"))?
            .unsigned_abs();
        let kmeans = KMeans {
            transform,
            sizes,
            inertia: reader.figure("inertia").and_then(Value::as_f64).unwrap_or(0.0),
            rows: reader.count("rows")?,
            skipped: reader.count("skipped")?,
            sampled: reader.count("sampled")?,
            iterations,
            converged: reader.figure("converged") == Some(&Value::Boolean(true)),
            seed: reader.figure("seed").and_then(Value::as_i64).unwrap_or(0),
            centroids,
        };
        Ok(NamedModel { names: names.into(), kmeans })
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn transform(&self) -> &Transform {
        &self.kmeans.transform
    }
}

impl NamedModel {
    fn value(&self) -> Value {
        let KMeans { centroids, sizes, .. } = &self.kmeans;
        let mut fields = vec![
            field("version", Value::Integer(i128::from(model::VERSION))),
            field("k", Value::Integer(centroids.len() as i128)),
        ];
        fields.extend(model::transform_fields(&self.names, &self.kmeans.transform));
        fields.extend([
            field("centroids", matrix(centroids)),
            field("sizes", Value::List(sizes.iter().map(|size| count(*size)).collect())),
            field("inertia", self.kmeans.inertia),
            field("rows", count(self.kmeans.rows)),
            field("skipped", count(self.kmeans.skipped)),
            field("sampled", count(self.kmeans.sampled)),
            field("iterations", Value::Integer(i128::from(self.kmeans.iterations))),
            field("converged", Value::Boolean(self.kmeans.converged)),
            field("seed", Value::Integer(i128::from(self.kmeans.seed))),
        ]);
        Value::Struct(fields)
    }

    /// This model as the start of another fit: its features in the order of `names`.
    fn as_init(&self, names: &[String], log: &[bool], n_clusters: usize) -> Result<KMeans> {
        let n = self.kmeans.centroids.len();
        if n != n_clusters {
            return Err(Error::new(format!("init has {n} segments, k is {n_clusters}")));
        }
        let order: Vec<usize> = names
            .iter()
            .map(|name| {
                self.names.iter().position(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| {
                    let known = super::quoted(self.names.iter().map(String::as_str));
                    Error::new(format!("init has no feature \"{name}\", its features are {known}"))
                })
            })
            .collect::<Result<_>>()?;
        if order.len() != self.names.len() {
            let known = super::quoted(self.names.iter().map(String::as_str));
            return Err(Error::new(format!("init needs the features {known}")));
        }
        let pick = |values: &[f64]| -> Vec<f64> { order.iter().map(|i| values[*i]).collect() };
        let mut init = self.kmeans.clone();
        init.centroids = self.kmeans.centroids.iter().map(|centroid| pick(centroid)).collect();
        let from = &self.kmeans.transform;
        init.transform.log = order.iter().map(|i| from.log[*i]).collect();
        init.transform.center = pick(&from.center);
        init.transform.spread = pick(&from.spread);
        init.transform.mean = pick(&from.mean);
        init.transform.stddev = pick(&from.stddev);
        init.transform.fill = if from.fill.is_empty() { Vec::new() } else { pick(&from.fill) };
        if let Some(i) = (0..names.len()).find(|i| init.transform.log[*i] != log[*i]) {
            let (has, fits) = if log[i] { ("without", "with") } else { ("with", "without") };
            return Err(Error::new(format!("init has \"{}\" {has} log, the fit {fits} it", names[i])));
        }
        Ok(init)
    }
}

/// The scalar that tells the segments of rows.
#[derive(Clone, Copy)]
struct Predict;

impl Scalar for Predict {
    fn call(&self, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let mut labels = Vec::new();
        model::apply_raw(arguments, out, |model: &NamedModel, features, rows, out| {
            let found = model.kmeans.labels(&features.slices(rows.clone()), &mut labels);
            found.map_err(|error| features::explain(error, &model.names))?;
            if features.null_rows.is_none() && !labels.contains(&NO_SEGMENT) {
                out.extend_i32(labels.iter().map(|&label| label as i32));
                return Ok(());
            }
            for (row, &label) in rows.zip(&labels) {
                match label {
                    NO_SEGMENT => out.push_null(),
                    _ if features.is_null_row(row) => out.push_null(),
                    label => out.push_i32(label as i32),
                }
            }
            Ok(())
        })
    }
}

/// The scalars that tell how far rows are from centroids.
#[derive(Clone, Copy)]
enum Apply {
    Distance,
    Distances,
}

/// A squared distance below this may have lost digits.
const SMALL_SQUARE: f64 = 1e-290;

impl Scalar for Apply {
    fn call(&self, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let (mut labels, mut distances) = (Vec::new(), Vec::new());
        model::apply(arguments, out, |model: &NamedModel, scaled, _, out| {
            let kmeans = &model.kmeans;
            let assigned = kmeans.assign(scaled, &mut labels, &mut distances);
            assigned.map_err(|error| features::explain(error, &model.names))?;
            for (i, usable) in scaled.usable.iter().enumerate() {
                match self {
                    _ if !usable => out.push_null(),
                    // Of a square that leaves the range of doubles at its lower end, the distance does not.
                    Apply::Distance if distances[i] < SMALL_SQUARE => {
                        let distances = kmeans.distances(scaled, i);
                        let distances = distances.map_err(|error| features::explain(error, &model.names))?;
                        out.push_f64(distances[labels[i] as usize]);
                    }
                    Apply::Distance => out.push_f64(distances[i].sqrt()),
                    Apply::Distances => {
                        let distances = kmeans.distances(scaled, i);
                        out.push_f64s(&distances.map_err(|error| features::explain(error, &model.names))?);
                    }
                }
            }
            Ok(())
        })
    }
}

/// The scalar that tells what the centroids are.
#[derive(Clone, Copy)]
struct Centroids;

impl Scalar for Centroids {
    fn call(&self, arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        model::describe(arguments, out, centroids)
    }
}

fn centroids(model: &NamedModel) -> Value {
    let KMeans { transform, centroids, sizes, .. } = &model.kmeans;
    let total: f64 = sizes.iter().map(|size| *size as f64).sum();
    let mut entries = Vec::new();
    for (segment, (centroid, size)) in centroids.iter().zip(sizes).enumerate() {
        for (i, (name, scaled)) in model.names.iter().zip(centroid).enumerate() {
            let centered = transform.center[i] + scaled * transform.spread[i];
            let z_score = if transform.stddev[i] > 0.0 {
                (centered - transform.mean[i]) / transform.stddev[i]
            } else {
                0.0
            };
            entries.push(Value::Struct(vec![
                field("segment", Value::Integer(segment as i128)),
                field("size", count(*size)),
                field("share", if total > 0.0 { *size as f64 / total } else { 0.0 }),
                field("feature", name.as_str()),
                field("value", transform.invert(i, *scaled)),
                field("z_score", z_score),
            ]));
        }
    }
    Value::List(entries)
}

/// The features of a model, and those of them that it takes the logarithm of.
pub fn log_of_model(model: &Value) -> Result<(Vec<String>, Vec<String>)> {
    let NamedModel { names, kmeans } = NamedModel::read(model)?;
    let log = names.iter().zip(&kmeans.transform.log).filter(|(_, log)| **log);
    Ok((names.to_vec(), log.map(|(name, _)| name.clone()).collect()))
}
