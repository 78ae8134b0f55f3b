-- base_marketplace__similar_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    e.rowid AS raw_row,
    e.*,
    (hash(e.event_time, e.product_id, e.user_id) >> 1)::BIGINT AS row_hash
FROM {{ source('marketplace', 'all_events') }} AS e
