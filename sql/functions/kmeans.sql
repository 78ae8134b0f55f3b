-- Segments by k-means: fit over the whole source, then the same rows meet the one model.
-- Every option is handed on as it is: kmeans_fit checks it and knows its default.

-- kmeans_segments(source, ...): every row of the source, with its segment.
--
-- The fit is a CTE, because only there a bare name of a table is never taken for one of its
-- columns. The check of the source is a WHERE, because a column that is not asked for is not
-- computed, and of no row, because types say it all.
CREATE OR REPLACE MACRO kmeans_segments(
    source,
    k := 5,
    features := NULL,
    id := NULL,
    model := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    init := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824,
    passes := NULL
) AS TABLE
    WITH RECURSIVE __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT system.main.check_new_columns(first(__n.__row), ['segment'],
            'kmeans_segments') AS __is_good
        FROM __no_rows AS __n
    ),

    __fit AS (
        SELECT
            system.main.kmeans_fit(
                __source_row,
                k,
                {
                    'relation': 'kmeans_segments',
                    'features': features,
                    'id': id,
                    'model': model,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'init': init,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'passes': passes,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    -- Passes over all rows, each of which can be interrupted. Without passes, none is planned.
    __runs AS (
        SELECT
            0 AS __pass,
            __f.__model
        FROM __fit AS __f
        UNION ALL
        SELECT
            __r.__pass + 1 AS __pass,
            system.main.kmeans_iterate(
                __r.__model,
                __source_row,
                {'relation': 'kmeans_segments', 'weight': weight, 'tol': tol}
            ) AS __model
        FROM __runs AS __r
        CROSS JOIN query_table(source) AS __source_row
        WHERE
            __r.__pass < passes
            AND (__r.__pass = 0 OR NOT __r.__model.converged)
        GROUP BY __r.__pass
        HAVING count(*) > 0
    ),

    __last AS (
        SELECT arg_max(__r.__model, __r.__pass) AS __model
        FROM __runs AS __r
    )

    SELECT
        __source_row.*,
        system.main.kmeans_predict((SELECT __l.__model FROM __last AS __l), __source_row) AS segment
    FROM query_table(source) AS __source_row
    WHERE (SELECT __c.__is_good FROM __check AS __c);

-- kmeans_centroids(source, ...): one row per segment and feature, in original units.
CREATE OR REPLACE MACRO kmeans_centroids(
    source,
    k := 5,
    features := NULL,
    id := NULL,
    model := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    init := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824,
    passes := NULL
) AS TABLE
    WITH RECURSIVE __fit AS (
        SELECT
            system.main.kmeans_fit(
                __source_row,
                k,
                {
                    'relation': 'kmeans_centroids',
                    'features': features,
                    'id': id,
                    'model': model,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'init': init,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'passes': passes,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    __runs AS (
        SELECT
            0 AS __pass,
            __f.__model
        FROM __fit AS __f
        UNION ALL
        SELECT
            __r.__pass + 1 AS __pass,
            system.main.kmeans_iterate(
                __r.__model,
                __source_row,
                {'relation': 'kmeans_centroids', 'weight': weight, 'tol': tol}
            ) AS __model
        FROM __runs AS __r
        CROSS JOIN query_table(source) AS __source_row
        WHERE
            __r.__pass < passes
            AND (__r.__pass = 0 OR NOT __r.__model.converged)
        GROUP BY __r.__pass
        HAVING count(*) > 0
    ),

    __last AS (
        SELECT arg_max(__r.__model, __r.__pass) AS __model
        FROM __runs AS __r
    )

    SELECT
        __c.__centroid.segment AS segment,
        __c.__centroid.size AS size,
        __c.__centroid.share AS share,
        __c.__centroid.feature AS feature,
        __c.__centroid.value AS value,
        __c.__centroid.z_score AS z_score
    FROM (
        SELECT unnest(system.main.kmeans_centroids(__l.__model)) AS __centroid
        FROM __last AS __l
    ) AS __c;

-- kmeans_metrics(source, ...): one row per number of segments, with the quality of its segments.
CREATE OR REPLACE MACRO kmeans_metrics(
    source,
    k_min := 2,
    k_max := 10,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824
) AS TABLE
    SELECT
        __e.__evaluation.k AS k,
        __e.__evaluation.inertia AS inertia,
        __e.__evaluation.silhouette AS silhouette,
        __e.__evaluation.davies_bouldin AS davies_bouldin,
        __e.__evaluation.calinski_harabasz AS calinski_harabasz,
        __e.__evaluation.silhouette IS NOT NULL
        AND row_number() OVER (ORDER BY __e.__evaluation.silhouette DESC NULLS LAST,
            __e.__evaluation.k) = 1
            AS recommended
    FROM (
        SELECT unnest(
            system.main.kmeans_evaluate(
                __source_row,
                k_min,
                k_max,
                {
                    'relation': 'kmeans_metrics',
                    'features': features,
                    'id': id,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
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
    ORDER BY __e.__evaluation.k;

-- kmeans_features(source, ...): one row per column of the source, in their order: whether a fit
-- takes it, and why.
CREATE OR REPLACE MACRO kmeans_features(
    source,
    features := NULL,
    id := NULL,
    weight := NULL
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __columns AS (
        SELECT unnest(
            system.main.kmeans_features(
                first(__n.__row),
                {'relation': 'kmeans_features', 'features': features, 'id': id, 'weight': weight}
            )
        ) AS __column
        FROM __no_rows AS __n
    )

    SELECT
        __c.__column.column_name AS column_name,
        __c.__column.column_type AS column_type,
        __c.__column.taken AS taken,
        __c.__column.reason AS reason
    FROM __columns AS __c;
