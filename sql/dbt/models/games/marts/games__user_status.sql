-- games__user_status: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='user_status') }}

WITH histories AS (
    SELECT
        e.user_id,
        min(e.event_time) AS first_event_time,
        max(e.event_time) AS last_event_time
    FROM {{ ref('stg_games__events') }} AS e
    CROSS JOIN {{ ref('int_games__active_time') }} AS t
    WHERE e.event_time < t.end_time
    GROUP BY e.user_id
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
