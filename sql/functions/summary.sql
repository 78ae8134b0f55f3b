-- Rows that carry segments: what makes each segment different, and who moves from one to another.

-- segment_profile(source, ...): one row per segment and feature, in the order of segment and rank.
--
-- Everything but `mean` is on the scale of the fit: of a feature in `log`, that of ln(1 + x).
CREATE OR REPLACE MACRO segment_profile(
    source,
    segment := 'segment',
    features := NULL,
    id := NULL,
    log := NULL,
    model := NULL
) AS TABLE
    WITH __labelled_rows AS (
        SELECT
            __source_row AS __row,
            COLUMNS([segment]) AS __segment
        FROM query_table(source) AS __source_row
    ),

    __segments AS (
        SELECT
            __r.__segment AS __segment,
            count(*) AS __size,
            system.main.feature_summary(
                __r.__row,
                {
                    'relation': 'segment_profile',
                    'features': features,
                    'id': id,
                    'log': log,
                    'model': model,
                    'label': segment
                }
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
                {
                    'relation': 'segment_profile',
                    'features': features,
                    'id': id,
                    'log': log,
                    'model': model,
                    'label': segment
                }
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
            coalesce(__p.__own.log_mean, __p.__own.mean) AS __own_mean,
            coalesce(__p.__all.log_mean, __p.__all.mean) AS __all_mean,
            coalesce(__p.__all.log_stddev, __p.__all.stddev) AS __all_stddev,
            CASE
                WHEN __all_stddev > 0 THEN (__own_mean - __all_mean) / __all_stddev
                WHEN __own_mean IS NOT NULL THEN 0.0
            END AS __z_score
        FROM __feature_pairs AS __p
    ),

    __ranked_features AS (
        SELECT
            __f.*,
            CASE
                WHEN abs(__f.__z_score) < 0.25 THEN 'average '
                ELSE
                    CASE WHEN abs(__f.__z_score) >= 2 THEN 'very ' ELSE '' END
                    || CASE WHEN __f.__z_score > 0 THEN 'high ' ELSE 'low ' END
            END || __f.__feature AS __words,
            row_number() OVER (
                PARTITION BY __f.__segment
                ORDER BY abs(__f.__z_score) DESC NULLS LAST, __f.__feature
            ) AS __rank
        FROM __scored_features AS __f
    ),

    -- On each feature the segments below and above, and how far they are.
    __neighbours AS (
        SELECT
            __f.__segment AS __segment,
            __f.__rank AS __rank,
            lag(__f.__segment) OVER __by_z_score AS __below,
            __f.__z_score - lag(__f.__z_score) OVER __by_z_score AS __to_below,
            lead(__f.__segment) OVER __by_z_score AS __above,
            lead(__f.__z_score) OVER __by_z_score - __f.__z_score AS __to_above
        FROM __ranked_features AS __f
        WHERE __f.__z_score IS NOT NULL
        WINDOW __by_z_score AS (PARTITION BY __f.__feature ORDER BY __f.__z_score, __f.__segment)
    ),

    -- The second feature of a name tells the segment from the one that is most alike in the first.
    __second_features AS (
        SELECT
            __f.__segment AS __segment,
            __f.__feature AS __feature,
            row_number() OVER (
                PARTITION BY __f.__segment
                ORDER BY sign(__f.__z_score) * (__f.__z_score - coalesce(__r.__z_score, 0)) DESC,
                __f.__rank
            ) AS __place
        FROM __ranked_features AS __f
        INNER JOIN __neighbours AS __n
            ON __f.__segment = __n.__segment AND __n.__rank = 1
        LEFT JOIN __ranked_features AS __r
            ON
                __f.__feature = __r.__feature
                AND __r.__segment = CASE
                    WHEN __n.__below IS NULL OR __n.__to_above < __n.__to_below THEN __n.__above
                    ELSE __n.__below
                END
        WHERE __f.__rank > 1 AND abs(__f.__z_score) >= 0.25
    ),

    __named_segments AS (
        SELECT
            __f.__segment AS __segment,
            coalesce(
                string_agg(__f.__words, ', ' ORDER BY __f.__rank)
                FILTER (WHERE abs(__f.__z_score) >= 0.25 AND (__f.__rank = 1 OR __s.__place = 1)),
                'average'
            ) AS __name
        FROM __ranked_features AS __f
        LEFT JOIN __second_features AS __s
            ON __f.__segment = __s.__segment AND __f.__feature = __s.__feature
        GROUP BY __f.__segment
    ),

    -- Segments of one name: the feature that tells most of them apart is said too.
    __alike_segments AS (
        SELECT
            __n.__segment AS __segment,
            __n.__name AS __name
        FROM __named_segments AS __n
        QUALIFY count(*) OVER (PARTITION BY __n.__name) > 1
    ),

    __telling_features AS (
        SELECT
            __a.__name AS __name,
            __f.__feature AS __feature
        FROM __alike_segments AS __a
        INNER JOIN __ranked_features AS __f
            ON __a.__segment = __f.__segment
        GROUP BY __a.__name, __f.__feature
        HAVING count(DISTINCT __f.__words) > 1
        QUALIFY row_number() OVER (
            PARTITION BY __a.__name
            ORDER BY count(DISTINCT __f.__words) DESC, max(__f.__z_score) - min(__f.__z_score) DESC,
            __f.__feature
        ) = 1
    ),

    -- What is alike in every word is numbered.
    __told_segments AS (
        SELECT
            __n.__segment AS __segment,
            concat_ws(', ', nullif(__n.__name, CASE WHEN __f.__words IS NULL THEN ''
                ELSE 'average' END), __f.__words)
                AS __long_name,
            row_number() OVER (PARTITION BY __long_name ORDER BY __n.__segment) AS __number
        FROM __named_segments AS __n
        LEFT JOIN __telling_features AS __t
            ON __n.__name = __t.__name
        LEFT JOIN __ranked_features AS __f
            ON __n.__segment = __f.__segment AND __t.__feature = __f.__feature
    )

    SELECT
        __f.__segment AS segment,
        __f.__size AS size,
        __f.__share AS share,
        __n.__long_name || CASE WHEN __n.__number > 1 THEN ' (' || __n.__number || ')'
            ELSE '' END AS name,
        __f.__feature AS feature,
        __f.__mean AS mean,
        __f.__z_score AS z_score,
        __f.__rank AS rank
    FROM __ranked_features AS __f
    INNER JOIN __told_segments AS __n
        ON __f.__segment = __n.__segment
    ORDER BY __f.__segment, __f.__rank;
