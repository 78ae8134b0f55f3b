-- What the tables of kpi are made of: events, sessions and months up to as_of.

CREATE SCHEMA IF NOT EXISTS kpi;

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'kpi.user_engagement'
);

-- The time in which an event makes a user active.
CREATE OR REPLACE TEMP TABLE kpi_active_time AS
SELECT
    d.as_of,
    (d.as_of - INTERVAL 6 MONTH)::TIMESTAMP AS start_time,
    (d.as_of + INTERVAL 1 DAY)::TIMESTAMP AS end_time
FROM (
    SELECT coalesce(getvariable('as_of')::DATE, max(e.event_time)::DATE) AS as_of
    FROM clean.events AS e
) AS d;

CREATE OR REPLACE TEMP VIEW kpi_events AS
SELECT e.*
FROM clean.events AS e
CROSS JOIN temp.kpi_active_time AS t
WHERE e.event_time < t.end_time;

-- Of a session that goes on after as_of, the events up to then: all events of the user from its
-- start on.
CREATE OR REPLACE TEMP TABLE kpi_session_games AS
WITH cut_sessions AS (
    SELECT s.*
    FROM clean.sessions AS s
    CROSS JOIN temp.kpi_active_time AS t
    WHERE s.session_start < t.end_time AND s.session_end >= t.end_time
)

SELECT g.*
FROM clean.session_games AS g
CROSS JOIN temp.kpi_active_time AS t
ANTI JOIN cut_sessions AS c ON c.user_id = g.user_id AND c.session_number = g.session_number
WHERE g.first_event_time < t.end_time
UNION ALL
SELECT
    c.user_id,
    c.session_number,
    e.game_id,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time,
    count(*) AS events,
    coalesce(sum(e.duration_seconds), 0)::BIGINT AS seconds_played
FROM cut_sessions AS c
JOIN temp.kpi_events AS e ON e.user_id = c.user_id AND e.event_time >= c.session_start
GROUP BY
    c.user_id,
    c.session_number,
    e.game_id;

CREATE OR REPLACE TEMP TABLE kpi_sessions AS
SELECT
    g.user_id,
    g.session_number,
    min(g.first_event_time) AS session_start,
    date_sub('second', min(g.first_event_time), max(g.last_event_time)) AS session_seconds,
    sum(g.seconds_played)::BIGINT AS seconds_played
FROM temp.kpi_session_games AS g
GROUP BY
    g.user_id,
    g.session_number;

-- One row: a user and a month with an event.
CREATE OR REPLACE TEMP TABLE kpi_user_months AS
SELECT
    e.user_id,
    date_trunc('month', e.event_time)::DATE AS month,
    count(*) AS events,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time
FROM temp.kpi_events AS e
GROUP BY
    e.user_id,
    date_trunc('month', e.event_time);
