-- int_games__session_games: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Of a session that goes on after as_of, the events up to then: all events of the user from its
-- start on.
WITH cut_sessions AS (
    SELECT s.*
    FROM {{ ref('stg_games__sessions') }} AS s
    CROSS JOIN {{ ref('int_games__active_time') }} AS t
    WHERE s.session_start < t.end_time AND s.session_end >= t.end_time
)

SELECT g.*
FROM {{ ref('stg_games__session_games') }} AS g
CROSS JOIN {{ ref('int_games__active_time') }} AS t
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
JOIN {{ ref('int_games__events') }} AS e ON e.user_id = c.user_id AND e.event_time >= c.session_start
GROUP BY
    c.user_id,
    c.session_number,
    e.game_id
