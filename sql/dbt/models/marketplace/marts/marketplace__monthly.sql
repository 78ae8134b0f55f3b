-- marketplace__monthly: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='monthly') }}

-- A change is (this month - the month before) / the month before; NULL where that month has no
-- events or a zero.
WITH new_users AS (
    SELECT
        date_trunc('month', u.first_event_time)::DATE AS month,
        count(*) AS new_users
    FROM {{ ref('int_marketplace__users') }} AS u
    GROUP BY date_trunc('month', u.first_event_time)
),

sessions AS (
    SELECT
        s.month,
        sum(s.sessions)::BIGINT AS sessions,
        coalesce(sum(s.sessions) FILTER (s.last_step = 3), 0)::BIGINT AS purchase_sessions
    FROM {{ ref('int_marketplace__session_months') }} AS s
    GROUP BY s.month
),

user_sums AS (
    SELECT
        u.month,
        sum(u.events)::BIGINT AS events,
        count(*) AS users,
        sum(u.views)::BIGINT AS views,
        sum(u.carts)::BIGINT AS carts,
        sum(u.purchases)::BIGINT AS purchases,
        sum(u.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (u.purchases > 0) AS buyers
    FROM {{ ref('int_marketplace__user_months') }} AS u
    GROUP BY u.month
),

months AS (
    SELECT
        u.*,
        coalesce(n.new_users, 0) AS new_users,
        s.sessions,
        s.purchase_sessions,
        u.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
    FROM user_sums AS u
    CROSS JOIN {{ ref('int_marketplace__time') }} AS t
    JOIN sessions AS s ON s.month = u.month
    LEFT JOIN new_users AS n ON n.month = u.month
)

SELECT
    m.month,
    m.events,
    m.users,
    m.new_users,
    m.sessions,
    m.views,
    m.carts,
    m.purchases,
    m.revenue,
    (m.purchases / nullif(m.views, 0))::DOUBLE AS conversion_rate,
    coalesce(m.revenue / nullif(m.purchase_sessions, 0), 0)::DOUBLE AS avg_basket,
    if(m.is_complete, (m.events - before.events) / nullif(before.events, 0), NULL)::DOUBLE
        AS events_change,
    if(m.is_complete, (m.users - before.users) / nullif(before.users, 0), NULL)::DOUBLE
        AS users_change,
    if(
        m.is_complete, (m.purchases - before.purchases) / nullif(before.purchases, 0), NULL
    )::DOUBLE AS purchases_change,
    if(m.is_complete, (m.revenue - before.revenue) / nullif(before.revenue, 0), NULL)::DOUBLE
        AS revenue_change,
    coalesce(m.purchase_sessions / nullif(m.sessions, 0), 0)::DOUBLE AS session_conversion_rate,
    (m.buyers / m.users)::DOUBLE AS user_conversion_rate,
    (m.events / m.users)::DOUBLE AS events_per_user,
    m.is_complete
FROM months AS m
LEFT JOIN months AS before ON before.month = m.month - INTERVAL 1 MONTH
ORDER BY m.month
