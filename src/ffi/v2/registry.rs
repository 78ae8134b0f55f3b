//! Registration in the system catalog through the C API v2: everything is made first and registered
//! at the end.

use libduckdb_sys::v2::*;

use super::{Result, aggregate, call, get, relation, scalar, table};
use crate::ffi::{
    Aggregate, Documentation, Error, Generator, Library, Relation, Scalar, Signature,
};

/// What is made and not yet registered.
enum Made {
    Relation(relation::Macro),
    Aggregate(aggregate::Function),
    Scalar(scalar::Function),
    Table(table::Function),
    Pragma(relation::Pragma),
}

/// The functions of the database into which the extension is being loaded.
pub(in crate::ffi) struct Functions<'a> {
    extension: duckdb_v2_extension_handle,
    factory: duckdb_v2_factory_handle,
    library: &'a dyn Library,
    relations: Vec<Relation>,
    made: Vec<(&'static str, Made)>,
}

impl<'a> Functions<'a> {
    /// # Safety
    /// The handles are alive for `'a`.
    pub(super) unsafe fn new(
        extension: duckdb_v2_extension_handle,
        factory: duckdb_v2_factory_handle,
        library: &'a dyn Library,
    ) -> Self {
        Functions { extension, factory, library, relations: library.relations(), made: Vec::new() }
    }

    pub(in crate::ffi) fn aggregate<A: Aggregate>(
        &mut self,
        signature: &Signature,
        function: A,
    ) -> Result<()> {
        // SAFETY: the handles are alive.
        unsafe {
            let made = aggregate::create(self.factory, signature, function)?;
            self.document(self.library.documentation(signature.name, false), |out, err| {
                duckdb_v2_aggregate_function_get_docs(made.get(), out, err)
            })?;
            self.made.push((signature.name, Made::Aggregate(made)));
        }
        Ok(())
    }

    pub(in crate::ffi) fn scalar<S: Scalar>(
        &mut self,
        signature: &Signature,
        function: S,
    ) -> Result<()> {
        // SAFETY: the handles are alive.
        unsafe {
            let made = scalar::create(self.factory, signature, function)?;
            self.document(self.library.documentation(signature.name, false), |out, err| {
                duckdb_v2_scalar_function_get_docs(made.get(), out, err)
            })?;
            self.made.push((signature.name, Made::Scalar(made)));
        }
        Ok(())
    }

    /// A relation of the same name takes the place of a table function: a catalog has room for one
    /// of them.
    pub(in crate::ffi) fn generator<G: Generator>(
        &mut self,
        signature: &Signature,
        function: G,
    ) -> Result<()> {
        if self.relations.iter().any(|relation| relation.name == signature.name) {
            return Ok(());
        }
        // SAFETY: the handles are alive.
        unsafe {
            let made = table::create(self.factory, signature, function)?;
            self.document(self.library.documentation(signature.name, false), |out, err| {
                duckdb_v2_table_function_get_docs(made.get(), out, err)
            })?;
            self.made.push((signature.name, Made::Table(made)));
        }
        Ok(())
    }

    /// Adds a pragma that stands for statements.
    pub(super) fn pragma(
        &mut self,
        name: &'static str,
        sql: String,
        about: Documentation,
    ) -> Result<()> {
        // SAFETY: the handles are alive.
        unsafe {
            let made = relation::pragma(self.factory, name, sql)?;
            self.document(about, |out, err| {
                duckdb_v2_pragma_function_get_docs(made.get(), out, err)
            })?;
            self.made.push((name, Made::Pragma(made)));
        }
        Ok(())
    }

    /// Registers everything. Relations come first, because only they can meet a name that is taken:
    /// nothing takes back what is registered.
    pub(super) fn finish(self) -> Result<()> {
        let mut relations = Vec::new();
        for relation in &self.relations {
            // SAFETY: the handles are alive.
            unsafe {
                let made = relation::create(self.factory, relation)?;
                self.document(self.library.documentation(relation.name, true), |out, err| {
                    duckdb_v2_macro_function_get_docs(made.get(), out, err)
                })?;
                relations.push((relation.name, Made::Relation(made)));
            }
        }
        let extension = self.extension;
        for (name, made) in relations.iter().chain(&self.made) {
            // SAFETY: the handles are alive.
            call(|err| unsafe {
                match made {
                    Made::Relation(made) => {
                        duckdb_v2_extension_register_macro_function(extension, made.get(), err)
                    }
                    Made::Aggregate(made) => {
                        duckdb_v2_extension_register_aggregate_function(extension, made.get(), err)
                    }
                    Made::Scalar(made) => {
                        duckdb_v2_extension_register_scalar_function(extension, made.get(), err)
                    }
                    Made::Table(made) => {
                        duckdb_v2_extension_register_table_function(extension, made.get(), err)
                    }
                    Made::Pragma(made) => {
                        duckdb_v2_extension_register_pragma_function(extension, made.get(), err)
                    }
                }
            })
            .map_err(|error| Error::new(format!("{name} could not be registered: {error}")))?;
        }
        Ok(())
    }

    /// Fills in the documentation of a function, for `duckdb_functions()`.
    ///
    /// # Safety
    /// `docs` asks for the documentation of a function that is alive.
    unsafe fn document(
        &self,
        documentation: Documentation,
        docs: impl FnOnce(*mut duckdb_v2_function_docs_handle, super::Slot) -> DUCKDB_V2_ERROR,
    ) -> Result<()> {
        let Documentation { description, examples, category } = documentation;
        let (description, category) =
            (duckdb_v2_str::from(description), duckdb_v2_str::from(category));
        // SAFETY: promised by the caller; DuckDB copies the texts.
        unsafe {
            let docs = get(docs)?;
            call(|err| duckdb_v2_function_docs_set_description(docs, &description, err))?;
            call(|err| duckdb_v2_function_docs_add_category(docs, &category, err))?;
            for example in &examples {
                let (title, example) = (duckdb_v2_str::default(), duckdb_v2_str::from(example));
                call(|err| duckdb_v2_function_docs_add_example(docs, &title, &example, err))?;
            }
        }
        Ok(())
    }
}
