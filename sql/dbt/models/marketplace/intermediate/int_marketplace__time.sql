-- int_marketplace__time: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    d.as_of,
    (d.as_of + INTERVAL 1 DAY)::TIMESTAMP AS end_time
FROM (
    SELECT coalesce({{ amazing.parameter('marketplace_as_of') }}::DATE, max(e.event_time)::DATE) AS as_of
    FROM {{ ref('stg_marketplace__events') }} AS e
) AS d
