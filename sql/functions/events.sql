-- From a table of events to a table of users, and to what users do one after the other. The columns of a source are named
-- by the caller; `time` stands in quotes, because DuckDB 1.x takes it for a type. Columns `__no_...` stand in for those
-- that a source lacks.

-- user_features(source, ...): one row a user; the columns that a parameter with NULL would make are left out.
--
-- Everything is one pass over the events, a second one where `types` is given. The sum of amounts that are DOUBLE is taken
-- in their order, so that it does not depend on the order of rows; others add up exactly. Few events are purchases: a list of
-- their sessions takes DuckDB 2.0 a tenth of the time of count(DISTINCT).
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
                COLUMNS(system.main.source_columns((*), "time", 'time', 'user_features')), 'user_features', "time"
            ) AS __time,
            CAST(
                COLUMNS(system.main.source_columns((*), coalesce(CAST(type AS VARCHAR), '__no_text'), 'type', 'user_features')) AS VARCHAR
            ) AS __type,
            COLUMNS(system.main.source_columns((*), coalesce(CAST(value AS VARCHAR), '__no_number'), 'value', 'user_features')) AS __value,
            COLUMNS(system.main.source_columns((*), coalesce(CAST(session AS VARCHAR), '__no_text'), 'session', 'user_features'))
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
            CASE WHEN type IS NULL THEN true ELSE __c.__type = CAST(purchase AS VARCHAR) END AS __is_purchase
        FROM __columns AS __c
        WHERE
            __c.__user IS NOT NULL
            AND isfinite(__c.__time)
            AND (
                as_of IS NULL
                OR __c.__time
                < CAST(system.main.event_timestamp(as_of, 'user_features', 'as_of') AS DATE) + INTERVAL 1 DAY
            )
    ),

    __users AS MATERIALIZED (
        SELECT
            __e.__user AS __user,
            count(*) AS __n_events,
            count(*) FILTER (WHERE __e.__is_view) AS __n_views,
            count(*) FILTER (WHERE __e.__is_purchase) AS __n_purchases,
            coalesce(list_unique(list(__e.__session) FILTER (WHERE __e.__is_purchase)), 0) AS __n_baskets,
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
            date_diff('microsecond', __u.__first_time, __u.__last_time) / 1e6 / nullif(__u.__n_events - 1, 0)
                AS avg_time_between_events,
            __u.__spent AS total_spent,
            CAST(
                CASE WHEN __u.__n_purchases = 0 THEN 0 ELSE __u.__spent / nullif(__u.__n_baskets, 0) END AS DOUBLE
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
                WHEN coalesce(try_cast(min_events AS DOUBLE) >= 1, false) THEN try_cast(min_events AS DOUBLE)
                ELSE error(
                    'user_features: min_events must be a number of at least 1, not '
                    || coalesce(CAST(min_events AS VARCHAR), 'NULL')
                )
            END
            AND CASE
                WHEN __t.__n_views = 0 AND type IS NOT NULL AND view IS NOT NULL
                    THEN error(
                        'user_features: no event has the type ''' || CAST(view AS VARCHAR)
                        || ''', say by view := ''...'' which type a view has, or by view := NULL that there is none'
                    )
                WHEN __t.__n_purchases = 0 AND type IS NOT NULL AND purchase IS NOT NULL
                    THEN error(
                        'user_features: no event has the type ''' || CAST(purchase AS VARCHAR)
                        || ''', say by purchase := ''...'' which type a purchase has, or by purchase := NULL that there '
                        || 'is none'
                    )
                ELSE true
            END
    )

    SELECT COLUMNS(
        list_concat(
            ['user_id', 'total_events'],
            CASE WHEN type IS NULL OR view IS NULL THEN CAST([] AS VARCHAR[]) ELSE ['total_views'] END,
            CASE WHEN type IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[]) ELSE ['total_purchases'] END,
            ['avg_time_between_events'],
            CASE
                WHEN value IS NULL OR (type IS NOT NULL AND purchase IS NULL) THEN CAST([] AS VARCHAR[])
                WHEN session IS NULL THEN ['total_spent']
                ELSE ['total_spent', 'avg_basket']
            END,
            ['last_event_time'],
            CASE
                WHEN type IS NULL OR view IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['conversion_rate']
            END,
            CASE WHEN type IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[]) ELSE ['purchase_ratio'] END,
            ['days_since_last_event'],
            CASE
                WHEN types IS NULL THEN CAST([] AS VARCHAR[])
                ELSE string_split(
                    'total_' || array_to_string(list_concat(types, CAST([] AS VARCHAR[])), chr(1) || 'total_'), chr(1)
                )
            END
        )
    )
    FROM __features AS __f;

-- funnel(source, steps := [...], ...): one row a step, in their order.
CREATE OR REPLACE MACRO funnel(
    source,
    steps := NULL,
    user := 'user_id',
    "time" := 'event_time',
    type := 'event_type',
    within := NULL
) AS TABLE
    WITH __options AS (
        SELECT
            CASE
                WHEN coalesce(len(CAST(steps AS VARCHAR[])), 0) = 0
                    THEN error(
                        'funnel: steps must be a list of event types such as [''view'', ''purchase''], not '
                        || coalesce(CAST(steps AS VARCHAR), 'NULL')
                    )
                WHEN len(list_distinct(CAST(steps AS VARCHAR[]))) < len(CAST(steps AS VARCHAR[]))
                    THEN error('funnel: steps must differ and not be NULL, not ' || CAST(steps AS VARCHAR))
                ELSE CAST(steps AS VARCHAR[])
            END AS __steps,
            CASE
                WHEN within IS NULL THEN NULL
                WHEN
                    coalesce(
                        regexp_matches(CAST(within AS VARCHAR), '[a-z:]')
                        AND try_cast(CAST(within AS VARCHAR) AS INTERVAL) >= INTERVAL 0 SECOND
                        AND date_part('month', try_cast(CAST(within AS VARCHAR) AS INTERVAL)) = 0
                        AND date_part('year', try_cast(CAST(within AS VARCHAR) AS INTERVAL)) = 0,
                        false
                    )
                    THEN epoch_us(try_cast(CAST(within AS VARCHAR) AS INTERVAL))
                ELSE error(
                    'funnel: within must be an interval of at least 0, in days or smaller units, such as INTERVAL 7 DAY, not '
                    || CAST(within AS VARCHAR)
                )
            END AS __within
    ),

    __events AS (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'funnel')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'funnel')), 'funnel', "time"
            ) AS __time,
            CAST(
                list_position(
                    (SELECT __o.__steps FROM __options AS __o),
                    CAST(COLUMNS(system.main.source_columns((*), type, 'type', 'funnel')) AS VARCHAR)
                ) AS INTEGER
            ) AS __step
        FROM query_table(source) AS __s
    ),

    __users AS (
        SELECT system.main.funnel_steps(
            list({'time': __e.__time, 'step': __e.__step}),
            (SELECT __o.__within FROM __options AS __o)
        ) AS __n_steps
        FROM __events AS __e
        WHERE __e.__user IS NOT NULL AND isfinite(__e.__time) AND __e.__step > 0
        GROUP BY __e.__user
    ),

    __ends AS (
        SELECT
            __u.__n_steps AS __step,
            count(*) AS __n_users
        FROM __users AS __u
        GROUP BY __u.__n_steps
    ),

    __steps AS (
        SELECT
            unnest(generate_series(1, len(__o.__steps))) AS __step,
            unnest(__o.__steps) AS __type
        FROM __options AS __o
    ),

    -- Who ends at a later step has reached this one.
    __reached AS (
        SELECT
            __s.__step AS __step,
            __s.__type AS __type,
            CAST(coalesce(sum(__e.__n_users) OVER (ORDER BY __s.__step DESC), 0) AS BIGINT) AS __n_users
        FROM __steps AS __s
        LEFT JOIN __ends AS __e
            ON __s.__step = __e.__step
    )

    SELECT
        CAST(__r.__step AS INTEGER) AS step,
        __r.__type AS event_type,
        __r.__n_users AS users,
        __r.__n_users / nullif(first_value(__r.__n_users) OVER (ORDER BY __r.__step), 0) AS rate,
        __r.__n_users / nullif(lag(__r.__n_users) OVER (ORDER BY __r.__step), 0) AS step_rate
    FROM __reached AS __r
    ORDER BY __r.__step;

-- retention(source, ...): one row a cohort and number of periods since its first, up to the last period with events.
CREATE OR REPLACE MACRO retention(
    source,
    period := 'month',
    user := 'user_id',
    "time" := 'event_time'
) AS TABLE
    WITH __events AS (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'retention')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'retention')), 'retention', "time"
            ) AS __time
        FROM query_table(source) AS __s
    ),

    __user_periods AS (
        SELECT DISTINCT
            __e.__user AS __user,
            CAST(
                date_trunc(
                    CASE
                        WHEN lower(CAST(period AS VARCHAR)) IN ('day', 'week', 'month', 'quarter', 'year')
                            THEN lower(CAST(period AS VARCHAR))
                        ELSE error(
                            'retention: period must be one of ''day'', ''week'', ''month'', ''quarter'', ''year'', not '
                            || coalesce('''' || CAST(period AS VARCHAR) || '''', 'NULL')
                        )
                    END,
                    __e.__time
                ) AS DATE
            ) AS __period
        FROM __events AS __e
        WHERE __e.__user IS NOT NULL AND isfinite(__e.__time)
    ),

    __cohort_periods AS (
        SELECT
            __u.__period AS __period,
            min(__u.__period) OVER (PARTITION BY __u.__user) AS __cohort
        FROM __user_periods AS __u
    ),

    __active AS (
        SELECT
            __p.__cohort AS __cohort,
            __p.__period AS __period,
            count(*) AS __n_active
        FROM __cohort_periods AS __p
        GROUP BY __p.__cohort, __p.__period
    ),

    __grid AS (
        SELECT
            __a.__cohort AS __cohort,
            __a.__n_active AS __n_users,
            CAST(
                unnest(
                    generate_series(
                        __a.__cohort,
                        __a.__last,
                        CASE lower(CAST(period AS VARCHAR))
                            WHEN 'day' THEN INTERVAL 1 DAY
                            WHEN 'week' THEN INTERVAL 7 DAY
                            WHEN 'month' THEN INTERVAL 1 MONTH
                            WHEN 'quarter' THEN INTERVAL 3 MONTH
                            ELSE INTERVAL 1 YEAR
                        END
                    )
                ) AS DATE
            ) AS __period
        FROM (
            SELECT
                __b.*,
                max(__b.__period) OVER () AS __last
            FROM __active AS __b
        ) AS __a
        WHERE __a.__cohort = __a.__period
    )

    SELECT
        __g.__cohort AS cohort,
        date_diff(lower(CAST(period AS VARCHAR)), __g.__cohort, __g.__period) AS periods_since,
        __g.__n_users AS users,
        coalesce(__a.__n_active, 0) AS active_users,
        coalesce(__a.__n_active, 0) / __g.__n_users AS retention
    FROM __grid AS __g
    LEFT JOIN __active AS __a
        ON __g.__cohort = __a.__cohort AND __g.__period = __a.__period
    ORDER BY cohort, periods_since;
