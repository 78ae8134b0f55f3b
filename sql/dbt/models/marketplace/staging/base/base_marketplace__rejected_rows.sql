-- base_marketplace__rejected_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    e.*,
    x.reason
FROM {{ source('marketplace', 'all_events') }} AS e
JOIN {{ ref('base_marketplace__rejected') }} AS x ON x.raw_row = e.rowid
