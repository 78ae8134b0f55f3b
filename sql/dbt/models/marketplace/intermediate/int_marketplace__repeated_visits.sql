-- int_marketplace__repeated_visits: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Nearly all sessions are one visit, which as it is stands for its session. The others, over midnight or of several users,
-- would count once for each of their visits.
SELECT v.*
FROM {{ ref('int_marketplace__visits') }} AS v
WHERE
    v.user_session IN (
        SELECT r.user_session
        FROM {{ ref('int_marketplace__visits') }} AS r
        GROUP BY r.user_session
        HAVING count(*) > 1
    )
