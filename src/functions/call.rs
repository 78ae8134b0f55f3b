//! What the arguments of an aggregate's call are that have to be the same in all rows of a group:
//! options, a model, `k`.
//!
//! DuckDB hands such arguments over with every row. They are read from the first row of a chunk and
//! compared with the other rows of the chunk, with those of the group's other chunks, and where two
//! states of a group meet: or the order of the rows would decide which of two values counts.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::options;
use crate::ffi::{Column, Error, Result, Value};

/// The options of a call, as they were given and as the function reads them.
pub struct Call<T> {
    /// The value of the argument; NULL where it was left out.
    given: Value,
    /// What the function makes of it.
    pub read: T,
}

/// Reads the options of calls: once for all chunks with the same ones, as long as a group still
/// needs them.
pub struct Calls<T> {
    last: Mutex<Weak<Call<T>>>,
}

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Calls { last: Mutex::new(Weak::new()) }
    }
}

impl<T> Calls<T> {
    /// The options in `column`, which are the same in all rows of a chunk or an error.
    pub fn read(
        &self,
        column: Option<&Column<'_>>,
        read: impl FnOnce(Option<&Column<'_>>) -> Result<T>,
    ) -> Result<Arc<Call<T>>> {
        options::fields(column)?;
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let holds = |call: &Arc<Call<T>>| match column {
            None => call.given == Value::Null,
            Some(column) => column.holds(0, &call.given),
        };
        if let Some(known) = known.filter(holds) {
            return Ok(known);
        }
        let given = column.map_or(Value::Null, |column| column.value(0));
        let call = Arc::new(Call { given, read: read(column)? });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&call);
        Ok(call)
    }
}

impl<T> Call<T> {
    /// Keeps the call of a group's first rows; an error where that of others differs.
    pub fn keep<'k>(known: &'k mut Option<Arc<Self>>, given: &Arc<Self>) -> Result<&'k Arc<Self>> {
        let known = known.get_or_insert_with(|| given.clone());
        if Arc::ptr_eq(known, given) || known.given.is_same(&given.given) {
            return Ok(known);
        }
        Err(options::differ(options::first_difference(&known.given, &given.given)))
    }
}

/// Whole numbers that an argument holds: of each row, because groups may have numbers of their own.
pub enum Numbers {
    /// The same in all rows.
    One(usize),
    /// One a row.
    Each(Vec<usize>),
}

impl Numbers {
    /// Reads the numbers of the argument `column`.
    pub fn read(column: &Column<'_>, read: impl Fn(&Value) -> Result<usize>) -> Result<Self> {
        if column.is_constant() {
            return read(&column.value(0)).map(Numbers::One);
        }
        (0..column.len())
            .map(|row| read(&column.value(row)))
            .collect::<Result<_>>()
            .map(Numbers::Each)
    }

    /// The number of some rows of a group; an error where they, or `known` of the rows before,
    /// differ.
    pub fn of(&self, name: &str, rows: Range<usize>, known: Option<usize>) -> Result<usize> {
        let first = known.unwrap_or_else(|| self.at(rows.start));
        match rows.map(|row| self.at(row)).find(|number| *number != first) {
            None => Ok(first),
            Some(other) => Err(number_differs(name, first, other)),
        }
    }

    fn at(&self, row: usize) -> usize {
        match self {
            Numbers::One(number) => *number,
            Numbers::Each(numbers) => numbers[row],
        }
    }
}

/// Keeps the number of a group's first rows; an error where that of others differs.
pub fn keep_number(name: &str, known: &mut Option<usize>, given: Option<usize>) -> Result<()> {
    match (*known, given) {
        (Some(known), Some(given)) if known != given => Err(number_differs(name, known, given)),
        (None, Some(given)) => {
            *known = Some(given);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The same words whichever of the two came first.
fn number_differs(name: &str, a: usize, b: usize) -> Error {
    Error::new(format!(
        "{name} must be the same in all rows of a group, not {} and {}",
        a.min(b),
        a.max(b)
    ))
}
