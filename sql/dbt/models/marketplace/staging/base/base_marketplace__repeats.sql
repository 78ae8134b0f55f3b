-- base_marketplace__repeats: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    f.is_new,
    e.rowid AS raw_row,
    e.*
FROM {{ source('marketplace', 'all_events') }} AS e
JOIN {{ ref('base_marketplace__files') }} AS f ON f.file_name = e.file_name
WHERE e.rowid IN (SELECT r.raw_row FROM {{ ref('base_marketplace__repeated_rows') }} AS r)
