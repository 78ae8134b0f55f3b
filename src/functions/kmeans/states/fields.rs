//! The state of a step as a SQL value and back.

use super::super::NamedModel;
use crate::ffi::{Error, Result, SqlType, Value};
use crate::functions::model::{count, field};
use crate::functions::quoted;
use crate::functions::states::{self, EXACT, State, Stored, exact, finite, named};
use crate::ml::{FarRow, FeatureStep, SegmentStep, Step};
use xxhash_rust::xxh3::Xxh3;

/// The name of the states.
pub const KIND: &str = "kmeans_step";

/// The type of a step's state.
pub const STEP: SqlType = SqlType::Struct(&[
    ("kind", SqlType::Varchar),
    ("version", SqlType::Integer),
    ("fingerprint", SqlType::BigInt),
    ("weight", SqlType::Varchar),
    ("rows", SqlType::BigInt),
    ("skipped", SqlType::BigInt),
    ("inertia", EXACT),
    (
        "features",
        SqlType::List(&SqlType::Struct(&[
            ("feature", SqlType::Varchar),
            ("min", SqlType::Double),
            ("max", SqlType::Double),
            ("squares", EXACT),
        ])),
    ),
    (
        "segments",
        SqlType::List(&SqlType::Struct(&[
            ("rows", SqlType::BigInt),
            ("weight", EXACT),
            ("sums", SqlType::List(&EXACT)),
        ])),
    ),
    (
        "farthest",
        SqlType::List(&SqlType::Struct(&[
            ("distance", SqlType::Double),
            ("row", SqlType::List(&SqlType::Double)),
        ])),
    ),
]);

/// A step, and what it is a step of.
#[derive(Clone)]
pub struct StepState {
    /// Of the model.
    pub fingerprint: i64,
    pub names: Vec<String>,
    /// The field that holds the weights.
    pub weight: Option<String>,
    pub step: Step,
}

/// A hash of all that decides what a step over rows is: the features of a model, their
/// transformation and the centroids.
pub fn fingerprint(model: &NamedModel) -> i64 {
    let mut hash = Xxh3::new();
    let mut numbers = |values: &[f64]| {
        hash.update(&(values.len() as u64).to_le_bytes());
        // Adding 0.0 makes 0.0 of -0.0, which JSON and some databases do not keep.
        values.iter().for_each(|x| hash.update(&(x + 0.0).to_bits().to_le_bytes()));
    };
    let transform = &model.kmeans.transform;
    numbers(&transform.fill);
    numbers(&transform.center);
    numbers(&transform.spread);
    model.kmeans.centroids.iter().for_each(|centroid| numbers(centroid));
    for (name, log) in model.names.iter().zip(&transform.log) {
        hash.update(&(name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(&[u8::from(*log)]);
    }
    hash.update(transform.nulls.name().as_bytes());
    hash.digest() as i64
}

impl Stored for StepState {
    /// As a value of type [`STEP`].
    fn value(&self) -> Value {
        let Step { rows, skipped, inertia, features, segments, farthest } = &self.step;
        let feature = |(name, feature): (&String, &FeatureStep)| {
            Value::Struct(vec![
                field("feature", name.as_str()),
                field("min", finite(feature.min)),
                field("max", finite(feature.max)),
                field("squares", exact(&feature.squares)),
            ])
        };
        let segment = |segment: &SegmentStep| {
            Value::Struct(vec![
                field("rows", count(segment.rows)),
                field("weight", exact(&segment.weight)),
                field("sums", Value::List(segment.sums.iter().map(exact).collect())),
            ])
        };
        let far = |row: &FarRow| {
            Value::Struct(vec![
                field("distance", row.distance),
                field("row", Value::from(&row.values[..])),
            ])
        };
        let mut fields = states::head(KIND);
        fields.extend([
            field("fingerprint", Value::Integer(i128::from(self.fingerprint))),
            field("weight", self.weight.as_deref().map_or(Value::Null, Value::from)),
            field("rows", count(*rows)),
            field("skipped", count(*skipped)),
            field("inertia", exact(inertia)),
            field("features", Value::List(self.names.iter().zip(features).map(feature).collect())),
            field("segments", Value::List(segments.iter().map(segment).collect())),
            field("farthest", Value::List(farthest.iter().map(far).collect())),
        ]);
        Value::Struct(fields)
    }

    /// Reads a state.
    fn read(value: &Value) -> Result<Self> {
        let state = State::new(value, KIND)?;
        let mut names = Vec::new();
        let mut features = Vec::new();
        for part in state.parts("features")? {
            let name = part.text("feature")?;
            names.push(name.ok_or_else(|| part.broken("feature", "is missing"))?.to_string());
            features.push(FeatureStep {
                min: part.number("min", f64::INFINITY)?,
                max: part.number("max", f64::NEG_INFINITY)?,
                squares: part.exact("squares")?,
            });
        }
        let segment = |part: State<'_>| {
            let segment = SegmentStep {
                rows: part.count("rows")?,
                weight: part.exact("weight")?,
                sums: part.exacts("sums")?,
            };
            if segment.sums.len() == names.len() {
                Ok(segment)
            } else {
                let n = segment.sums.len();
                Err(part.broken("sums", &format!("has {n} sums for {} features", names.len())))
            }
        };
        let segments: Vec<SegmentStep> =
            state.parts("segments")?.into_iter().map(segment).collect::<Result<_>>()?;
        let far = |part: State<'_>| {
            let row =
                FarRow { distance: part.number("distance", 0.0)?, values: part.numbers("row")? };
            if row.values.len() == names.len() {
                Ok(row)
            } else {
                let n = row.values.len();
                Err(part.broken("row", &format!("has {n} numbers for {} features", names.len())))
            }
        };
        let farthest = state.parts("farthest")?.into_iter().map(far).collect::<Result<_>>()?;
        let rows = state.count("rows")?;
        let in_segments: u128 = segments.iter().map(|segment| u128::from(segment.rows)).sum();
        if in_segments != u128::from(rows) {
            return Err(
                state.broken("rows", &format!("is {rows}, its segments have {in_segments}"))
            );
        }
        if rows > 0 && features.iter().any(|feature| feature.min > feature.max) {
            return Err(state.broken("features", "has a min above its max"));
        }
        let step = Step {
            rows,
            skipped: state.count("skipped")?,
            inertia: state.exact("inertia")?,
            features,
            segments,
            farthest,
        };
        Ok(StepState {
            fingerprint: state.whole("fingerprint")?,
            names,
            weight: state.text("weight")?.map(str::to_string),
            step,
        })
    }

    /// Adds another state of the same model.
    fn merge(&mut self, other: &Self) -> Result<()> {
        let same_size = self.step.segments.len() == other.step.segments.len();
        if self.fingerprint != other.fingerprint || self.names != other.names || !same_size {
            return Err(Error::new(
                "the states are of two models, make the steps of all parts with the same one",
            ));
        }
        if self.weight != other.weight {
            return Err(states::unlike(
                "weight",
                &named(self.weight.as_deref()),
                &named(other.weight.as_deref()),
                "make the steps of all parts with the same option",
            ));
        }
        states::sum(self.step.rows, other.step.rows)?;
        states::sum(self.step.skipped, other.step.skipped)?;
        self.step.merge(&other.step);
        Ok(())
    }
}

impl StepState {
    /// An error where this is not a step of `model`.
    pub fn check(&self, model: &NamedModel) -> Result<()> {
        let known = (&self.names[..], self.step.segments.len());
        if known != (&model.names[..], model.kmeans.centroids.len()) {
            let names = |names: &[String]| quoted(names.iter().map(String::as_str));
            return Err(Error::new(format!(
                "the state has {} segments of {}, the model {} of {}",
                known.1,
                names(known.0),
                model.kmeans.centroids.len(),
                names(&model.names)
            )));
        }
        if self.fingerprint != fingerprint(model) {
            return Err(Error::new(
                "the state is of another model, make the steps of all parts with this one",
            ));
        }
        Ok(())
    }
}
