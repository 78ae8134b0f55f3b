//! Scans of table functions: the blocks of a generator, handed out to any number of threads.

use std::sync::atomic::{AtomicU64, Ordering};

use super::registered::Registered;
use super::{BATCH_ROWS, Error, Generator, Output, Result, Signature, SqlType, room};

/// A table function as its callbacks find it.
pub(super) struct Table<G> {
    pub(super) registered: Registered<G>,
    pub(super) signature: Signature,
}

impl<G> Table<G> {
    pub(super) fn new(signature: &Signature, generator: G) -> Self {
        Table { registered: Registered::new(signature, generator), signature: *signature }
    }

    /// Names and types of its columns.
    pub(super) fn columns(&self) -> &'static [(&'static str, SqlType)] {
        match self.signature.returns {
            SqlType::Struct(columns) => columns,
            other => panic!("the columns of a table function are a STRUCT, not {other}"),
        }
    }
}

impl<G: Generator> Table<G> {
    /// Those of its columns that a call has.
    pub(super) fn bound_columns(&self, bound: &G::Bound) -> &'static [(&'static str, SqlType)] {
        let columns = self.columns();
        &columns[..self.registered.function.n_columns(bound, columns.len())]
    }
}

/// State of one scan, shared by its threads.
pub(super) struct Scan {
    next_block: AtomicU64,
    /// Columns of the generator that the query reads, in the order of the output's vectors.
    projected: Vec<usize>,
}

impl Scan {
    pub(super) fn new(projected: Vec<usize>) -> Self {
        Scan { next_block: AtomicU64::new(0), projected }
    }
}

/// State of one thread of a scan.
pub(super) struct Worker<L> {
    local: L,
    columns: Vec<Output>,
    /// Number of the block in `columns`.
    pub(super) block: u64,
}

impl<L: Default> Worker<L> {
    pub(super) fn new(columns: &[(&'static str, SqlType)]) -> Self {
        let columns = columns.iter().map(|(_, sql_type)| Output::new(sql_type)).collect();
        Worker { local: L::default(), columns, block: 0 }
    }

    /// Makes the next block that has rows; the number of its rows, 0 at the end.
    pub(super) fn next_block<G>(
        &mut self,
        generator: &G,
        bound: &G::Bound,
        scan: &Scan,
    ) -> Result<usize>
    where
        G: Generator<Local = L>,
    {
        room::for_callback()?;
        loop {
            self.block = scan.next_block.fetch_add(1, Ordering::Relaxed);
            if self.block >= generator.n_blocks(bound) {
                return Ok(0);
            }
            self.columns.iter_mut().for_each(Output::clear);
            generator.fill(bound, &mut self.local, self.block, &mut self.columns)?;
            let n_rows = self.columns.first().map_or(0, Output::len);
            if n_rows > BATCH_ROWS {
                return Err(Error::new(format!("internal error: a block of {n_rows} rows")));
            }
            if n_rows > 0 {
                return Ok(n_rows);
            }
        }
    }

    /// The columns that the query reads, each with the index of its vector. A query that counts
    /// rows only projects none of ours, or one whose index lies behind them (the row identifier).
    pub(super) fn projected<'a>(
        &'a self,
        scan: &'a Scan,
    ) -> impl Iterator<Item = (usize, &'a Output)> {
        let column = |(vector, column): (usize, &usize)| Some((vector, self.columns.get(*column)?));
        scan.projected.iter().enumerate().filter_map(column)
    }
}
