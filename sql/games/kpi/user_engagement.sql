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
