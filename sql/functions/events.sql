-- From a table of events to a table of users, and to what users do one after the other. The columns
-- of a source are named by the caller; `time` stands in quotes, because DuckDB 1.x takes it for a
-- type. Columns `__no_...` stand in for those that a source lacks.

-- user_features(source, ...): one row per user; the columns that a parameter with NULL would make
-- are left out.
--
-- Everything is one pass over the events, a second one where `types` is given. The sum of amounts
-- that are DOUBLE is taken in their order, so that it does not depend on the order of rows; others
-- add up exactly. Few events are purchases: a list of their sessions takes DuckDB 2.0 a tenth of
-- the time of count(DISTINCT).
CREATE OR REPLACE MACRO user_features(
    source,
    user := 'user_id',
    "time" := 'event_time',
    type := 'event_type',
    value := 'price',
    session := 'user_session',
    view := 'view',
    purchase := 'purchase',
    min_events := 1,
    as_of := NULL,
    types := NULL
) AS TABLE
    WITH __columns AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'user_features')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'user_features')),
                'user_features', "time"
            ) AS __time,
            CAST(
                COLUMNS(system.main.source_columns((*),
                    coalesce(CAST(type AS VARCHAR), '__no_text'), 'type', 'user_features'))
                        AS VARCHAR
            ) AS __type,
            COLUMNS(system.main.source_columns((*), coalesce(CAST(value AS VARCHAR), '__no_number'),
                'value', 'user_features')) AS __value,
            COLUMNS(system.main.source_columns((*), coalesce(CAST(session AS VARCHAR), '__no_text'),
                'session', 'user_features'))
                AS __session
        FROM (
            SELECT
                __t.*,
                CAST(NULL AS VARCHAR) AS __no_text,
                CAST(NULL AS DOUBLE) AS __no_number
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __events AS NOT MATERIALIZED (
        SELECT
            __c.*,
            __c.__type = CAST(view AS VARCHAR) AS __is_view,
            CASE WHEN type IS NULL THEN true
                ELSE __c.__type = CAST(purchase AS VARCHAR) END AS __is_purchase
        FROM __columns AS __c
        WHERE
            __c.__user IS NOT NULL
            AND isfinite(__c.__time)
            AND (
                as_of IS NULL
                OR __c.__time
                < CAST(
                    system.main.event_timestamp(as_of, 'user_features', 'as_of') AS DATE
                ) + INTERVAL 1 DAY
            )
    ),

    __users AS MATERIALIZED (
        SELECT
            __e.__user AS __user,
            count(*) AS __n_events,
            count(*) FILTER (WHERE __e.__is_view) AS __n_views,
            count(*) FILTER (WHERE __e.__is_purchase) AS __n_purchases,
            coalesce(list_unique(list(__e.__session) FILTER (WHERE __e.__is_purchase)),
                0) AS __n_baskets,
            coalesce(
                CASE
                    WHEN typeof(sum(__e.__value) FILTER (WHERE __e.__is_purchase)) = 'DOUBLE'
                        THEN list_sum(
                            list_sort(
                                list(__e.__value) FILTER (
                                    WHERE __e.__is_purchase
                                    AND __e.__value IS NOT NULL
                                    AND typeof(__e.__value) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                                )
                            )
                        )
                    ELSE sum(__e.__value) FILTER (WHERE __e.__is_purchase)
                END,
                0
            ) AS __spent,
            min(__e.__time) AS __first_time,
            max(__e.__time) AS __last_time
        FROM __events AS __e
        GROUP BY __e.__user
    ),

    __totals AS (
        SELECT
            coalesce(
                CAST(system.main.event_timestamp(as_of, 'user_features', 'as_of') AS DATE),
                CAST(max(__u.__last_time) AS DATE)
            ) AS __as_of,
            sum(__u.__n_views) AS __n_views,
            sum(__u.__n_purchases) AS __n_purchases
        FROM __users AS __u
    ),

    __counts AS (FROM query(system.main.event_counts_query(types, 'user_features'))),

    __features AS (
        SELECT
            __u.__user AS user_id,
            __u.__n_events AS total_events,
            __u.__n_views AS total_views,
            __u.__n_purchases AS total_purchases,
            date_diff('microsecond', __u.__first_time,
                __u.__last_time) / 1e6 / nullif(__u.__n_events - 1, 0)
                AS avg_time_between_events,
            __u.__spent AS total_spent,
            CAST(
                CASE WHEN __u.__n_purchases = 0 THEN 0
                    ELSE __u.__spent / nullif(__u.__n_baskets, 0) END AS DOUBLE
            ) AS avg_basket,
            __u.__last_time AS last_event_time,
            CAST(__u.__n_purchases / nullif(__u.__n_views, 0) AS DOUBLE) AS conversion_rate,
            CAST(__u.__n_purchases / __u.__n_events AS DOUBLE) AS purchase_ratio,
            date_diff('day', CAST(__u.__last_time AS DATE), __t.__as_of) AS days_since_last_event,
            __n.*
        FROM __users AS __u
        CROSS JOIN __totals AS __t
        LEFT JOIN __counts AS __n
            ON __u.__user = __n.__user
        WHERE
            __u.__n_events >= CASE
                WHEN coalesce(try_cast(min_events AS DOUBLE) >= 1, false)
                    THEN try_cast(min_events AS DOUBLE)
                ELSE error(
                    'user_features: min_events must be a number of at least 1, not '
                    || coalesce(CAST(min_events AS VARCHAR), 'NULL')
                )
            END
            AND CASE
                WHEN __t.__n_views = 0 AND type IS NOT NULL AND view IS NOT NULL
                    THEN error(
                        'user_features: no event has the type ''' || CAST(view AS VARCHAR)
                        || ''', say by view := ''...'' which type a view has, or by view := NULL '
                        || 'that there is none'
                    )
                WHEN __t.__n_purchases = 0 AND type IS NOT NULL AND purchase IS NOT NULL
                    THEN error(
                        'user_features: no event has the type ''' || CAST(purchase AS VARCHAR)
                        || ''', say by purchase := ''...'' which type a purchase has, or by '
                        || 'purchase := NULL that there '
                        || 'is none'
                    )
                ELSE true
            END
    )

    SELECT COLUMNS(
        list_concat(
            ['user_id', 'total_events'],
            CASE WHEN type IS NULL OR view IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['total_views'] END,
            CASE WHEN type IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['total_purchases'] END,
            ['avg_time_between_events'],
            CASE
                WHEN value IS NULL OR (type IS NOT NULL AND purchase IS NULL)
                    THEN CAST([] AS VARCHAR[])
                WHEN session IS NULL THEN ['total_spent']
                ELSE ['total_spent', 'avg_basket']
            END,
            ['last_event_time'],
            CASE
                WHEN type IS NULL OR view IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['conversion_rate']
            END,
            CASE WHEN type IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['purchase_ratio'] END,
            ['days_since_last_event'],
            CASE
                WHEN types IS NULL THEN CAST([] AS VARCHAR[])
                ELSE string_split(
                    'total_' || array_to_string(list_concat(types, CAST([] AS VARCHAR[])), chr(1)
                        || 'total_'), chr(1)
                )
            END
        )
    )
    FROM __features AS __f;
