-- stg_marketplace__rejected_events: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='rejected_events') }}

SELECT
    x.* EXCLUDE (raw_row, typed_type, type_rule, typed_category, duplicate_file)
    REPLACE (if(x.reason = 'duplicate', x.duplicate_file, x.file_name) AS file_name)
FROM {{ ref('base_marketplace__exceptions') }} AS x
WHERE x.reason IS NOT NULL
