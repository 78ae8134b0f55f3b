-- base_marketplace__new_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    e.rowid AS raw_row,
    e.*
FROM {{ source('marketplace', 'all_events') }} AS e
WHERE e.file_name IN (SELECT f.file_name FROM {{ ref('base_marketplace__files') }} AS f WHERE f.is_new)
