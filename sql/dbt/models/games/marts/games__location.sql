-- games__location: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='location') }}

WITH locations AS (
    SELECT
        u.location,
        count(*) AS users,
        count(*) FILTER (s.status = 'active') AS active_users,
        count(*) FILTER (s.status = 'churned') AS churned_users,
        count(*) FILTER (s.status = 'inactive') AS inactive_users
    FROM {{ ref('stg_games__users') }} AS u
    JOIN {{ ref('games__user_status') }} AS s ON s.user_id = u.user_id
    GROUP BY u.location
)

SELECT
    l.location,
    l.users,
    l.active_users,
    (l.active_users / nullif(sum(l.active_users) OVER (), 0))::DOUBLE AS share,
    rank() OVER (ORDER BY l.active_users DESC) AS rank,
    l.churned_users,
    l.inactive_users
FROM locations AS l
ORDER BY
    rank,
    l.location
