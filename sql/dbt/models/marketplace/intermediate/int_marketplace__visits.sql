-- int_marketplace__visits: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Users, days, months, funnel and cohorts are sums over the visits of a day: far fewer than events,
-- and still with users and sessions to count. Only categories and brands need the events again.
SELECT
    e.event_time::DATE AS day,
    e.user_id,
    e.user_session,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time,
    count(*) AS events,
    count(*) FILTER (e.event_type = 'view') AS views,
    count(*) FILTER (e.event_type = 'cart') AS carts,
    count(*) FILTER (e.event_type = 'purchase') AS purchases,
    coalesce(sum(e.price) FILTER (e.event_type = 'purchase'), 0)::DECIMAL(38, 2) AS revenue
FROM {{ ref('stg_marketplace__events') }} AS e
WHERE e.event_time < (SELECT t.end_time FROM {{ ref('int_marketplace__time') }} AS t)
GROUP BY
    e.event_time::DATE,
    e.user_id,
    e.user_session
