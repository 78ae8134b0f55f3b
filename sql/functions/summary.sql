-- Profiles of segments from rows that carry them.

-- segment_profile(source, ...): one row a segment and feature, in the order of segment and rank.
CREATE OR REPLACE MACRO segment_profile(
    source,
    segment := 'segment',
    features := NULL,
    id := NULL
) AS TABLE
    WITH __labelled_rows AS (
        SELECT
            __s AS __row,
            COLUMNS([segment]) AS __segment
        FROM query_table(source) AS __s
    ),

    __segments AS (
        SELECT
            __r.__segment AS __segment,
            count(*) AS __size,
            system.main.feature_summary(
                __r.__row,
                {'relation': 'segment_profile', 'features': features, 'id': id, 'label': segment}
            ) AS __summary
        FROM __labelled_rows AS __r
        WHERE __r.__segment IS NOT NULL
        GROUP BY __r.__segment
    ),

    __everyone AS (
        SELECT
            count(*) AS __size,
            system.main.feature_summary(
                __r.__row,
                {'relation': 'segment_profile', 'features': features, 'id': id, 'label': segment}
            ) AS __summary
        FROM __labelled_rows AS __r
        WHERE __r.__segment IS NOT NULL
    ),

    __feature_pairs AS (
        SELECT
            __g.__segment AS __segment,
            __g.__size AS __size,
            __g.__size / __e.__size AS __share,
            unnest(__g.__summary) AS __own,
            unnest(__e.__summary) AS __all
        FROM __segments AS __g
        CROSS JOIN __everyone AS __e
    ),

    __scored_features AS (
        SELECT
            __p.__segment AS __segment,
            __p.__size AS __size,
            __p.__share AS __share,
            __p.__own.feature AS __feature,
            __p.__own.mean AS __mean,
            CASE
                WHEN __p.__all.stddev > 0 THEN (__p.__own.mean - __p.__all.mean) / __p.__all.stddev
                WHEN __p.__own.mean IS NOT NULL THEN 0.0
            END AS __z_score
        FROM __feature_pairs AS __p
    ),

    __ranked_features AS (
        SELECT
            __f.*,
            row_number() OVER (
                PARTITION BY __f.__segment
                ORDER BY abs(__f.__z_score) DESC NULLS LAST, __f.__feature
            ) AS __rank
        FROM __scored_features AS __f
    ),

    __named_segments AS (
        SELECT
            __f.__segment AS __segment,
            coalesce(
                string_agg(
                    CASE WHEN __f.__z_score > 0 THEN 'high ' ELSE 'low ' END || __f.__feature,
                    ', ' ORDER BY __f.__rank
                ) FILTER (WHERE __f.__rank <= 2 AND abs(__f.__z_score) >= 0.25),
                'average'
            ) AS __name
        FROM __ranked_features AS __f
        GROUP BY __f.__segment
    )

    SELECT
        __f.__segment AS segment,
        __f.__size AS size,
        __f.__share AS share,
        __n.__name AS name,
        __f.__feature AS feature,
        __f.__mean AS mean,
        __f.__z_score AS z_score,
        __f.__rank AS rank
    FROM __ranked_features AS __f
    INNER JOIN __named_segments AS __n
        ON __f.__segment = __n.__segment
    ORDER BY __f.__segment, __f.__rank;
