-- base_marketplace__typed_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

{% set clean_time_formats %}[
    '%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%dT%H:%M:%SZ'
]{% endset %}
-- Every new row with its typed values and the reason why it is not an event, if there is one.
SELECT
    e.*,
    try_strptime(e.event_time, {{ clean_time_formats }}) AS typed_time,
    t.normalized AS typed_type,
    t.rule AS type_rule,
    if(regexp_full_match(e.product_id, '[0-9]+'), TRY_CAST(e.product_id AS BIGINT), NULL) AS typed_product,
    if(regexp_full_match(e.category_id, '[0-9]+'), e.category_id, NULL) AS typed_category,
    if(
        regexp_full_match(e.price, '-?[0-9]+(\.[0-9]{1,2}0*)?'),
        TRY_CAST(e.price AS DECIMAL(10, 2)),
        NULL
    ) AS typed_price,
    if(regexp_full_match(e.user_id, '[0-9]+'), TRY_CAST(e.user_id AS BIGINT), NULL) AS typed_user,
    CASE
        WHEN typed_time IS NULL THEN 'bad time'
        WHEN typed_type IS NULL THEN 'unknown event_type'
        WHEN coalesce(e.product_id, '') = '' THEN 'no product'
        WHEN typed_product IS NULL THEN 'bad product'
        WHEN typed_price IS NULL THEN 'bad price'
        WHEN typed_price < 0 THEN 'negative price'
        WHEN coalesce(e.user_id, '') = '' THEN 'no user'
        WHEN typed_user IS NULL THEN 'bad user'
        WHEN coalesce(e.user_session, '') = '' THEN 'no session'
        -- The cast also takes other spellings of a UUID.
        WHEN TRY_CAST(e.user_session AS UUID)::VARCHAR IS DISTINCT FROM lower(e.user_session) THEN 'bad session'
        WHEN d.raw_row IS NOT NULL THEN 'duplicate'
    END AS reason,
    d.file_name AS duplicate_file
FROM {{ ref('base_marketplace__new_rows') }} AS e
LEFT JOIN {{ ref('base_marketplace__event_types') }} AS t ON t.raw_value = e.event_type
LEFT JOIN {{ ref('base_marketplace__duplicates') }} AS d ON d.raw_row = e.raw_row
