-- base_marketplace__hashed_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

-- Only rows whose hash occurs twice are compared in full; it is of three columns, because these
-- tell nearly all rows apart and the others need not be read.
SELECT
    t.raw_row,
    if(
        t.typed_time IS NULL, NULL, (hash(t.typed_time, t.typed_product, t.typed_user) >> 1)::BIGINT
    ) AS row_hash
FROM (
    SELECT
        r.raw_row,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user
    FROM {{ ref('base_marketplace__rows') }} AS r
) AS t
