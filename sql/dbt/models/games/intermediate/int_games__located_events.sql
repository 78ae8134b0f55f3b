-- int_games__located_events: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

-- The three tables of months differ in what a row is about, and in nothing else: `level` is 'all',
-- 'game' or 'location'.
SELECT
    e.user_id,
    e.event_time,
    e.event_type,
    u.location
FROM {{ ref('int_games__events') }} AS e
JOIN {{ ref('stg_games__users') }} AS u ON u.user_id = e.user_id
