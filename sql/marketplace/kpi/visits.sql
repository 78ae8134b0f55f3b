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
