-- marketplace__monthly: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='monthly') }}

-- A change is (this month - the month before) / the month before; NULL where that month has no events or a zero.
WITH visit_months AS (
    SELECT
        date_trunc('month', v.day)::DATE AS month,
        count(DISTINCT v.user_session) AS sessions,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(18, 2) AS revenue,
        count(DISTINCT v.user_session) FILTER (v.purchases > 0) AS purchase_sessions
    FROM {{ ref('int_marketplace__visits') }} AS v
    GROUP BY date_trunc('month', v.day)
),

months AS (
    SELECT
        v.*,
        a.events,
        a.active_users AS users,
        a.new_users
    FROM visit_months AS v
    JOIN amz.monthly_activity('{{ ref('stg_marketplace__events') }}') AS a ON a.month = v.month
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
    coalesce(m.purchases / nullif(m.views, 0), 0)::DOUBLE AS conversion_rate,
    coalesce(m.revenue / nullif(m.purchase_sessions, 0), 0)::DOUBLE AS avg_basket,
    ((m.events - before.events) / nullif(before.events, 0))::DOUBLE AS events_change,
    ((m.users - before.users) / nullif(before.users, 0))::DOUBLE AS users_change,
    ((m.purchases - before.purchases) / nullif(before.purchases, 0))::DOUBLE AS purchases_change,
    ((m.revenue - before.revenue) / nullif(before.revenue, 0))::DOUBLE AS revenue_change
FROM months AS m
LEFT JOIN months AS before ON before.month = m.month - INTERVAL 1 MONTH
ORDER BY m.month
