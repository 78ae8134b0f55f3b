-- marketplace__funnel: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='funnel') }}

WITH events AS (
    SELECT
        date_trunc('month', e.event_time)::DATE AS month,
        e.user_id,
        e.user_session,
        CASE e.event_type WHEN 'view' THEN 1 WHEN 'cart' THEN 2 WHEN 'purchase' THEN 3 ELSE 0 END AS step_number
    FROM {{ ref('stg_marketplace__events') }} AS e
),

user_months AS (
    SELECT
        e.month,
        max(e.step_number) AS last_step
    FROM events AS e
    GROUP BY
        e.month,
        e.user_id
),

session_months AS (
    SELECT
        e.month,
        max(e.step_number) AS last_step
    FROM events AS e
    GROUP BY
        e.month,
        e.user_session
),

months AS (
    SELECT
        m.month,
        m.last_step,
        count(*) FILTER (m.is_user) AS users,
        count(*) FILTER (NOT m.is_user) AS sessions
    FROM (
        SELECT
            u.*,
            true AS is_user
        FROM user_months AS u
        UNION ALL
        SELECT
            s.*,
            false AS is_user
        FROM session_months AS s
    ) AS m
    GROUP BY
        m.month,
        m.last_step
),

month_steps AS (
    SELECT
        m.month,
        s.step_number,
        s.step,
        coalesce(sum(m.users) FILTER (m.last_step >= s.step_number), 0)::BIGINT AS users,
        coalesce(sum(m.sessions) FILTER (m.last_step >= s.step_number), 0)::BIGINT AS sessions
    FROM months AS m
    CROSS JOIN (VALUES (1, 'view'), (2, 'cart'), (3, 'purchase')) AS s (step_number, step)
    GROUP BY
        m.month,
        s.step_number,
        s.step
)

SELECT
    this.*,
    if(this.step_number < 3, coalesce(later.users / nullif(this.users, 0), 0), NULL)::DOUBLE AS next_user_rate,
    if(this.step_number < 3, coalesce(later.sessions / nullif(this.sessions, 0), 0), NULL)::DOUBLE AS next_session_rate
FROM month_steps AS this
LEFT JOIN month_steps AS later ON later.month = this.month AND later.step_number = this.step_number + 1
ORDER BY
    this.month,
    this.step_number
