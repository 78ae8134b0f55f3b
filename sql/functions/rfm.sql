-- Recency, frequency and monetary value of customers, scored by quantiles.

-- rfm_scores(source, ...): one row per customer; a row of the source is a purchase.
--
-- Amounts that are DOUBLE add up in their order, so that no sum depends on the order of rows;
-- others add up exactly.
CREATE OR REPLACE MACRO rfm_scores(
    source,
    customer := 'user_id',
    "time" := 'event_time',
    amount := 'price',
    as_of := NULL,
    bins := 5,
    recency_cuts := NULL,
    frequency_cuts := NULL,
    monetary_cuts := NULL,
    names := NULL
) AS TABLE
    WITH __orders AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), customer, 'customer', 'rfm_scores'))
                AS __customer,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'rfm_scores')),
                'rfm_scores', "time"
            ) AS __time,
            COLUMNS(system.main.source_columns((*), amount, 'amount', 'rfm_scores')) AS __amount
        FROM query_table(source) AS __s
    ),

    __customers AS MATERIALIZED (
        SELECT
            __o.__customer AS __customer,
            count(*) AS __frequency,
            max(__o.__time) AS __last_time,
            coalesce(
                CASE
                    WHEN typeof(sum(__o.__amount)) = 'DOUBLE'
                        THEN list_sum(
                            list_sort(
                                list(__o.__amount) FILTER (
                                    WHERE __o.__amount IS NOT NULL
                                        AND typeof(__o.__amount) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                                )
                            )
                        )
                    ELSE sum(__o.__amount)
                END,
                0
            ) AS __monetary
        FROM __orders AS __o
        WHERE
            __o.__customer IS NOT NULL
            AND isfinite(__o.__time)
            AND (
                as_of IS NULL
                OR __o.__time < CAST(
                    system.main.event_timestamp(as_of, 'rfm_scores', 'as_of') AS DATE
                ) + INTERVAL 1 DAY
            )
        GROUP BY __o.__customer
    ),

    __measures AS MATERIALIZED (
        SELECT
            __c.__customer AS __customer,
            date_diff(
                'day',
                CAST(__c.__last_time AS DATE),
                coalesce(
                    CAST(system.main.event_timestamp(as_of, 'rfm_scores', 'as_of') AS DATE),
                    CAST(max(__c.__last_time) OVER () AS DATE)
                )
            ) AS __recency,
            __c.__frequency AS __frequency,
            __c.__monetary AS __monetary
        FROM __customers AS __c
    ),

    -- One row: of each measure the least value of each score but the first.
    __cuts AS (
        SELECT
            coalesce(recency_cuts,
                system.main.quantile_cuts(list(__m.__recency), bins, 'rfm_scores')) AS __recency,
            coalesce(frequency_cuts,
                system.main.quantile_cuts(list(__m.__frequency), bins, 'rfm_scores'))
                    AS __frequency,
            coalesce(monetary_cuts,
                system.main.quantile_cuts(list(__m.__monetary), bins, 'rfm_scores')) AS __monetary
        FROM __measures AS __m
    ),

    -- The more recent, the higher the score.
    __scores AS MATERIALIZED (
        SELECT
            __m.*,
            len(__c.__recency) + 2 - system.main.cut_score(__m.__recency, __c.__recency,
                'rfm_scores', 'recency_cuts')
                AS __r,
            system.main.cut_score(__m.__frequency, __c.__frequency, 'rfm_scores',
                'frequency_cuts') AS __f,
            system.main.cut_score(__m.__monetary, __c.__monetary, 'rfm_scores',
                'monetary_cuts') AS __m
        FROM __measures AS __m
        CROSS JOIN __cuts AS __c
    ),

    -- The names of five bins, and those of the table that the caller gives. They do not look at the
    -- money.
    __names AS (
        SELECT
            __d.*,
            1 AS m_min,
            9 AS m_max
        FROM (
            VALUES
            ('champions', 5, 5, 4, 5),
            ('loyal', 3, 4, 4, 5),
            ('potential loyalist', 4, 5, 2, 3),
            ('new', 5, 5, 1, 1),
            ('promising', 4, 4, 1, 1),
            ('need attention', 3, 3, 3, 3),
            ('about to sleep', 3, 3, 1, 2),
            ('cannot lose', 1, 2, 5, 5),
            ('at risk', 1, 2, 3, 4),
            ('hibernating', 1, 2, 1, 2)
        ) AS __d (name, r_min, r_max, f_min, f_max)
        WHERE names IS NULL AND bins = 5 AND recency_cuts IS NULL AND frequency_cuts IS NULL
        UNION ALL BY NAME
        SELECT
            CAST(__g.name AS VARCHAR) AS name,
            __g.r_min AS r_min,
            __g.r_max AS r_max,
            __g.f_min AS f_min,
            __g.f_max AS f_max,
            __g.m_min AS m_min,
            __g.m_max AS m_max
        FROM query(
            'SELECT name, r_min, r_max, f_min, f_max, m_min, m_max FROM ' || coalesce(
                CAST(names AS VARCHAR),
                '(VALUES ('''', 0, 0, 0, 0, 0, 0)) AS __t(name, r_min, r_max, f_min, f_max, '
                || 'm_min, m_max) WHERE false'
            )
        ) AS __g
    ),

    __named_scores AS (
        SELECT
            __s.__r AS __r,
            __s.__f AS __f,
            __s.__m AS __m,
            min(__n.name) AS __name,
            CASE
                WHEN count(*) > 1
                    THEN error(
                        'rfm_scores: the scores ' || __s.__r || ', ' || __s.__f || ', ' || __s.__m
                        || ' have more than one name: ''' || min(__n.name) || ''' and '''
                        || max(__n.name)
                        || ''', each may be in one row of "' || CAST(names AS VARCHAR) || '"'
                    )
                ELSE true
            END AS __is_one
        FROM (
            SELECT DISTINCT
                __a.__r,
                __a.__f,
                __a.__m
            FROM __scores AS __a
        ) AS __s
        INNER JOIN __names AS __n
            ON
                __s.__r BETWEEN __n.r_min AND __n.r_max
                AND __s.__f BETWEEN __n.f_min AND __n.f_max
                AND __s.__m BETWEEN __n.m_min AND __n.m_max
        GROUP BY __s.__r, __s.__f, __s.__m
    )

    SELECT
        __s.__customer AS customer,
        __s.__recency AS recency_days,
        __s.__frequency AS frequency,
        __s.__monetary AS monetary,
        CAST(__s.__r AS INTEGER) AS r,
        __s.__f AS f,
        __s.__m AS m,
        CAST(100 * __s.__r + 10 * __s.__f + __s.__m AS INTEGER) AS rfm,
        __n.__name AS rfm_segment
    FROM __scores AS __s
    LEFT JOIN __named_scores AS __n
        ON __s.__r = __n.__r AND __s.__f = __n.__f AND __s.__m = __n.__m
    WHERE coalesce(__n.__is_one, true);
