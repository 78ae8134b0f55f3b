-- Step 20_kpi of the pipeline `marketplace`: what users do, what each day and month brought, and
-- what sells.
--
-- kpi.user_features  one row: a user
-- kpi.daily          one row: a day with events (UTC)
-- kpi.monthly        one row: a month with events (UTC)
-- kpi.category       one row: a category_code with events, and NULL for events without one
-- kpi.brand          one row: a brand with events, and NULL for events without one
-- kpi.funnel         one row: a month with events and a step: 1 view, 2 cart, 3 purchase
-- kpi.cohorts        one row: a month that brought new users, and a number of months since, up to
--                    the last with events
--
-- Parameter (session variable):
--   as_of  the last day that counts (the day of the last event): no figure knows of an event after
--          it
--
-- views, carts and purchases count events, buyers are users with a purchase, revenue is the sum of
--   prices of purchases.
-- conversion_rate = purchases / views, NULL without views; above 1 where more was bought than
--   looked at. session_conversion_rate = sessions with a purchase / sessions, user_conversion_rate
--   = buyers / users.
-- A month is complete when as_of is its last day or later. One that is not has no changes: it has
--   not ended.
-- Of a category or brand, `share` is its part of all revenue, 0 where there is none. `rank` is by
--   revenue and leaves gaps after ties (1, 2, 2, 4); events without a category or brand are
--   nobody's success: their rank is NULL.
-- In the funnel, a user or session reaches a step in a month with an event of the step's type or of
--   a later step's in this month, in whatever order: who buys has seen the product and put it in a
--   cart, also where the site did not record it. So no step has more than the one before.
--   `remove_from_cart` is no step. A session across two months is in both. next_user_rate and
--   next_session_rate: those of the next step / those of this one, 0 without any, NULL at the last.
-- A cohort is the users whose first event is in first_month. months_since counts calendar months, 0
--   is the first month itself. active_users have an event in that month, retention = active_users /
--   users, revenue is what they spent in it. Months without an active user are there, with zeros:
--   each cohort has all months up to the last of kpi.monthly.
--
-- Money is summed as DECIMAL and a mean is one division of exact sums, so that no figure depends on
-- the order of rows.
--
-- Generated from kpi/*.sql and ../steps/*.sql (make docs).

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

INSERT INTO raw.pipeline_runs (run_id, step, started_at, finished_at, rows, status)
SELECT
    getvariable('current_run'),
    '20_kpi',
    getvariable('run_started'),
    getvariable('run_started'),
    0,
    'started';

BEGIN TRANSACTION;

-- What the tables of kpi are made of: visits of a day, months of a user, users.

CREATE SCHEMA IF NOT EXISTS kpi;

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'kpi.user_features'
);

CREATE OR REPLACE TEMP TABLE kpi_time AS
SELECT
    d.as_of,
    (d.as_of + INTERVAL 1 DAY)::TIMESTAMP AS end_time
FROM (
    SELECT coalesce(getvariable('as_of')::DATE, max(e.event_time)::DATE) AS as_of
    FROM clean.events AS e
) AS d;

-- Users, days, months, funnel and cohorts are sums over the visits of a day: far fewer than events,
-- and still with users and sessions to count. Only categories and brands need the events again.
CREATE OR REPLACE TEMP TABLE kpi_visits AS
SELECT
    e.event_time::DATE AS day,
    e.user_id,
    e.user_session,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time,
    count(*) AS events,
    count(*) FILTER (e.event_type = 'view') AS views,
    count(*) FILTER (e.event_type = 'cart') AS carts,
    count(*) FILTER (e.event_type = 'purchase') AS purchases,
    coalesce(sum(e.price) FILTER (e.event_type = 'purchase'), 0)::DECIMAL(38, 2) AS revenue
FROM clean.events AS e
WHERE e.event_time < (SELECT t.end_time FROM temp.kpi_time AS t)
GROUP BY
    e.event_time::DATE,
    e.user_id,
    e.user_session;

-- Nearly all sessions are one visit, which as it is stands for its session. The others, over
-- midnight or of several users, would count once for each of their visits. Two sessions with one
-- hash are among them too, and counted as what they are. (Without the GROUP BY, DuckDB 1.x would
-- build the hash table of the join from all visits: how many there are is not known to it before
-- the transaction ends.)
CREATE OR REPLACE TEMP TABLE kpi_repeated_visits AS
SELECT v.*
FROM temp.kpi_visits AS v
WHERE
    (hash(v.user_session) >> 1)::BIGINT IN (
        SELECT h.session_hash
        FROM (
            SELECT unnest(repeated_values((hash(r.user_session) >> 1)::BIGINT)) AS session_hash
            FROM temp.kpi_visits AS r
        ) AS h
        GROUP BY h.session_hash
    );

-- One row: a month and a user, with the last step of the funnel that the user reached.
CREATE OR REPLACE TEMP TABLE kpi_user_months AS
SELECT
    date_trunc('month', v.day)::DATE AS month,
    v.user_id,
    min(v.first_event_time) AS first_event_time,
    max(v.last_event_time) AS last_event_time,
    sum(v.events)::BIGINT AS events,
    sum(v.views)::BIGINT AS views,
    sum(v.carts)::BIGINT AS carts,
    sum(v.purchases)::BIGINT AS purchases,
    sum(v.revenue)::DECIMAL(38, 2) AS revenue,
    CASE
        WHEN sum(v.purchases) > 0 THEN 3
        WHEN sum(v.carts) > 0 THEN 2
        WHEN sum(v.views) > 0 THEN 1
        ELSE 0
    END AS last_step
FROM temp.kpi_visits AS v
GROUP BY
    date_trunc('month', v.day),
    v.user_id;

CREATE OR REPLACE TEMP TABLE kpi_users AS
SELECT
    u.user_id,
    min(u.first_event_time) AS first_event_time,
    max(u.last_event_time) AS last_event_time,
    sum(u.events)::BIGINT AS events,
    sum(u.views)::BIGINT AS views,
    sum(u.purchases)::BIGINT AS purchases,
    sum(u.revenue)::DECIMAL(38, 2) AS revenue
FROM temp.kpi_user_months AS u
GROUP BY u.user_id;

-- kpi.user_features: what each user does.

CREATE OR REPLACE TABLE kpi.user_features AS
WITH buyers AS (
    SELECT
        v.user_id,
        count(DISTINCT v.user_session) AS session_count
    FROM temp.kpi_visits AS v
    WHERE v.purchases > 0
    GROUP BY v.user_id
)

SELECT
    u.user_id,
    u.events AS total_events,
    u.views AS total_views,
    u.purchases AS total_purchases,
    date_diff('microsecond', u.first_event_time, u.last_event_time) / 1e6 / nullif(u.events - 1, 0)
        AS avg_time_between_events,
    u.revenue AS total_spent,
    coalesce(u.revenue / b.session_count, 0)::DOUBLE AS avg_basket,
    u.last_event_time,
    (u.purchases / nullif(u.views, 0))::DOUBLE AS conversion_rate,
    (u.purchases / u.events)::DOUBLE AS purchase_ratio,
    date_diff('day', u.last_event_time::DATE, d.as_of) AS days_since_last_event
FROM temp.kpi_users AS u
CROSS JOIN temp.kpi_time AS d
LEFT JOIN buyers AS b ON b.user_id = u.user_id;

-- kpi.daily and kpi.monthly: what each day and month brought.

CREATE OR REPLACE TABLE kpi.daily AS
WITH new_users AS (
    SELECT
        u.first_event_time::DATE AS day,
        count(*) AS new_users
    FROM temp.kpi_users AS u
    GROUP BY u.first_event_time::DATE
),

days AS (
    SELECT
        v.day,
        sum(v.events)::BIGINT AS events,
        count(DISTINCT v.user_id) AS users,
        count(*) AS visits,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (v.purchases > 0) AS purchase_visits,
        count(DISTINCT v.user_id) FILTER (v.purchases > 0) AS buyers
    FROM temp.kpi_visits AS v
    GROUP BY v.day
),

-- Visits of a day that are of a session with another one in it: several users.
repeats AS (
    SELECT
        r.day,
        count(*) - count(DISTINCT r.user_session) AS visits,
        count(*) FILTER (r.purchases > 0)
        - count(DISTINCT r.user_session) FILTER (r.purchases > 0) AS purchase_visits
    FROM temp.kpi_repeated_visits AS r
    GROUP BY r.day
)

SELECT
    d.day,
    d.events,
    d.users,
    coalesce(n.new_users, 0) AS new_users,
    d.visits - coalesce(r.visits, 0) AS sessions,
    d.views,
    d.carts,
    d.purchases,
    d.revenue,
    (d.purchases / nullif(d.views, 0))::DOUBLE AS conversion_rate,
    coalesce(d.revenue / nullif(d.purchase_visits - coalesce(r.purchase_visits, 0), 0), 0)::DOUBLE
        AS avg_basket,
    (
        (d.purchase_visits - coalesce(r.purchase_visits, 0)) / (d.visits - coalesce(r.visits, 0))
    )::DOUBLE AS session_conversion_rate,
    (d.buyers / d.users)::DOUBLE AS user_conversion_rate
FROM days AS d
LEFT JOIN new_users AS n ON n.day = d.day
LEFT JOIN repeats AS r ON r.day = d.day
ORDER BY d.day;

-- One row: a month and a last step of the funnel, with the number of sessions that reached it and
-- no later one.
CREATE OR REPLACE TEMP TABLE kpi_session_months AS
SELECT
    s.month,
    s.last_step,
    count(*) AS sessions
FROM (
    SELECT
        date_trunc('month', v.day)::DATE AS month,
        CASE
            WHEN v.purchases > 0 THEN 3
            WHEN v.carts > 0 THEN 2
            WHEN v.views > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM temp.kpi_visits AS v
    WHERE v.user_session NOT IN (SELECT r.user_session FROM temp.kpi_repeated_visits AS r)
    UNION ALL
    SELECT
        date_trunc('month', r.day)::DATE AS month,
        CASE
            WHEN sum(r.purchases) > 0 THEN 3
            WHEN sum(r.carts) > 0 THEN 2
            WHEN sum(r.views) > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM temp.kpi_repeated_visits AS r
    GROUP BY
        date_trunc('month', r.day),
        r.user_session
) AS s
GROUP BY
    s.month,
    s.last_step;

-- A change is (this month - the month before) / the month before; NULL where that month has no
-- events or a zero.
CREATE OR REPLACE TABLE kpi.monthly AS
WITH new_users AS (
    SELECT
        date_trunc('month', u.first_event_time)::DATE AS month,
        count(*) AS new_users
    FROM temp.kpi_users AS u
    GROUP BY date_trunc('month', u.first_event_time)
),

sessions AS (
    SELECT
        s.month,
        sum(s.sessions)::BIGINT AS sessions,
        coalesce(sum(s.sessions) FILTER (s.last_step = 3), 0)::BIGINT AS purchase_sessions
    FROM temp.kpi_session_months AS s
    GROUP BY s.month
),

user_sums AS (
    SELECT
        u.month,
        sum(u.events)::BIGINT AS events,
        count(*) AS users,
        sum(u.views)::BIGINT AS views,
        sum(u.carts)::BIGINT AS carts,
        sum(u.purchases)::BIGINT AS purchases,
        sum(u.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (u.purchases > 0) AS buyers
    FROM temp.kpi_user_months AS u
    GROUP BY u.month
),

months AS (
    SELECT
        u.*,
        coalesce(n.new_users, 0) AS new_users,
        s.sessions,
        s.purchase_sessions,
        u.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
    FROM user_sums AS u
    CROSS JOIN temp.kpi_time AS t
    JOIN sessions AS s ON s.month = u.month
    LEFT JOIN new_users AS n ON n.month = u.month
)

SELECT
    m.month,
    m.events,
    m.users,
    m.new_users,
    m.sessions,
    m.views,
    m.carts,
    m.purchases,
    m.revenue,
    (m.purchases / nullif(m.views, 0))::DOUBLE AS conversion_rate,
    coalesce(m.revenue / nullif(m.purchase_sessions, 0), 0)::DOUBLE AS avg_basket,
    if(m.is_complete, (m.events - before.events) / nullif(before.events, 0), NULL)::DOUBLE
        AS events_change,
    if(m.is_complete, (m.users - before.users) / nullif(before.users, 0), NULL)::DOUBLE
        AS users_change,
    if(
        m.is_complete, (m.purchases - before.purchases) / nullif(before.purchases, 0), NULL
    )::DOUBLE AS purchases_change,
    if(m.is_complete, (m.revenue - before.revenue) / nullif(before.revenue, 0), NULL)::DOUBLE
        AS revenue_change,
    coalesce(m.purchase_sessions / nullif(m.sessions, 0), 0)::DOUBLE AS session_conversion_rate,
    (m.buyers / m.users)::DOUBLE AS user_conversion_rate,
    (m.events / m.users)::DOUBLE AS events_per_user,
    m.is_complete
FROM months AS m
LEFT JOIN months AS before ON before.month = m.month - INTERVAL 1 MONTH
ORDER BY m.month;

-- kpi.category and kpi.brand: what sells.

-- By category and by brand in one pass; is_category tells the rows apart, as both have one for
-- NULL. Nearly all events are views, which are counted by what else there is: so the aggregates
-- that cost most see few rows.
CREATE OR REPLACE TEMP TABLE kpi_product_groups AS
WITH totals AS (
    SELECT
        grouping(e.category_code) = 0 AS is_category,
        e.category_code,
        e.brand,
        count(*) AS events
    FROM clean.events AS e
    WHERE e.event_time < (SELECT t.end_time FROM temp.kpi_time AS t)
    GROUP BY GROUPING SETS ((e.category_code), (e.brand))
),

others AS (
    SELECT
        grouping(e.category_code) = 0 AS is_category,
        e.category_code,
        e.brand,
        count(*) AS events,
        count(*) FILTER (e.event_type = 'cart') AS carts,
        count(*) FILTER (e.event_type = 'purchase') AS purchases,
        sum(e.price) FILTER (e.event_type = 'purchase') AS revenue,
        count(DISTINCT e.user_id) FILTER (e.event_type = 'purchase') AS buyers
    FROM clean.events AS e
    WHERE e.event_type <> 'view' AND e.event_time < (SELECT t.end_time FROM temp.kpi_time AS t)
    GROUP BY GROUPING SETS ((e.category_code), (e.brand))
),

product_groups AS (
    SELECT
        t.is_category,
        t.category_code,
        t.brand,
        t.events - coalesce(o.events, 0) AS views,
        coalesce(o.carts, 0) AS carts,
        coalesce(o.purchases, 0) AS purchases,
        coalesce(o.revenue, 0)::DECIMAL(38, 2) AS revenue,
        coalesce(o.buyers, 0) AS buyers
    FROM totals AS t
    LEFT JOIN others AS o
        ON
            o.is_category = t.is_category
            AND o.category_code IS NOT DISTINCT FROM t.category_code
            AND o.brand IS NOT DISTINCT FROM t.brand
)

SELECT
    g.*,
    (g.purchases / nullif(g.views, 0))::DOUBLE AS conversion_rate,
    coalesce(g.revenue / nullif(sum(g.revenue) OVER (PARTITION BY g.is_category), 0), 0)::DOUBLE
        AS share,
    if(
        coalesce(g.category_code, g.brand) IS NULL,
        NULL,
        rank() OVER (
            PARTITION BY
                g.is_category,
                coalesce(g.category_code, g.brand) IS NULL
            ORDER BY g.revenue DESC
        )
    ) AS rank
FROM product_groups AS g;

CREATE OR REPLACE TABLE kpi.category AS
SELECT g.* EXCLUDE (is_category, brand)
FROM temp.kpi_product_groups AS g
WHERE g.is_category
ORDER BY
    g.rank NULLS LAST,
    g.category_code;

CREATE OR REPLACE TABLE kpi.brand AS
SELECT g.* EXCLUDE (is_category, category_code)
FROM temp.kpi_product_groups AS g
WHERE NOT g.is_category
ORDER BY
    g.rank NULLS LAST,
    g.brand;

-- kpi.funnel: how far users and sessions come on the way from a view to a purchase.

CREATE OR REPLACE TABLE kpi.funnel AS
WITH months AS (
    SELECT
        u.month,
        u.last_step,
        count(*) AS users,
        0 AS sessions
    FROM temp.kpi_user_months AS u
    GROUP BY
        u.month,
        u.last_step
    UNION ALL
    SELECT
        s.month,
        s.last_step,
        0 AS users,
        s.sessions
    FROM temp.kpi_session_months AS s
),

month_steps AS (
    SELECT
        m.month,
        s.step_number,
        s.step,
        coalesce(sum(m.users) FILTER (m.last_step >= s.step_number), 0)::BIGINT AS users,
        coalesce(sum(m.sessions) FILTER (m.last_step >= s.step_number), 0)::BIGINT AS sessions
    FROM months AS m
    CROSS JOIN (VALUES (1, 'view'), (2, 'cart'), (3, 'purchase')) AS s (step_number, step)
    GROUP BY
        m.month,
        s.step_number,
        s.step
)

SELECT
    this.*,
    if(this.step_number < 3, coalesce(later.users / nullif(this.users, 0), 0), NULL)::DOUBLE
        AS next_user_rate,
    if(this.step_number < 3, coalesce(later.sessions / nullif(this.sessions, 0), 0), NULL)::DOUBLE
        AS next_session_rate
FROM month_steps AS this
LEFT JOIN month_steps AS later
    ON later.month = this.month AND later.step_number = this.step_number + 1
ORDER BY
    this.month,
    this.step_number;

-- kpi.cohorts: who comes back in the months after the first.

CREATE OR REPLACE TABLE kpi.cohorts AS
WITH cohort_months AS (
    SELECT
        u.first_month,
        u.month,
        count(*) AS active_users,
        sum(u.revenue) AS revenue
    FROM (
        SELECT
            m.month,
            m.revenue,
            date_trunc('month', f.first_event_time)::DATE AS first_month
        FROM temp.kpi_user_months AS m
        JOIN temp.kpi_users AS f ON f.user_id = m.user_id
    ) AS u
    GROUP BY
        u.first_month,
        u.month
),

calendar AS (
    SELECT
        c.first_month,
        c.active_users AS users,
        unnest(generate_series(c.first_month, max(m.month), INTERVAL 1 MONTH))::DATE AS month
    FROM cohort_months AS c
    CROSS JOIN cohort_months AS m
    WHERE c.month = c.first_month
    GROUP BY
        c.first_month,
        c.active_users
)

SELECT
    c.first_month,
    date_diff('month', c.first_month, c.month) AS months_since,
    c.users,
    coalesce(m.active_users, 0) AS active_users,
    (coalesce(m.active_users, 0) / c.users)::DOUBLE AS retention,
    coalesce(m.revenue, 0)::DECIMAL(38, 2) AS revenue,
    c.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
FROM calendar AS c
CROSS JOIN temp.kpi_time AS t
LEFT JOIN cohort_months AS m ON m.first_month = c.first_month AND m.month = c.month
ORDER BY
    c.first_month,
    months_since;

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': e.events,
            'rows': f.users,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': e.events - f.events,
            'message': f.users || ' users with ' || f.events || ' events up to '
            || coalesce(t.as_of::VARCHAR, 'today') || ', ' || (e.events - f.events)
            || ' later ones left out'
        }
    FROM (
        SELECT
            count(*) AS users,
            coalesce(sum(u.total_events), 0)::BIGINT AS events
        FROM kpi.user_features AS u
    ) AS f
    CROSS JOIN (SELECT count(*) AS events FROM clean.events) AS e
    CROSS JOIN temp.kpi_time AS t
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '20_kpi'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '20_kpi' AS step,
    getvariable('run_started') AS started_at,
    t.finished_at,
    getvariable('run_counts').rows AS rows,
    'done' AS status,
    getvariable('run_counts').rows_in AS rows_in,
    getvariable('run_counts').rows_replaced AS rows_replaced,
    getvariable('run_counts').rows_rejected AS rows_rejected,
    date_diff('microsecond', getvariable('run_started'), t.finished_at) / 1e6 AS seconds,
    getvariable('run_counts').message AS message,
    (
        SELECT map_from_entries(list({'name': v.name, 'value': v.value::VARCHAR} ORDER BY v.name))
        FROM duckdb_variables() AS v
        WHERE
            v.name IN (
                'as_of'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.kpi_product_groups;

DROP TABLE temp.kpi_session_months;

DROP TABLE temp.kpi_users;

DROP TABLE temp.kpi_user_months;

DROP TABLE temp.kpi_repeated_visits;

DROP TABLE temp.kpi_visits;

DROP TABLE temp.kpi_time;

COMMIT;

SELECT
    count(*) AS users,
    coalesce(sum(f.total_events), 0)::BIGINT AS events,
    coalesce(sum(f.total_spent), 0) AS revenue
FROM kpi.user_features AS f;
