//! `pca_to_sql`: a model as a query that any database runs.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType};
use crate::functions::{Example, Function, Kind, portable};

/// `pca_to_sql(model [, source [, dialect]])`
pub const PCA_TO_SQL: Function = Function {
    kind: Kind::Scalar,
    subject: "principal components",
    signature: Signature {
        name: "pca_to_sql",
        parameters: portable::PARAMETERS,
        returns: SqlType::Varchar,
    },
    columns: "",
    description: "A model as a query in plain SQL, which tells the scores of rows without this \
                  extension.",
    details: "The query returns every column of `source`, then one column for each component: \
              `pc1`, `pc2`, ..., the scores of `pca_transform`. `source`, dialects, NULLs and \
              bounds are those of `kmeans_to_sql`.",
    examples: &[Example {
        sql: "SELECT * FROM query(pca_to_sql({'features': ['x', 'y'], 'mean': [1, 0], \
              'components': [[1.0, 0.0], [0.0, 1.0]]}, '(SELECT 3 AS x, 5 AS y)'))",
        rows: &["3 | 5 | 2.0 | 5.0"],
    }],
    errors: &[(
        "SELECT pca_to_sql({'features': ['x'], 'components': [[1.0]]}, '')",
        "pca_to_sql: source is empty, it is what stands after FROM: 'users'",
    )],
    since: "0.1.0",
    register: Some(|registry, function| registry.scalar(&function.signature, ToSql)),
};

/// The scalar that writes queries.
#[derive(Clone, Copy)]
struct ToSql;

impl Scalar for ToSql {
    type Local = ();

    fn call(&self, _local: &mut (), arguments: &Chunk<'_>, out: &mut Output) -> Result<()> {
        portable::queries(arguments, out, |model: &NamedModel, source, dialect| {
            crate::portable::scores(&model.pca, &model.names, source, dialect)
        })
    }
}
