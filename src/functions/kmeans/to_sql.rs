//! `kmeans_to_sql`: a model as a query that any database runs.

use super::NamedModel;
use crate::ffi::{Chunk, Output, Result, Scalar, Signature, SqlType};
use crate::functions::{Example, Function, Kind, portable};

/// `kmeans_to_sql(model [, source [, dialect]])`
pub const KMEANS_TO_SQL: Function = Function {
    kind: Kind::Scalar,
    subject: "clustering",
    signature: Signature {
        name: "kmeans_to_sql",
        parameters: portable::PARAMETERS,
        returns: SqlType::Varchar,
    },
    columns: "",
    description: "A model as a query in plain SQL, which tells the segments of rows without this \
                  extension.",
    details: include_str!("to_sql.md"),
    examples: &[Example {
        sql: "SELECT * FROM query(kmeans_to_sql({'features': ['x'], 'centroids': [[0.0], \
              [10.0]]}, '(SELECT unnest([2, 7, 5, NULL]) AS x)'))",
        rows: &["2 | 0", "7 | 1", "5 | 0", "NULL | NULL"],
    }],
    errors: &[
        (
            "SELECT kmeans_to_sql({'features': ['x'], 'centroids': [[0.0], [10.0]]}, 'users', \
             'postgresql')",
            "kmeans_to_sql: dialect must be one of 'duckdb', 'postgres', 'sqlite', 'bigquery', \
             'snowflake', 'mysql', not 'postgresql', did you mean 'postgres'",
        ),
        (
            "SELECT kmeans_to_sql(42)",
            "kmeans_to_sql: the model must be a STRUCT made by kmeans_fit, not 42",
        ),
    ],
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
            crate::portable::segments(&model.kmeans, &model.names, source, dialect)
        })
    }
}
