-- int_games__month_sessions: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    if(grouping(u.location) = 1, 'all', 'location') AS level,
    NULL::BIGINT AS game_id,
    u.location,
    date_trunc('month', s.session_start)::DATE AS month,
    count(*) AS sessions,
    sum(s.session_seconds)::BIGINT AS session_seconds
FROM {{ ref('int_games__sessions') }} AS s
JOIN {{ ref('stg_games__users') }} AS u ON u.user_id = s.user_id
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
FROM {{ ref('int_games__session_games') }} AS g
GROUP BY
    g.game_id,
    date_trunc('month', g.first_event_time)
