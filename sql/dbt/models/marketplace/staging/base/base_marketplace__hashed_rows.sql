-- base_marketplace__hashed_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

-- Casts would take more than is an event. Most values have no blanks around them: those of the others are taken off in a
-- second try.
SELECT
    t.*,
    if(t.typed_time IS NULL, NULL, (hash(t.typed_time, t.typed_product, t.typed_user) >> 1)::BIGINT) AS row_hash
FROM (
    SELECT
        r.*,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user
    FROM {{ ref('base_marketplace__rows') }} AS r
) AS t
