-- base_marketplace__cast_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

{% set clean_time_formats %}[
    '%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%dT%H:%M:%SZ'
]{% endset %}
-- Casts take more than is an event: the numbers that a cast gives are checked against the text in the next view.
SELECT
    e.*,
    try_strptime(e.event_time, {{ clean_time_formats }}) AS typed_time,
    TRY_CAST(e.product_id AS BIGINT) AS cast_product,
    TRY_CAST(e.price AS DECIMAL(10, 2)) AS cast_price,
    TRY_CAST(e.user_id AS BIGINT) AS cast_user,
    TRY_CAST(e.user_session AS UUID) AS cast_session
FROM {{ ref('base_marketplace__new_rows') }} AS e
