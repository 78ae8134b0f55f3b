-- marketplace__daily: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='daily') }}

WITH new_users AS (
    SELECT
        u.first_event_time::DATE AS day,
        count(*) AS new_users
    FROM {{ ref('int_marketplace__users') }} AS u
    GROUP BY u.first_event_time::DATE
),

days AS (
    SELECT
        v.day,
        sum(v.events)::BIGINT AS events,
        count(DISTINCT v.user_id) AS users,
        count(DISTINCT v.user_session) AS sessions,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(18, 2) AS revenue,
        count(DISTINCT v.user_session) FILTER (v.purchases > 0) AS purchase_sessions
    FROM {{ ref('int_marketplace__visits') }} AS v
    GROUP BY v.day
)

SELECT
    d.day,
    d.events,
    d.users,
    coalesce(n.new_users, 0) AS new_users,
    d.sessions,
    d.views,
    d.carts,
    d.purchases,
    d.revenue,
    coalesce(d.purchases / nullif(d.views, 0), 0)::DOUBLE AS conversion_rate,
    coalesce(d.revenue / nullif(d.purchase_sessions, 0), 0)::DOUBLE AS avg_basket
FROM days AS d
LEFT JOIN new_users AS n ON n.day = d.day
ORDER BY d.day
