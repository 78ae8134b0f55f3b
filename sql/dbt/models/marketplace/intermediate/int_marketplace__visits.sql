-- int_marketplace__visits: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Days and months are sums over the visits of their days: far fewer than events, and still with users and sessions to
-- count.
SELECT
    e.event_time::DATE AS day,
    e.user_id,
    e.user_session,
    count(*) AS events,
    count(*) FILTER (e.event_type = 'view') AS views,
    count(*) FILTER (e.event_type = 'cart') AS carts,
    count(*) FILTER (e.event_type = 'purchase') AS purchases,
    coalesce(sum(e.price) FILTER (e.event_type = 'purchase'), 0)::DECIMAL(18, 2) AS revenue
FROM {{ ref('stg_marketplace__events') }} AS e
GROUP BY
    e.event_time::DATE,
    e.user_id,
    e.user_session
