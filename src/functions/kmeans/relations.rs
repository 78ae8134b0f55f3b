//! The relations over k-means; their text is `sql/functions/kmeans.sql`.

use crate::functions::{Example, Function, Kind, relation};

/// `amz.kmeans_segments(source, ...)`
pub const KMEANS_SEGMENTS: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("kmeans_segments"),
    columns: "every column of the source, unchanged and in order, then segment INTEGER",
    description: "Every row of a source with its segment.",
    details: "Fits k-means to the source and applies it, so the source is read twice: make a \
              volatile or expensive source a table first. `model := (SELECT model FROM models)` \
              applies a stored model instead; a query that finds none is an error. `passes := 3` \
              adds up to so many passes over all rows to the fit, until it converges: above the \
              option `memory`, where a fit is one of a sample, sizes, means and inertia are then \
              those of all rows, however many, and a query can be interrupted between two chunks. \
              Rows without a segment (see `nulls`) stay, with segment NULL. A source that has a \
              column `segment` already is an error, whichever columns are asked for. Where the \
              query around it has a table or column of the source's name, that name has to be in \
              quotes, `'users'`.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
              spend)) SELECT user_id, segment FROM amz.kmeans_segments(users, k := 2) ORDER BY \
              user_id",
        rows: &["1 | 0", "2 | 0", "3 | 1"],
    }],
    errors: &[
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
             spend)) FROM amz.kmeans_segments(users, k := 5)",
            "kmeans_segments: 3 distinct rows cannot form 5 segments",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
             spend)) FROM amz.kmeans_segments(users, k := 2, features := ['spent'])",
            "kmeans_segments: no feature \"spent\" in the row, did you mean \"spend\"",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
             spend)) FROM amz.kmeans_segments(users, k := 2, scale := 'z_score')",
            "kmeans_segments: scale must be one of 'standard', 'minmax', 'robust', 'none', not \
             'z_score', did you mean 'standard'",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
             spend)), segmented AS (SELECT *, 0 AS segment FROM users) FROM \
             amz.kmeans_segments(segmented)",
            "kmeans_segments: the source has a column \"segment\" already, use SELECT * EXCLUDE \
             (segment)",
        ),
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
             spend)) SELECT * FROM users JOIN amz.kmeans_segments(users, k := 2) USING (user_id)",
            "Table function \"query_table\" does not support lateral join column parameters",
        ),
    ],
    since: "0.1.0",
    register: None,
};

/// `amz.kmeans_metrics(source, ...)`
pub const KMEANS_METRICS: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("kmeans_metrics"),
    columns: "k INTEGER, inertia DOUBLE, silhouette DOUBLE, davies_bouldin DOUBLE, \
              calinski_harabasz DOUBLE, recommended BOOLEAN",
    description: "How good the segments of a source are for each number of segments, and which \
                  number to take.",
    details: "See the aggregate `kmeans_evaluate` for the figures. `recommended` marks the k of \
              the highest silhouette (the rule of Rousseeuw, *Silhouettes*, 1987), the lowest k of \
              equal ones. No rule sees what segments are for: look at the other figures, too.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (1, 1.0), (2, 3.0), (3, 11.0), (4, 13.0)) AS \
              t(user_id, spend)) SELECT k, round(silhouette, 3) AS silhouette, recommended FROM \
              amz.kmeans_metrics(users, k_max := 3)",
        rows: &["2 | 0.899 | true", "3 | 0.444 | false"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
         spend)) FROM amz.kmeans_metrics(users, k_max := 1)",
        "kmeans_metrics: k_max must be at least k_min, which is 2, not 1",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.kmeans_centroids(source, ...)`
pub const KMEANS_CENTROIDS_RELATION: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("kmeans_centroids"),
    columns: "segment INTEGER, size BIGINT, share DOUBLE, feature VARCHAR, value DOUBLE, z_score \
              DOUBLE",
    description: "The centroids of a source's segments in original units, one row for each segment \
                  and feature.",
    details: "Fits as `kmeans_segments` does, with the same parameters; see the scalar \
              `kmeans_centroids` for the columns.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 12.0), (3, 90.0)) AS t(user_id, \
              spend)) SELECT segment, size, feature, round(value, 9) AS value FROM \
              amz.kmeans_centroids(users, k := 2)",
        rows: &["0 | 2 | spend | 11.0", "1 | 1 | spend | 90.0"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
         spend)) FROM amz.kmeans_centroids(users, k := 0)",
        "kmeans_centroids: k must be between 1 and 1024, not 0",
    )],
    since: "0.1.0",
    register: None,
};
