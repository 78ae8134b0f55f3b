-- Principal components: fit over the whole source, then the same rows meet the one model.

-- pca_2d(source, ...): every row of the source, with its place on the first two components.
--
-- Of the shape of kmeans_segments.
CREATE OR REPLACE MACRO pca_2d(
    source,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    memory := 1073741824
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT system.main.check_new_columns(first(__n.__row), ['pc1', 'pc2', '__pca_scores'],
            'pca_2d') AS __is_good
        FROM __no_rows AS __n
    ),

    __fit AS (
        SELECT
            system.main.pca_fit(
                __source_row,
                {
                    'relation': 'pca_2d',
                    'n': 2,
                    'features': features,
                    'id': id,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'memory': memory,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    __scored_rows AS (
        SELECT
            __source_row.*,
            system.main.pca_transform((SELECT __f.__model FROM __fit AS __f),
                __source_row) AS __pca_scores
        FROM query_table(source) AS __source_row
        WHERE (SELECT __c.__is_good FROM __check AS __c)
    )

    SELECT
        __s.* EXCLUDE (__pca_scores),
        __s.__pca_scores[1] AS pc1,
        __s.__pca_scores[2] AS pc2
    FROM __scored_rows AS __s;

-- pca_components(source, ...): one row per component and feature.
CREATE OR REPLACE MACRO pca_components(
    source,
    n := 2,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    memory := 1073741824
) AS TABLE
    SELECT
        __c.__loading.component AS component,
        __c.__loading.explained_variance AS explained_variance,
        __c.__loading.explained_variance_ratio AS explained_variance_ratio,
        __c.__loading.cumulative_ratio AS cumulative_ratio,
        __c.__loading.feature AS feature,
        __c.__loading.loading AS loading
    FROM (
        SELECT unnest(
            system.main.pca_components(
                system.main.pca_fit(
                    __source_row,
                    {
                        'relation': 'pca_components',
                        'n': n,
                        'features': features,
                        'id': id,
                        'scale': scale,
                        'log': log,
                        'nulls': nulls,
                        'memory': memory,
                        'threads': current_setting('threads')
                    }
                )
            )
        ) AS __loading
        FROM query_table(source) AS __source_row
    ) AS __c;
