-- Whether to believe what customers are said to be worth.

-- customer_value_check(source, split := ...): what is expected of the customers before a day,
-- beside what they then did.
--
-- Sums of expectations are taken as decimals, so that they do not depend on the order of customers.
CREATE OR REPLACE MACRO customer_value_check(
    source,
    split := NULL,
    customer := 'user_id',
    "time" := 'event_time',
    amount := 'price',
    unit := 'week'
) AS TABLE
    WITH __options AS (
        SELECT
            CASE lower(CAST(unit AS VARCHAR))
                WHEN 'day' THEN CAST(1 AS DOUBLE)
                WHEN 'week' THEN 7
                WHEN 'month' THEN 30.4375
                WHEN 'year' THEN 365.25
                ELSE error(
                    'customer_value_check: unit must be ''day'', ''week'', ''month'' or '
                    || '''year'', not '
                    || coalesce('''' || CAST(unit AS VARCHAR) || '''', 'NULL')
                )
            END AS __days,
            CASE
                WHEN split IS NULL
                    THEN error(
                        'customer_value_check: split must be a day such as DATE ''2024-01-01'', '
                        || 'purchases before it are for the fit, not NULL'
                    )
                ELSE CAST(system.main.event_timestamp(split, 'customer_value_check',
                    'split') AS DATE)
            END AS __split
    ),

    __purchases AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), customer, 'customer', 'customer_value_check'))
                AS __customer,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'customer_value_check')),
                'customer_value_check',
                "time"
            ) AS __time,
            COLUMNS(
                system.main.source_columns(
                    (*), coalesce(CAST(amount AS VARCHAR), '__no_amount'), 'amount',
                    'customer_value_check'
                )
            ) AS __amount
        FROM (
            SELECT
                __t.*,
                CAST(NULL AS DECIMAL(18, 3)) AS __no_amount
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __days AS MATERIALIZED (
        SELECT
            __p.__customer AS __customer,
            CAST(__p.__time AS DATE) AS __day,
            CAST(sum(CAST(__p.__amount AS DECIMAL(38, 6))) AS DECIMAL(38, 6)) AS __amount
        FROM __purchases AS __p
        WHERE __p.__customer IS NOT NULL AND isfinite(__p.__time)
        GROUP BY __p.__customer, CAST(__p.__time AS DATE)
    ),

    __sums AS (
        SELECT
            __d.__customer AS __customer,
            count(*) - 1 AS __frequency,
            min(__d.__day) AS __first_day,
            max(__d.__day) AS __last_day,
            count(__d.__amount) AS __n_amounts,
            arg_min({'amount': __d.__amount}, __d.__day) AS __first,
            sum(__d.__amount) AS __sum
        FROM __days AS __d
        CROSS JOIN __options AS __o
        WHERE
            __d.__day < __o.__split
            AND CASE
                WHEN __d.__amount < 0
                    THEN error(
                        'customer_value_check: the amount of a day must be at least 0, not '
                        || CAST(__d.__amount AS VARCHAR) || ' (customer '
                        || CAST(__d.__customer AS VARCHAR) || ', '
                        || CAST(__d.__day AS VARCHAR) || '), leave out returns'
                    )
                ELSE true
            END
        GROUP BY __d.__customer
    ),

    __histories AS MATERIALIZED (
        SELECT
            __s.__customer AS __customer,
            {
                'frequency': __s.__frequency,
                'recency': date_diff('day', __s.__first_day, __s.__last_day) / __o.__days,
                'age': (date_diff('day', __s.__first_day, __o.__split) - 1) / __o.__days,
                'value': CASE
                    WHEN __s.__n_amounts > CASE WHEN __s.__first.amount IS NULL THEN 0 ELSE 1 END
                        THEN
                            nullif(
                                CAST(__s.__sum - coalesce(__s.__first.amount, 0) AS DOUBLE)
                                / (
                                    __s.__n_amounts
                                    - CASE WHEN __s.__first.amount IS NULL THEN 0 ELSE 1 END
                                ),
                                0
                            )
                END
            } AS __row
        FROM __sums AS __s
        CROSS JOIN __options AS __o
    ),

    -- One row: the model, and how long its customers are watched.
    __model AS MATERIALIZED (
        SELECT
            (
                SELECT
                    system.main.clv_fit(
                        __h.__row, {'relation': 'customer_value_check',
                            'threads': current_setting('threads')}
                    )
                FROM __histories AS __h
            ) AS __fit,
            (
                SELECT greatest(date_diff('day', __o.__split, max(__d.__day)) + 1, 0)
                FROM __days AS __d
            ) / __o.__days AS __horizon,
            __o.__split AS __split,
            __o.__days AS __days
        FROM __options AS __o
    ),

    __actual AS (
        SELECT
            __d.__customer AS __customer,
            count(*) AS __purchases,
            sum(__d.__amount) AS __value
        FROM __days AS __d
        CROSS JOIN __options AS __o
        WHERE __d.__day >= __o.__split
        GROUP BY __d.__customer
    ),

    __expected AS MATERIALIZED (
        SELECT
            __h.__row.frequency AS __frequency,
            system.main.clv_purchases(__m.__fit, __h.__row, __m.__horizon) AS __expected,
            coalesce(__a.__purchases, 0) AS __actual,
            CASE
                WHEN amount IS NOT NULL AND __m.__fit.p IS NOT NULL
                    THEN system.main.clv_value(__m.__fit, __h.__row, __m.__horizon)
            END AS __expected_value,
            coalesce(__a.__value, 0) AS __actual_value
        FROM __histories AS __h
        CROSS JOIN __model AS __m
        LEFT JOIN __actual AS __a
            ON __h.__customer = __a.__customer
        WHERE
            CASE
                WHEN NOT __m.__fit.converged
                    THEN error(
                        'customer_value_check: the fit did not converge in ' || __m.__fit.iterations
                            || ' iterations'
                    )
                ELSE true
            END
    ),

    __cuts AS (
        SELECT system.main.quantile_cuts(list(__e.__expected), 5, 'customer_value_check') AS __cuts
        FROM __expected AS __e
    ),

    __groups AS (
        SELECT
            unnest([
                {'part': 'total', 'bucket': CAST(NULL AS BIGINT)},
                {'part': 'frequency', 'bucket': least(__e.__frequency, 7)},
                {'part': 'fifth', 'bucket': CAST(
                    system.main.cut_score(__e.__expected, __c.__cuts) AS BIGINT
                )}
            ]) AS __group,
            __e.*
        FROM __expected AS __e
        CROSS JOIN __cuts AS __c
    ),

    __periods AS (
        SELECT
            unnest(range(1, CAST(floor(__m.__horizon) AS BIGINT) + 1)) AS __period,
            __m.*
        FROM __model AS __m
    ),

    __distinct AS (
        SELECT
            __h.__row AS __row,
            count(*) AS __n
        FROM (
            SELECT
                {
                    'frequency': __i.__row.frequency, 'recency': __i.__row.recency,
                    'age': __i.__row.age
                } AS __row
            FROM __histories AS __i
        ) AS __h
        GROUP BY __h.__row
    ),

    __expected_periods AS (
        SELECT
            __p.__period AS __period,
            sum(__d.__n) AS __n,
            sum(
                CAST(
                    __d.__n * (
                        system.main.clv_purchases(__p.__fit, __d.__row, __p.__period)
                        - system.main.clv_purchases(__p.__fit, __d.__row, __p.__period - 1)
                    ) AS DECIMAL(38, 9)
                )
            ) AS __expected
        FROM __periods AS __p
        CROSS JOIN __distinct AS __d
        GROUP BY __p.__period
    ),

    __actual_periods AS (
        SELECT
            CAST(floor(date_diff('day', __m.__split, __d.__day) / __m.__days) AS BIGINT) + 1
                AS __period,
            count(*) AS __actual
        FROM __days AS __d
        CROSS JOIN __model AS __m
        WHERE
            __d.__day >= __m.__split
            AND __d.__customer IN (SELECT __h.__customer FROM __histories AS __h)
        GROUP BY CAST(floor(date_diff('day', __m.__split, __d.__day) / __m.__days) AS BIGINT) + 1
    ),

    __results AS (
        SELECT
            __g.__group.part AS part,
            __g.__group.bucket AS bucket,
            count(*) AS customers,
            CAST(sum(CAST(__g.__expected AS DECIMAL(38, 9))) AS DOUBLE) AS expected_purchases,
            CAST(sum(__g.__actual) AS BIGINT) AS actual_purchases,
            CASE
                WHEN amount IS NOT NULL
                    THEN CAST(sum(CAST(__g.__expected_value AS DECIMAL(38, 9))) AS DOUBLE)
            END AS expected_value,
            CASE WHEN amount IS NOT NULL
                THEN CAST(sum(__g.__actual_value) AS DOUBLE) END AS actual_value
        FROM __groups AS __g
        GROUP BY __g.__group.part, __g.__group.bucket
        UNION ALL
        SELECT
            'period',
            __e.__period,
            CAST(__e.__n AS BIGINT),
            CAST(__e.__expected AS DOUBLE),
            coalesce(__a.__actual, 0),
            NULL,
            NULL
        FROM __expected_periods AS __e
        LEFT JOIN __actual_periods AS __a
            ON __e.__period = __a.__period
    )

    SELECT
        __r.part AS part,
        __r.bucket AS bucket,
        __r.customers AS customers,
        __r.expected_purchases AS expected_purchases,
        __r.actual_purchases AS actual_purchases,
        __r.expected_purchases / nullif(__r.actual_purchases, 0) - 1 AS error,
        __r.expected_value AS expected_value,
        __r.actual_value AS actual_value
    FROM __results AS __r
    ORDER BY list_position(['total', 'period', 'frequency', 'fifth'], __r.part), __r.bucket;
