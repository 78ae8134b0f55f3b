-- base_marketplace__rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    true AS is_new,
    n.*
FROM {{ ref('base_marketplace__new_rows') }} AS n
UNION ALL
SELECT
    false AS is_new,
    k.*
FROM {{ ref('base_marketplace__known_rows') }} AS k
