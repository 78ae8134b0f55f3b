-- Principal components: fit over the whole source, then the same rows meet the one model.

-- pca_2d(source, ...): one row a row of the source, with its place on the first two components.
CREATE OR REPLACE MACRO pca_2d(
    source,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    memory := 1073741824
) AS TABLE
    SELECT
        __s.* EXCLUDE (__scores),
        __s.__scores[1] AS pc1,
        __s.__scores[2] AS pc2
    FROM (
        SELECT
            __u.*,
            system.main.pca_transform(
                (
                    SELECT system.main.pca_fit(
                        __t,
                        {
                            'relation': 'pca_2d',
                            'adds': ['pc1', 'pc2'],
                            'n': 2,
                            'features': features,
                            'id': id,
                            'scale': scale,
                            'log': log,
                            'nulls': nulls,
                            'memory': memory,
                            'threads': current_setting('threads')
                        }
                    )
                    FROM query_table(source) AS __t
                ),
                __u
            ) AS __scores
        FROM query_table(source) AS __u
    ) AS __s;

-- pca_components(source, ...): one row a component and feature.
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
                    __t,
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
        FROM query_table(source) AS __t
    ) AS __c;
