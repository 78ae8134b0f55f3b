//! Summaries of features, `feature_summary`; of segments, the profile over it and the migration
//! between two runs.

use std::ops::Range;
use std::sync::Arc;

use super::call::{Call, Calls};
use super::features::{self, Features, unlike_rows};
use super::kmeans::log_of_model;
use super::model::{count, field};
use super::options::{self, Options};
use super::{Example, Function, Kind, optional, relation, required};
use crate::ffi::{Aggregate, Chunk, Column, Error, Output, Result, Signature, SqlType, Value};
use crate::ml::{self, FeatureSummary, Summary};

pub(super) const FEATURE: SqlType = SqlType::Struct(&[
    ("feature", SqlType::Varchar),
    ("count", SqlType::BigInt),
    ("mean", SqlType::Double),
    ("stddev", SqlType::Double),
    ("min", SqlType::Double),
    ("max", SqlType::Double),
    ("log_mean", SqlType::Double),
    ("log_stddev", SqlType::Double),
]);

/// `feature_summary(row [, options])`
pub const FEATURE_SUMMARY: Function = Function {
    kind: Kind::Aggregate,
    subject: "clustering",
    signature: Signature {
        name: "feature_summary",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: SqlType::List(&FEATURE),
    },
    columns: "",
    description: "Count, mean, standard deviation, minimum and maximum of every feature, in one \
                  pass.",
    details: "`row` and its features as in `kmeans_fit`; options `features`, `id` and `log`. \
              `count` counts the values that are not NULL, NaN or infinite; the other figures are \
              over these, NULL where there are none. `stddev` is that of the population (it \
              divides by `count`, DuckDB's `stddev_pop`), as in the models, and 0 where the values \
              differ by rounding alone (at most 2^-40 of their magnitude). `log_mean` and \
              `log_stddev` are those of `ln(1 + x)` of a feature that `log` names, NULL of the \
              others. Sums are exact, so that the result does not depend on the order of rows. No \
              row gives NULL.",
    examples: &[Example {
        sql: "SELECT s.feature, s.count, s.mean, s.stddev FROM (SELECT unnest(feature_summary(t)) \
              AS s FROM (VALUES (1, 2), (2, 4), (3, NULL)) AS t(user_id, spend))",
        rows: &["spend | 2 | 3.0 | 1.0"],
    }],
    errors: &[(
        "SELECT feature_summary({'name': 'Ada'})",
        "feature_summary: no numeric feature in the row, which has \"name\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, Fold::default())),
};

/// `amz.segment_profile(source, ...)`
pub const SEGMENT_PROFILE: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("segment_profile"),
    columns: "segment, size BIGINT, share DOUBLE, name VARCHAR, feature VARCHAR, mean DOUBLE, \
              z_score DOUBLE, rank BIGINT",
    description: "What makes each segment different: its means against those of all rows, and a \
                  short name.",
    details: "The source carries its segments in the column that `segment` names, of any type; \
              rows where it is NULL are left out, also of `share`. `z_score` is the segment's mean \
              minus the mean of all rows, in standard deviations of all rows (0 for a feature that \
              a fit takes for constant, NULL for a feature without values in the segment). Give \
              `log` as the fit had it, or the fit's `model` (which has its `features` too): then \
              `z_score`, `rank` and `name` are on the scale of the fit, that of `ln(1 + x)`, and \
              only `mean` is in original units; else a few large values decide for all. `rank` \
              orders the features of a segment by the magnitude of the z-score. `name` joins the \
              highest ranked feature and the one that most tells the segment from the one nearest \
              in the first; both differ by at least a quarter of a standard deviation, `very` says \
              by two; without such a feature it is `average`. Different segments have different \
              names: those of one name get the feature that tells most of them apart, and a \
              number, such as `average (2)`, where no word does.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (0, 1.0), (0, 3.0), (1, 10.0)) AS t(segment, \
              spend)) SELECT segment, size, name, feature, mean FROM amz.segment_profile(users)",
        rows: &["0 | 2 | low spend | spend | 2.0", "1 | 1 | high spend | spend | 10.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
         spend)) FROM amz.segment_profile(users)",
        "Column \"segment\" was selected but was not found in the FROM clause",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.segment_migration(before, after, ...)`
pub const SEGMENT_MIGRATION: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("segment_migration"),
    columns: "segment_before, segment_after, size BIGINT, share DOUBLE",
    description: "Who moves from segment to segment: one row per pair of segments that a key has \
                  before and after.",
    details: "Two sources with the columns that `key` and `segment` name, such as `user_segments` \
              of two months. `size` counts keys, `share` is their part of the segment before; the \
              shares of a segment before add up to 1. A segment is NULL where the key is absent on \
              that side or has no segment there, so that sizes add up to the keys of both sides. \
              Segments keep their type and may be of another on each side; numbers of segments \
              mean the same only if the later run has applied the model of the earlier one or \
              started from it (`model`, `init`). A key that occurs twice on a side, or is NULL, is \
              an error.",
    examples: &[Example {
        sql: "WITH october AS (SELECT * FROM (VALUES (1, 'loyal'), (2, 'loyal'), (3, 'new')) AS \
              t(user_id, segment)), november AS (SELECT * FROM (VALUES (1, 'loyal'), (3, 'loyal'), \
              (4, 'new')) AS t(user_id, segment)) FROM amz.segment_migration(october, november)",
        rows: &[
            "loyal | loyal | 1 | 0.5",
            "loyal | NULL | 1 | 0.5",
            "new | loyal | 1 | 1.0",
            "NULL | new | 1 | 1.0",
        ],
    }],
    errors: &[(
        "WITH october AS (SELECT * FROM (VALUES (1, 'loyal'), (1, 'new')) AS t(user_id, segment)) \
         FROM amz.segment_migration(october, october)",
        "segment_migration: \"user_id\" 1 occurs more than once in \"before\", keep one row of \
         each: SELECT DISTINCT ON (\"user_id\") *",
    )],
    since: "0.1.0",
    register: None,
};

/// The aggregate.
#[derive(Clone, Default)]
pub(super) struct Fold {
    calls: Arc<Calls<Options>>,
}

/// What one group has seen.
#[derive(Default)]
pub(super) struct FoldState {
    call: Option<Arc<Call<Options>>>,
    pub(super) group: Option<GroupSummary>,
}

/// The sums of a group.
#[derive(Clone)]
pub(super) struct GroupSummary {
    pub(super) names: Arc<[String]>,
    pub(super) summary: Summary,
    /// Positions of the features whose logarithms come behind them in `summary`.
    pub(super) log: Vec<usize>,
}

/// The options of a call; a model in them says which features there are and of which the logarithm
/// is taken.
fn read_options(column: Option<&Column<'_>>) -> Result<Options> {
    let mut options = Options::read(column, options::SUMMARY)?;
    take_model(column, &mut options).map_err(|error| options.speak(error))?;
    Ok(options)
}

fn take_model(column: Option<&Column<'_>>, options: &mut Options) -> Result<()> {
    if !options.fitted {
        return Ok(());
    }
    options.fitted = false;
    let Some(model) = Options::model(column, "model")? else { return Ok(()) };
    if !options.log.is_empty() {
        return Err(Error::new("log and model are given, the model has its own log"));
    }
    let (names, log) = log_of_model(&model)?;
    let features = options.features.get_or_insert(names);
    let is_feature = |name: &String| features.iter().any(|other| other.eq_ignore_ascii_case(name));
    options.log = log.into_iter().filter(is_feature).collect();
    Ok(())
}

/// The features of a chunk, behind them in `columns` the logarithms that `log` or a model asks for,
/// and of which features they are.
fn features_of<'a>(rows: &'a Chunk<'a>, options: &Options) -> Result<(Features<'a>, Vec<usize>)> {
    let mut features = Features::select(rows.column(0), options)?;
    let flags = features::flags(&features.names, &options.log);
    let log: Vec<usize> = (0..flags.len()).filter(|feature| flags[*feature]).collect();
    for &feature in &log {
        let column = &features.columns[feature];
        if let Some(&value) = column.iter().find(|x| x.is_finite() && **x < 0.0) {
            return Err(features::explain(
                ml::Error::NegativeLog { feature, value },
                &features.names,
            ));
        }
        let logarithm = |&x: &f64| if x.is_finite() { ml::ln_1p(x) } else { x };
        let column = column.iter().map(logarithm).collect();
        features.columns.push(column);
    }
    Ok((features, log))
}

impl Aggregate for Fold {
    type State = FoldState;
    type Batch<'a> = (Arc<Call<Options>>, Features<'a>, Vec<usize>);

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        let call = self.calls.read(rows.get(1), read_options)?;
        let (features, log) =
            features_of(rows, &call.read).map_err(|error| call.read.speak(error))?;
        Ok((call, features, log))
    }

    fn update(
        &self,
        state: &mut FoldState,
        (call, features, log): &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        Call::keep(&mut state.call, call).map_err(|error| call.read.speak(error))?;
        if features.names.is_empty() {
            return Ok(());
        }
        let group = state.group.get_or_insert_with(|| GroupSummary {
            names: features.names.clone(),
            summary: Summary::new(features.columns.len()),
            log: log.clone(),
        });
        if group.names != features.names || group.log != *log {
            return Err(call.read.speak(unlike_rows()));
        }
        let columns: Vec<&[f64]> = features.columns.iter().map(|column| &**column).collect();
        group.summary.append(&columns, range);
        Ok(())
    }

    fn combine(&self, source: &FoldState, target: &mut FoldState) -> Result<()> {
        let Some(call) = &source.call else {
            return Ok(());
        };
        Call::keep(&mut target.call, call).map_err(|error| call.read.speak(error))?;
        match (&source.group, &mut target.group) {
            (None, _) => {}
            (Some(_), None) => target.group.clone_from(&source.group),
            (Some(from), Some(into)) if from.names == into.names && from.log == into.log => {
                into.summary.merge(&from.summary)
            }
            _ => return Err(call.read.speak(unlike_rows())),
        }
        Ok(())
    }

    fn finalize(&self, state: FoldState, out: &mut Output) -> Result<()> {
        match state.group {
            Some(group) => out.push(&group.figures()),
            None => out.push_null(),
        }
        Ok(())
    }
}

impl GroupSummary {
    /// One entry for each feature.
    pub(super) fn figures(&self) -> Value {
        let Self { names, summary, log } = self;
        let features = summary.features();
        let (features, logarithms) = features.split_at(names.len());
        let entry = |(feature, (name, figures)): (usize, (&String, &FeatureSummary))| {
            let figure = |x: f64| if figures.count > 0 { Value::Double(x) } else { Value::Null };
            let logarithm =
                log.iter().position(|other| *other == feature).map(|at| &logarithms[at]);
            let log_figure = |of: &dyn Fn(&FeatureSummary) -> f64| {
                logarithm.map_or(Value::Null, |figures| figure(of(figures)))
            };
            Value::Struct(vec![
                field("feature", name.as_str()),
                field("count", count(figures.count)),
                field("mean", figure(figures.mean)),
                field("stddev", figure(figures.stddev)),
                field("min", figure(figures.min)),
                field("max", figure(figures.max)),
                field("log_mean", log_figure(&|figures| figures.mean)),
                field("log_stddev", log_figure(&|figures| figures.stddev)),
            ])
        };
        Value::List(names.iter().zip(features).enumerate().map(entry).collect())
    }
}
