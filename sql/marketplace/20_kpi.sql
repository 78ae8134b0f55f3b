-- Step 20_kpi of the pipeline `marketplace`: what users do, and what each day and month brought.
--
-- kpi.user_features  one row: a user
-- kpi.daily          one row: a day with events (UTC)
-- kpi.monthly        one row: a month with events (UTC)
--
-- Parameter (session variable):
--   as_of  the day from which days_since_last_event counts (the day of the last event)
--
-- Money is summed as DECIMAL and a mean is one division of exact sums, so that no figure depends on the order of rows.

SET VARIABLE current_run = coalesce(getvariable('run_id'), getvariable('current_run'), uuid()::VARCHAR);

BEGIN TRANSACTION;

CREATE SCHEMA IF NOT EXISTS kpi;

CREATE OR REPLACE TEMP TABLE kpi_user_activity AS
SELECT *
FROM amz.user_activity('clean.events');

CREATE OR REPLACE TABLE kpi.user_features AS
WITH views AS (
    SELECT
        e.user_id,
        count(*) AS total_views
    FROM clean.events AS e
    WHERE e.event_type = 'view'
    GROUP BY e.user_id
),

purchases AS (
    SELECT
        e.user_id,
        count(*) AS total_purchases,
        sum(e.price)::DECIMAL(18, 2) AS total_spent,
        count(DISTINCT e.user_session) AS session_count
    FROM clean.events AS e
    WHERE e.event_type = 'purchase'
    GROUP BY e.user_id
),

last_day AS (
    SELECT coalesce(getvariable('as_of')::DATE, max(u.last_event_time)::DATE) AS as_of
    FROM temp.kpi_user_activity AS u
)

SELECT
    u.user_id,
    u.events AS total_events,
    coalesce(v.total_views, 0) AS total_views,
    coalesce(p.total_purchases, 0) AS total_purchases,
    u.avg_time_between_events,
    coalesce(p.total_spent, 0)::DECIMAL(18, 2) AS total_spent,
    coalesce(p.total_spent / p.session_count, 0)::DOUBLE AS avg_basket,
    u.last_event_time,
    coalesce(p.total_purchases / v.total_views, 0)::DOUBLE AS conversion_rate,
    coalesce(p.total_purchases / u.events, 0)::DOUBLE AS purchase_ratio,
    date_diff('day', u.last_event_time::DATE, d.as_of) AS days_since_last_event
FROM temp.kpi_user_activity AS u
CROSS JOIN last_day AS d
LEFT JOIN views AS v ON v.user_id = u.user_id
LEFT JOIN purchases AS p ON p.user_id = u.user_id;

-- Days and months are sums over the visits of their days: far fewer than events, and still with users and sessions to
-- count.
CREATE OR REPLACE TEMP TABLE kpi_visits AS
SELECT
    e.event_time::DATE AS day,
    e.user_id,
    e.user_session,
    count(*) AS events,
    count(*) FILTER (e.event_type = 'view') AS views,
    count(*) FILTER (e.event_type = 'cart') AS carts,
    count(*) FILTER (e.event_type = 'purchase') AS purchases,
    coalesce(sum(e.price) FILTER (e.event_type = 'purchase'), 0)::DECIMAL(18, 2) AS revenue
FROM clean.events AS e
GROUP BY
    e.event_time::DATE,
    e.user_id,
    e.user_session;

CREATE OR REPLACE TABLE kpi.daily AS
WITH new_users AS (
    SELECT
        u.first_event_time::DATE AS day,
        count(*) AS new_users
    FROM temp.kpi_user_activity AS u
    GROUP BY u.first_event_time::DATE
),

days AS (
    SELECT
        v.day,
        sum(v.events)::BIGINT AS events,
        count(DISTINCT v.user_id) AS users,
        count(DISTINCT v.user_session) AS sessions,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(18, 2) AS revenue,
        count(DISTINCT v.user_session) FILTER (v.purchases > 0) AS purchase_sessions
    FROM temp.kpi_visits AS v
    GROUP BY v.day
)

SELECT
    d.day,
    d.events,
    d.users,
    coalesce(n.new_users, 0) AS new_users,
    d.sessions,
    d.views,
    d.carts,
    d.purchases,
    d.revenue,
    coalesce(d.purchases / nullif(d.views, 0), 0)::DOUBLE AS conversion_rate,
    coalesce(d.revenue / nullif(d.purchase_sessions, 0), 0)::DOUBLE AS avg_basket
FROM days AS d
LEFT JOIN new_users AS n ON n.day = d.day
ORDER BY d.day;

-- A change is (this month - the month before) / the month before; NULL where that month has no events or a zero.
CREATE OR REPLACE TABLE kpi.monthly AS
WITH visit_months AS (
    SELECT
        date_trunc('month', v.day)::DATE AS month,
        count(DISTINCT v.user_session) AS sessions,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(18, 2) AS revenue,
        count(DISTINCT v.user_session) FILTER (v.purchases > 0) AS purchase_sessions
    FROM temp.kpi_visits AS v
    GROUP BY date_trunc('month', v.day)
),

months AS (
    SELECT
        v.*,
        a.events,
        a.active_users AS users,
        a.new_users
    FROM visit_months AS v
    JOIN amz.monthly_activity('clean.events') AS a ON a.month = v.month
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
    coalesce(m.purchases / nullif(m.views, 0), 0)::DOUBLE AS conversion_rate,
    coalesce(m.revenue / nullif(m.purchase_sessions, 0), 0)::DOUBLE AS avg_basket,
    ((m.events - before.events) / nullif(before.events, 0))::DOUBLE AS events_change,
    ((m.users - before.users) / nullif(before.users, 0))::DOUBLE AS users_change,
    ((m.purchases - before.purchases) / nullif(before.purchases, 0))::DOUBLE AS purchases_change,
    ((m.revenue - before.revenue) / nullif(before.revenue, 0))::DOUBLE AS revenue_change
FROM months AS m
LEFT JOIN months AS before ON before.month = m.month - INTERVAL 1 MONTH
ORDER BY m.month;

INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run'),
    '20_kpi',
    make_timestamp(epoch_us(now())),
    make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))),
    (SELECT count(*) FROM kpi.user_features);

DROP TABLE temp.kpi_user_activity;

DROP TABLE temp.kpi_visits;

COMMIT;

SELECT
    count(*) AS users,
    coalesce(sum(f.total_events), 0)::BIGINT AS events,
    coalesce(sum(f.total_spent), 0) AS revenue
FROM kpi.user_features AS f;
