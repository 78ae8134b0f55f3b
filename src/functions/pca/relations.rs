//! The relations over principal components; their text is `sql/functions/pca.sql`.

use crate::functions::{Example, Function, Kind, relation};

/// `amz.pca_2d(source, ...)`
pub const PCA_2D: Function = Function {
    kind: Kind::Relation,
    subject: "principal components",
    signature: relation("pca_2d"),
    columns: "every column of the source, then pc1 DOUBLE, pc2 DOUBLE",
    description: "Every row of a source with its place on the first two principal components: a \
                  map.",
    details: "Reads the source twice, as `kmeans_segments` does. Rows that cannot be placed (see \
              `nulls`) stay, with NULL. `pc1`, `pc2` and `segment` are never features; a source \
              that has `pc1` or `pc2` already is an error.",
    examples: &[Example {
        sql: "WITH points AS (SELECT * FROM (VALUES (1, -3, 0), (2, 0, 0), (3, 3, 0)) AS t(id, x, \
              y)) FROM amz.pca_2d(points, scale := 'none') ORDER BY id",
        rows: &["1 | -3 | 0 | -3.0 | 0.0", "2 | 0 | 0 | 0.0 | 0.0", "3 | 3 | 0 | 3.0 | 0.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
         spend)) FROM amz.pca_2d(users)",
        "pca_2d: 2 components need as many features, the row has 1: \"spend\"",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.pca_components(source, ...)`
pub const PCA_COMPONENTS_RELATION: Function = Function {
    kind: Kind::Relation,
    subject: "principal components",
    signature: relation("pca_components"),
    columns: "component INTEGER, explained_variance DOUBLE, explained_variance_ratio DOUBLE, \
              cumulative_ratio DOUBLE, feature VARCHAR, loading DOUBLE",
    description: "The principal components of a source, one row for each component and feature.",
    details: "See the scalar `pca_components` for the columns, and `pca_fit` for the parameters.",
    examples: &[Example {
        sql: "WITH points AS (SELECT * FROM (VALUES (-3, 0), (0, 0), (3, 0)) AS t(x, y)) SELECT \
              component, explained_variance_ratio, feature, loading FROM \
              amz.pca_components(points, n := 1, scale := 'none')",
        rows: &["1 | 1.0 | x | 1.0", "1 | 1.0 | y | 0.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
         spend)) FROM amz.pca_components(users, n := 1, log := ['spent'])",
        "pca_components: log names \"spent\", which is no feature, did you mean \"spend\"",
    )],
    since: "0.1.0",
    register: None,
};
