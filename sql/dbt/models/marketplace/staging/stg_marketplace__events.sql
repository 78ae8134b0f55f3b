-- stg_marketplace__events: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='events', pre_hook='{{ amazing.forget_cleaned_files(this) }}') }}

-- A join, because a filter on the reason would make each typed value twice: for the filter and for
-- the result.
SELECT
    r.typed_time AS event_time,
    r.typed_type AS event_type,
    r.typed_product AS product_id,
    r.typed_category AS category_id,
    r.typed_code AS category_code,
    nullif(string_split(r.typed_code, '.')[1], '') AS category_1,
    nullif(string_split(r.typed_code, '.')[2], '') AS category_2,
    nullif(string_split(r.typed_code, '.')[3], '') AS category_3,
    r.typed_brand AS brand,
    r.typed_price AS price,
    r.typed_user AS user_id,
    r.typed_session AS user_session
FROM {{ ref('base_marketplace__typed_new_rows') }} AS r
LEFT JOIN {{ ref('base_marketplace__duplicates') }} AS d ON d.raw_row = r.raw_row
JOIN (SELECT true AS is_event) AS x ON x.is_event = (r.reason IS NULL AND d.raw_row IS NULL)
