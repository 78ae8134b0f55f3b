//! `kmeans_sample`, `kmeans_sample_merge`: the rows that a survey draws.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::survey_fields::SurveyState;
use crate::ffi::{Aggregate, Chunk, Column, Error, Output, Result, Signature, SqlType, Value};
use crate::functions::features::{self, Features};
use crate::functions::model::{count, field};
use crate::functions::options;
use crate::functions::states::{self, Merge, State, Stored, finite};
use crate::functions::{Example, Function, Kind, required};
use crate::ml::{Drawing, Drawn, DrawnRow};

const KIND: &str = "kmeans_sample";

const SAMPLE: SqlType = SqlType::Struct(&[
    ("kind", SqlType::Varchar),
    ("version", SqlType::Integer),
    ("fingerprint", SqlType::BigInt),
    ("k", SqlType::Integer),
    ("level", SqlType::Integer),
    (
        "rows",
        SqlType::List(&SqlType::Struct(&[
            ("hash", SqlType::BigInt),
            ("count", SqlType::BigInt),
            ("weight", SqlType::Double),
            ("probability", SqlType::Double),
            ("row", SqlType::List(&SqlType::Double)),
        ])),
    ),
]);

/// `kmeans_sample(survey, k, row)`
pub const KMEANS_SAMPLE: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_sample",
        parameters: &[
            required("survey", SqlType::Any),
            required("k", SqlType::Any),
            required("row", SqlType::Any),
        ],
        returns: SAMPLE,
    },
    columns: "",
    description: "The rows of a part that a survey of all rows draws: a state that can be stored, \
                  sent and merged.",
    details: include_str!("sample.md"),
    examples: &[Example {
        sql: "WITH survey AS (SELECT kmeans_survey({'x': x}) AS survey FROM range(3) AS t(x)) \
              SELECT len(s.rows) FROM (SELECT kmeans_sample(survey, 2, {'x': x}) AS s FROM survey, \
              range(3) AS t(x))",
        rows: &["3"],
    }],
    errors: &[(
        "SELECT kmeans_sample({'kind': 'kmeans_step', 'version': 1}, 2, {'x': 1})",
        "kmeans_sample: the state is one of kmeans_step, a state of kmeans_survey is needed",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, Draw::default())),
};

/// `kmeans_sample_merge(state)`
pub const KMEANS_SAMPLE_MERGE: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "kmeans_sample_merge",
        parameters: &[required("state", SqlType::Any)],
        returns: SAMPLE,
    },
    columns: "",
    description: "The states that `kmeans_sample` drew from several parts as one.",
    details: "To the bit the sample of all rows of the parts, in whatever order they come. All \
              must be drawn by the same survey, for the same k. NULL states are left out; no other \
              state gives NULL.",
    examples: &[Example {
        sql: "WITH survey AS (SELECT kmeans_survey({'x': x}) AS survey FROM range(4) AS t(x)), \
              parts AS (SELECT x % 2 AS part, kmeans_sample(survey, 2, {'x': x}) AS state FROM \
              survey, range(4) AS t(x) GROUP BY part) SELECT len(s.rows) FROM (SELECT \
              kmeans_sample_merge(state) AS s FROM parts)",
        rows: &["4"],
    }],
    errors: &[(
        "WITH parts AS (SELECT kmeans_sample((SELECT kmeans_survey({'x': x}) FROM range(n) AS \
         t(x)), 2, {'x': 1}) AS state FROM (VALUES (2), (3)) AS v(n) GROUP BY n) SELECT \
         kmeans_sample_merge(state) FROM parts",
        "kmeans_sample_merge: the samples were drawn by two surveys, draw from all parts by one",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Merge::<SampleState>::new())
    }),
};

/// A sample, and the survey that drew it.
#[derive(Clone)]
pub struct SampleState {
    pub fingerprint: i64,
    pub k: usize,
    pub drawn: Drawn,
}

impl Stored for SampleState {
    fn value(&self) -> Value {
        let (level, rows) = self.drawn.parts();
        let row = |row: &DrawnRow| {
            Value::Struct(vec![
                field("hash", Value::Integer(i128::from(row.hash as i64))),
                field("count", count(row.count)),
                field("weight", row.weight),
                // NULL for a frequent row, which is always drawn.
                field("probability", finite(row.probability)),
                field("row", Value::from(&row.values[..])),
            ])
        };
        let mut fields = states::head(KIND);
        fields.extend([
            field("fingerprint", Value::Integer(i128::from(self.fingerprint))),
            field("k", Value::Integer(self.k as i128)),
            field("level", Value::Integer(i128::from(level))),
            field("rows", Value::List(rows.map(row).collect())),
        ]);
        Value::Struct(fields)
    }

    fn read(value: &Value) -> Result<Self> {
        let state = State::new(value, KIND)?;
        let row = |part: State<'_>| {
            Ok(DrawnRow {
                hash: part.whole("hash")? as u64,
                count: part.count("count")?,
                weight: part.number("weight", 1.0)?,
                probability: part.number("probability", f64::INFINITY)?,
                values: part.numbers("row")?,
            })
        };
        let rows: Vec<DrawnRow> =
            state.parts("rows")?.into_iter().map(row).collect::<Result<_>>()?;
        let level = u32::try_from(state.count("level")?).unwrap_or(u32::MAX);
        let drawn =
            Drawn::from_parts(level, rows).ok_or_else(|| state.broken("rows", "are no sample"))?;
        let k = state.count("k")? as usize;
        Ok(SampleState { fingerprint: state.whole("fingerprint")?, k, drawn })
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        if self.fingerprint != other.fingerprint || self.k != other.k {
            return Err(two_surveys());
        }
        self.drawn.merge(&other.drawn);
        Ok(())
    }
}

fn two_surveys() -> Error {
    Error::new("the samples were drawn by two surveys, draw from all parts by one, for one k")
}

/// A survey with what it draws, and the values that they were read from.
struct Given {
    values: [Value; 2],
    survey: SurveyState,
    fingerprint: i64,
    k: usize,
    drawing: Drawing,
}

#[derive(Clone, Default)]
struct Draw {
    last: Arc<Mutex<Weak<Given>>>,
}

/// Runs of rows with one survey, with the features that it needs.
type Runs<'a> = Vec<(Range<usize>, Arc<Given>, Arc<Features<'a>>)>;

/// What one group has seen.
#[derive(Default)]
struct DrawState {
    known: Option<(Arc<Given>, Drawn)>,
}

impl Draw {
    fn given(&self, surveys: &Column<'_>, ks: &Column<'_>, row: usize) -> Result<Arc<Given>> {
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let holds = |known: &Arc<Given>| {
            ks.holds(row, &known.values[1]) && surveys.holds(row, &known.values[0])
        };
        if let Some(known) = known.filter(holds) {
            return Ok(known);
        }
        if !surveys.is_valid(row) {
            return Err(Error::new("the survey is NULL, the query for it found none"));
        }
        let values = [surveys.value(row), ks.value(row)];
        let k = options::n_clusters("k", &values[1])?;
        let survey = SurveyState::read(&values[0])?;
        let drawing = Drawing::new(&survey.survey, k)
            .map_err(|error| features::explain(error, &survey.names))?;
        let fingerprint = survey.fingerprint();
        let given = Arc::new(Given { values, survey, fingerprint, k, drawing });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&given);
        Ok(given)
    }
}

impl Aggregate for Draw {
    type State = DrawState;
    type Batch<'a> = Runs<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Runs<'a>> {
        let (surveys, ks, row) = (rows.column(0), rows.column(1), rows.column(2));
        let mut picked: Option<Arc<Features<'a>>> = None;
        let mut runs = Vec::new();
        for rows in crate::functions::runs(&[surveys, ks], rows.len()) {
            let given = self.given(surveys, ks, rows.start)?;
            let names = &given.survey.names;
            let features = match picked.take() {
                Some(features) if *features.names == names[..] => features,
                _ => {
                    let weight = given.survey.weight.as_deref();
                    Arc::new(Features::matching_weighted(row, names, weight)?)
                }
            };
            picked = Some(features.clone());
            runs.push((rows, given, features));
        }
        Ok(runs)
    }

    fn update(&self, state: &mut DrawState, batch: &Runs<'_>, rows: Range<usize>) -> Result<()> {
        for (run, given, features) in batch {
            let rows = run.start.max(rows.start)..run.end.min(rows.end);
            if rows.is_empty() {
                continue;
            }
            let (own, drawn) = state.known.get_or_insert_with(|| (given.clone(), Drawn::default()));
            if !Arc::ptr_eq(own, given) && (own.fingerprint, own.k) != (given.fingerprint, given.k)
            {
                return Err(Error::new(
                    "survey and k must be the same in all rows of a group, use GROUP BY for \
                     several",
                ));
            }
            let mut append = |rows: Range<usize>| {
                let (survey, weights) = (&given.survey.survey, features.weights.as_deref());
                drawn.append(survey, &given.drawing, &features.columns, weights, rows);
            };
            if features.null_rows.is_none() {
                append(rows);
            } else {
                // A row that is NULL as a whole is left out.
                rows.filter(|row| !features.is_null_row(*row)).for_each(|row| append(row..row + 1));
            }
        }
        Ok(())
    }

    fn combine(&self, source: &DrawState, target: &mut DrawState) -> Result<()> {
        let Some((given, drawn)) = &source.known else {
            return Ok(());
        };
        match &mut target.known {
            None => target.known = Some((given.clone(), drawn.clone())),
            Some((own, known)) => {
                if (own.fingerprint, own.k) != (given.fingerprint, given.k) {
                    return Err(two_surveys());
                }
                known.merge(drawn);
            }
        }
        Ok(())
    }

    fn finalize(&self, state: DrawState, out: &mut Output) -> Result<()> {
        match state.known {
            Some((given, drawn)) => {
                let sample = SampleState { fingerprint: given.fingerprint, k: given.k, drawn };
                out.push(&sample.value());
            }
            None => out.push_null(),
        }
        Ok(())
    }
}
