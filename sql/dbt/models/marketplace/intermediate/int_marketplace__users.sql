-- int_marketplace__users: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    u.user_id,
    min(u.first_event_time) AS first_event_time,
    max(u.last_event_time) AS last_event_time,
    sum(u.events)::BIGINT AS events,
    sum(u.views)::BIGINT AS views,
    sum(u.purchases)::BIGINT AS purchases,
    sum(u.revenue)::DECIMAL(38, 2) AS revenue
FROM {{ ref('int_marketplace__user_months') }} AS u
GROUP BY u.user_id
