-- marketplace__brand: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='brand') }}

SELECT g.* EXCLUDE (is_category, category_code)
FROM {{ ref('int_marketplace__product_groups') }} AS g
WHERE NOT g.is_category
ORDER BY
    g.rank NULLS LAST,
    g.brand
