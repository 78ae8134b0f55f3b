-- base_marketplace__exceptions: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT r.* EXCLUDE (typed_time, typed_product, typed_price, typed_user, typed_session)
FROM {{ ref('base_marketplace__typed_rows') }} AS r
WHERE r.reason IS NOT NULL OR r.event_type <> r.typed_type OR (r.category_id <> '' AND r.typed_category IS NULL)
