-- int_games__active_time: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- The time in which an event makes a user active.
SELECT
    d.as_of,
    (d.as_of - INTERVAL 6 MONTH)::TIMESTAMP AS start_time,
    (d.as_of + INTERVAL 1 DAY)::TIMESTAMP AS end_time
FROM (
    SELECT coalesce({{ amazing.parameter('games_as_of') }}::DATE, max(e.event_time)::DATE) AS as_of
    FROM {{ ref('stg_games__events') }} AS e
) AS d
