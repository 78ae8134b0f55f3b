-- int_games__month_purchases: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    CASE
        WHEN grouping(e.game_id) = 0 THEN 'game'
        WHEN grouping(u.location) = 0 THEN 'location'
        ELSE 'all'
    END AS level,
    e.game_id,
    u.location,
    date_trunc('month', e.event_time)::DATE AS month,
    count(*) AS purchases
FROM {{ ref('int_games__events') }} AS e
JOIN {{ ref('stg_games__users') }} AS u ON u.user_id = e.user_id
WHERE e.event_type = 'purchase'
GROUP BY
    GROUPING SETS (
        (date_trunc('month', e.event_time)),
        (date_trunc('month', e.event_time), e.game_id),
        (date_trunc('month', e.event_time), u.location)
    )
