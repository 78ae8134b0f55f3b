-- marketplace__segment_migration: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='segment_migration') }}

SELECT
    h.as_of_before,
    h.as_of AS as_of_after,
    h.segment_before,
    h.name_before,
    h.segment AS segment_after,
    h.name AS name_after,
    count(*) AS size,
    count(*) / sum(count(*)) OVER (PARTITION BY h.segment_before) AS share,
    coalesce(any_value(h.series_before) = any_value(h.series), true) AS is_comparable
FROM {{ ref('marketplace__segment_history') }} AS h
WHERE h.as_of_before IS NOT NULL AND h.as_of = (SELECT c.as_of FROM {{ ref('int_marketplace__segment_choice') }} AS c)
GROUP BY
    h.as_of_before,
    h.as_of,
    h.segment_before,
    h.name_before,
    h.segment,
    h.name
ORDER BY
    h.segment_before NULLS LAST,
    h.segment NULLS LAST
