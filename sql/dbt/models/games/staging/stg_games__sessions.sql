-- stg_games__sessions: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='sessions') }}

SELECT
    g.user_id,
    g.session_number,
    min(g.first_event_time) AS session_start,
    max(g.last_event_time) AS session_end,
    date_sub('second', min(g.first_event_time), max(g.last_event_time)) AS session_seconds,
    sum(g.events)::BIGINT AS events,
    sum(g.seconds_played)::BIGINT AS seconds_played
FROM {{ ref('stg_games__session_games') }} AS g
GROUP BY
    g.user_id,
    g.session_number
