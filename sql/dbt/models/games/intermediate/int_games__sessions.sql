-- int_games__sessions: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    g.user_id,
    g.session_number,
    min(g.first_event_time) AS session_start,
    date_sub('second', min(g.first_event_time), max(g.last_event_time)) AS session_seconds,
    sum(g.seconds_played)::BIGINT AS seconds_played
FROM {{ ref('int_games__session_games') }} AS g
GROUP BY
    g.user_id,
    g.session_number
