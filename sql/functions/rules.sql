-- Segments as conditions that anybody can read and run.

-- segment_rules(source, ...): one row per rule, in the order of segment and rule.
--
-- The tree has numbers for labels, so that they may be of any type; its leaves are counted over all
-- rows.
CREATE OR REPLACE MACRO segment_rules(
    source,
    segment := 'segment',
    features := NULL,
    id := NULL,
    max_rules := NULL
) AS TABLE
    WITH __labelled_rows AS (
        SELECT
            __source_row AS __row,
            COLUMNS([segment]) AS __segment
        FROM query_table(source) AS __source_row
    ),

    __segments AS (
        SELECT
            __s.__segment AS __segment,
            __s.__size AS __size,
            row_number() OVER (ORDER BY __s.__segment NULLS LAST) - 1 AS __label
        FROM (
            SELECT
                __r.__segment AS __segment,
                count(*) AS __size
            FROM __labelled_rows AS __r
            GROUP BY __r.__segment
        ) AS __s
    ),

    __numbered_rows AS (
        SELECT
            __r.__row AS __row,
            __s.__label AS __label
        FROM __labelled_rows AS __r
        INNER JOIN __segments AS __s
            ON __r.__segment IS NOT DISTINCT FROM __s.__segment
    ),

    __fit AS (
        SELECT
            system.main.rules_fit(
                __n.__row,
                __n.__label,
                {
                    'relation': 'segment_rules',
                    'features': features,
                    'id': id,
                    'label': segment,
                    'max_rules': max_rules
                }
            ) AS __model
        FROM __numbered_rows AS __n
    ),

    __cells AS (
        SELECT
            __p.__leaf AS __leaf,
            __p.__label AS __label,
            count(*) AS __rows
        FROM (
            SELECT
                system.main.rules_predict((SELECT __f.__model FROM __fit AS __f),
                    __n.__row) AS __leaf,
                __n.__label AS __label
            FROM __numbered_rows AS __n
        ) AS __p
        GROUP BY __p.__leaf, __p.__label
    ),

    __leaves AS (
        SELECT
            __c.__leaf AS __leaf,
            __c.__label AS __label,
            __c.__rows AS __own_rows,
            sum(__c.__rows) OVER (PARTITION BY __c.__leaf) AS __rows,
            sum(__c.__rows) OVER () AS __all_rows
        FROM __cells AS __c
        QUALIFY row_number() OVER (PARTITION BY __c.__leaf ORDER BY __c.__rows DESC,
            __c.__label) = 1
    )

    SELECT
        __s.__segment AS segment,
        row_number() OVER (PARTITION BY __l.__label ORDER BY __l.__rows DESC, __l.__leaf) AS rule,
        (SELECT __f.__model FROM __fit AS __f).conditions[__l.__leaf + 1] AS condition,
        CAST(__l.__rows AS BIGINT) AS rows,
        __l.__rows / __l.__all_rows AS share,
        __l.__own_rows / __l.__rows AS precision,
        __l.__own_rows / __s.__size AS coverage
    FROM __leaves AS __l
    INNER JOIN __segments AS __s
        ON __l.__label = __s.__label
    ORDER BY __l.__label, __l.__rows DESC, __l.__leaf;
