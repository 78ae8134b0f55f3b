//! `kmeans_survey`, `kmeans_survey_merge`: what a fit has to know of all rows before it draws some.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::survey_fields::{SURVEY, SurveyState};
use crate::ffi::{Aggregate, Chunk, Error, Output, Result, Signature, SqlType};
use crate::functions::call::Calls;
use crate::functions::features::{self, Features, Store};
use crate::functions::options::{self, Options};
use crate::functions::segments::{Batch, Known, Segments};
use crate::functions::states::{Merge, Stored};
use crate::functions::{Example, Function, Kind, optional, required};
use crate::ml::{self, Nulls, Survey, SurveyOptions};

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
    type State = Segments<Options, 0, Survey>;
    type Batch<'a> = Batch<'a, Options, 0>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        Batch::read(&self.calls, rows, [], read_options)
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
        let names = rows.names.to_vec();
        let mut survey = rows.store;
        survey.skipped += n_null_rows;
        out.push(&SurveyState { names, weight: call.read.weight.clone(), survey }.value());
        Ok(())
    }
}
