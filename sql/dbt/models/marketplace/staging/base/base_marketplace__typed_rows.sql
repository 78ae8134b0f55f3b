-- base_marketplace__typed_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

-- Every new row with its typed values and the reason why it is not an event, if there is one. A number that is written
-- as DuckDB writes it is one; the others, few as a rule, need the slower look at each character.
SELECT
    e.* EXCLUDE (cast_product, cast_price, cast_user, cast_session),
    t.normalized AS typed_type,
    t.rule AS type_rule,
    CASE
        WHEN e.cast_product >= 0 AND e.cast_product::VARCHAR = e.product_id THEN e.cast_product
        WHEN regexp_full_match(e.product_id, '[0-9]+') THEN e.cast_product
    END AS typed_product,
    if(regexp_full_match(e.category_id, '[0-9]+'), e.category_id, NULL) AS typed_category,
    CASE
        WHEN e.cast_price::VARCHAR = e.price THEN e.cast_price
        WHEN regexp_full_match(e.price, '-?[0-9]+(\.[0-9]{1,2}0*)?') THEN e.cast_price
    END AS typed_price,
    CASE
        WHEN e.cast_user >= 0 AND e.cast_user::VARCHAR = e.user_id THEN e.cast_user
        WHEN regexp_full_match(e.user_id, '[0-9]+') THEN e.cast_user
    END AS typed_user,
    CASE
        WHEN e.cast_session::VARCHAR = e.user_session THEN e.cast_session
        WHEN e.cast_session::VARCHAR = lower(e.user_session) THEN e.cast_session
    END AS typed_session,
    CASE
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN typed_type IS NULL THEN 'unknown event_type'
        WHEN typed_product IS NULL AND coalesce(e.product_id, '') = '' THEN 'no product'
        WHEN typed_product IS NULL THEN 'bad product'
        WHEN typed_price IS NULL THEN 'bad price'
        WHEN typed_price < 0 THEN 'negative price'
        WHEN typed_user IS NULL AND coalesce(e.user_id, '') = '' THEN 'no user'
        WHEN typed_user IS NULL THEN 'bad user'
        WHEN typed_session IS NULL AND coalesce(e.user_session, '') = '' THEN 'no session'
        WHEN typed_session IS NULL THEN 'bad session'
        WHEN d.raw_row IS NOT NULL THEN 'duplicate'
    END AS reason,
    d.file_name AS duplicate_file
FROM {{ ref('base_marketplace__cast_rows') }} AS e
LEFT JOIN {{ ref('base_marketplace__event_types') }} AS t ON t.raw_value = e.event_type
LEFT JOIN {{ ref('base_marketplace__duplicates') }} AS d ON d.raw_row = e.raw_row
