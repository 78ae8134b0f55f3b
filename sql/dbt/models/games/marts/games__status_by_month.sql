-- games__status_by_month: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='status_by_month') }}

WITH calendar AS (
    SELECT
        m.month,
        m.is_complete,
        least((m.month + INTERVAL 1 MONTH - INTERVAL 1 DAY)::DATE, t.as_of) AS last_day
    FROM {{ ref('games__monthly') }} AS m
    CROSS JOIN {{ ref('int_games__active_time') }} AS t
),

-- A user's last event of a month is the last one until the user's next month: seen from the six
-- months that follow.
spans AS (
    SELECT
        m.month,
        m.last_event_time,
        lead(m.month) OVER (PARTITION BY m.user_id ORDER BY m.month) AS next_month
    FROM {{ ref('int_games__user_months') }} AS m
),

active AS (
    SELECT
        c.month,
        count(*) AS users
    FROM (
        SELECT
            s.*,
            unnest(range(7)) AS months_since
        FROM spans AS s
    ) AS s
    JOIN calendar AS c ON c.month = (s.month + to_months(s.months_since::INTEGER))::DATE
    WHERE
        (s.next_month IS NULL OR s.next_month > c.month)
        AND s.last_event_time >= c.last_day - INTERVAL 6 MONTH
    GROUP BY c.month
),

known AS (
    SELECT
        least(u.registration_date, s.first_event_time::DATE) AS since,
        s.first_event_time::DATE AS first_day
    FROM {{ ref('stg_games__users') }} AS u
    JOIN {{ ref('games__user_status') }} AS s ON s.user_id = u.user_id
),

counts AS (
    SELECT
        c.month,
        count(*) FILTER (k.since IS NULL OR k.since <= c.last_day) AS users,
        count(*) FILTER (k.first_day <= c.last_day) AS players
    FROM calendar AS c
    CROSS JOIN known AS k
    GROUP BY c.month
)

SELECT
    c.month,
    n.users,
    coalesce(a.users, 0) AS active_users,
    n.players - coalesce(a.users, 0) AS churned_users,
    n.users - n.players AS inactive_users,
    c.is_complete
FROM calendar AS c
JOIN counts AS n ON n.month = c.month
LEFT JOIN active AS a ON a.month = c.month
ORDER BY c.month
