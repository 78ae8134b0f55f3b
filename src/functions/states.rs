//! What the states of passes over rows share: exact sums as SQL values, and reading a state back.
//!
//! A state is a STRUCT of numbers, texts and lists that comes back unchanged from tables, Parquet,
//! Arrow and JSON. No field is a HUGEINT, which Parquet turns into a DOUBLE.

use std::marker::PhantomData;
use std::ops::Range;

use super::model::field;
use crate::ffi::{Aggregate, Chunk, Error, Output, Result, SqlType, Value};
use crate::ml::ExactSum;

/// Version of the fields of all states; a state of a later version is refused.
pub const VERSION: i64 = 1;

/// An exact sum: limb i times 2^(32 (first + i)), in the one form that each sum has.
pub const EXACT: SqlType =
    SqlType::Struct(&[("first", SqlType::Integer), ("limbs", SqlType::List(&SqlType::BigInt))]);

/// An exact sum as a value of type [`EXACT`].
pub fn exact(sum: &ExactSum) -> Value {
    let (first, limbs) = sum.limbs();
    let limbs = limbs.into_iter().map(|limb| Value::Integer(i128::from(limb))).collect();
    Value::Struct(vec![
        field("first", Value::Integer(i128::from(first))),
        field("limbs", Value::List(limbs)),
    ])
}

/// The fields that each state begins with.
pub fn head(kind: &str) -> Vec<(String, Value)> {
    vec![field("kind", Value::from(kind)), field("version", Value::Integer(i128::from(VERSION)))]
}

/// A number that is not there where no row is.
pub fn finite(x: f64) -> Value {
    if x.is_finite() { Value::Double(x) } else { Value::Null }
}

/// A state, or a part of one, as it comes in.
#[derive(Clone, Copy)]
pub struct State<'v> {
    value: &'v Value,
    kind: &'static str,
}

impl<'v> State<'v> {
    /// Checks that a value is a state that the aggregate `kind` makes.
    pub fn new(value: &'v Value, kind: &'static str) -> Result<Self> {
        if !matches!(value, Value::Struct(_)) {
            return Err(Error::new(format!("the state must be a STRUCT of {kind}, not {value}")));
        }
        let state = State { value, kind };
        match state.value.field("kind").and_then(Value::as_str) {
            Some(given) if given == kind => {}
            Some(given) => {
                return Err(Error::new(format!(
                    "the state is one of {given}, a state of {kind} is needed"
                )));
            }
            None => return Err(state.broken("kind", "is missing")),
        }
        match state.count("version")? {
            version if version > VERSION as u64 => Err(Error::new(format!(
                "the state has version {version}, this extension reads up to {VERSION}"
            ))),
            _ => Ok(state),
        }
    }

    /// The error of a field that cannot be used.
    pub fn broken(&self, field: &str, what: &str) -> Error {
        Error::new(format!("the state's {field} {what}, a state of {} is needed", self.kind))
    }

    fn essential(&self, field: &str) -> Result<&'v Value> {
        let value = self.value.field(field).filter(|value| !value.is_null());
        value.ok_or_else(|| self.broken(field, "is missing"))
    }

    /// A whole number.
    pub fn whole(&self, field: &str) -> Result<i64> {
        let value = self.essential(field)?;
        // A number that came through JSON may have become one without a sign.
        value
            .as_i64()
            .ok_or_else(|| self.broken(field, &format!("must be a whole number, not {value}")))
    }

    /// A whole number of at least 0.
    pub fn count(&self, field: &str) -> Result<u64> {
        let number = self.whole(field)?;
        u64::try_from(number)
            .map_err(|_| self.broken(field, &format!("must be at least 0, not {number}")))
    }

    /// A finite number; `default` where it is NULL.
    pub fn number(&self, field: &str, default: f64) -> Result<f64> {
        match self.value.field(field).filter(|value| !value.is_null()) {
            None => Ok(default),
            Some(value) => self.finite(field, value),
        }
    }

    fn finite(&self, field: &str, value: &Value) -> Result<f64> {
        let number = value.as_f64().filter(|x| x.is_finite());
        number.ok_or_else(|| self.broken(field, &format!("must be a finite number, not {value}")))
    }

    /// A list of finite numbers.
    pub fn numbers(&self, field: &str) -> Result<Vec<f64>> {
        self.list(field)?.iter().map(|value| self.finite(field, value)).collect()
    }

    /// TRUE or FALSE.
    pub fn flag(&self, field: &str) -> Result<bool> {
        match self.essential(field)? {
            Value::Boolean(flag) => Ok(*flag),
            value => Err(self.broken(field, &format!("must be true or false, not {value}"))),
        }
    }

    /// One of some names.
    pub fn one_of<T>(&self, field: &str, parse: fn(&str) -> Option<T>) -> Result<T> {
        let value = self.essential(field)?;
        let known = value.as_str().and_then(parse);
        known.ok_or_else(|| self.broken(field, &format!("cannot be {value}")))
    }

    /// A list of whole numbers.
    pub fn wholes(&self, field: &str) -> Result<Vec<i64>> {
        let whole = |value: &Value| {
            value
                .as_i64()
                .ok_or_else(|| self.broken(field, &format!("must be whole numbers, not {value}")))
        };
        self.list(field)?.iter().map(whole).collect()
    }

    /// A text; `None` where it is NULL.
    pub fn text(&self, field: &str) -> Result<Option<&'v str>> {
        match self.value.field(field).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .map(Some)
                .ok_or_else(|| self.broken(field, &format!("must be a text, not {value}"))),
        }
    }

    fn list(&self, field: &str) -> Result<&'v [Value]> {
        let value = self.essential(field)?;
        value.as_list().ok_or_else(|| self.broken(field, &format!("must be a LIST, not {value}")))
    }

    /// A list of parts.
    pub fn parts(&self, field: &str) -> Result<Vec<State<'v>>> {
        let part = |value: &'v Value| match value {
            Value::Struct(_) => Ok(State { value, kind: self.kind }),
            _ => Err(self.broken(field, &format!("must be STRUCTs, not {value}"))),
        };
        self.list(field)?.iter().map(part).collect()
    }

    /// An exact sum.
    pub fn exact(&self, field: &str) -> Result<ExactSum> {
        let value = self.essential(field)?;
        self.sum(field, State { value, kind: self.kind })
    }

    /// A list of exact sums.
    pub fn exacts(&self, field: &str) -> Result<Vec<ExactSum>> {
        self.parts(field)?.into_iter().map(|part| self.sum(field, part)).collect()
    }

    fn sum(&self, field: &str, part: State<'_>) -> Result<ExactSum> {
        let limbs = part.wholes("limbs")?;
        i32::try_from(part.whole("first")?)
            .ok()
            .and_then(|first| ExactSum::from_limbs(first, limbs))
            .ok_or_else(|| self.broken(field, "is no exact sum"))
    }
}

/// The error of two states that were made in different ways, such as with other features.
pub fn unlike(what: &str, a: &str, b: &str, remedy: &str) -> Error {
    // The same words whichever of the two came first.
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    Error::new(format!("the states have {what} {a} and {b}, {remedy}"))
}

/// A name for messages: of nothing, NULL.
pub fn named(name: Option<&str>) -> String {
    name.map_or_else(|| "NULL".to_string(), |name| format!("\"{name}\""))
}

/// A state that can be stored.
pub trait Stored: Clone + Send + 'static {
    /// Reads one.
    fn read(value: &Value) -> Result<Self>;
    /// As a value.
    fn value(&self) -> Value;
    /// Adds another one of the same kind.
    fn merge(&mut self, other: &Self) -> Result<()>;
}

/// The aggregate that merges states.
pub struct Merge<S>(PhantomData<fn() -> S>);

impl<S> Merge<S> {
    /// Of states of this kind.
    pub fn new() -> Self {
        Merge(PhantomData)
    }
}

impl<S> Clone for Merge<S> {
    fn clone(&self) -> Self {
        Merge::new()
    }
}

impl<S: Stored> Aggregate for Merge<S> {
    type State = Option<S>;
    type Batch<'a> = Vec<Option<S>>;

    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>> {
        let states = rows.column(0);
        let read = |row: usize| {
            let is_there = states.is_valid(row);
            is_there.then(|| S::read(&states.value(row))).transpose()
        };
        (0..rows.len()).map(read).collect()
    }

    fn update(
        &self,
        state: &mut Self::State,
        batch: &Self::Batch<'_>,
        rows: Range<usize>,
    ) -> Result<()> {
        batch[rows].iter().flatten().try_for_each(|part| add(state, part))
    }

    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()> {
        source.iter().try_for_each(|part| add(target, part))
    }

    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()> {
        match state {
            Some(state) => out.push(&state.value()),
            None => out.push_null(),
        }
        Ok(())
    }
}

fn add<S: Stored>(state: &mut Option<S>, part: &S) -> Result<()> {
    match state {
        Some(state) => state.merge(part),
        None => {
            *state = Some(part.clone());
            Ok(())
        }
    }
}

/// Two counts of rows as one.
pub fn sum(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b)
        .filter(|sum| i64::try_from(*sum).is_ok())
        .ok_or_else(|| Error::new("the states have more rows than a BIGINT holds"))
}

/// The error of a feature that is a flag in one state and a number in another.
pub fn flag_and_number(name: &str) -> Error {
    Error::new(format!(
        "feature \"{name}\" is a BOOLEAN in one state and a number in another, cast it"
    ))
}
