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
        count(*) AS visits,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (v.purchases > 0) AS purchase_visits,
        count(DISTINCT v.user_id) FILTER (v.purchases > 0) AS buyers
    FROM {{ ref('int_marketplace__visits') }} AS v
    GROUP BY v.day
),

-- Visits of a day that are of a session with another one in it: several users.
repeats AS (
    SELECT
        r.day,
        count(*) - count(DISTINCT r.user_session) AS visits,
        count(*) FILTER (r.purchases > 0)
        - count(DISTINCT r.user_session) FILTER (r.purchases > 0) AS purchase_visits
    FROM {{ ref('int_marketplace__repeated_visits') }} AS r
    GROUP BY r.day
)

SELECT
    d.day,
    d.events,
    d.users,
    coalesce(n.new_users, 0) AS new_users,
    d.visits - coalesce(r.visits, 0) AS sessions,
    d.views,
    d.carts,
    d.purchases,
    d.revenue,
    (d.purchases / nullif(d.views, 0))::DOUBLE AS conversion_rate,
    coalesce(d.revenue / nullif(d.purchase_visits - coalesce(r.purchase_visits, 0), 0), 0)::DOUBLE
        AS avg_basket,
    (
        (d.purchase_visits - coalesce(r.purchase_visits, 0)) / (d.visits - coalesce(r.visits, 0))
    )::DOUBLE AS session_conversion_rate,
    (d.buyers / d.users)::DOUBLE AS user_conversion_rate
FROM days AS d
LEFT JOIN new_users AS n ON n.day = d.day
LEFT JOIN repeats AS r ON r.day = d.day
ORDER BY d.day
