-- base_marketplace__values: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Values that may not stay as they are, with the number of their new rows: every type of event, and of the others those
-- that are mangled, in capitals or with blanks; every one where a vocabulary is given.
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
WHERE ltrim(trim(r.category_id), '0123456789') <> ''
GROUP BY r.category_id
UNION ALL
SELECT
    'category_code' AS column_name,
    r.category_code AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM {{ ref('base_marketplace__rows') }} AS r
WHERE
    {{ amazing.parameter('marketplace_category_codes') }} IS NOT NULL
    OR r.category_code <> lower(r.category_code)
    OR r.category_code <> trim(r.category_code, ' 	 ')
    OR contains(r.category_code, '  ')
    OR contains(r.category_code, ' .')
    OR contains(r.category_code, '. ')
GROUP BY r.category_code
UNION ALL
SELECT
    'brand' AS column_name,
    r.brand AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM {{ ref('base_marketplace__rows') }} AS r
WHERE
    {{ amazing.parameter('marketplace_brands') }} IS NOT NULL
    OR r.brand <> lower(r.brand)
    OR r.brand <> trim(r.brand, ' 	 ')
    OR contains(r.brand, '  ')
GROUP BY r.brand
