//! The relations over mixtures; their text is `sql/functions/gmm.sql`.

use crate::functions::{Example, Function, Kind, relation};

/// `amz.gmm_segments(source, ...)`
pub const GMM_SEGMENTS: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("gmm_segments"),
    columns: "every column of the source, unchanged and in order, then segment INTEGER and \
              probability DOUBLE",
    description: "Every row of a source with the segment of a Gaussian mixture that it most \
                  probably belongs to, and how probably.",
    details: "Fits `gmm_fit` to the source and applies it, so the source is read twice, as by \
              `kmeans_segments`; `model := (SELECT model FROM models)` applies a stored model \
              instead. Rows without a segment (see `nulls`) stay, with NULL in both columns. A \
              source that has one of these columns already is an error.",
    examples: &[Example {
        sql: "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 12.0), (4, 90.0), (5, \
              95.0)) AS t(user_id, spend)) SELECT user_id, segment, round(probability, 3) AS \
              probability FROM amz.gmm_segments(users, k := 2) ORDER BY user_id",
        rows: &["1 | 0 | 1.0", "2 | 0 | 1.0", "3 | 0 | 1.0", "4 | 1 | 1.0", "5 | 1 | 1.0"],
    }],
    errors: &[
        (
            "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
             spend)) FROM amz.gmm_segments(users, k := 5)",
            "gmm_segments: 3 distinct rows cannot form 5 segments",
        ),
        (
            "WITH users AS (SELECT 1 AS user_id, 0.5 AS probability) FROM amz.gmm_segments(users)",
            "gmm_segments: the source has a column \"probability\" already, use SELECT * EXCLUDE \
             (probability)",
        ),
    ],
    since: "0.1.0",
    register: None,
};

/// `amz.gmm_metrics(source, ...)`
pub const GMM_METRICS: Function = Function {
    kind: Kind::Relation,
    subject: "clustering",
    signature: relation("gmm_metrics"),
    columns: "k INTEGER, covariance VARCHAR, log_likelihood DOUBLE, bic DOUBLE, aic DOUBLE, \
              converged BOOLEAN, recommended BOOLEAN",
    description: "How good Gaussian mixtures fit a source for each number of segments and kind of \
                  covariance, and which to take.",
    details: "See the aggregate `gmm_evaluate` for the figures. `recommended` marks the least \
              `bic`, of equal ones the simplest. k = 1 is among them: where it wins, the \
              rows show no segments of this kind.",
    examples: &[Example {
        sql: "WITH users AS (SELECT x AS user_id, CASE WHEN x < 20 THEN x ELSE 500 + 2 * x END AS \
              spend FROM range(40) AS t(x)) SELECT k, covariance, recommended FROM \
              amz.gmm_metrics(users, k_max := 2, covariances := ['full', 'tied'])",
        rows: &["1 | full | false", "1 | tied | false", "2 | full | true", "2 | tied | false"],
    }],
    errors: &[(
        "WITH users AS (SELECT * FROM (VALUES (1, 10.0), (2, 11.0), (3, 90.0)) AS t(user_id, \
         spend)) FROM amz.gmm_metrics(users, k_min := 2, k_max := 1)",
        "gmm_metrics: k_max must be at least k_min, which is 2, not 1",
    )],
    since: "0.1.0",
    register: None,
};
