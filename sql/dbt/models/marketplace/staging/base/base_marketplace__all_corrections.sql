-- base_marketplace__all_corrections: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    c.table_name,
    c.column_name,
    c.raw_value,
    c.clean_value,
    c.rule,
    sum(c.row_count)::BIGINT AS row_count
FROM (
    SELECT
        'events' AS table_name,
        'event_type' AS column_name,
        x.event_type AS raw_value,
        x.typed_type AS clean_value,
        x.type_rule AS rule,
        1 AS row_count
    FROM {{ ref('base_marketplace__exceptions') }} AS x
    WHERE x.reason IS NULL AND x.event_type <> x.typed_type
    UNION ALL
    SELECT
        'events' AS table_name,
        'category_id' AS column_name,
        x.category_id AS raw_value,
        NULL AS clean_value,
        'mangled' AS rule,
        1 AS row_count
    FROM {{ ref('base_marketplace__exceptions') }} AS x
    WHERE x.reason IS NULL AND x.category_id <> '' AND x.typed_category IS NULL
) AS c
GROUP BY ALL
