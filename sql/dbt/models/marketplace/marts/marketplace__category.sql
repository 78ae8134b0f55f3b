-- marketplace__category: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='category') }}

SELECT g.* EXCLUDE (is_category, brand)
FROM {{ ref('int_marketplace__product_groups') }} AS g
WHERE g.is_category
ORDER BY
    g.rank NULLS LAST,
    g.category_code
