//! `kmeans_start`: the model that steps over all rows start from.

use super::super::{MODEL, NamedModel, kmeans_options};
use super::sample::SampleState;
use super::survey_fields::SurveyState;
use crate::ffi::{Chunk, Error, Output, Result, Scalar, Signature, SqlType, Value};
use crate::functions::options::{self, Options};
use crate::functions::states::Stored;
use crate::functions::{Example, Function, Kind, features, optional, required};

/// `kmeans_start(survey, sample, k [, options])`
pub const KMEANS_START: Function = Function {
    kind: Kind::Scalar,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_start",
        parameters: &[
            required("survey", SqlType::Any),
            required("sample", SqlType::Any),
            required("k", SqlType::Any),
            optional("options", SqlType::Any),
        ],
        returns: MODEL,
    },
    columns: "",
    description: "The model that steps over all rows start from: a fit of the rows that a survey \
                  drew.",
    details: "`survey` and `sample` are the merged states of all parts. The model is a fit of the \
              sample, restarts and swaps as in `kmeans_fit`, in the scale of all rows; `rows`, \
              `skipped` and the figures of the features are those of all rows, `sizes` and \
              `inertia` estimates until a step has taken place. Options `n_init`, `max_iter`, \
              `tol` and `threads`. NULL for a NULL survey or sample.",
    examples: &[Example {
        sql: "WITH survey AS (SELECT kmeans_survey({'x': x}, {'scale': 'none'}) AS survey FROM \
              (VALUES (1), (2), (9)) AS t(x)), sample AS (SELECT kmeans_sample(survey, 2, {'x': \
              x}) AS sample FROM survey, (VALUES (1), (2), (9)) AS t(x)) SELECT \
              kmeans_start(survey, sample, 2).centroids FROM survey, sample",
        rows: &["[[1.5], [9.0]]"],
    }],
    errors: &[(
        "WITH survey AS (SELECT kmeans_survey({'x': x}) AS survey FROM range(3) AS t(x)), sample \
         AS (SELECT kmeans_sample(survey, 2, {'x': x}) AS sample FROM survey, range(3) AS t(x)) \
         SELECT kmeans_start(survey, sample, 3) FROM survey, sample",
        "kmeans_start: the sample was drawn for k = 2, k is 3",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        let n_threads = registry.session().threads;
        registry.scalar(&function.signature, Start { n_threads })
    }),
};

/// The scalar; `n_threads` is what DuckDB had at `LOAD`.
#[derive(Clone, Copy)]
struct Start {
    n_threads: usize,
}

impl Scalar for Start {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let options = Options::read(arguments.get(3), options::START)?;
        let [surveys, samples, ks] = [0, 1, 2].map(|i| arguments.column(i));
        for row in 0..arguments.len() {
            if !surveys.is_valid(row) || !samples.is_valid(row) {
                out.push_null();
                continue;
            }
            let arguments = [surveys, samples, ks].map(|column| column.value(row));
            match self.start(&arguments, &options).map_err(|error| options.speak(error))? {
                Some(model) => out.push(&model.value()),
                None => out.push_null(),
            }
        }
        Ok(())
    }
}

impl Start {
    fn start(
        &self,
        [survey, sample, k]: &[Value; 3],
        options: &Options,
    ) -> Result<Option<NamedModel>> {
        let state = SurveyState::read(survey)?;
        let sample = SampleState::read(sample)?;
        if sample.fingerprint != state.fingerprint() {
            return Err(Error::new(
                "the sample was drawn by another survey, draw from all parts by this one",
            ));
        }
        let SurveyState { names, survey, .. } = state;
        let k = options::n_clusters("k", k)?;
        if k != sample.k {
            return Err(Error::new(format!("the sample was drawn for k = {}, k is {k}", sample.k)));
        }
        let mut fit = kmeans_options(options, k, self.n_threads);
        fit.seed = survey.options.seed;
        let model = survey.start(&sample.drawn, &fit);
        let model = model.map_err(|error| features::explain(error, &names))?;
        if model.as_ref().is_some_and(|model| !model.is_finite()) {
            return Err(Error::new(
                "the survey's sums are beyond what rows can have, a state of kmeans_survey is \
                 needed",
            ));
        }
        Ok(model.map(|kmeans| NamedModel { names: names.into(), kmeans }))
    }
}
