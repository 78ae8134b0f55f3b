//! Where the catalog registers its functions, whichever C API is behind it.

use super::{Aggregate, Generator, Result, Scalar, Session, Signature, v1, v2};

/// A database during `LOAD`.
pub struct Registry<'a> {
    backend: Backend<'a>,
    session: &'a Session,
}

/// The C API that is behind a registry.
pub(super) enum Backend<'a> {
    V1(v1::Functions<'a>),
    V2(v2::Functions<'a>),
}

impl<'a> Registry<'a> {
    pub(super) fn new(backend: Backend<'a>, session: &'a Session) -> Self {
        Registry { backend, session }
    }

    /// The backend with all that was registered.
    pub(super) fn into_backend(self) -> Backend<'a> {
        self.backend
    }

    /// What `LOAD` found out about the database.
    pub fn session(&self) -> &Session {
        self.session
    }

    /// Registers an aggregate, whose optional parameters are of type [`super::SqlType::Any`].
    pub fn aggregate<A: Aggregate + Clone>(
        &mut self,
        signature: &Signature,
        function: A,
    ) -> Result<()> {
        match &mut self.backend {
            Backend::V1(functions) => functions.aggregate(signature, function),
            Backend::V2(functions) => functions.aggregate(signature, function),
        }
    }

    /// Registers a scalar function, whose optional parameters are of type [`super::SqlType::Any`].
    pub fn scalar<S: Scalar + Clone>(&mut self, signature: &Signature, function: S) -> Result<()> {
        match &mut self.backend {
            Backend::V1(functions) => functions.scalar(signature, function),
            Backend::V2(functions) => functions.scalar(signature, function),
        }
    }

    /// Registers a table function: required parameters by position, optional ones by name. No C API
    /// has overloads for table functions that differ in number, so that a position cannot be left
    /// out.
    pub fn generator<G: Generator>(&mut self, signature: &Signature, function: G) -> Result<()> {
        match &mut self.backend {
            Backend::V1(functions) => functions.generator(signature, function),
            Backend::V2(functions) => functions.generator(signature, function),
        }
    }
}
