-- games__event_frequency: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='event_frequency') }}

SELECT
    NULL::DATE AS month,
    count(DISTINCT u.user_id) AS users,
    coalesce(sum(u.events), 0)::BIGINT AS events,
    (sum(u.events) / nullif(count(DISTINCT u.user_id), 0))::DOUBLE AS events_per_user
FROM {{ ref('int_games__user_months') }} AS u
UNION ALL
SELECT
    m.month,
    m.active_users,
    m.events,
    (m.events / nullif(m.active_users, 0))::DOUBLE
FROM {{ ref('games__monthly') }} AS m
ORDER BY month NULLS FIRST
