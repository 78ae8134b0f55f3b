-- Segments by Gaussian mixtures: fit over the whole source, then the same rows meet the one model.

-- gmm_segments(source, ...): every row of the source, with its most probable segment.
--
-- Of the shape of kmeans_segments.
CREATE OR REPLACE MACRO gmm_segments(
    source,
    k := 5,
    features := NULL,
    id := NULL,
    model := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    covariance := 'full',
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT
            system.main.check_new_columns(
                first(__n.__row),
                ['segment', 'probability', '__gmm_probabilities'],
                'gmm_segments'
            ) AS __is_good
        FROM __no_rows AS __n
    ),

    __fit AS (
        SELECT
            system.main.gmm_fit(
                __source_row,
                k,
                {
                    'relation': 'gmm_segments',
                    'features': features,
                    'id': id,
                    'model': model,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'covariance': covariance,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    __scored_rows AS (
        SELECT
            __source_row.*,
            system.main.gmm_probabilities((SELECT __f.__model FROM __fit AS __f),
                __source_row) AS __gmm_probabilities
        FROM query_table(source) AS __source_row
        WHERE (SELECT __c.__is_good FROM __check AS __c)
    )

    SELECT
        __s.* EXCLUDE (__gmm_probabilities),
        (list_position(__s.__gmm_probabilities, list_max(__s.__gmm_probabilities)) - 1)::INTEGER
            AS segment,
        list_max(__s.__gmm_probabilities) AS probability
    FROM __scored_rows AS __s;

-- gmm_metrics(source, ...): one row per number of segments and kind of covariance, with how good
-- the fit is.
CREATE OR REPLACE MACRO gmm_metrics(
    source,
    k_min := 1,
    k_max := 10,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    covariances := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824
) AS TABLE
    SELECT
        __e.__evaluation.k AS k,
        __e.__evaluation.covariance AS covariance,
        __e.__evaluation.log_likelihood AS log_likelihood,
        __e.__evaluation.bic AS bic,
        __e.__evaluation.aic AS aic,
        __e.__evaluation.converged AS converged,
        row_number() OVER (
            ORDER BY
                __e.__evaluation.bic,
                __e.__evaluation.k,
                list_position(['spherical', 'diag', 'tied', 'full'], __e.__evaluation.covariance)
        ) = 1 AS recommended
    FROM (
        SELECT unnest(
            system.main.gmm_evaluate(
                __source_row,
                k_min,
                k_max,
                {
                    'relation': 'gmm_metrics',
                    'features': features,
                    'id': id,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'covariances': covariances,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'threads': current_setting('threads')
                }
            )
        ) AS __evaluation
        FROM query_table(source) AS __source_row
    ) AS __e
    ORDER BY
        __e.__evaluation.k,
        list_position(['full', 'tied', 'diag', 'spherical'], __e.__evaluation.covariance);
