-- int_games__events: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT e.*
FROM {{ ref('stg_games__events') }} AS e
CROSS JOIN {{ ref('int_games__active_time') }} AS t
WHERE e.event_time < t.end_time
