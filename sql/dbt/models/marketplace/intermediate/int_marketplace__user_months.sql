-- int_marketplace__user_months: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- One row: a month and a user, with the last step of the funnel that the user reached.
SELECT
    date_trunc('month', v.day)::DATE AS month,
    v.user_id,
    min(v.first_event_time) AS first_event_time,
    max(v.last_event_time) AS last_event_time,
    sum(v.events)::BIGINT AS events,
    sum(v.views)::BIGINT AS views,
    sum(v.carts)::BIGINT AS carts,
    sum(v.purchases)::BIGINT AS purchases,
    sum(v.revenue)::DECIMAL(38, 2) AS revenue,
    CASE
        WHEN sum(v.purchases) > 0 THEN 3
        WHEN sum(v.carts) > 0 THEN 2
        WHEN sum(v.views) > 0 THEN 1
        ELSE 0
    END AS last_step
FROM {{ ref('int_marketplace__visits') }} AS v
GROUP BY
    date_trunc('month', v.day),
    v.user_id
