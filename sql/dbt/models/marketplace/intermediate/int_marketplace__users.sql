-- int_marketplace__users: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    v.user_id,
    min(v.first_event_time) AS first_event_time,
    max(v.last_event_time) AS last_event_time,
    sum(v.events)::BIGINT AS events,
    sum(v.views)::BIGINT AS views,
    sum(v.purchases)::BIGINT AS purchases,
    sum(v.revenue)::DECIMAL(18, 2) AS revenue
FROM {{ ref('int_marketplace__visits') }} AS v
GROUP BY v.user_id
