-- What customers are worth, from their purchases. `time` stands in quotes, because DuckDB 1.x takes
-- it for a type. The column `__no_amount` stands in for one that a source lacks.

-- customer_value(source, ...): one row per customer.
--
-- Sums of amounts that are DOUBLE are taken in their order, so that they do not depend on the order
-- of rows; others add up exactly.
CREATE OR REPLACE MACRO customer_value(
    source,
    customer := 'user_id',
    "time" := 'event_time',
    amount := 'price',
    as_of := NULL,
    unit := 'week',
    horizon := 52,
    discount := 0
) AS TABLE
    WITH __options AS (
        SELECT
            CASE lower(CAST(unit AS VARCHAR))
                WHEN 'day' THEN CAST(1 AS DOUBLE)
                WHEN 'week' THEN 7
                WHEN 'month' THEN 30.4375
                WHEN 'year' THEN 365.25
                ELSE error(
                    'customer_value: unit must be ''day'', ''week'', ''month'' or ''year'', not '
                    || coalesce('''' || CAST(unit AS VARCHAR) || '''', 'NULL')
                )
            END AS __days,
            CASE
                WHEN coalesce(try_cast(CAST(horizon AS VARCHAR) AS DOUBLE) BETWEEN 0 AND 1e6, false)
                    THEN try_cast(CAST(horizon AS VARCHAR) AS DOUBLE)
                ELSE error(
                    'customer_value: horizon must be a number between 0 and 1000000, not '
                    || coalesce(CAST(horizon AS VARCHAR), 'NULL')
                )
            END AS __horizon,
            CASE
                WHEN coalesce(
                    try_cast(CAST(discount AS VARCHAR) AS DOUBLE) BETWEEN 0 AND 1e6, false
                )
                    THEN try_cast(CAST(discount AS VARCHAR) AS DOUBLE)
                ELSE error(
                    'customer_value: discount must be a number between 0 and 1000000, not '
                    || coalesce(CAST(discount AS VARCHAR), 'NULL')
                )
            END AS __discount
    ),

    __purchases AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), customer, 'customer', 'customer_value'))
                AS __customer,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'customer_value')),
                'customer_value', "time"
            ) AS __time,
            COLUMNS(system.main.source_columns((*),
                coalesce(CAST(amount AS VARCHAR), '__no_amount'), 'amount', 'customer_value'))
                AS __amount
        FROM (
            SELECT
                __t.*,
                CAST(NULL AS DECIMAL(18, 3)) AS __no_amount
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __days AS (
        SELECT
            __p.__customer AS __customer,
            CAST(__p.__time AS DATE) AS __day,
            CASE
                WHEN typeof(sum(__p.__amount)) = 'DOUBLE'
                    THEN list_sum(
                        list_sort(
                            list(__p.__amount) FILTER (
                                WHERE __p.__amount IS NOT NULL
                                    AND typeof(__p.__amount) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                            )
                        )
                    )
                ELSE sum(__p.__amount)
            END AS __amount
        FROM __purchases AS __p
        WHERE
            __p.__customer IS NOT NULL
            AND isfinite(__p.__time)
            AND (
                as_of IS NULL
                OR __p.__time < CAST(
                    system.main.event_timestamp(as_of, 'customer_value', 'as_of') AS DATE
                ) + INTERVAL 1 DAY
            )
        GROUP BY __p.__customer, CAST(__p.__time AS DATE)
    ),

    -- What is not of the first day: its amount in a STRUCT, because arg_min passes NULL over.
    __sums AS (
        SELECT
            __d.__customer AS __customer,
            count(*) - 1 AS __frequency,
            min(__d.__day) AS __first_day,
            max(__d.__day) AS __last_day,
            count(__d.__amount) AS __n_amounts,
            arg_min({'amount': __d.__amount}, __d.__day) AS __first,
            CASE
                WHEN typeof(sum(__d.__amount)) = 'DOUBLE'
                    THEN list_sum(
                        list_sort(
                            list(__d.__amount) FILTER (
                                WHERE __d.__amount IS NOT NULL
                                    AND typeof(__d.__amount) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                            )
                        )
                    )
                ELSE sum(__d.__amount)
            END AS __sum
        FROM __days AS __d
        WHERE
            CASE
                WHEN __d.__amount < 0
                    THEN error(
                        'customer_value: the amount of a day must be at least 0, not '
                            || CAST(__d.__amount AS VARCHAR)
                        || ' (customer ' || CAST(__d.__customer AS VARCHAR) || ', '
                        || CAST(__d.__day AS VARCHAR)
                        || '), leave out returns'
                    )
                ELSE true
            END
        GROUP BY __d.__customer
    ),

    __histories AS MATERIALIZED (
        SELECT
            __s.__customer AS __customer,
            __s.__frequency AS __frequency,
            date_diff('day', __s.__first_day, __s.__last_day) / __u.__days AS __recency,
            date_diff(
                'day',
                __s.__first_day,
                coalesce(
                    CAST(system.main.event_timestamp(as_of, 'customer_value', 'as_of') AS DATE),
                    max(__s.__last_day) OVER ()
                )
            ) / __u.__days AS __age,
            CASE
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
            END AS __value
        FROM __sums AS __s
        CROSS JOIN __options AS __u
    ),

    __customers AS (
        SELECT
            __h.__customer AS customer,
            __h.__frequency AS frequency,
            __h.__recency AS recency,
            __h.__age AS age,
            __h.__value AS value,
            {'frequency': __h.__frequency, 'recency': __h.__recency, 'age': __h.__age,
                'value': __h.__value} AS __row,
            (
                SELECT
                    system.main.clv_fit(
                        {
                            'frequency': __f.__frequency,
                            'recency': __f.__recency,
                            'age': __f.__age,
                            'value': __f.__value
                        },
                        {'relation': 'customer_value', 'threads': current_setting('threads')}
                    )
                FROM __histories AS __f
            ) AS __model
        FROM __histories AS __h
    ),

    __expectations AS (
        SELECT
            __c.customer AS customer,
            __c.frequency AS frequency,
            __c.recency AS recency,
            __c.age AS age,
            __c.value AS value,
            system.main.clv_alive(__c.__model, __c.__row) AS alive,
            system.main.clv_purchases(__c.__model, __c.__row, __o.__horizon) AS expected_purchases,
            CASE
                WHEN amount IS NOT NULL
                    THEN system.main.clv_value(__c.__model, __c.__row, __o.__horizon,
                        __o.__discount)
            END AS expected_value
        FROM __customers AS __c
        CROSS JOIN __options AS __o
        WHERE
            CASE
                WHEN NOT __c.__model.converged
                    THEN error('customer_value: the fit did not converge in '
                    || __c.__model.iterations || ' iterations')
                ELSE true
            END
    )

    SELECT COLUMNS(
        CASE
            WHEN amount IS NULL
                THEN ['customer', 'frequency', 'recency', 'age', 'alive', 'expected_purchases']
            ELSE [
                'customer', 'frequency', 'recency', 'age', 'value', 'alive', 'expected_purchases',
                'expected_value'
            ]
        END
    )
    FROM __expectations AS __e;
