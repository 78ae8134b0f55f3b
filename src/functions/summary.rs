//! Summaries of features, `feature_summary`; of segments, the profile over it and the migration between two runs.

use std::ops::Range;
use std::sync::Arc;

use super::call::{Call, Calls};
use super::features::{self, Features};
use super::model::{count, field};
use super::options::{self, Options};
use super::{Example, Function, Kind, optional, relation, required};
use crate::ffi::{Aggregate, Chunk, Error, Output, Result, Signature, SqlType, Value};
use crate::ml::Summary;

const FEATURE: SqlType = SqlType::Struct(&[
    ("feature", SqlType::Varchar),
    ("count", SqlType::BigInt),
    ("mean", SqlType::Double),
    ("stddev", SqlType::Double),
    ("min", SqlType::Double),
    ("max", SqlType::Double),
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
    description: "Count, mean, standard deviation, minimum and maximum of every feature, in one pass.",
    details: "`row` and its features as in `kmeans_fit`; options `features` and `id`. `count` counts the values that \
              are not NULL, NaN or infinite; the other figures are over these, NULL where there are none. `stddev` \
              is that of the population (it divides by `count`, DuckDB's `stddev_pop`), as in the models, and 0 where \
              the values differ by rounding alone (at most 2^-40 of their magnitude). Sums are \
              exact, so that the result does not depend on the order of rows. No row gives NULL.",
    examples: &[Example {
        sql: "SELECT s.feature, s.count, s.mean, s.stddev FROM (SELECT unnest(feature_summary(t)) AS s FROM (VALUES (1, 2), (2, 4), (3, NULL)) AS t(user_id, spend))",
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
    columns: "segment, size BIGINT, share DOUBLE, name VARCHAR, feature VARCHAR, mean DOUBLE, z_score DOUBLE, rank BIGINT",
    description: "What makes each segment different: its means against those of all rows, and a short name.",
    details: "The source carries its segments in the column that `segment` names, of any type; rows where it is NULL \
              are left out, also of `share`. `z_score` is the segment's mean minus the mean of all rows, in standard \
              deviations of all rows (0 for a constant feature, NULL for a feature without values in the segment). \
              `rank` orders the features of a segment by the magnitude of the z-score. `name` joins the highest ranked feature and the \
              one that most tells the segment from the one nearest in the first; both differ by at least a quarter of \
              a standard deviation, `very` says by two; without such a feature it is `average`.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (0, 1.0), (0, 3.0), (1, 10.0)) AS t(segment, spend)) SELECT segment, size, name, feature, mean FROM amz.segment_profile(users)",
        rows: &["0 | 2 | low spend | spend | 2.0", "1 | 1 | high spend | spend | 10.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, spend)) FROM amz.segment_profile(users)",
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
    description: "Who moves from segment to segment: one row per pair of segments that a key has before and after.",
    details: "Two sources with the columns that `key` and `segment` name, such as `user_segments` of two months. `size` \
              counts keys, `share` is their part of the segment before; the shares of a segment before add up to 1. A \
              segment is NULL where the key is absent on that side or has no segment there, so that sizes add up to \
              the keys of both sides. Segments keep their type and may be of another on each side; numbers of \
              segments mean the same only if the later run has applied the model of the earlier one or started from \
              it (`model`, `init`). A key that occurs twice on a side, or is NULL, is an error.",
    examples: &[Example {
        sql: "WITH october AS (SELECT * FROM (VALUES (1, 'loyal'), (2, 'loyal'), (3, 'new')) AS t(user_id, segment)), november AS (SELECT * FROM (VALUES (1, 'loyal'), (3, 'loyal'), (4, 'new')) AS t(user_id, segment)) FROM amz.segment_migration(october, november)",
        rows: &[
            "loyal | loyal | 1 | 0.5",
            "loyal | NULL | 1 | 0.5",
            "new | loyal | 1 | 1.0",
            "NULL | new | 1 | 1.0",
        ],
    }],
    errors: &[(
        "WITH october AS (SELECT * FROM (VALUES (1, 'loyal'), (1, 'new')) AS t(user_id, segment)) FROM amz.segment_migration(october, october)",
        "segment_migration: \"user_id\" 1 occurs more than once in \"before\", keep one row of each: SELECT DISTINCT ON (\"user_id\") *",
    )],
    since: "0.1.0",
    register: None,
};

/// The aggregate.
#[derive(Clone, Default)]
struct Fold {
    calls: Arc<Calls<Options>>,
}

/// What one group has seen.
#[derive(Default)]
struct FoldState {
    call: Option<Arc<Call<Options>>>,
    summary: Option<(Arc<[String]>, Summary)>,
}

impl Aggregate for Fold {
    type State = FoldState;
    type Batch<'a> = (Arc<Call<Options>>, Features<'a>);

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        features::read(&self.calls, rows, rows.get(1), options::SUMMARY)
    }

    fn update(
        &self,
        state: &mut FoldState,
        (call, features): &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        Call::keep(&mut state.call, call).map_err(|error| call.read.speak(error))?;
        if features.names.is_empty() {
            return Ok(());
        }
        let fresh = || (features.names.clone(), Summary::new(features.names.len()));
        let (names, summary) = state.summary.get_or_insert_with(fresh);
        if *names != features.names {
            return Err(call.read.speak(Error::new("the rows of a group must have the same features")));
        }
        let columns: Vec<&[f64]> = features.columns.iter().map(|column| &**column).collect();
        summary.append(&columns, range);
        Ok(())
    }

    fn combine(&self, source: &FoldState, target: &mut FoldState) -> Result<()> {
        if let Some(call) = &source.call {
            Call::keep(&mut target.call, call).map_err(|error| call.read.speak(error))?;
        }
        match (&source.summary, &mut target.summary) {
            (None, _) => {}
            (Some(_), None) => target.summary.clone_from(&source.summary),
            (Some((from, summary)), Some((names, into))) if from == names => into.merge(summary),
            _ => return Err(Error::new("the rows of a group must have the same features")),
        }
        Ok(())
    }

    fn finalize(&self, state: FoldState, out: &mut Output) -> Result<()> {
        let Some((names, summary)) = state.summary else {
            out.push_null();
            return Ok(());
        };
        let entries = names.iter().zip(summary.features()).map(|(name, figures)| {
            let figure = |x: f64| if figures.count > 0 { Value::Double(x) } else { Value::Null };
            Value::Struct(vec![
                field("feature", name.as_str()),
                field("count", count(figures.count)),
                field("mean", figure(figures.mean)),
                field("stddev", figure(figures.stddev)),
                field("min", figure(figures.min)),
                field("max", figure(figures.max)),
            ])
        });
        out.push(&Value::List(entries.collect()));
        Ok(())
    }
}
