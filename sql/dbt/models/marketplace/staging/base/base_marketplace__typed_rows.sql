-- base_marketplace__typed_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

-- Every new row with its typed values and the reason why it is not an event, if there is one.
SELECT
    e.*,
    t.normalized AS typed_type,
    t.rule AS type_rule,
    CASE
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN typed_type IS NULL THEN 'unknown event_type'
        WHEN e.typed_product IS NULL AND coalesce(e.product_id, '') = '' THEN 'no product'
        WHEN e.typed_product IS NULL THEN 'bad product'
        WHEN e.typed_price IS NULL THEN 'bad price'
        WHEN e.typed_price < 0 THEN 'negative price'
        WHEN e.typed_user IS NULL AND coalesce(e.user_id, '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN e.typed_session IS NULL AND coalesce(e.user_session, '') = '' THEN 'no session'
        WHEN e.typed_session IS NULL THEN 'bad session'
        WHEN d.raw_row IS NOT NULL THEN 'duplicate'
    END AS reason,
    d.file_name AS duplicate_file
FROM {{ ref('base_marketplace__exact_rows') }} AS e
LEFT JOIN {{ ref('base_marketplace__event_types') }} AS t ON t.raw_value = e.event_type
LEFT JOIN {{ ref('base_marketplace__duplicates') }} AS d ON d.raw_row = e.raw_row
