-- base_marketplace__all_corrections: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Corrections are of events: of all new rows, less those that were rejected now.
WITH rejected_values AS (
    SELECT
        unnest(
            [
                {'column_name': 'event_type', 'raw_value': r.event_type},
                {'column_name': 'category_id', 'raw_value': r.category_id},
                {'column_name': 'category_code', 'raw_value': r.category_code},
                {'column_name': 'brand', 'raw_value': r.brand}
            ],
            recursive := true
        )
    FROM {{ ref('base_marketplace__rejected_rows') }} AS r
),

rejected_counts AS (
    SELECT
        v.column_name,
        v.raw_value,
        count(*) AS row_count
    FROM rejected_values AS v
    GROUP BY
        v.column_name,
        v.raw_value
)

SELECT
    c.table_name,
    c.column_name,
    c.raw_value,
    c.clean_value,
    c.rule,
    sum(c.row_count)::BIGINT AS row_count
FROM (
    SELECT *
    FROM (SELECT NULL::VARCHAR AS table_name, NULL::VARCHAR AS column_name, NULL::VARCHAR AS raw_value, NULL::VARCHAR AS clean_value, NULL::VARCHAR AS rule, NULL::BIGINT AS row_count LIMIT 0)
    UNION ALL
    SELECT
        'events' AS table_name,
        s.column_name,
        s.raw_value,
        s.clean_value,
        s.rule,
        s.row_count - coalesce(r.row_count, 0) AS row_count
    FROM {{ ref('base_marketplace__spellings') }} AS s
    LEFT JOIN rejected_counts AS r ON r.column_name = s.column_name AND r.raw_value = s.raw_value
    WHERE s.raw_value IS NOT NULL AND s.clean_value IS DISTINCT FROM s.raw_value
) AS c
GROUP BY ALL
HAVING sum(c.row_count) > 0
