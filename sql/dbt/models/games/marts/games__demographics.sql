-- games__demographics: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='demographics') }}

SELECT
    u.dimension,
    u.value,
    count(*) AS users,
    count(*) FILTER (s.status = 'active') AS active_users,
    (count(*) / sum(count(*)) OVER (PARTITION BY u.dimension))::DOUBLE AS share,
    (count(*) FILTER (s.status = 'active') / count(*))::DOUBLE AS active_rate
FROM (
    UNPIVOT {{ ref('stg_games__users') }}
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
) AS u
JOIN {{ ref('games__user_status') }} AS s ON s.user_id = u.user_id
GROUP BY
    u.dimension,
    u.value
ORDER BY
    u.dimension,
    u.value
