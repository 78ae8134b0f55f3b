-- games__user_status_counts: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='user_status_counts') }}

SELECT
    known.status,
    count(s.user_id) AS users,
    (count(s.user_id) / nullif(sum(count(s.user_id)) OVER (), 0))::DOUBLE AS share
FROM (
    VALUES
        ('active'),
        ('churned'),
        ('inactive')
) AS known (status)
LEFT JOIN {{ ref('games__user_status') }} AS s ON s.status = known.status
GROUP BY known.status
ORDER BY known.status
