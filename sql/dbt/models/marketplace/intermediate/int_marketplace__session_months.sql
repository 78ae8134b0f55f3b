-- int_marketplace__session_months: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    date_trunc('month', v.day)::DATE AS month,
    CASE WHEN sum(v.purchases) > 0 THEN 3 WHEN sum(v.carts) > 0 THEN 2 WHEN sum(v.views) > 0 THEN 1 ELSE 0 END AS last_step
FROM {{ ref('int_marketplace__visits') }} AS v
GROUP BY
    date_trunc('month', v.day),
    v.user_session
