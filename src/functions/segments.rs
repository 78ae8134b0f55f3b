//! What the aggregates that fit have in common: the rows of a group, or what they keep of them, and
//! the options and numbers of segments that are the same in all of them.
//!
//! Arguments are the row, then the numbers, then the options.

use std::ops::Range;
use std::sync::Arc;

use super::call::{self, Call, Calls, Numbers};
use super::features::{Features, Group, Rows, Store};
use super::model::RowModel;
use super::options::{self, Options};
use crate::ffi::{Chunk, Column, Error, Result};
use crate::ml::Observations;

/// What a function reads from the argument of its options.
pub trait CallOptions {
    /// The options among it.
    fn options(&self) -> &Options;
}

impl CallOptions for Options {
    fn options(&self) -> &Options {
        self
    }
}

/// The options of a fit, with the models among them.
pub struct FitOptions<M> {
    /// The options.
    pub options: Options,
    /// A model to start from.
    pub init: Option<M>,
    /// A model to return instead of a fit.
    given: Option<M>,
}

impl<M> CallOptions for FitOptions<M> {
    fn options(&self) -> &Options {
        &self.options
    }
}

impl<M: RowModel> FitOptions<M> {
    /// Reads them; `accepted` are the names that the function takes.
    pub fn read(column: Option<&Column<'_>>, accepted: &[&str]) -> Result<Self> {
        let options = Options::read(column, accepted)?;
        let model = |name: &str| -> Result<Option<M>> {
            Options::model(column, name)?.map(|value| M::read(&value)).transpose()
        };
        match (model("init"), model("model")) {
            (Ok(_), Ok(Some(_))) if options.passes => Err(options.speak(Error::new(
                "passes refine a fit and a model is applied as it is, use init := model",
            ))),
            (Ok(init), Ok(given)) => Ok(FitOptions { options, init, given }),
            (Err(error), _) | (_, Err(error)) => Err(options.speak(error)),
        }
    }

    /// Whether rows are needed: not where the model is given.
    pub fn needs_rows(&self) -> bool {
        self.given.is_none()
    }
}

/// The names of the arguments that are numbers of segments.
type Names<const N: usize> = [&'static str; N];

/// One chunk of arguments.
pub struct Batch<'a, O, const N: usize> {
    call: Arc<Call<O>>,
    numbers: [Numbers; N],
    features: Features<'a>,
}

impl<'a, O: CallOptions, const N: usize> Batch<'a, O, N> {
    /// Reads a chunk.
    pub fn read(
        calls: &Calls<O>,
        rows: &'a Chunk<'a>,
        names: Names<N>,
        read: impl FnOnce(Option<&Column<'_>>) -> Result<O>,
    ) -> Result<Self> {
        let call = calls.read(rows.get(1 + N), read)?;
        let options = call.read.options();
        let speak = |error| options.speak(error);
        let features = Features::select(rows.column(0), options).map_err(speak)?;
        let numbers: Vec<Numbers> = (1..)
            .zip(names)
            .map(|(at, name)| Numbers::read(rows.column(at), |k| options::n_clusters(name, k)))
            .collect::<Result<_>>()
            .map_err(speak)?;
        let numbers = numbers.try_into().unwrap_or_else(|_| unreachable!("one for each name"));
        Ok(Batch { call, numbers, features })
    }
}

/// What one group has seen.
pub struct Segments<O, const N: usize, S = Observations> {
    call: Option<Arc<Call<O>>>,
    numbers: [Option<usize>; N],
    group: Group<S>,
}

impl<O, const N: usize, S> Default for Segments<O, N, S> {
    fn default() -> Self {
        Segments { call: None, numbers: [None; N], group: Group::default() }
    }
}

/// A group that has rows.
pub struct Known<O, const N: usize, S = Observations> {
    /// Its options.
    pub call: Arc<Call<O>>,
    /// Its numbers of segments.
    pub numbers: [usize; N],
    /// Those of its rows whose features are known.
    pub rows: Option<Rows<S>>,
    /// Rows that are NULL as a whole.
    pub n_null_rows: u64,
}

impl<O: CallOptions, const N: usize, S: Store> Segments<O, N, S> {
    /// Adds rows of a chunk; `check` refuses what cannot be fitted, and tells whether the rows are
    /// needed.
    pub fn add(
        &mut self,
        batch: &Batch<'_, O, N>,
        rows: Range<usize>,
        names: Names<N>,
        check: impl FnOnce(&O, [usize; N], &Features<'_>) -> Result<bool>,
    ) -> Result<()> {
        let options = batch.call.read.options();
        let add = || {
            Call::keep(&mut self.call, &batch.call)?;
            let mut numbers = [0; N];
            for (i, name) in names.into_iter().enumerate() {
                numbers[i] = batch.numbers[i].of(name, rows.clone(), self.numbers[i])?;
            }
            self.numbers = numbers.map(Some);
            if check(&batch.call.read, numbers, &batch.features)? {
                self.group.add(&batch.features, options, rows)?;
            }
            Ok(())
        };
        add().map_err(|error| options.speak(error))
    }

    /// Adds the rows of another state.
    pub fn merge(&mut self, other: &Self, names: Names<N>) -> Result<()> {
        let Some(call) = &other.call else {
            return Ok(());
        };
        let mut merge = || {
            Call::keep(&mut self.call, call)?;
            for ((name, own), given) in names.into_iter().zip(&mut self.numbers).zip(other.numbers)
            {
                call::keep_number(name, own, given)?;
            }
            self.group.merge(&other.group)
        };
        merge().map_err(|error| call.read.options().speak(error))
    }

    /// What is fitted; `None` where no row came.
    pub fn known(self) -> Option<Known<O, N, S>> {
        let numbers = self.numbers.into_iter().collect::<Option<Vec<usize>>>()?.try_into().ok()?;
        let Group { rows, n_null_rows } = self.group;
        Some(Known { call: self.call?, numbers, rows, n_null_rows })
    }
}

impl<M: RowModel + Clone> Segments<FitOptions<M>, 1> {
    /// The model that was given, or the one that `fit` makes of the options, k, the rows and the
    /// number of rows that are NULL as a whole; `None` where no row is usable.
    pub fn model(
        self,
        fit: impl FnOnce(&FitOptions<M>, usize, Rows<Observations>, u64) -> Result<Option<M>>,
    ) -> Result<Option<M>> {
        let Some(Known { call, numbers: [k], rows, n_null_rows }) = self.known() else {
            return Ok(None);
        };
        match (&call.read.given, rows) {
            (Some(given), _) => Ok(Some(given.clone())),
            (None, None) => Ok(None),
            (None, Some(rows)) => fit(&call.read, k, rows, n_null_rows)
                .map_err(|error| call.read.options.speak(error)),
        }
    }
}
