-- What users do one after the other, and who comes back. The columns of a source are named as in
-- events.sql.

-- funnel(source, steps := [...], ...): one row per step, in their order.
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
                        'funnel: steps must be a list of event types such as [''view'', '
                        || '''purchase''], not '
                        || coalesce(CAST(steps AS VARCHAR), 'NULL')
                    )
                WHEN len(list_distinct(CAST(steps AS VARCHAR[]))) < len(CAST(steps AS VARCHAR[]))
                    THEN error('funnel: steps must differ and not be NULL, not '
                    || CAST(steps AS VARCHAR))
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
                    'funnel: within must be an interval of at least 0, in days or smaller units, '
                    || 'such as INTERVAL 7 DAY, not '
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
                    CAST(COLUMNS(system.main.source_columns((*), type, 'type', 'funnel'))
                        AS VARCHAR)
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
            CAST(coalesce(sum(__e.__n_users) OVER (ORDER BY __s.__step DESC), 0) AS BIGINT)
                AS __n_users
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

-- retention(source, ...): one row per cohort and number of periods since its first, up to the last
-- period with events.
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
                COLUMNS(system.main.source_columns((*), "time", 'time', 'retention')), 'retention',
                "time"
            ) AS __time
        FROM query_table(source) AS __s
    ),

    __user_periods AS (
        SELECT DISTINCT
            __e.__user AS __user,
            CAST(
                date_trunc(
                    CASE
                        WHEN lower(CAST(period AS VARCHAR)) IN ('day', 'week', 'month', 'quarter',
                            'year')
                            THEN lower(CAST(period AS VARCHAR))
                        ELSE error(
                            'retention: period must be one of ''day'', ''week'', ''month'', '
                            || '''quarter'', ''year'', not '
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
