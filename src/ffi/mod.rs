//! The fence: all `unsafe` code of the project, behind a face that shows no version of DuckDB's C
//! API.
//!
//! Adapters implement [`Aggregate`], [`Scalar`] or [`Generator`]; they read a [`Chunk`], write an
//! [`Output`] and never see a pointer. A backend (`v1`, `v2`) connects them to one C API; what the
//! two have in common stands beside them. Every callback runs inside [`contain`]: a panic becomes
//! an error of the query, never the end of the host process.

mod chunk;
mod footer;
mod output;
mod registered;
mod registry;
mod room;
mod scan;
mod sql_type;
mod state;
mod v1;
mod v2;
mod value;

use std::any::Any;
use std::cell::RefCell;
use std::collections::TryReserveError;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

pub use chunk::{Chunk, Column, Data, ListEntry, Strings, Validity};
pub use output::Output;
pub use registry::Registry;
pub use sql_type::SqlType;
pub use value::Value;

/// Rows in one batch at most: DuckDB's vector size.
pub const BATCH_ROWS: usize = 2048;

/// Catalog of the relations where they cannot be in the system catalog.
const CATALOG: &str = "amz";

/// Place of the relations where they have bare names.
const SYSTEM: &str = "system.main";

/// What went wrong, for the user: text in DuckDB's style, lower case, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    function: Option<String>,
    message: String,
}

/// Result of everything that a user's input can break.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of the function that is being called.
    pub fn new(message: impl Into<String>) -> Self {
        Error { function: None, message: message.into() }
    }

    /// The same error told as one of `relation`, where one called: it speaks for the building block
    /// under it.
    pub fn of(self, relation: Option<&str>) -> Self {
        Error { function: relation.map(str::to_string).or(self.function), ..self }
    }

    /// The whole text: `function: message`.
    pub fn text(&self, called: &str) -> String {
        format!("{}: {}", self.function.as_deref().unwrap_or(called), self.message)
    }
}

impl From<TryReserveError> for Error {
    fn from(_: TryReserveError) -> Self {
        Error::new("out of memory: the result does not fit; take it of fewer rows or groups")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A parameter of a function as the binder sees it.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Name in documentation, and in the call where it is a named parameter.
    pub name: &'static str,
    /// Type that the binder casts to.
    pub sql_type: SqlType,
    /// Whether a call may leave it out: a trailing position, or a named parameter of a
    /// [`Generator`].
    pub optional: bool,
}

/// Name, parameters and result of one SQL function.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// Name in SQL.
    pub name: &'static str,
    /// In order; the optional ones last.
    pub parameters: &'static [Parameter],
    /// Type of the result. A [`Generator`] names its columns as a STRUCT.
    pub returns: SqlType,
}

/// A function that folds rows into one value, and whose result depends on the set of rows only.
///
/// `combine` leaves its source usable, because a window may combine one state more than once.
pub trait Aggregate: Send + Sync + 'static {
    /// What one group has seen so far.
    type State: Default + Send;
    /// The arguments of one chunk, read once for all groups in it.
    type Batch<'a>;

    /// Reads and checks the arguments of a chunk.
    fn read<'a>(&self, rows: &'a Chunk<'a>) -> Result<Self::Batch<'a>>;
    /// Adds rows of the batch that belong to one group.
    fn update(
        &self,
        state: &mut Self::State,
        batch: &Self::Batch<'_>,
        rows: Range<usize>,
    ) -> Result<()>;
    /// Adds what another state has seen.
    fn combine(&self, source: &Self::State, target: &mut Self::State) -> Result<()>;
    /// Appends the group's one result.
    fn finalize(&self, state: Self::State, out: &mut Output) -> Result<()>;
}

/// A function of the arguments of one row; called with whole chunks.
pub trait Scalar: Send + Sync + 'static {
    /// What one call leaves for the next: memory, and what was made of arguments that come again.
    ///
    /// One thread at a time has it. The next call may be of another query with other arguments, so
    /// what was made of an argument is kept with it and compared first. After an error or a panic
    /// it begins anew.
    type Local: Send + Default;

    /// Appends one result for each row of `arguments`.
    fn call(&self, local: &mut Self::Local, arguments: &Chunk<'_>, out: &mut Output) -> Result<()>;
}

/// A table function of constant parameters, whose rows come in blocks that are independent of each
/// other.
///
/// Blocks are handed out to any number of threads, so a block is a function of the bound parameters
/// and its number.
pub trait Generator: Send + Sync + 'static {
    /// The checked parameters.
    type Bound: Send + Sync;
    /// Memory that one thread uses again from block to block.
    type Local: Send + Default;

    /// Checks the arguments: one value for each parameter, [`Value::Null`] where it was left out.
    fn bind(&self, arguments: &[Value]) -> Result<Self::Bound>;
    /// How many of the `declared` columns the result has, from the first on: a parameter may ask
    /// for the last ones.
    fn n_columns(&self, _bound: &Self::Bound, declared: usize) -> usize {
        declared
    }
    /// Number of blocks.
    fn n_blocks(&self, bound: &Self::Bound) -> u64;
    /// Number of rows, for the optimizer.
    fn n_rows(&self, bound: &Self::Bound) -> u64;
    /// Appends the rows of a block, at most [`BATCH_ROWS`], to `columns`.
    fn fill(
        &self,
        bound: &Self::Bound,
        local: &mut Self::Local,
        block: u64,
        columns: &mut [Output],
    ) -> Result<()>;
}

/// What `LOAD` found out about the database, for the functions that tell or use it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Version of DuckDB, as `v1.4.4`.
    pub duckdb_version: String,
    /// Version of the C API in use.
    pub c_api_version: &'static str,
    /// DuckDB's setting `threads` at `LOAD`.
    pub threads: usize,
    /// Catalog and schema of the relations; `None` where the name `amz` is taken.
    pub relations: Option<&'static str>,
}

impl Session {
    /// What stands before the name of a relation in a call: nothing where the system catalog holds
    /// them.
    pub fn relation_prefix(&self) -> &'static str {
        if self.relations == Some(SYSTEM) { "" } else { "amz." }
    }
}

/// What a function tells of itself, where the C API has room for it.
#[derive(Debug, Clone, Default)]
pub struct Documentation {
    /// One sentence.
    pub description: &'static str,
    /// Queries that call it.
    pub examples: Vec<String>,
    /// Its subject.
    pub category: &'static str,
}

/// A table macro.
#[derive(Debug)]
pub struct Relation {
    /// Its name.
    pub name: &'static str,
    /// Names in order, each with its default as SQL text where it has one.
    pub parameters: Vec<(&'static str, Option<&'static str>)>,
    /// The query.
    pub body: &'static str,
}

/// What a backend needs to know of the catalog of functions.
pub trait Library {
    /// Registers every function.
    fn register(&self, registry: &mut Registry<'_>) -> Result<()>;
    /// The relation macros.
    fn relations(&self) -> Vec<Relation>;
    /// Statements that create the relation macros in the attached catalog `catalog`.
    fn macro_statements(&self, catalog: &str) -> Vec<String>;
    /// What is known of the function or, with `is_relation`, of the relation `name`.
    fn documentation(&self, name: &str, is_relation: bool) -> Documentation;
}

thread_local! {
    /// Where the thread's last panic began.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body`; a panic in it becomes an error.
fn contain<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = panic_text(&*payload);
        // Dropping a payload runs foreign code that may panic again.
        std::mem::forget(payload);
        let place =
            PLACE.with(RefCell::take).map(|place| format!(" at {place}")).unwrap_or_default();
        Err(Error::new(format!("internal error: {text}{place}")))
    })
}

/// [`contain`] for an entry point, from which on a panic is told by its error alone and not on the
/// user's terminal too. The hook is that of our copy of the standard library: the host and other
/// extensions have their own.
fn contain_load<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            // Out of reach where the thread ends; then nobody asks either.
            let _ =
                PLACE.try_with(|place| place.replace(panic.location().map(ToString::to_string)));
        }));
    });
    contain(body)
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_string(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a message".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let error =
            contain::<()>(|| panic!("row {} lost", 7)).expect_err("the panic was contained");
        assert_eq!(error.text("f"), "f: internal error: row 7 lost");
    }

    #[test]
    fn after_a_load_a_panic_is_told_by_its_error_alone() {
        const CHILD: &str = "AMAZING_TEST_CHILD";
        if std::env::var_os(CHILD).is_some() {
            // In a process of its own, because the hook is that of the process.
            let error = contain_load::<()>(|| panic!("row {} lost", 7))
                .expect_err("the panic was contained");
            let text = error.text("f");
            assert!(
                text.starts_with("f: internal error: row 7 lost at ") && text.contains("mod.rs:"),
                "{text}"
            );
            return;
        }
        let own = std::env::current_exe().expect("this test");
        let output = std::process::Command::new(own)
            .args([
                "--exact",
                "--nocapture",
                "ffi::tests::after_a_load_a_panic_is_told_by_its_error_alone",
            ])
            .env(CHILD, "1")
            .output()
            .expect("the test runs");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}");
        assert!(!printed.contains("panicked") && !printed.contains("row 7 lost"), "{printed}");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Hostile;
        impl Drop for Hostile {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let error =
            contain::<()>(|| std::panic::panic_any(Hostile)).expect_err("the panic was contained");
        assert_eq!(error.text("f"), "f: internal error: a panic without a message");
    }

    #[test]
    fn a_relation_speaks_for_the_building_block() {
        assert_eq!(
            Error::new("no").of(Some("kmeans_segments")).of(None).text("kmeans_fit"),
            "kmeans_segments: no"
        );
    }
}
