-- int_games__user_months: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- One row: a user and a month with an event.
SELECT
    e.user_id,
    date_trunc('month', e.event_time)::DATE AS month,
    count(*) AS events,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time
FROM {{ ref('int_games__events') }} AS e
GROUP BY
    e.user_id,
    date_trunc('month', e.event_time)
