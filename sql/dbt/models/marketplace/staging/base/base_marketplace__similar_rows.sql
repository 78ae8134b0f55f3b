-- base_marketplace__similar_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    e.rowid AS raw_row,
    e.*,
    hash(
        e.event_time, e.event_type, e.product_id, e.category_id, e.category_code,
        e.brand, e.price, e.user_id, e.user_session
    ) AS row_hash
FROM {{ source('marketplace', 'all_events') }} AS e
