-- base_marketplace__exact_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

{% set clean_time_formats %}[
    '%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%dT%H:%M:%SZ'
]{% endset %}
-- Casts would take more than is an event. A time in one of the common ways of writing it needs no list of formats.
SELECT
    e.*,
    coalesce(
        exact_timestamp(e.event_time),
        try_strptime(e.event_time, {{ clean_time_formats }})
    ) AS typed_time,
    exact_bigint(e.product_id) AS typed_product,
    if(ltrim(e.category_id, '0123456789') = '', nullif(e.category_id, ''), NULL) AS typed_category,
    TRY_CAST(exact_decimal(e.price) AS DECIMAL(10, 2)) AS typed_price,
    exact_bigint(e.user_id) AS typed_user,
    exact_uuid(e.user_session) AS typed_session
FROM {{ ref('base_marketplace__new_rows') }} AS e
