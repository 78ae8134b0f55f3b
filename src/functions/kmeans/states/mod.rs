//! A fit in passes over parts of the rows: steps that can be stored, sent and merged.

mod fields;
mod iterate;
mod merge;
mod next;
mod sample;
mod start;
mod step;
mod survey;
mod survey_fields;

pub use iterate::KMEANS_ITERATE;
pub use merge::KMEANS_STEP_MERGE;
pub use next::KMEANS_NEXT;
pub use sample::{KMEANS_SAMPLE, KMEANS_SAMPLE_MERGE};
pub use start::KMEANS_START;
pub use step::KMEANS_STEP;
pub use survey::{KMEANS_SURVEY, KMEANS_SURVEY_MERGE};

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::NamedModel;
use crate::ffi::{Chunk, Column, Error, Result, Value};
use crate::functions::call::{Call, Calls};
use crate::functions::features::{self, Features};
use crate::functions::model::RowModel;
use crate::functions::options::Options;
use crate::ml::{Nulls, Step};
use fields::fingerprint;

/// A model with the value that it was read from.
struct Given {
    value: Value,
    model: NamedModel,
    fingerprint: i64,
}

/// Reads models: once for all chunks that bring the same one, as long as a group needs it.
#[derive(Default)]
struct Models {
    last: Mutex<Weak<Given>>,
}

impl Models {
    fn read(&self, models: &Column<'_>, row: usize) -> Result<Arc<Given>> {
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(known) = known.filter(|known| models.holds(row, &known.value)) {
            return Ok(known);
        }
        if !models.is_valid(row) {
            return Err(Error::new("the model is NULL, the query for it found no model"));
        }
        let value = models.value(row);
        let model = NamedModel::read(&value)?;
        let given = Arc::new(Given { fingerprint: fingerprint(&model), model, value });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&given);
        Ok(given)
    }
}

/// What reads the arguments `(model, row, options)` of a chunk.
#[derive(Clone, Default)]
struct Reading {
    calls: Arc<Calls<Options>>,
    models: Arc<Models>,
}

/// One chunk of `(model, row, options)`.
pub struct Batch<'a> {
    call: Arc<Call<Options>>,
    /// Runs of rows with one model, with the features that it needs.
    runs: Vec<(Range<usize>, Arc<Given>, Arc<Features<'a>>)>,
}

impl Reading {
    fn read<'a>(&self, arguments: &'a Chunk<'a>, accepted: &[&str]) -> Result<Batch<'a>> {
        let call = self.calls.read(arguments.get(2), |column| Options::read(column, accepted))?;
        let read = || {
            let (models, row) = (arguments.column(0), arguments.column(1));
            let mut picked: Option<Arc<Features<'a>>> = None;
            let mut runs = Vec::new();
            for rows in crate::functions::runs(&[models], arguments.len()) {
                let given = self.models.read(models, rows.start)?;
                let features = match picked.take() {
                    Some(features) if *features.names == *given.model.names => features,
                    _ => Arc::new(Features::matching_weighted(
                        row,
                        &given.model.names,
                        call.read.weight.as_deref(),
                    )?),
                };
                picked = Some(features.clone());
                runs.push((rows, given, features));
            }
            Ok(runs)
        };
        match read() {
            Ok(runs) => Ok(Batch { call: call.clone(), runs }),
            Err(error) => Err(call.read.speak(error)),
        }
    }
}

/// What one group has seen.
#[derive(Default)]
struct Group {
    call: Option<Arc<Call<Options>>>,
    known: Option<(Arc<Given>, Step)>,
}

impl Group {
    fn add(&mut self, batch: &Batch<'_>, rows: Range<usize>) -> Result<()> {
        let mut add = || {
            Call::keep(&mut self.call, &batch.call)?;
            for (run, given, features) in &batch.runs {
                let rows = run.start.max(rows.start)..run.end.min(rows.end);
                if !rows.is_empty() {
                    Self::add_run(&mut self.known, given, features, rows)?;
                }
            }
            Ok(())
        };
        add().map_err(|error| batch.call.read.speak(error))
    }

    fn add_run(
        known: &mut Option<(Arc<Given>, Step)>,
        given: &Arc<Given>,
        features: &Features<'_>,
        rows: Range<usize>,
    ) -> Result<()> {
        let kmeans = &given.model.kmeans;
        let (own, step) = known.get_or_insert_with(|| {
            (given.clone(), Step::new(kmeans.centroids.len(), kmeans.transform.n_features()))
        });
        same_model(own, given)?;
        let explain = |error| features::explain(error, &given.model.names);
        let weights = features.weights.as_ref().map(|weights| &weights[rows.clone()]);
        if features.null_rows.is_none() {
            let scaled = kmeans.transform.apply(&features.slices(rows)).map_err(explain)?;
            return step.add(kmeans, &scaled, weights).map_err(explain);
        }
        // A row that is NULL as a whole is left out, whatever the model says of single values.
        let n_nulls = rows.clone().filter(|row| features.is_null_row(*row)).count();
        if n_nulls > 0 && kmeans.transform.nulls == Nulls::Error {
            return Err(Error::new(
                "a row is NULL and nulls is 'error', use nulls 'skip', 'mean' or 'zero'",
            ));
        }
        step.skip(n_nulls as u64);
        let kept: Vec<usize> = rows.filter(|row| !features.is_null_row(*row)).collect();
        let pick = |values: &[f64]| kept.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = features.columns.iter().map(|column| pick(column)).collect();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let weights = features.weights.as_ref().map(|weights| pick(weights));
        let scaled = kmeans.transform.apply(&slices).map_err(explain)?;
        step.add(kmeans, &scaled, weights.as_deref()).map_err(explain)
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        let (Some(call), Some((given, step))) = (&other.call, &other.known) else {
            return Ok(());
        };
        let mut merge = || {
            Call::keep(&mut self.call, call)?;
            match &mut self.known {
                None => self.known = Some((given.clone(), step.clone())),
                Some((own, known)) => {
                    same_model(own, given)?;
                    known.merge(step);
                }
            }
            Ok(())
        };
        merge().map_err(|error| call.read.speak(error))
    }
}

fn same_model(a: &Arc<Given>, b: &Arc<Given>) -> Result<()> {
    if Arc::ptr_eq(a, b) || a.value.is_same(&b.value) {
        return Ok(());
    }
    Err(Error::new("the model must be the same in all rows of a group, use GROUP BY for several"))
}
