//! What the models of k-means, mixtures and PCA share: features and their transformation, as SQL
//! fields and back.
//!
//! Models are read by field name whatever the numeric types, because they come back from tables,
//! Parquet and JSON.

use std::ops::Range;

use super::features::{self, Features, element_name};
use super::options;
use crate::ffi::{Chunk, Column, Error, Output, Result, SqlType, Value};
use crate::ml::{Nulls, Scale, Scaled, Transform};

/// Version of the fields; a model of a later version is refused.
pub const VERSION: i64 = 1;

/// LIST of DOUBLE.
pub const DOUBLES: SqlType = SqlType::List(&SqlType::Double);
/// LIST of VARCHAR.
pub const NAMES: SqlType = SqlType::List(&SqlType::Varchar);

/// The type of a model: what comes before the features and their transformation, and what comes
/// after.
macro_rules! model_type {
    ($($before:expr),*; $($after:expr),*) => {
        $crate::ffi::SqlType::Struct(&[
            $($before,)*
            ("features", $crate::functions::model::NAMES),
            ("scale", $crate::ffi::SqlType::Varchar),
            ("log", $crate::functions::model::NAMES),
            ("nulls", $crate::ffi::SqlType::Varchar),
            ("fill", $crate::functions::model::DOUBLES),
            ("center", $crate::functions::model::DOUBLES),
            ("spread", $crate::functions::model::DOUBLES),
            ("mean", $crate::functions::model::DOUBLES),
            ("stddev", $crate::functions::model::DOUBLES),
            $($after,)*
        ])
    };
}
pub(super) use model_type;

/// A model as it comes in: a STRUCT, read field by field.
pub struct Reader<'v> {
    value: &'v Value,
    fit: &'static str,
}

impl<'v> Reader<'v> {
    /// `fit` is the function that makes such models.
    pub fn new(value: &'v Value, fit: &'static str) -> Result<Self> {
        if !matches!(value, Value::Struct(_)) {
            return Err(Error::new(format!(
                "the model must be a STRUCT made by {fit}, not {value}"
            )));
        }
        let reader = Reader { value, fit };
        match reader.optional("version") {
            Some(version) if version.as_i64().is_none_or(|version| version > VERSION) => {
                Err(Error::new(format!(
                    "the model has version {version}, this extension reads up to {VERSION}"
                )))
            }
            _ => Ok(reader),
        }
    }

    fn optional(&self, field: &str) -> Option<&'v Value> {
        self.value.field(field).filter(|value| !value.is_null())
    }

    /// The error of a field that cannot be used.
    pub fn broken(&self, field: &str, what: &str) -> Error {
        Error::new(format!("the model's {field} {what}, a model of {} is needed", self.fit))
    }

    fn list(&self, field: &str) -> Result<Option<&'v [Value]>> {
        match self.optional(field) {
            None => Ok(None),
            Some(value) => value
                .as_list()
                .map(Some)
                .ok_or_else(|| self.broken(field, &format!("must be a LIST, not {value}"))),
        }
    }

    /// An essential list of rows of finite numbers.
    pub fn matrix(&self, field: &str) -> Result<Vec<Vec<f64>>> {
        self.matrix_of(field, self.essential(field)?)
    }

    /// An essential list of matrices of finite numbers, one for each of `n` segments.
    pub fn matrices(&self, field: &str, n: usize) -> Result<Vec<Vec<Vec<f64>>>> {
        let matrices = self.essential(field)?;
        if matrices.len() != n {
            return Err(self
                .broken(field, &format!("has {} matrices where {n} are needed", matrices.len())));
        }
        let matrix = |value: &Value| {
            let rows = value.as_list().ok_or_else(|| {
                self.broken(field, &format!("must be matrices of numbers, not {value}"))
            })?;
            self.matrix_of(field, rows)
        };
        matrices.iter().map(matrix).collect()
    }

    fn essential(&self, field: &str) -> Result<&'v [Value]> {
        self.list(field)?.ok_or_else(|| self.broken(field, "is missing"))
    }

    fn matrix_of(&self, field: &str, rows: &[Value]) -> Result<Vec<Vec<f64>>> {
        if rows.is_empty() {
            return Err(self.broken(field, "is empty"));
        }
        let matrix: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                if row.is_null() {
                    return Err(self.broken(field, "has a NULL inside"));
                }
                let row = row.as_list().filter(|row| !row.is_empty()).ok_or_else(|| {
                    self.broken(field, &format!("must be lists of numbers, not {row}"))
                })?;
                row.iter().map(|x| self.number(field, x)).collect()
            })
            .collect::<Result<_>>()?;
        match matrix.iter().find(|row| row.len() != matrix[0].len()) {
            Some(row) => Err(self.broken(
                field,
                &format!("have rows of {} and {} numbers", matrix[0].len(), row.len()),
            )),
            None => Ok(matrix),
        }
    }

    fn number(&self, field: &str, value: &Value) -> Result<f64> {
        if value.is_null() {
            return Err(self.broken(field, "has a NULL inside"));
        }
        value
            .as_f64()
            .filter(|x| x.is_finite())
            .ok_or_else(|| self.broken(field, &format!("must be finite numbers, not {value}")))
    }

    /// A list of `n` finite numbers; `default` in each place where the field is missing or, if
    /// `may_be_empty`, empty.
    pub fn numbers(
        &self,
        field: &str,
        n: usize,
        default: f64,
        may_be_empty: bool,
    ) -> Result<Vec<f64>> {
        match self.list(field)? {
            None => Ok(vec![default; n]),
            Some([]) if may_be_empty => Ok(vec![default; n]),
            Some(values) if values.len() != n => Err(self.broken(
                field,
                &format!("has {} numbers, the model has {n} features", values.len()),
            )),
            Some(values) => values.iter().map(|x| self.number(field, x)).collect(),
        }
    }

    /// A list of texts; empty where the field is missing.
    pub fn texts(&self, field: &str) -> Result<Vec<String>> {
        self.list(field)?
            .unwrap_or_default()
            .iter()
            .map(|value| {
                value.as_str().map(str::to_string).ok_or_else(|| {
                    self.broken(field, &format!("must be a LIST of names, not {value}"))
                })
            })
            .collect()
    }

    /// A whole number of at least 0; 0 where the field is missing.
    pub fn count(&self, field: &str) -> Result<u64> {
        match self.optional(field) {
            None => Ok(0),
            Some(value) => self.count_of(field, value),
        }
    }

    /// The iterations of a fit; 0 where the field is missing.
    pub fn iterations(&self) -> Result<u32> {
        let iterations = i32::try_from(self.count("iterations")?);
        iterations
            .map(i32::unsigned_abs)
            .map_err(|_| self.broken("iterations", "must fit an INTEGER"))
    }

    fn count_of(&self, field: &str, value: &Value) -> Result<u64> {
        value.as_i64().and_then(|count| u64::try_from(count).ok()).ok_or_else(|| {
            self.broken(field, &format!("must be a whole number of at least 0, not {value}"))
        })
    }

    /// A list of `n` counts; zeros where the field is missing.
    pub fn counts(&self, field: &str, n: usize) -> Result<Vec<u64>> {
        match self.list(field)? {
            None => Ok(vec![0; n]),
            Some(values) if values.len() != n => {
                Err(self
                    .broken(field, &format!("has {} numbers where {n} are needed", values.len())))
            }
            Some(values) => values.iter().map(|value| self.count_of(field, value)).collect(),
        }
    }

    /// One of some names, where the field is there.
    pub fn one_of<T>(
        &self,
        field: &str,
        accepted: &[&str],
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        self.optional(field)
            .map(|value| options::one_of(&format!("the model's {field}"), value, accepted, parse))
            .transpose()
    }

    /// Any number, where the field is there.
    pub fn figure(&self, field: &str) -> Option<&'v Value> {
        self.optional(field)
    }

    /// Names of `n` features and their transformation.
    pub fn transform(&self, n: usize) -> Result<(Vec<String>, Transform)> {
        let mut names = self.texts("features")?;
        if names.is_empty() {
            names = (0..n).map(element_name).collect();
        }
        if names.len() != n {
            return Err(
                self.broken("features", &format!("has {} names for {n} features", names.len()))
            );
        }
        let scale =
            self.one_of("scale", Scale::NAMES, Scale::from_name)?.unwrap_or(Scale::Standard);
        let nulls = self.one_of("nulls", Nulls::NAMES, Nulls::from_name)?.unwrap_or(Nulls::Skip);
        let log = self.texts("log")?;
        if let Some(name) = log.iter().find(|name| !names.contains(name)) {
            return Err(self.broken("log", &format!("names \"{name}\", which is no feature")));
        }
        let spread = self.numbers("spread", n, 1.0, false)?;
        if let Some(x) = spread.iter().find(|x| **x <= 0.0) {
            return Err(self.broken("spread", &format!("must be numbers above 0, not {x:?}")));
        }
        // Only models that fill carry the values to fill in.
        let fill = match nulls {
            Nulls::Mean | Nulls::Zero => self.numbers("fill", n, 0.0, true)?,
            Nulls::Skip | Nulls::Error => Vec::new(),
        };
        let transform = Transform {
            scale,
            nulls,
            log: names.iter().map(|name| log.contains(name)).collect(),
            fill,
            center: self.numbers("center", n, 0.0, false)?,
            spread,
            mean: self.numbers("mean", n, 0.0, false)?,
            stddev: self.numbers("stddev", n, 1.0, false)?,
        };
        Ok((names, transform))
    }
}

/// The fields `features` to `stddev`.
pub fn transform_fields(names: &[String], transform: &Transform) -> Vec<(String, Value)> {
    let log: Vec<String> = names
        .iter()
        .zip(&transform.log)
        .filter(|(_, log)| **log)
        .map(|(name, _)| name.clone())
        .collect();
    vec![
        field("features", Value::from(names)),
        field("scale", Value::from(transform.scale.name())),
        field("log", Value::from(&log[..])),
        field("nulls", Value::from(transform.nulls.name())),
        field("fill", Value::from(&transform.fill[..])),
        field("center", Value::from(&transform.center[..])),
        field("spread", Value::from(&transform.spread[..])),
        field("mean", Value::from(&transform.mean[..])),
        field("stddev", Value::from(&transform.stddev[..])),
    ]
}

/// A field of a model.
pub fn field(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_string(), value.into())
}

/// A matrix as a list of lists.
pub fn matrix(rows: &[Vec<f64>]) -> Value {
    Value::List(rows.iter().map(|row| Value::from(&row[..])).collect())
}

/// A count as BIGINT.
pub fn count(count: u64) -> Value {
    Value::Integer(i128::from(count))
}

/// A model that is applied to rows.
pub trait RowModel: Sized {
    /// Reads the model from its SQL value.
    fn read(value: &Value) -> Result<Self>;
    /// Names of its features.
    fn names(&self) -> &[String];
    /// Their transformation.
    fn transform(&self) -> &Transform;
}

/// The model that was read last, between the calls of a call site, which mostly bring the same one
/// again.
pub struct Last<M>(Option<(Value, M)>);

impl<M> Default for Last<M> {
    fn default() -> Self {
        Last(None)
    }
}

impl<M: RowModel> Last<M> {
    /// The model in a row; `None` where it is NULL. The last one is taken for it only if it was
    /// read from the same value.
    fn read(&mut self, models: &Column<'_>, row: usize) -> Result<Option<&M>> {
        if !models.is_valid(row) {
            return Ok(None);
        }
        let known = match self.0.take() {
            Some(known) if models.holds(row, &known.0) => known,
            _ => {
                let value = models.value(row);
                let model = M::read(&value)?;
                (value, model)
            }
        };
        Ok(Some(&self.0.insert(known).1))
    }
}

/// Runs of rows that share one model: `(model, rows)`; `None` for the NULL model.
///
/// A model from a scalar subquery is one run; models from a join are read once for each row where
/// they change.
pub fn runs<M: RowModel>(
    last: &mut Last<M>,
    arguments: &Chunk<'_>,
    mut apply: impl FnMut(Option<&M>, Range<usize>) -> Result<()>,
) -> Result<()> {
    let models = arguments.column(0);
    for rows in super::runs(&[models], arguments.len()) {
        apply(last.read(models, rows.start)?, rows)?;
    }
    Ok(())
}

/// One value for each model: what the scalars that only read a model are.
pub fn describe<M: RowModel>(
    last: &mut Last<M>,
    arguments: &Chunk<'_>,
    out: &mut Output,
    describe: impl Fn(&M) -> Value,
) -> Result<()> {
    runs(last, arguments, |model: Option<&M>, rows| {
        let value = model.map_or(Value::Null, &describe);
        rows.for_each(|_| out.push(&value));
        Ok(())
    })
}

/// Hands the scaled rows of the second argument to `apply`, run by run, with the number of the
/// run's first row. `apply` pushes one result a row, NULL for rows that are not usable; without a
/// model all are NULL.
pub fn apply<M: RowModel>(
    last: &mut Last<M>,
    arguments: &Chunk<'_>,
    out: &mut Output,
    mut apply: impl FnMut(&M, &Scaled, usize, &mut Output) -> Result<()>,
) -> Result<()> {
    apply_raw(last, arguments, out, |model: &M, features, rows, out| {
        let scaled = model.transform().apply(&features.slices(rows.clone()));
        let mut scaled = scaled.map_err(|error| features::explain(error, model.names()))?;
        for (usable, row) in scaled.usable.iter_mut().zip(rows.clone()) {
            *usable &= !features.is_null_row(row);
        }
        apply(model, &scaled, rows.start, out)
    })
}

/// Hands the features of the second argument to `apply`, run by run, with the run's rows. `apply`
/// pushes one result a row; without a model all are NULL.
pub fn apply_raw<M: RowModel>(
    last: &mut Last<M>,
    arguments: &Chunk<'_>,
    out: &mut Output,
    mut apply: impl FnMut(&M, &Features<'_>, Range<usize>, &mut Output) -> Result<()>,
) -> Result<()> {
    let row = arguments.column(1);
    // Models that change from row to row mostly have the same features: they are picked once.
    let mut picked: Option<Features<'_>> = None;
    runs(last, arguments, |model: Option<&M>, rows| {
        let Some(model) = model else {
            rows.for_each(|_| out.push_null());
            return Ok(());
        };
        let features = match picked.take() {
            Some(features) if *features.names == *model.names() => features,
            _ => Features::matching(row, model.names())?,
        };
        let result = apply(model, &features, rows, out);
        picked = Some(features);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::{Data, Validity};
    use std::cell::Cell;

    thread_local! {
        static N_READ: Cell<usize> = const { Cell::new(0) };
    }

    /// A model of one number.
    struct Read(f64);

    impl RowModel for Read {
        fn read(value: &Value) -> Result<Self> {
            N_READ.set(N_READ.get() + 1);
            let x = value.as_f64().filter(|x| *x >= 0.0);
            x.map(Read).ok_or_else(|| Error::new("no model"))
        }

        fn names(&self) -> &[String] {
            &[]
        }

        fn transform(&self) -> &Transform {
            unreachable!("no row is transformed")
        }
    }

    #[test]
    fn a_model_is_read_once_for_all_rows_and_chunks_that_bring_it_again() {
        let mut last = Last::<Read>::default();
        let mut read = |models: &[f64]| {
            let column = Column::of(Data::Float64(models), models.len());
            (0..models.len())
                .map(|row| Ok(last.read(&column, row)?.map(|Read(x)| *x)))
                .collect::<Result<Vec<_>>>()
        };
        N_READ.set(0);
        assert_eq!(read(&[1.0, 1.0]), Ok(vec![Some(1.0), Some(1.0)]));
        assert_eq!(read(&[1.0]), Ok(vec![Some(1.0)]));
        assert_eq!(N_READ.get(), 1);
        assert_eq!(read(&[2.0, 1.0, 0.0, -0.0]).expect("models")[2..], [Some(0.0), Some(-0.0)]);
        assert_eq!(N_READ.get(), 5, "another one is read, be it by one bit");
        assert_eq!(read(&[-1.0]), Err(Error::new("no model")));
        assert_eq!(read(&[-1.0]), Err(Error::new("no model")));
        assert_eq!(read(&[3.0]), Ok(vec![Some(3.0)]), "an error leaves nothing behind");
    }

    #[test]
    fn a_row_without_a_model_keeps_the_last_one() {
        let mut last = Last::<Read>::default();
        let words = [0b101];
        let models = Column::with_validity(Validity::Mask(&words), Data::Float64(&[1.0; 3]), 3);
        N_READ.set(0);
        let found = |row| last.read(&models, row).map(|model| model.is_some());
        assert_eq!([0, 1, 2].map(found), [Ok(true), Ok(false), Ok(true)]);
        assert_eq!(N_READ.get(), 1);
    }
}
