//! The rows of a group, in whatever a fit keeps of them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{Features, explain, flags};
use crate::ffi::{Error, Result};
use crate::functions::options::Options;
use crate::ml;

/// What a fit keeps of the rows of a group.
pub trait Store: Clone {
    /// Nothing yet, for a fit with these features and options.
    fn new(features: &Features<'_>, options: &Options) -> ml::Result<Self>;
    /// Adds rows of some columns, with their weights where there are weights.
    fn append(&mut self, columns: &[Cow<'_, [f64]>], weights: Option<&[f64]>, rows: Range<usize>);
    /// Adds what another has kept.
    fn merge(&mut self, other: &Self);
    /// Whether a fit can take what was kept.
    fn check(&self) -> ml::Result<()>;
}

impl Store for ml::Observations {
    fn new(features: &Features<'_>, options: &Options) -> ml::Result<Self> {
        let (n_features, weighted) = (features.names.len(), features.weights.is_some());
        let keep_missing = options.nulls != ml::Nulls::Skip;
        Ok(Self::new(n_features, weighted, keep_missing, options.memory, options.seed)
            .with_log(&flags(&features.names, &options.log))
            .with_unscaled(&features.flags))
    }

    fn append(&mut self, columns: &[Cow<'_, [f64]>], weights: Option<&[f64]>, rows: Range<usize>) {
        Self::append(self, columns, weights, rows);
    }

    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }

    fn check(&self) -> ml::Result<()> {
        Ok(())
    }
}

impl Store for ml::PcaRows {
    fn new(features: &Features<'_>, options: &Options) -> ml::Result<Self> {
        let log = flags(&features.names, &options.log);
        Self::new(options.scale, options.nulls, &log, &features.flags, options.memory, options.seed)
    }

    fn check(&self) -> ml::Result<()> {
        Self::check(self)
    }

    fn append(&mut self, columns: &[Cow<'_, [f64]>], _weights: Option<&[f64]>, rows: Range<usize>) {
        Self::append(self, columns, rows);
    }

    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }
}

/// Rows of one group for a fit; made when the first row with known features arrives.
#[derive(Clone)]
pub struct Rows<S> {
    /// Names of the features.
    pub names: Arc<[String]>,
    /// The rows.
    pub store: S,
    /// Of those that it skipped, how many are NULL as a whole.
    n_nulls: u64,
}

impl<S> Rows<S> {
    /// What a fit of the rows gave; rows that are all NULL as a whole are as good as no row.
    pub fn fit<T>(self, fit: impl FnOnce(S) -> ml::Result<Option<T>>) -> Result<Option<T>> {
        match fit(self.store) {
            Err(ml::Error::NoUsableRow { rows, .. }) if rows == self.n_nulls => Ok(None),
            fit => fit.map_err(|error| explain(error, &self.names)),
        }
    }
}

/// What a group has seen of its rows.
pub struct Group<S> {
    /// Those with known features.
    pub rows: Option<Rows<S>>,
    /// Those without: NULL as a whole. They count as skipped.
    pub n_null_rows: u64,
}

impl<S> Default for Group<S> {
    fn default() -> Self {
        Group { rows: None, n_null_rows: 0 }
    }
}

impl<S: Store> Group<S> {
    /// Adds rows of a chunk.
    pub fn add(
        &mut self,
        features: &Features<'_>,
        options: &Options,
        range: Range<usize>,
    ) -> Result<()> {
        if options.nulls == ml::Nulls::Error && range.clone().any(|row| features.is_null_row(row)) {
            return Err(Error::new(
                "a row is NULL and nulls is 'error', use nulls 'skip', 'mean' or 'zero'",
            ));
        }
        if features.names.is_empty() {
            self.n_null_rows += range.len() as u64;
            return Ok(());
        }
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => {
                let store =
                    S::new(features, options).map_err(|error| explain(error, &features.names))?;
                self.rows.insert(Rows { names: features.names.clone(), store, n_nulls: 0 })
            }
        };
        same_features(&rows.names, &features.names)?;
        let columns = features.columns.as_slice();
        let weights = features.weights.as_deref();
        match &features.null_rows {
            // A row that is NULL as a whole is left out, whatever `nulls` says of single values.
            Some(null_rows) if options.nulls != ml::Nulls::Skip => {
                for row in range {
                    if null_rows[row] {
                        self.n_null_rows += 1;
                    } else {
                        rows.store.append(columns, weights, row..row + 1);
                    }
                }
            }
            null_rows => {
                if let Some(null_rows) = null_rows {
                    rows.n_nulls +=
                        null_rows[range.clone()].iter().filter(|is_null| **is_null).count() as u64;
                }
                rows.store.append(columns, weights, range);
            }
        }
        rows.store.check().map_err(|error| explain(error, &rows.names))
    }

    /// Adds the rows of another group.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.n_null_rows += other.n_null_rows;
        match (&mut self.rows, &other.rows) {
            (_, None) => {}
            (Some(rows), Some(other)) => {
                same_features(&rows.names, &other.names)?;
                rows.store.merge(&other.store);
                rows.n_nulls += other.n_nulls;
            }
            (rows, Some(other)) => *rows = Some(other.clone()),
        }
        Ok(())
    }
}

/// Lists may differ in length from row to row, which is a mistake.
fn same_features(known: &Arc<[String]>, given: &Arc<[String]>) -> Result<()> {
    if Arc::ptr_eq(known, given) || known == given {
        return Ok(());
    }
    Err(Error::new(format!(
        "a row has {} numbers, the rows before it have {}",
        given.len(),
        known.len()
    )))
}

/// What is wrong where the rows of a group have different features.
pub fn unlike_rows() -> Error {
    Error::new("the rows of a group must have the same features")
}
