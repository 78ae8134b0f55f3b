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

    /// Registers an aggregate. An optional argument that is left out does not arrive or is NULL: which of them is up to
    /// the C API, so that both must mean the same.
    pub fn aggregate<A: Aggregate + Clone>(&mut self, signature: &Signature, function: A) -> Result<()> {
        match &mut self.backend {
            Backend::V1(functions) => functions.aggregate(signature, function),
            Backend::V2(functions) => functions.aggregate(signature, function),
        }
    }

    /// Registers a scalar function, with one overload for each number of optional parameters.
    pub fn scalar<S: Scalar + Clone>(&mut self, signature: &Signature, function: S) -> Result<()> {
        match &mut self.backend {
            Backend::V1(functions) => functions.scalar(signature, function),
            Backend::V2(functions) => functions.scalar(signature, function),
        }
    }

    /// Registers a table function: required parameters by position, optional ones by name. No C API has overloads
    /// for table functions that differ in number, so that a position cannot be left out.
    pub fn generator<G: Generator>(&mut self, signature: &Signature, function: G) -> Result<()> {
        match &mut self.backend {
            Backend::V1(functions) => functions.generator(signature, function),
            Backend::V2(functions) => functions.generator(signature, function),
        }
    }
}

/// Numbers of parameters that a call may give.
pub(super) fn arities(signature: &Signature) -> impl Iterator<Item = usize> {
    let required = signature.parameters.iter().filter(|p| !p.optional).count();
    required..=signature.parameters.len()
}
