-- int_games__user_games: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    g.user_id,
    g.game_id,
    sum(g.events)::BIGINT AS events,
    count(*) FILTER (g.first_event_time < t.end_time AND g.last_event_time >= t.start_time)
    > 0 AS is_active
FROM {{ ref('int_games__session_games') }} AS g
CROSS JOIN {{ ref('int_games__active_time') }} AS t
WHERE g.game_id IS NOT NULL
GROUP BY
    g.user_id,
    g.game_id
