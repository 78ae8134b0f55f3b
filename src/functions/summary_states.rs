//! `summary_survey`, `summary_merge`, `summary_final`: summaries of rows that come in parts.

use std::ops::Range;

use super::model::{count, field};
use super::states::{self, EXACT, Merge, State, Stored, exact, finite};
use super::summary::{FEATURE, Fold, FoldState, GroupSummary};
use super::{Example, Function, Kind, optional, quoted, required};
use crate::ffi::{Aggregate, Chunk, Output, Result, Scalar, Signature, SqlType, Value};
use crate::ml::{FeatureMoments, Summary};

const KIND: &str = "summary_survey";

const SURVEY: SqlType = SqlType::Struct(&[
    ("kind", SqlType::Varchar),
    ("version", SqlType::Integer),
    (
        "features",
        SqlType::List(&SqlType::Struct(&[
            ("feature", SqlType::Varchar),
            ("log", SqlType::Boolean),
            ("count", SqlType::BigInt),
            ("min", SqlType::Double),
            ("max", SqlType::Double),
            ("sum", EXACT),
            ("squares", EXACT),
        ])),
    ),
]);

/// `summary_survey(row [, options])`
pub const SUMMARY_SURVEY: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "summary_survey",
        parameters: &[required("row", SqlType::Any), optional("options", SqlType::Any)],
        returns: SURVEY,
    },
    columns: "",
    description: "The exact sums of a part of the rows that a summary comes from: a state that can \
                  be stored, sent and merged.",
    details: "`row`, its features and the options as in `feature_summary`. `summary_merge` adds \
              states up, `summary_final` makes the summary of all rows, to the bit, whatever the \
              parts. `log` entries are of `ln(1 + x)`. No row gives NULL.",
    examples: &[Example {
        sql: "SELECT s.features[1].count FROM (SELECT summary_survey({'x': x}) AS s FROM range(3) \
              AS t(x))",
        rows: &["3"],
    }],
    errors: &[(
        "SELECT summary_survey({'name': 'Ada'})",
        "summary_survey: no numeric feature in the row, which has \"name\"",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.aggregate(&function.signature, Survey::default())),
};

/// `summary_merge(state)`
pub const SUMMARY_MERGE: Function = Function {
    kind: Kind::Aggregate,
    subject: "passes over parts",
    signature: Signature {
        name: "summary_merge",
        parameters: &[required("state", SqlType::Any)],
        returns: SURVEY,
    },
    columns: "",
    description: "The states that `summary_survey` made of several parts as one.",
    details: "To the bit the state of all rows of the parts, in whatever order they come. All must \
              have the same features. A part that comes twice counts twice. NULL states are left \
              out; no other state gives NULL.",
    examples: &[Example {
        sql: "WITH parts AS (SELECT summary_survey({'x': x}) AS state FROM range(9) AS t(x) GROUP \
              BY x % 3) SELECT s.features[1].count FROM (SELECT summary_merge(state) AS s FROM \
              parts)",
        rows: &["9"],
    }],
    errors: &[(
        "WITH parts AS (SELECT summary_survey({'x': 1}) AS state UNION ALL SELECT \
         summary_survey({'y': 1})) SELECT summary_merge(state) FROM parts",
        "summary_merge: the states have features \"x\" and \"y\", survey all parts with the same",
    )],
    since: "0.1.0",
    register: Some(|registry, function| {
        registry.aggregate(&function.signature, Merge::<SummaryState>::new())
    }),
};

/// `summary_final(state)`
pub const SUMMARY_FINAL: Function = Function {
    kind: Kind::Scalar,
    subject: "passes over parts",
    signature: Signature {
        name: "summary_final",
        parameters: &[required("state", SqlType::Any)],
        returns: SqlType::List(&FEATURE),
    },
    columns: "",
    description: "Count, mean, standard deviation, minimum and maximum of every feature of all \
                  rows that a state of `summary_survey` has seen.",
    details: "The result of `feature_summary`. NULL for a NULL state.",
    examples: &[Example {
        sql: "SELECT s[1].mean, s[1].stddev FROM (SELECT summary_final(summary_survey({'x': x})) \
              AS s FROM (VALUES (2), (4)) AS t(x))",
        rows: &["3.0 | 1.0"],
    }],
    errors: &[(
        "SELECT summary_final(7)",
        "summary_final: the state must be a STRUCT of summary_survey, not 7",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, Final)),
};

/// The aggregate of `feature_summary`, of which the sums are the result.
#[derive(Clone, Default)]
struct Survey(Fold);

impl Aggregate for Survey {
    type State = FoldState;
    type Batch<'a> = <Fold as Aggregate>::Batch<'a>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        self.0.read(rows)
    }

    fn update(
        &self,
        state: &mut FoldState,
        batch: &Self::Batch<'_>,
        rows: Range<usize>,
    ) -> Result<()> {
        self.0.update(state, batch, rows)
    }

    fn combine(&self, source: &FoldState, target: &mut FoldState) -> Result<()> {
        self.0.combine(source, target)
    }

    fn finalize(&self, state: FoldState, out: &mut Output) -> Result<()> {
        match state.group {
            Some(group) => out.push(&SummaryState(group).value()),
            None => out.push_null(),
        }
        Ok(())
    }
}

/// The sums of a group.
#[derive(Clone)]
struct SummaryState(GroupSummary);

impl Stored for SummaryState {
    fn value(&self) -> Value {
        let GroupSummary { names, summary, log } = &self.0;
        let moments = summary.moments();
        let entry = |(name, log, moments): (&String, bool, &FeatureMoments)| {
            Value::Struct(vec![
                field("feature", name.as_str()),
                field("log", Value::Boolean(log)),
                field("count", count(moments.count)),
                field("min", finite(moments.min)),
                field("max", finite(moments.max)),
                field("sum", exact(&moments.sum)),
                field("squares", exact(&moments.squares)),
            ])
        };
        let plain = names.iter().zip(moments).map(|(name, moments)| (name, false, moments));
        let logs = log.iter().zip(&moments[names.len()..]);
        let logs = logs.map(|(feature, moments)| (&names[*feature], true, moments));
        let mut fields = states::head(KIND);
        fields.push(field("features", Value::List(plain.chain(logs).map(entry).collect())));
        Value::Struct(fields)
    }

    fn read(value: &Value) -> Result<Self> {
        let state = State::new(value, KIND)?;
        let (mut names, mut log, mut moments): (Vec<String>, _, _) =
            (Vec::new(), Vec::new(), Vec::new());
        for part in state.parts("features")? {
            let name = part.text("feature")?;
            let name = name.ok_or_else(|| part.broken("feature", "is missing"))?;
            if part.flag("log")? {
                let feature = names.iter().position(|known| known == name);
                log.push(feature.ok_or_else(|| part.broken("log", "is of no feature"))?);
            } else if log.is_empty() {
                names.push(name.to_string());
            } else {
                return Err(part.broken("features", "are not in order"));
            }
            let own = FeatureMoments {
                count: part.count("count")?,
                min: part.number("min", f64::INFINITY)?,
                max: part.number("max", f64::NEG_INFINITY)?,
                sum: part.exact("sum")?,
                squares: part.exact("squares")?,
            };
            if own.count > 0 && own.min > own.max {
                return Err(part.broken("min", "is above its max"));
            }
            moments.push(own);
        }
        let summary = Summary::of_moments(moments);
        Ok(SummaryState(GroupSummary { names: names.into(), summary, log }))
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        let remedy = "survey all parts with the same";
        let names = |state: &Self| quoted(state.0.names.iter().map(String::as_str));
        if self.0.names != other.0.names {
            return Err(states::unlike("features", &names(self), &names(other), remedy));
        }
        if self.0.log != other.0.log {
            let logs = |state: &Self| {
                let names = state.0.log.iter().map(|feature| state.0.names[*feature].as_str());
                format!("[{}]", quoted(names))
            };
            return Err(states::unlike("log", &logs(self), &logs(other), remedy));
        }
        for (a, b) in self.0.summary.moments().iter().zip(other.0.summary.moments()) {
            states::sum(a.count, b.count)?;
        }
        self.0.summary.merge(&other.0.summary);
        Ok(())
    }
}

/// The scalar that makes the summary.
#[derive(Clone, Copy)]
struct Final;

impl Scalar for Final {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        let given = arguments.column(0);
        for row in 0..arguments.len() {
            if given.is_valid(row) {
                out.push(&SummaryState::read(&given.value(row))?.0.figures());
            } else {
                out.push_null();
            }
        }
        Ok(())
    }
}
