-- Step 20_kpi of the pipeline `games`: who plays, what, where, and what each month brought.
--
-- kpi.user_status            one row: a user
-- kpi.user_status_counts     one row: a status, also one that nobody has
-- kpi.user_engagement        one row: a user; NULL for figures that need an event and a favourite
--                            that is not known
-- kpi.demographics           one row: a dimension (age_range, gender, subscription_type,
--                            workout_frequency) and value
-- kpi.game_performance       one row: a game, also one that nobody played
-- kpi.monthly                one row: a month, from the first event to the last, also one without
--                            events (UTC)
-- kpi.monthly_by_game        one row: a game and month, every game and every month of kpi.monthly
-- kpi.monthly_by_location    one row: a location and month, every location of a user and every
--                            month of kpi.monthly
-- kpi.seasonality            one row: a month of kpi.monthly
-- kpi.status_by_month        one row: a month of kpi.monthly, with the status of users at its end
-- kpi.event_frequency        one row: a month of kpi.monthly, and NULL for all months
-- kpi.demographics_by_month  one row: a month of kpi.monthly, a dimension and a value
-- kpi.location               one row: a location of a user
-- kpi.location_behaviour     one row: a location of a user; figures are per user who ever played,
--                            NULL where nobody did
--
-- Parameter (session variable):
--   as_of  the last day that counts (the day of the last event): no figure knows of an event after
--          it
--
-- `active`: an event from the day 6 calendar months before as_of, this day included, to the end of
--   as_of. As of 2024-08-31 an event on 2024-02-29 at 00:00:00 counts, one a second before does
--   not. `churned`: events up to as_of, but none in this time. `inactive`: no event up to as_of.
--   active_users is meant so in demographics, game_performance (an event in the game) and location.
-- kpi.status_by_month means the same at the end of each month, of the last one at as_of. Its users
--   are those who were registered or had an event by then; who has no date of registration is
--   counted always.
-- A month is complete when as_of is its last day or later. One that is not has no changes, no
--   churned_users and no part in kpi.seasonality: it has not ended.
-- In the months, active_users have an event in the month, new_users their first one, churned_users
--   were active in the month before and are not in this one, reactivated_users are active, were not
--   in the month before, but earlier. Of a game these are events in the game. active_users = those
--   of the month before + new + reactivated - churned.
-- avg_session_seconds is from the first event of a session to its last, avg_seconds_played the sum
--   of duration_seconds of its events: it knows of sessions with one event too. Both are means over
--   sessions.
-- A session belongs to the month in which it begins. Of a game, sessions are those with an event in
--   the game, from the first to the last such event. A session of one event has 0 seconds and
--   counts in the mean.
-- A change is (this month - the other) / the other, against the month before or the same month of
--   the year before; NULL where that month is not in the table or a zero.
-- Ranks leave gaps after ties (1, 2, 2, 4). The favourite is that with most events; of equals the
--   game with the smallest identifier, the device or type that is first by name. `unknown` is
--   nobody's favourite.
-- finish_rate: events finish_game / start_game, NULL without a start.
-- kpi.seasonality: `trend` is the mean of the month and its neighbours, of two months at the ends;
--   the others are those of seasonal_decompose, a robust decomposition as STL is. `level` is the
--   month without its season, `seasonal_index` the factor of the calendar month: what recurs.
--   `expected` = level * seasonal_index, `deviation` = events / expected - 1. `is_outlier` tells a
--   one-off. Of fewer than 24 months there is no season: seasonal_index and is_outlier are NULL.
--
-- A mean is one division of exact sums, so that no figure depends on the order of rows.
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

-- kpi.user_status and its counts: who is active, churned, inactive.

CREATE OR REPLACE TABLE kpi.user_status AS
WITH histories AS (
    SELECT
        m.user_id,
        min(m.first_event_time) AS first_event_time,
        max(m.last_event_time) AS last_event_time
    FROM temp.kpi_user_months AS m
    GROUP BY m.user_id
)

SELECT
    u.user_id,
    CASE
        WHEN h.user_id IS NULL THEN 'inactive'
        WHEN h.last_event_time >= t.start_time THEN 'active'
        ELSE 'churned'
    END AS status,
    h.first_event_time,
    h.last_event_time,
    date_diff('day', h.last_event_time::DATE, t.as_of) AS days_since_last_event
FROM clean.users AS u
CROSS JOIN temp.kpi_active_time AS t
LEFT JOIN histories AS h ON h.user_id = u.user_id;

CREATE OR REPLACE TABLE kpi.user_status_counts AS
SELECT
    known.status,
    count(s.user_id) AS users,
    (count(s.user_id) / nullif(sum(count(s.user_id)) OVER (), 0))::DOUBLE AS share
FROM (
    VALUES
        ('active'),
        ('churned'),
        ('inactive')
) AS known (status)
LEFT JOIN kpi.user_status AS s ON s.status = known.status
GROUP BY known.status
ORDER BY known.status;

-- kpi.user_engagement: what each user does.

CREATE OR REPLACE TEMP TABLE kpi_user_games AS
SELECT
    g.user_id,
    g.game_id,
    sum(g.events)::BIGINT AS events,
    count(*) FILTER (g.first_event_time < t.end_time AND g.last_event_time >= t.start_time)
    > 0 AS is_active
FROM temp.kpi_session_games AS g
CROSS JOIN temp.kpi_active_time AS t
WHERE g.game_id IS NOT NULL
GROUP BY
    g.user_id,
    g.game_id;

CREATE OR REPLACE TABLE kpi.user_engagement AS
WITH user_sessions AS (
    SELECT
        s.user_id,
        count(*) AS sessions,
        sum(s.session_seconds)::BIGINT AS session_seconds,
        sum(s.seconds_played)::BIGINT AS seconds_played
    FROM temp.kpi_sessions AS s
    GROUP BY s.user_id
),

user_days AS (
    SELECT
        e.user_id,
        e.event_time::DATE AS day
    FROM temp.kpi_events AS e
    GROUP BY
        e.user_id,
        e.event_time::DATE
),

active_times AS (
    SELECT
        d.user_id,
        count(*) AS days_active,
        count(DISTINCT date_trunc('month', d.day)) AS months_active
    FROM user_days AS d
    GROUP BY d.user_id
),

favourite_games AS (
    SELECT
        g.user_id,
        g.game_id,
        count(*) OVER (PARTITION BY g.user_id) AS games_played
    FROM temp.kpi_user_games AS g
    QUALIFY
        row_number() OVER (
            PARTITION BY g.user_id
            ORDER BY
                g.events DESC,
                g.game_id
        ) = 1
),

user_devices AS (
    SELECT
        e.user_id,
        e.device_type,
        count(*) AS events,
        count(*) FILTER (e.event_type = 'purchase') AS purchases
    FROM temp.kpi_events AS e
    GROUP BY
        e.user_id,
        e.device_type
),

-- The unknown device comes last: it is first where there is no other.
favourite_devices AS (
    SELECT
        d.user_id,
        nullif(d.device_type, 'unknown') AS device_type,
        sum(d.purchases) OVER (PARTITION BY d.user_id)::BIGINT AS purchases
    FROM user_devices AS d
    QUALIFY
        row_number() OVER (
            PARTITION BY d.user_id
            ORDER BY
                d.device_type = 'unknown',
                d.events DESC,
                d.device_type
        ) = 1
)

SELECT
    u.user_id,
    coalesce(a.events, 0) AS events,
    coalesce(s.sessions, 0) AS sessions,
    coalesce(m.days_active, 0) AS days_active,
    coalesce(m.months_active, 0) AS months_active,
    (a.events / m.months_active)::DOUBLE AS events_per_active_month,
    a.avg_time_between_events,
    (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
    (s.seconds_played / s.sessions)::DOUBLE AS avg_seconds_played,
    coalesce(s.seconds_played, 0) AS seconds_played,
    coalesce(g.games_played, 0) AS games_played,
    g.game_id AS favourite_game,
    d.device_type AS favourite_device,
    coalesce(d.purchases, 0) AS purchases,
    a.last_event_time,
    date_diff('day', a.last_event_time::DATE, t.as_of) AS days_since_last_event
FROM clean.users AS u
CROSS JOIN temp.kpi_active_time AS t
LEFT JOIN amz.user_activity('temp.kpi_events') AS a ON a.user_id = u.user_id
LEFT JOIN active_times AS m ON m.user_id = u.user_id
LEFT JOIN user_sessions AS s ON s.user_id = u.user_id
LEFT JOIN favourite_games AS g ON g.user_id = u.user_id
LEFT JOIN favourite_devices AS d ON d.user_id = u.user_id;

-- kpi.demographics: who the users are.

CREATE OR REPLACE TABLE kpi.demographics AS
SELECT
    u.dimension,
    u.value,
    count(*) AS users,
    count(*) FILTER (s.status = 'active') AS active_users,
    (count(*) / sum(count(*)) OVER (PARTITION BY u.dimension))::DOUBLE AS share,
    (count(*) FILTER (s.status = 'active') / count(*))::DOUBLE AS active_rate
FROM (
    UNPIVOT clean.users
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
) AS u
JOIN kpi.user_status AS s ON s.user_id = u.user_id
GROUP BY
    u.dimension,
    u.value
ORDER BY
    u.dimension,
    u.value;

-- kpi.game_performance: what each game brings.

CREATE OR REPLACE TABLE kpi.game_performance AS
WITH game_users AS (
    SELECT
        g.game_id,
        count(*) AS users,
        count(*) FILTER (g.is_active) AS active_users
    FROM temp.kpi_user_games AS g
    GROUP BY g.game_id
),

game_sessions AS (
    SELECT
        g.game_id,
        count(*) AS sessions,
        sum(date_sub('second', g.first_event_time, g.last_event_time))::BIGINT AS session_seconds,
        sum(g.seconds_played)::BIGINT AS seconds_played
    FROM temp.kpi_session_games AS g
    GROUP BY g.game_id
),

game_events AS (
    SELECT
        e.game_id,
        count(*) AS events,
        count(*) FILTER (e.event_type = 'start_game') AS starts,
        count(*) FILTER (e.event_type = 'finish_game') AS finishes,
        count(*) FILTER (e.event_type = 'purchase') AS purchases
    FROM temp.kpi_events AS e
    GROUP BY e.game_id
)

SELECT
    g.game_id,
    g.game_name,
    g.game_type,
    g.platform,
    g.difficulty,
    coalesce(e.events, 0) AS events,
    coalesce(u.users, 0) AS users,
    coalesce(u.active_users, 0) AS active_users,
    rank() OVER (ORDER BY coalesce(u.active_users, 0) DESC) AS rank,
    coalesce(s.sessions, 0) AS sessions,
    (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
    coalesce(s.seconds_played, 0) AS seconds_played,
    coalesce(e.starts, 0) AS starts,
    coalesce(e.finishes, 0) AS finishes,
    (e.finishes / nullif(e.starts, 0))::DOUBLE AS finish_rate,
    coalesce(e.purchases, 0) AS purchases
FROM clean.games AS g
LEFT JOIN game_events AS e ON e.game_id = g.game_id
LEFT JOIN game_users AS u ON u.game_id = g.game_id
LEFT JOIN game_sessions AS s ON s.game_id = g.game_id
ORDER BY
    rank,
    g.game_id;

-- kpi.monthly and the same by game and by location: what each month brought.

-- The three tables of months differ in what a row is about, and in nothing else: `level` is 'all',
-- 'game' or 'location'.
CREATE OR REPLACE TEMP VIEW kpi_located_events AS
SELECT
    e.user_id,
    e.event_time,
    e.event_type,
    u.location
FROM temp.kpi_events AS e
JOIN clean.users AS u ON u.user_id = e.user_id;

CREATE OR REPLACE TEMP TABLE kpi_month_activity AS
SELECT
    'all' AS level,
    NULL::BIGINT AS game_id,
    NULL::VARCHAR AS location,
    a.*
FROM amz.monthly_activity('temp.kpi_events') AS a
UNION ALL
SELECT
    'game' AS level,
    a.game_id,
    NULL AS location,
    a.* EXCLUDE (game_id)
FROM amz.monthly_activity('temp.kpi_events', col := 'game_id') AS a
UNION ALL
SELECT
    'location' AS level,
    NULL AS game_id,
    a.location,
    a.* EXCLUDE (location)
FROM amz.monthly_activity('temp.kpi_located_events', col := 'location') AS a;

CREATE OR REPLACE TEMP TABLE kpi_month_sessions AS
SELECT
    if(grouping(u.location) = 1, 'all', 'location') AS level,
    NULL::BIGINT AS game_id,
    u.location,
    date_trunc('month', s.session_start)::DATE AS month,
    count(*) AS sessions,
    sum(s.session_seconds)::BIGINT AS session_seconds
FROM temp.kpi_sessions AS s
JOIN clean.users AS u ON u.user_id = s.user_id
GROUP BY
    GROUPING SETS (
        (date_trunc('month', s.session_start)),
        (date_trunc('month', s.session_start), u.location)
    )
UNION ALL
SELECT
    'game' AS level,
    g.game_id,
    NULL AS location,
    date_trunc('month', g.first_event_time)::DATE AS month,
    count(*) AS sessions,
    sum(date_sub('second', g.first_event_time, g.last_event_time))::BIGINT AS session_seconds
FROM temp.kpi_session_games AS g
GROUP BY
    g.game_id,
    date_trunc('month', g.first_event_time);

CREATE OR REPLACE TEMP TABLE kpi_month_purchases AS
SELECT
    CASE
        WHEN grouping(e.game_id) = 0 THEN 'game'
        WHEN grouping(u.location) = 0 THEN 'location'
        ELSE 'all'
    END AS level,
    e.game_id,
    u.location,
    date_trunc('month', e.event_time)::DATE AS month,
    count(*) AS purchases
FROM temp.kpi_events AS e
JOIN clean.users AS u ON u.user_id = e.user_id
WHERE e.event_type = 'purchase'
GROUP BY
    GROUPING SETS (
        (date_trunc('month', e.event_time)),
        (date_trunc('month', e.event_time), e.game_id),
        (date_trunc('month', e.event_time), u.location)
    );

CREATE OR REPLACE TEMP TABLE kpi_months AS
WITH subjects AS (
    SELECT
        'all' AS level,
        NULL::BIGINT AS game_id,
        NULL::VARCHAR AS location
    UNION ALL
    SELECT
        'game' AS level,
        g.game_id,
        NULL AS location
    FROM clean.games AS g
    UNION ALL
    SELECT DISTINCT
        'location' AS level,
        NULL::BIGINT AS game_id,
        u.location
    FROM clean.users AS u
),

calendar AS (
    SELECT
        a.month,
        a.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
    FROM temp.kpi_month_activity AS a
    CROSS JOIN temp.kpi_active_time AS t
    WHERE a.level = 'all'
),

months AS (
    SELECT
        j.level,
        j.game_id,
        j.location,
        c.month,
        c.is_complete,
        coalesce(a.events, 0) AS events,
        coalesce(a.active_users, 0) AS active_users,
        coalesce(a.new_users, 0) AS new_users,
        if(c.is_complete, coalesce(a.churned_users, 0), NULL) AS churned_users,
        coalesce(a.reactivated_users, 0) AS reactivated_users,
        coalesce(s.sessions, 0) AS sessions,
        (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
        coalesce(p.purchases, 0) AS purchases
    FROM subjects AS j
    CROSS JOIN calendar AS c
    LEFT JOIN temp.kpi_month_activity AS a
        ON
            a.level = j.level
            AND a.game_id IS NOT DISTINCT FROM j.game_id
            AND a.location IS NOT DISTINCT FROM j.location
            AND a.month = c.month
    LEFT JOIN temp.kpi_month_sessions AS s
        ON
            s.level = j.level
            AND s.game_id IS NOT DISTINCT FROM j.game_id
            AND s.location IS NOT DISTINCT FROM j.location
            AND s.month = c.month
    LEFT JOIN temp.kpi_month_purchases AS p
        ON
            p.level = j.level
            AND p.game_id IS NOT DISTINCT FROM j.game_id
            AND p.location IS NOT DISTINCT FROM j.location
            AND p.month = c.month
),

-- The figures to compare with, of a month that has ended.
compared AS (
    SELECT
        m.*,
        if(
            m.is_complete,
            lag(
                {
                    'events': m.events,
                    'active_users': m.active_users,
                    'sessions': m.sessions,
                    'purchases': m.purchases
                }
            ) OVER subject,
            NULL
        ) AS before,
        if(
            m.is_complete,
            lag(
                {
                    'events': m.events,
                    'active_users': m.active_users,
                    'sessions': m.sessions,
                    'purchases': m.purchases
                },
                12
            ) OVER subject,
            NULL
        ) AS year_before
    FROM months AS m
    WINDOW subject AS (PARTITION BY m.level, m.game_id, m.location ORDER BY m.month)
)

SELECT
    c.* EXCLUDE (is_complete, before, year_before),
    ((c.events - c.before.events) / nullif(c.before.events, 0))::DOUBLE AS events_change,
    ((c.active_users - c.before.active_users) / nullif(c.before.active_users, 0))::DOUBLE
        AS active_users_change,
    ((c.sessions - c.before.sessions) / nullif(c.before.sessions, 0))::DOUBLE AS sessions_change,
    ((c.purchases - c.before.purchases) / nullif(c.before.purchases, 0))::DOUBLE
        AS purchases_change,
    ((c.events - c.year_before.events) / nullif(c.year_before.events, 0))::DOUBLE
        AS events_year_change,
    (
        (c.active_users - c.year_before.active_users) / nullif(c.year_before.active_users, 0)
    )::DOUBLE AS active_users_year_change,
    ((c.sessions - c.year_before.sessions) / nullif(c.year_before.sessions, 0))::DOUBLE
        AS sessions_year_change,
    ((c.purchases - c.year_before.purchases) / nullif(c.year_before.purchases, 0))::DOUBLE
        AS purchases_year_change,
    c.is_complete
FROM compared AS c;

CREATE OR REPLACE TABLE kpi.monthly AS
SELECT m.* EXCLUDE (level, game_id, location)
FROM temp.kpi_months AS m
WHERE m.level = 'all'
ORDER BY m.month;

CREATE OR REPLACE TABLE kpi.monthly_by_game AS
SELECT m.* EXCLUDE (level, location)
FROM temp.kpi_months AS m
WHERE m.level = 'game'
ORDER BY
    m.game_id,
    m.month;

CREATE OR REPLACE TABLE kpi.monthly_by_location AS
SELECT m.* EXCLUDE (level, game_id)
FROM temp.kpi_months AS m
WHERE m.level = 'location'
ORDER BY
    m.location,
    m.month;

-- kpi.seasonality: what recurs each year, and what was a one-off.

CREATE OR REPLACE TABLE kpi.seasonality AS
WITH series AS (
    SELECT
        list(m.month ORDER BY m.month) AS months,
        list(m.events ORDER BY m.month) AS events
    FROM kpi.monthly AS m
    WHERE m.is_complete
),

parts AS (
    SELECT
        unnest(s.months) AS month,
        unnest(seasonal_decompose(s.events)) AS part
    FROM series AS s
)

SELECT
    m.month,
    m.events,
    if(
        m.is_complete,
        avg(if(m.is_complete, m.events, NULL))
            OVER (ORDER BY m.month ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING),
        NULL
    ) AS trend,
    p.part.level AS level,
    p.part.seasonal_index AS seasonal_index,
    p.part.expected AS expected,
    p.part.deviation AS deviation,
    p.part.is_outlier AS is_outlier
FROM kpi.monthly AS m
LEFT JOIN parts AS p ON p.month = m.month
ORDER BY m.month;

-- Status, frequency and demographics of each month.

CREATE OR REPLACE TABLE kpi.status_by_month AS
WITH calendar AS (
    SELECT
        m.month,
        m.is_complete,
        least((m.month + INTERVAL 1 MONTH - INTERVAL 1 DAY)::DATE, t.as_of) AS last_day
    FROM kpi.monthly AS m
    CROSS JOIN temp.kpi_active_time AS t
),

-- A user's last event of a month is the last one until the user's next month: seen from the six
-- months that follow.
spans AS (
    SELECT
        m.month,
        m.last_event_time,
        lead(m.month) OVER (PARTITION BY m.user_id ORDER BY m.month) AS next_month
    FROM temp.kpi_user_months AS m
),

active AS (
    SELECT
        c.month,
        count(*) AS users
    FROM (
        SELECT
            s.*,
            unnest(range(7)) AS months_since
        FROM spans AS s
    ) AS s
    JOIN calendar AS c ON c.month = (s.month + to_months(s.months_since::INTEGER))::DATE
    WHERE
        (s.next_month IS NULL OR s.next_month > c.month)
        AND s.last_event_time >= c.last_day - INTERVAL 6 MONTH
    GROUP BY c.month
),

known AS (
    SELECT
        least(u.registration_date, s.first_event_time::DATE) AS since,
        s.first_event_time::DATE AS first_day
    FROM clean.users AS u
    JOIN kpi.user_status AS s ON s.user_id = u.user_id
),

counts AS (
    SELECT
        c.month,
        count(*) FILTER (k.since IS NULL OR k.since <= c.last_day) AS users,
        count(*) FILTER (k.first_day <= c.last_day) AS players
    FROM calendar AS c
    CROSS JOIN known AS k
    GROUP BY c.month
)

SELECT
    c.month,
    n.users,
    coalesce(a.users, 0) AS active_users,
    n.players - coalesce(a.users, 0) AS churned_users,
    n.users - n.players AS inactive_users,
    c.is_complete
FROM calendar AS c
JOIN counts AS n ON n.month = c.month
LEFT JOIN active AS a ON a.month = c.month
ORDER BY c.month;

CREATE OR REPLACE TABLE kpi.event_frequency AS
SELECT
    NULL::DATE AS month,
    count(DISTINCT u.user_id) AS users,
    coalesce(sum(u.events), 0)::BIGINT AS events,
    (sum(u.events) / nullif(count(DISTINCT u.user_id), 0))::DOUBLE AS events_per_user
FROM temp.kpi_user_months AS u
UNION ALL
SELECT
    m.month,
    m.active_users,
    m.events,
    (m.events / nullif(m.active_users, 0))::DOUBLE
FROM kpi.monthly AS m
ORDER BY month NULLS FIRST;

CREATE OR REPLACE TABLE kpi.demographics_by_month AS
WITH people AS (
    UNPIVOT clean.users
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
),

found AS (
    SELECT
        m.month,
        p.dimension,
        p.value,
        count(*) AS active_users,
        sum(m.events)::BIGINT AS events
    FROM temp.kpi_user_months AS m
    JOIN people AS p ON p.user_id = m.user_id
    GROUP BY
        m.month,
        p.dimension,
        p.value
)

SELECT
    c.month,
    v.dimension,
    v.value,
    coalesce(f.active_users, 0) AS active_users,
    coalesce(f.events, 0) AS events,
    (coalesce(f.active_users, 0) / nullif(c.active_users, 0))::DOUBLE AS share
FROM kpi.monthly AS c
CROSS JOIN (
    SELECT DISTINCT
        p.dimension,
        p.value
    FROM people AS p
) AS v
LEFT JOIN found AS f ON f.month = c.month AND f.dimension = v.dimension AND f.value = v.value
ORDER BY
    c.month,
    v.dimension,
    v.value;

-- kpi.location and kpi.location_behaviour: where users live, and what they do there.

CREATE OR REPLACE TABLE kpi.location AS
WITH locations AS (
    SELECT
        u.location,
        count(*) AS users,
        count(*) FILTER (s.status = 'active') AS active_users,
        count(*) FILTER (s.status = 'churned') AS churned_users,
        count(*) FILTER (s.status = 'inactive') AS inactive_users
    FROM clean.users AS u
    JOIN kpi.user_status AS s ON s.user_id = u.user_id
    GROUP BY u.location
)

SELECT
    l.location,
    l.users,
    l.active_users,
    (l.active_users / nullif(sum(l.active_users) OVER (), 0))::DOUBLE AS share,
    rank() OVER (ORDER BY l.active_users DESC) AS rank,
    l.churned_users,
    l.inactive_users
FROM locations AS l
ORDER BY
    rank,
    l.location;

CREATE OR REPLACE TABLE kpi.location_behaviour AS
WITH locations AS (
    SELECT
        u.location,
        count(*) FILTER (n.events > 0) AS players,
        sum(n.events)::BIGINT AS events,
        sum(n.sessions)::BIGINT AS sessions,
        sum(n.seconds_played)::BIGINT AS seconds_played,
        sum(n.purchases)::BIGINT AS purchases
    FROM clean.users AS u
    JOIN kpi.user_engagement AS n ON n.user_id = u.user_id
    GROUP BY u.location
),

location_types AS (
    SELECT
        u.location,
        g.game_type,
        sum(p.events) AS events
    FROM temp.kpi_user_games AS p
    JOIN clean.users AS u ON u.user_id = p.user_id
    JOIN clean.games AS g ON g.game_id = p.game_id
    WHERE g.game_type <> 'unknown'
    GROUP BY
        u.location,
        g.game_type
),

favourite_types AS (
    SELECT
        t.location,
        t.game_type
    FROM location_types AS t
    QUALIFY
        row_number() OVER (
            PARTITION BY t.location
            ORDER BY
                t.events DESC,
                t.game_type
        ) = 1
)

SELECT
    l.location,
    l.players,
    (l.events / nullif(l.players, 0))::DOUBLE AS events_per_user,
    (l.sessions / nullif(l.players, 0))::DOUBLE AS sessions_per_user,
    (l.seconds_played / nullif(l.players, 0))::DOUBLE AS seconds_per_user,
    (l.purchases / nullif(l.players, 0))::DOUBLE AS purchases_per_user,
    t.game_type AS favourite_game_type
FROM locations AS l
LEFT JOIN favourite_types AS t ON t.location = l.location
ORDER BY l.location;

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
            coalesce(sum(u.events), 0)::BIGINT AS events
        FROM kpi.user_engagement AS u
    ) AS f
    CROSS JOIN (SELECT count(*) AS events FROM clean.events) AS e
    CROSS JOIN temp.kpi_active_time AS t
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

DROP TABLE temp.kpi_months;

DROP TABLE temp.kpi_month_purchases;

DROP TABLE temp.kpi_month_sessions;

DROP TABLE temp.kpi_month_activity;

DROP VIEW temp.kpi_located_events;

DROP TABLE temp.kpi_user_games;

DROP TABLE temp.kpi_user_months;

DROP TABLE temp.kpi_sessions;

DROP TABLE temp.kpi_session_games;

DROP VIEW temp.kpi_events;

DROP TABLE temp.kpi_active_time;

COMMIT;

FROM kpi.user_status_counts;
