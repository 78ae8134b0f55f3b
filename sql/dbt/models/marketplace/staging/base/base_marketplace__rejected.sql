-- base_marketplace__rejected: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set clean_before %}(
    SELECT count(*)
    FROM (SELECT NULL::TIMESTAMP AS event_time, NULL::VARCHAR AS event_type, NULL::BIGINT AS product_id, NULL::VARCHAR AS category_id, NULL::VARCHAR AS category_code, NULL::VARCHAR AS category_1, NULL::VARCHAR AS category_2, NULL::VARCHAR AS category_3, NULL::VARCHAR AS brand, NULL::DECIMAL(18, 2) AS price, NULL::BIGINT AS user_id, NULL::VARCHAR AS user_session LIMIT 0)
){% endset %}
{% set clean_has_defects %}(
    SELECT n.rows - d.rows <> e.rows - {{ clean_before }}
    FROM (SELECT count(*) AS rows FROM {{ ref('base_marketplace__new_rows') }}) AS n
    CROSS JOIN (SELECT count(*) AS rows FROM {{ ref('base_marketplace__duplicates') }} AS d WHERE d.is_new) AS d
    CROSS JOIN (SELECT count(*) AS rows FROM {{ ref('stg_marketplace__events') }}) AS e
){% endset %}
SELECT
    d.raw_row,
    'duplicate' AS reason
FROM {{ ref('base_marketplace__duplicates') }} AS d
WHERE d.is_rejected
UNION ALL
SELECT
    r.raw_row,
    r.reason
FROM {{ ref('base_marketplace__typed_new_rows') }} AS r
WHERE {{ clean_has_defects }} AND r.reason IS NOT NULL
