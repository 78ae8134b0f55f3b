-- int_marketplace__session_months: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- One row: a month and a last step of the funnel, with the number of sessions that reached it and
-- no later one.
SELECT
    s.month,
    s.last_step,
    count(*) AS sessions
FROM (
    SELECT
        date_trunc('month', v.day)::DATE AS month,
        CASE
            WHEN v.purchases > 0 THEN 3
            WHEN v.carts > 0 THEN 2
            WHEN v.views > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM {{ ref('int_marketplace__visits') }} AS v
    WHERE v.user_session NOT IN (SELECT r.user_session FROM {{ ref('int_marketplace__repeated_visits') }} AS r)
    UNION ALL
    SELECT
        date_trunc('month', r.day)::DATE AS month,
        CASE
            WHEN sum(r.purchases) > 0 THEN 3
            WHEN sum(r.carts) > 0 THEN 2
            WHEN sum(r.views) > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM {{ ref('int_marketplace__repeated_visits') }} AS r
    GROUP BY
        date_trunc('month', r.day),
        r.user_session
) AS s
GROUP BY
    s.month,
    s.last_step
