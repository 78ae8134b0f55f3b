//! The state of a survey as a SQL value and back.

use crate::ffi::{Result, SqlType, Value};
use crate::functions::model::{count, field};
use crate::functions::quoted;
use crate::functions::states::{self, EXACT, State, Stored, exact, finite, named};
use crate::ml::{FeatureSurvey, Nulls, Scale, Sketch, Survey, SurveyOptions};
use xxhash_rust::xxh3::Xxh3;

const KIND: &str = "kmeans_survey";

/// The type of a survey's state.
pub const SURVEY: SqlType = SqlType::Struct(&[
    ("kind", SqlType::Varchar),
    ("version", SqlType::Integer),
    ("scale", SqlType::Varchar),
    ("nulls", SqlType::Varchar),
    ("seed", SqlType::BigInt),
    ("weight", SqlType::Varchar),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt),
    ("total", EXACT),
    (
        "features",
        SqlType::List(&SqlType::Struct(&[
            ("feature", SqlType::Varchar),
            ("log", SqlType::Boolean),
            ("flag", SqlType::Boolean),
            ("missing", SqlType::BigInt),
            ("min", SqlType::Double),
            ("max", SqlType::Double),
            ("sum", EXACT),
            ("squares", EXACT),
        ])),
    ),
    ("lowest", SqlType::List(&SqlType::BigInt)),
    ("counters", SqlType::List(&SqlType::BigInt)),
]);

/// A survey, and what it is of.
#[derive(Clone)]
pub struct SurveyState {
    pub names: Vec<String>,
    /// The field that holds the weights.
    pub weight: Option<String>,
    pub survey: Survey,
}

impl Stored for SurveyState {
    fn value(&self) -> Value {
        let Survey { options, rows, skipped, weight, features, sketch, .. } = &self.survey;
        let feature = |(i, feature): (usize, &FeatureSurvey)| {
            Value::Struct(vec![
                field("feature", self.names[i].as_str()),
                field("log", Value::Boolean(options.log[i])),
                field("flag", Value::Boolean(options.unscaled[i])),
                field("missing", count(feature.missing)),
                field("min", finite(feature.min)),
                field("max", finite(feature.max)),
                field("sum", exact(&feature.sum)),
                field("squares", exact(&feature.squares)),
            ])
        };
        let (lowest, counters) = sketch.parts();
        let numbers = |numbers: &[u64]| {
            let number = |x: &u64| Value::Integer(i128::from(*x as i64));
            Value::List(numbers.iter().map(number).collect())
        };
        let mut fields = states::head(KIND);
        fields.extend([
            field("scale", options.scale.name()),
            field("nulls", options.nulls.name()),
            field("seed", Value::Integer(i128::from(options.seed))),
            field("weight", self.weight.as_deref().map_or(Value::Null, Value::from)),
            field("rows", count(*rows)),
            field("skipped", count(*skipped)),
            field("total", exact(weight)),
            field("features", Value::List(features.iter().enumerate().map(feature).collect())),
            field("lowest", numbers(lowest)),
            field("counters", numbers(counters)),
        ]);
        Value::Struct(fields)
    }

    fn read(value: &Value) -> Result<Self> {
        let state = State::new(value, KIND)?;
        let weight = state.text("weight")?.map(str::to_string);
        let nulls = state.one_of("nulls", Nulls::from_name)?;
        if nulls == Nulls::Mean {
            return Err(state.broken("nulls", "cannot be 'mean'"));
        }
        let parts = state.parts("features")?;
        let mut options = SurveyOptions {
            scale: state.one_of("scale", Scale::from_name)?,
            nulls,
            log: Vec::new(),
            unscaled: Vec::new(),
            weighted: weight.is_some(),
            seed: state.whole("seed")?,
        };
        let (mut names, mut features) = (Vec::new(), Vec::new());
        let rows = state.count("rows")?;
        for part in parts {
            let name = part.text("feature")?;
            names.push(name.ok_or_else(|| part.broken("feature", "is missing"))?.to_string());
            options.log.push(part.flag("log")?);
            options.unscaled.push(part.flag("flag")?);
            let feature = FeatureSurvey {
                missing: part.count("missing")?,
                min: part.number("min", f64::INFINITY)?,
                max: part.number("max", f64::NEG_INFINITY)?,
                sum: part.exact("sum")?,
                squares: part.exact("squares")?,
            };
            if rows > 0 && feature.min > feature.max {
                return Err(part.broken("min", "is above its max"));
            }
            features.push(feature);
        }
        if names.is_empty() {
            return Err(state.broken("features", "is empty"));
        }
        let unsigned = |numbers: Vec<i64>| numbers.into_iter().map(|x| x as u64).collect();
        let lowest: Vec<u64> = unsigned(state.wholes("lowest")?);
        let counters: Vec<u64> = unsigned(state.wholes("counters")?);
        let sketch = Sketch::from_parts(lowest, counters)
            .ok_or_else(|| state.broken("lowest or counters", "is of another form"))?;
        let mut survey = Survey::new(options);
        survey.rows = rows;
        survey.skipped = state.count("skipped")?;
        survey.weight = state.exact("total")?;
        survey.features = features;
        survey.sketch = sketch;
        Ok(SurveyState { names, weight, survey })
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        let remedy = "survey all parts with the same";
        let names = |state: &Self| quoted(state.names.iter().map(String::as_str));
        if self.names != other.names {
            return Err(states::unlike("features", &names(self), &names(other), remedy));
        }
        let (a, b) = (&self.survey.options, &other.survey.options);
        let logs = |state: &Self| {
            let log = state.names.iter().zip(&state.survey.options.log).filter(|(_, log)| **log);
            format!("[{}]", quoted(log.map(|(name, _)| name.as_str())))
        };
        for (what, a, b) in [
            ("scale", a.scale.name().to_string(), b.scale.name().to_string()),
            ("nulls", a.nulls.name().to_string(), b.nulls.name().to_string()),
            ("seed", a.seed.to_string(), b.seed.to_string()),
            ("weight", named(self.weight.as_deref()), named(other.weight.as_deref())),
            ("log", logs(self), logs(other)),
        ] {
            if a != b {
                return Err(states::unlike(what, &a, &b, remedy));
            }
        }
        if let Some(i) = (0..a.unscaled.len()).find(|&i| a.unscaled[i] != b.unscaled[i]) {
            return Err(states::flag_and_number(&self.names[i]));
        }
        states::sum(self.survey.rows, other.survey.rows)?;
        states::sum(self.survey.skipped, other.survey.skipped)?;
        self.survey.merge(&other.survey);
        Ok(())
    }
}

impl SurveyState {
    /// A hash of all that the survey says.
    pub fn fingerprint(&self) -> i64 {
        let Survey { options, rows, skipped, weight, features, sketch, .. } = &self.survey;
        let mut hash = Xxh3::new();
        let mut numbers = |numbers: &[u64]| {
            hash.update(&(numbers.len() as u64).to_le_bytes());
            numbers.iter().for_each(|x| hash.update(&x.to_le_bytes()));
        };
        let (lowest, counters) = sketch.parts();
        numbers(lowest);
        numbers(counters);
        numbers(&[
            *rows,
            *skipped,
            options.seed as u64,
            options.scale as u64,
            options.nulls as u64,
        ]);
        for sum in features.iter().flat_map(|f| [&f.sum, &f.squares]).chain([weight]) {
            let (first, limbs) = sum.limbs();
            numbers(&[i64::from(first) as u64]);
            numbers(&limbs.iter().map(|limb| *limb as u64).collect::<Vec<u64>>());
        }
        for (i, name) in self.names.iter().enumerate() {
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(&[u8::from(options.log[i]), u8::from(options.unscaled[i])]);
        }
        hash.update(self.weight.as_deref().unwrap_or_default().as_bytes());
        hash.digest() as i64
    }
}
