-- base_marketplace__values: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- The values of texts that may be misspelt, with the number of their new rows. A table, because a
-- condition on the values would be moved before the count, and be tested of each row.
SELECT
    'event_type' AS column_name,
    r.event_type AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM {{ ref('base_marketplace__rows') }} AS r
GROUP BY r.event_type
UNION ALL
SELECT
    'category_id' AS column_name,
    r.category_id AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM {{ ref('base_marketplace__rows') }} AS r
GROUP BY r.category_id
UNION ALL
SELECT
    'category_code' AS column_name,
    r.category_code AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM {{ ref('base_marketplace__rows') }} AS r
GROUP BY r.category_code
UNION ALL
SELECT
    'brand' AS column_name,
    r.brand AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM {{ ref('base_marketplace__rows') }} AS r
GROUP BY r.brand
