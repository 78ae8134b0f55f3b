//! `kmeans_survey`, `kmeans_survey_merge`: what a fit has to know of all rows before it draws some.

use std::ops::Range;
use std::sync::Arc;

use super::survey_fields::{SURVEY, SurveyState};
use crate::ffi::{Aggregate, Chunk, Error, Output, Result, Signature, SqlType};
use crate::functions::call::{Call, Calls};
use crate::functions::features::{self, Features, Group, Store};
use crate::functions::options::{self, Options};
use crate::functions::states::{Merge, Stored};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{self, Nulls, Survey, SurveyOptions};
use std::borrow::Cow;

/// `kmeans_survey(row [, options])`
pub const KMEANS_SURVEY: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_survey",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: SURVEY,
    },
    columns: "",
    description: "What a fit has to know of all rows before it draws some: a state that can be \
                  stored, sent and merged.",
    details: include_str!("survey.md"),
    examples: &[Example {
        sql: "SELECT s.rows, s.features[1].min, s.features[1].max FROM (SELECT kmeans_survey({'x': \
              x}) AS s FROM (VALUES (1), (2), (9)) AS t(x))",
        rows: &["3 | 1.0 | 9.0"],
    }],
    errors: &[(
        "SELECT kmeans_survey({'x': x}, {'nulls': 'mean'}) FROM range(3) AS t(x)",
        "kmeans_survey: nulls 'mean' is not known before all rows are, fill the values in the \
         query (coalesce), or use 'skip' or 'zero'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, Fold::default())),
};

/// `kmeans_survey_merge(state)`
pub const KMEANS_SURVEY_MERGE: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_survey_merge",
        parameters: &[required("state", SqlType::Any)],
        returns: SURVEY,
    },
    columns: "",
    description: "The states that `kmeans_survey` made of several parts as one.",
    details: "To the bit the state of all rows of the parts, in whatever order they come. All must \
              have the same features and options. A part that comes twice counts twice. NULL \
              states are left out; no other state gives NULL.",
    examples: &[Example {
        sql: "WITH parts AS (SELECT kmeans_survey({'x': x}) AS state FROM (VALUES ('mon', 1), \
              ('mon', 2), ('tue', 9)) AS t(day, x) GROUP BY day) SELECT s.rows FROM (SELECT \
              kmeans_survey_merge(state) AS s FROM parts)",
        rows: &["3"],
    }],
    errors: &[(
        "WITH parts AS (SELECT kmeans_survey({'x': x}) AS state FROM range(2) AS t(x) UNION ALL \
         SELECT kmeans_survey({'y': x}) FROM range(2) AS t(x)) SELECT kmeans_survey_merge(state) \
         FROM parts",
        "kmeans_survey_merge: the states have features \"x\" and \"y\", survey all parts with the \
         same",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Merge::<SurveyState>::new())
    }),
};

impl Store for Survey {
    fn new(features: &Features<'_>, options: &Options) -> ml::Result<Self> {
        Ok(Survey::new(SurveyOptions {
            scale: options.scale,
            nulls: options.nulls,
            log: features::flags(&features.names, &options.log),
            unscaled: features.flags.clone(),
            weighted: features.weights.is_some(),
            seed: options.seed,
        }))
    }

    fn append(&mut self, columns: &[Cow<'_, [f64]>], weights: Option<&[f64]>, rows: Range<usize>) {
        Survey::append(self, columns, weights, rows);
    }

    fn merge(&mut self, other: &Self) {
        Survey::merge(self, other);
    }

    fn check(&self) -> ml::Result<()> {
        Survey::check(self)
    }
}

#[derive(Clone, Default)]
struct Fold {
    calls: Arc<Calls<Options>>,
}

/// What one group has seen.
#[derive(Default)]
struct FoldState {
    call: Option<Arc<Call<Options>>>,
    group: Group<Survey>,
}

fn read_options(column: Option<&crate::ffi::Column<'_>>) -> Result<Options> {
    let options = Options::read(column, options::SURVEY)?;
    if options.nulls == Nulls::Mean {
        return Err(options.speak(Error::new(
            "nulls 'mean' is not known before all rows are, fill the values in the query \
             (coalesce), or use 'skip' or 'zero'",
        )));
    }
    Ok(options)
}

impl Aggregate for Fold {
    type State = FoldState;
    type Batch<'a> = (Arc<Call<Options>>, Features<'a>);

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        let call = self.calls.read(rows.get(1), read_options)?;
        let features =
            Features::select(rows.column(0), &call.read).map_err(|error| call.read.speak(error))?;
        Ok((call, features))
    }

    fn update(
        &self,
        state: &mut FoldState,
        (call, features): &Self::Batch<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        let kept = Call::keep(&mut state.call, call).map(|_| ());
        kept.and_then(|()| state.group.add(features, &call.read, range))
            .map_err(|error| call.read.speak(error))
    }

    fn combine(&self, source: &FoldState, target: &mut FoldState) -> Result<()> {
        let Some(call) = &source.call else {
            return Ok(());
        };
        let kept = Call::keep(&mut target.call, call).map(|_| ());
        kept.and_then(|()| target.group.merge(&source.group))
            .map_err(|error| call.read.speak(error))
    }

    fn finalize(&self, state: FoldState, out: &mut Output) -> Result<()> {
        let (Some(call), Group { rows: Some(rows), n_null_rows }) = (state.call, state.group)
        else {
            out.push_null();
            return Ok(());
        };
        let names = rows.names.to_vec();
        let mut survey = rows.store;
        survey.skipped += n_null_rows;
        out.push(&SurveyState { names, weight: call.read.weight.clone(), survey }.value());
        Ok(())
    }
}
