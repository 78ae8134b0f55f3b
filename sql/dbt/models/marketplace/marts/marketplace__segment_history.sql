-- marketplace__segment_history: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='incremental', unique_key='month', full_refresh=false, schema='kpi', alias='segment_history') }}

WITH users_of_both AS (
    SELECT
        coalesce(s.user_id, b.user_id) AS user_id,
        s.segment,
        b.segment AS segment_before,
        b.name AS name_before,
        b.series AS series_before
    FROM {{ ref('marketplace__user_segments') }} AS s
    FULL JOIN (
        SELECT *
        FROM {{ ref('int_marketplace__segments_before') }} AS p
        WHERE p.segment IS NOT NULL
    ) AS b ON b.user_id = s.user_id
)

SELECT
    date_trunc('month', c.as_of)::DATE AS month,
    c.as_of,
    u.user_id,
    u.segment,
    n.name,
    if(u.segment IS NULL, NULL, c.series) AS series,
    (SELECT max(p.as_of) FROM {{ ref('int_marketplace__segments_before') }} AS p) AS as_of_before,
    u.segment_before,
    u.name_before,
    u.series_before
FROM users_of_both AS u
CROSS JOIN {{ ref('int_marketplace__segment_choice') }} AS c
LEFT JOIN {{ ref('int_marketplace__segment_names') }} AS n ON n.segment = u.segment
WHERE c.as_of IS NOT NULL
ORDER BY u.user_id
