-- base_marketplace__exceptions: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Rows that are not taken as they are, in one pass: few, as a rule.
SELECT r.* EXCLUDE (typed_time, typed_product, typed_price, typed_user)
FROM {{ ref('base_marketplace__typed_rows') }} AS r
WHERE r.reason IS NOT NULL OR r.event_type <> r.typed_type OR (r.category_id <> '' AND r.typed_category IS NULL)
