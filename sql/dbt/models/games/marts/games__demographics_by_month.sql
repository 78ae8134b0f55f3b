-- games__demographics_by_month: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='demographics_by_month') }}

WITH people AS (
    UNPIVOT {{ ref('stg_games__users') }}
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
),

found AS (
    SELECT
        m.month,
        p.dimension,
        p.value,
        count(*) AS active_users,
        sum(m.events)::BIGINT AS events
    FROM {{ ref('int_games__user_months') }} AS m
    JOIN people AS p ON p.user_id = m.user_id
    GROUP BY
        m.month,
        p.dimension,
        p.value
)

SELECT
    c.month,
    v.dimension,
    v.value,
    coalesce(f.active_users, 0) AS active_users,
    coalesce(f.events, 0) AS events,
    (coalesce(f.active_users, 0) / nullif(c.active_users, 0))::DOUBLE AS share
FROM {{ ref('games__monthly') }} AS c
CROSS JOIN (
    SELECT DISTINCT
        p.dimension,
        p.value
    FROM people AS p
) AS v
LEFT JOIN found AS f ON f.month = c.month AND f.dimension = v.dimension AND f.value = v.value
ORDER BY
    c.month,
    v.dimension,
    v.value
