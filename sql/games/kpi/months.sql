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
