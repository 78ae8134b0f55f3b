-- games__user_status: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='user_status') }}

WITH histories AS (
    SELECT
        m.user_id,
        min(m.first_event_time) AS first_event_time,
        max(m.last_event_time) AS last_event_time
    FROM {{ ref('int_games__user_months') }} AS m
    GROUP BY m.user_id
)

SELECT
    u.user_id,
    CASE
        WHEN h.user_id IS NULL THEN 'inactive'
        WHEN h.last_event_time >= t.start_time THEN 'active'
        ELSE 'churned'
    END AS status,
    h.first_event_time,
    h.last_event_time,
    date_diff('day', h.last_event_time::DATE, t.as_of) AS days_since_last_event
FROM {{ ref('stg_games__users') }} AS u
CROSS JOIN {{ ref('int_games__active_time') }} AS t
LEFT JOIN histories AS h ON h.user_id = u.user_id
