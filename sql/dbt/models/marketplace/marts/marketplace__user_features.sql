-- marketplace__user_features: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='user_features') }}

WITH views AS (
    SELECT
        e.user_id,
        count(*) AS total_views
    FROM {{ ref('stg_marketplace__events') }} AS e
    WHERE e.event_type = 'view'
    GROUP BY e.user_id
),

purchases AS (
    SELECT
        e.user_id,
        count(*) AS total_purchases,
        sum(e.price)::DECIMAL(18, 2) AS total_spent,
        count(DISTINCT e.user_session) AS session_count
    FROM {{ ref('stg_marketplace__events') }} AS e
    WHERE e.event_type = 'purchase'
    GROUP BY e.user_id
),

last_day AS (
    SELECT coalesce({{ amazing.parameter('marketplace_as_of') }}::DATE, max(u.last_event_time)::DATE) AS as_of
    FROM {{ ref('int_marketplace__user_activity') }} AS u
)

SELECT
    u.user_id,
    u.events AS total_events,
    coalesce(v.total_views, 0) AS total_views,
    coalesce(p.total_purchases, 0) AS total_purchases,
    u.avg_time_between_events,
    coalesce(p.total_spent, 0)::DECIMAL(18, 2) AS total_spent,
    coalesce(p.total_spent / p.session_count, 0)::DOUBLE AS avg_basket,
    u.last_event_time,
    coalesce(p.total_purchases / v.total_views, 0)::DOUBLE AS conversion_rate,
    coalesce(p.total_purchases / u.events, 0)::DOUBLE AS purchase_ratio,
    date_diff('day', u.last_event_time::DATE, d.as_of) AS days_since_last_event
FROM {{ ref('int_marketplace__user_activity') }} AS u
CROSS JOIN last_day AS d
LEFT JOIN views AS v ON v.user_id = u.user_id
LEFT JOIN purchases AS p ON p.user_id = u.user_id
