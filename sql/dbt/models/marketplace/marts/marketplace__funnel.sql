-- marketplace__funnel: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='funnel') }}

WITH months AS (
    SELECT
        u.month,
        u.last_step,
        count(*) AS users,
        0 AS sessions
    FROM {{ ref('int_marketplace__user_months') }} AS u
    GROUP BY
        u.month,
        u.last_step
    UNION ALL
    SELECT
        s.month,
        s.last_step,
        0 AS users,
        s.sessions
    FROM {{ ref('int_marketplace__session_months') }} AS s
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
    if(this.step_number < 3, coalesce(later.users / nullif(this.users, 0), 0), NULL)::DOUBLE
        AS next_user_rate,
    if(this.step_number < 3, coalesce(later.sessions / nullif(this.sessions, 0), 0), NULL)::DOUBLE
        AS next_session_rate
FROM month_steps AS this
LEFT JOIN month_steps AS later
    ON later.month = this.month AND later.step_number = this.step_number + 1
ORDER BY
    this.month,
    this.step_number
