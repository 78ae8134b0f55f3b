-- Activity of users from their events: sessions, months, figures of each user. The columns of a
-- source are named by the caller; `time` stands in quotes, because DuckDB 1.x takes it for a type.
-- What is infinite has no microseconds, and stays what it is.

-- sessionize(source, ...): every column of the source, then the number of the session.
--
-- Nothing depends on the order of events at the same time: the sum over RANGE takes them all in.
CREATE OR REPLACE MACRO sessionize(
    source,
    max_gap := '30 minutes',
    user := 'user_id',
    "time" := 'event_time'
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
                ['session_number', '__user', '__time', '__max_gap', '__is_start'],
                'sessionize'
            ) AS __is_good
        FROM __no_rows AS __n
    ),

    __events AS (
        SELECT
            __s.*,
            COLUMNS(system.main.source_columns((*), user, 'user', 'sessionize')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'sessionize')),
                'sessionize', "time"
            ) AS __time,
            CASE
                WHEN
                    coalesce(
                        regexp_matches(CAST(max_gap AS VARCHAR), '[a-z:]')
                        AND try_cast(CAST(max_gap AS VARCHAR) AS INTERVAL) >= INTERVAL 0 SECOND,
                        false
                    )
                    THEN try_cast(CAST(max_gap AS VARCHAR) AS INTERVAL)
                ELSE error(
                    'sessionize: max_gap must be an interval of at least 0 with its unit, such '
                    || 'as INTERVAL 30 MINUTE, not '
                    || coalesce(CAST(max_gap AS VARCHAR), 'NULL')
                )
            END AS __max_gap
        FROM query_table(source) AS __s
        WHERE (SELECT __c.__is_good FROM __check AS __c)
    ),

    __starts AS (
        SELECT
            __e.*,
            CASE
                WHEN
                    lag(__e.__time) OVER (
                        PARTITION BY __e.__user ORDER BY __e.__time NULLS LAST
                    ) + __e.__max_gap
                    >= __e.__time
                    THEN 0
                ELSE 1
            END AS __is_start
        FROM __events AS __e
    )

    SELECT
        __b.* EXCLUDE (__user, __time, __max_gap, __is_start),
        CASE
            WHEN __b.__user IS NOT NULL AND __b.__time IS NOT NULL
                THEN CAST(
                    sum(__b.__is_start) OVER (
                        PARTITION BY __b.__user
                        ORDER BY __b.__time NULLS LAST
                        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                    ) AS BIGINT
                )
        END AS session_number
    FROM __starts AS __b;

-- user_activity(source, ...): one row per user.
CREATE OR REPLACE MACRO user_activity(
    source,
    user := 'user_id',
    "time" := 'event_time'
) AS TABLE
    WITH __events AS (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'user_activity')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'user_activity')),
                'user_activity', "time"
            ) AS __time
        FROM query_table(source) AS __s
    )

    SELECT
        __e.__user AS user_id,
        count(*) AS events,
        min(__e.__time) AS first_event_time,
        max(__e.__time) AS last_event_time,
        date_diff('microsecond', min(__e.__time), max(__e.__time)) / 1e6 / nullif(count(*) - 1, 0)
            AS avg_time_between_events
    FROM __events AS __e
    WHERE __e.__user IS NOT NULL AND isfinite(__e.__time)
    GROUP BY __e.__user;

-- monthly_activity(source, ...): one row per month, from the first with events to the last; with
-- `col` one row per value of this column and month.
--
-- The first branch of the UNION gives no row but the name of `col` to the groups of the second.
CREATE OR REPLACE MACRO monthly_activity(
    source,
    col := NULL,
    user := 'user_id',
    "time" := 'event_time'
) AS TABLE
    WITH __events AS (
        SELECT
            CASE
                WHEN
                    lower(CAST(col AS VARCHAR)) IN (
                        'month', 'events', 'active_users', 'new_users', 'churned_users',
                        'reactivated_users'
                    )
                    THEN error('monthly_activity: col must not be a column of the result, not "'
                    || col || '"')
                ELSE COLUMNS(system.main.source_columns((*),
                    coalesce(CAST(col AS VARCHAR), '__no_group'), 'col', 'monthly_activity'))
            END AS __group,
            COLUMNS(system.main.source_columns((*), user, 'user', 'monthly_activity')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'monthly_activity')),
                'monthly_activity', "time"
            ) AS __time
        FROM (
            SELECT
                __t.*,
                NULL AS __no_group
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __user_months AS (
        SELECT
            __e.__group AS __group,
            __e.__user AS __user,
            CAST(date_trunc('month', __e.__time) AS DATE) AS __month,
            count(*) AS __n_events
        FROM __events AS __e
        WHERE __e.__user IS NOT NULL AND isfinite(__e.__time)
        GROUP BY __e.__group, __e.__user, CAST(date_trunc('month', __e.__time) AS DATE)
    ),

    __dated_user_months AS (
        SELECT
            __u.*,
            lag(__u.__month) OVER (
                PARTITION BY __u.__group, __u.__user ORDER BY __u.__month
            ) AS __month_before
        FROM __user_months AS __u
    ),

    __active_months AS (
        SELECT
            __u.__group AS __group,
            __u.__month AS __month,
            CAST(sum(__u.__n_events) AS BIGINT) AS __n_events,
            count(*) AS __n_users,
            count(*) FILTER (WHERE __u.__month_before IS NULL) AS __n_new,
            count(*) FILTER (WHERE __u.__month_before < __u.__month - INTERVAL 1 MONTH)
                AS __n_reactivated
        FROM __dated_user_months AS __u
        GROUP BY __u.__group, __u.__month
    ),

    __calendar AS (
        SELECT CAST(unnest(generate_series(min(__a.__month), max(__a.__month), INTERVAL 1 MONTH))
            AS DATE) AS __month
        FROM __active_months AS __a
    ),

    __groups AS (
        SELECT DISTINCT __a.__group AS __group
        FROM __active_months AS __a
    ),

    __months AS (
        SELECT
            __g.__group AS __group,
            __c.__month AS __month,
            coalesce(__a.__n_events, 0) AS __n_events,
            coalesce(__a.__n_users, 0) AS __n_users,
            coalesce(__a.__n_new, 0) AS __n_new,
            coalesce(__a.__n_reactivated, 0) AS __n_reactivated
        FROM __groups AS __g
        CROSS JOIN __calendar AS __c
        LEFT JOIN __active_months AS __a
            ON __g.__group IS NOT DISTINCT FROM __a.__group AND __c.__month = __a.__month
    ),

    -- Users who stay are those who are neither new nor reactivated; the others of the month before
    -- are gone.
    __results AS (
        SELECT
            COLUMNS(system.main.source_columns((*), coalesce(CAST(col AS VARCHAR), '__no_group'),
                'col', 'monthly_activity')),
            CAST(NULL AS DATE) AS month,
            CAST(NULL AS BIGINT) AS events,
            CAST(NULL AS BIGINT) AS active_users,
            CAST(NULL AS BIGINT) AS new_users,
            CAST(NULL AS BIGINT) AS churned_users,
            CAST(NULL AS BIGINT) AS reactivated_users
        FROM (
            SELECT
                __t.*,
                NULL AS __no_group
            FROM query_table(source) AS __t
        ) AS __s
        WHERE false
        UNION ALL
        SELECT
            __m.__group,
            __m.__month,
            __m.__n_events,
            __m.__n_users,
            __m.__n_new,
            coalesce(lag(__m.__n_users) OVER (PARTITION BY __m.__group ORDER BY __m.__month), 0)
            - (__m.__n_users - __m.__n_new - __m.__n_reactivated),
            __m.__n_reactivated
        FROM __months AS __m
    )

    SELECT COLUMNS(
        CASE
            WHEN col IS NULL
                THEN ['month', 'events', 'active_users', 'new_users', 'churned_users',
                    'reactivated_users']
            ELSE [
                CAST(col AS VARCHAR),
                'month', 'events', 'active_users', 'new_users', 'churned_users', 'reactivated_users'
            ]
        END
    )
    FROM __results AS __r
    ORDER BY ALL;
