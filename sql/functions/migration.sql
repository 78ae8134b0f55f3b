-- Who moves from one segment to another.

-- segment_migration(before, after, ...): one row per pair of segments that a key has before and
-- after.
--
-- UNION ALL and GROUP BY are the full join, with each side's segments in a column of their own, so
-- that types may differ. The check of keys is a WHERE, because a column that is not asked for is
-- not computed.
CREATE OR REPLACE MACRO segment_migration(
    before,
    after,
    key := 'user_id',
    segment := 'segment'
) AS TABLE
    WITH __rows AS (
        SELECT
            __s.__key AS __key,
            __s.__segment AS __before,
            NULL AS __after,
            1 AS __n_before,
            0 AS __n_after
        FROM (
            SELECT
                COLUMNS([CAST(key AS VARCHAR)]) AS __key,
                COLUMNS([CAST(segment AS VARCHAR)]) AS __segment
            FROM query_table(before) AS __t
        ) AS __s
        UNION ALL
        SELECT
            __s.__key,
            NULL,
            __s.__segment,
            0,
            1
        FROM (
            SELECT
                COLUMNS([CAST(key AS VARCHAR)]) AS __key,
                COLUMNS([CAST(segment AS VARCHAR)]) AS __segment
            FROM query_table(after) AS __t
        ) AS __s
    ),

    __keys AS (
        SELECT
            __r.__key AS __key,
            any_value(__r.__before) AS __before,
            any_value(__r.__after) AS __after,
            CASE
                WHEN __r.__key IS NULL AND sum(__r.__n_before) > 0 THEN 'before'
                WHEN __r.__key IS NULL THEN 'after'
            END AS __null_side,
            CASE
                WHEN sum(__r.__n_before) > 1 THEN 'before'
                WHEN sum(__r.__n_after) > 1 THEN 'after'
            END AS __repeated_side
        FROM __rows AS __r
        GROUP BY __r.__key
    ),

    __pairs AS (
        SELECT
            __k.__before AS __before,
            __k.__after AS __after,
            count(*) AS __size,
            any_value(__k.__null_side) AS __null_side,
            min({'key': __k.__key, 'side': __k.__repeated_side})
                FILTER (WHERE __k.__repeated_side IS NOT NULL) AS __repeated
        FROM __keys AS __k
        GROUP BY __k.__before, __k.__after
    ),

    __checked_pairs AS (
        SELECT
            __p.__before AS __before,
            __p.__after AS __after,
            __p.__size AS __size,
            min(__p.__null_side) OVER () AS __null_side,
            min(__p.__repeated) OVER () AS __repeated
        FROM __pairs AS __p
    )

    SELECT
        __c.__before AS segment_before,
        __c.__after AS segment_after,
        __c.__size AS size,
        __c.__size / sum(__c.__size) OVER (PARTITION BY __c.__before) AS share
    FROM __checked_pairs AS __c
    WHERE
        CASE
            WHEN __c.__null_side IS NOT NULL
                THEN error(
                    'segment_migration: "' || key || '" is NULL in a row of "' || __c.__null_side
                    || '", leave such rows out: WHERE "' || key || '" IS NOT NULL'
                )
            WHEN __c.__repeated IS NOT NULL
                THEN error(
                    'segment_migration: "' || key || '" ' || CAST(__c.__repeated.key AS VARCHAR)
                    || ' occurs more than once in "' || __c.__repeated.side
                    || '", keep one row of each: SELECT DISTINCT ON ("' || key || '") *'
                )
            ELSE true
        END
    ORDER BY __c.__before NULLS LAST, __c.__after NULLS LAST;
